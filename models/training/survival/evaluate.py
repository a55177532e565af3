"""Cross-validation: every GPU is scored by models that never saw it, and so are its rivals' scores made."""

from dataclasses import dataclass

import numpy as np
import pandas
from lifelines import CoxPHFitter, KaplanMeierFitter

from . import hazard
from .artefact import Baseline, last_quarter
from .curve import RISK_DAYS
from .lives import DAYS_PER_YEAR, FEATURES, Lives

FOLDS = 5
#: What the register of the engine can tell of a GPU, beside its age.
REGISTER = ["batch_new", "cage", "slot"]
#: Ages at which GPUs are looked at for calibration, years.
LANDMARKS = np.arange(0, 5.5, 0.5)


@dataclass
class Scores:
    """Out-of-fold scores of one split of all GPUs, in the order of the lives.

    risk: scores by name of the model; the greater, the sooner it should fail. landmark_days: [N] age at which the GPU
    is looked at for calibration. expected: [N, 3] cumulative hazards of 30, 90 and 365 days from there, NaN of a GPU
    that was not alive then; within: the same up to the end of its life.
    """

    risk: dict[str, np.ndarray]
    landmark_days: np.ndarray
    expected: np.ndarray
    within: np.ndarray


def cross_validate(lives: Lives, seed: int) -> Scores:
    rng = np.random.default_rng(seed)
    fold = rng.permutation(len(lives)) % FOLDS
    landmark = rng.choice(LANDMARKS, len(lives)) * DAYS_PER_YEAR
    horizons = [30.0, 90.0, 365.0]
    scores = Scores({}, landmark, np.full((len(lives), 3), np.nan), np.full((len(lives), 3), np.nan))
    for held_out in range(FOLDS):
        train, rows = lives.take(np.flatnonzero(fold != held_out)), np.flatnonzero(fold == held_out)
        test = lives.take(rows)
        forest = hazard.train(train, seed)
        model = Baseline(forest, last_quarter(train), train.yearly_rate)
        at_birth = np.zeros(len(test))
        found = {
            "age only": np.zeros(len(test)),
            "Kaplan–Meier by batch and cage": kaplan_meier(train, test),
            "Cox": cox(train, test, linear),
            "Cox, positions as categories": cox(train, test, categories),
            "baseline, of batch, cage and slot": model.cumulative_hazard(only(test.x, REGISTER), at_birth, [RISK_DAYS])[:, 0],
            "baseline": model.cumulative_hazard(test.x, at_birth, [RISK_DAYS])[:, 0],
        }
        for name, risk in found.items():
            scores.risk.setdefault(name, np.zeros(len(lives)))[rows] = risk
        alive = rows[test.days > landmark[rows]]
        x, age = lives.x[alive], landmark[alive]
        scores.expected[alive] = model.cumulative_hazard(x, age, horizons)
        for column, horizon in enumerate(horizons):
            scores.within[alive, column] = up_to(model, x, age, np.minimum(lives.days[alive] - age, horizon))
        print(f"  seed {seed}, fold {held_out + 1} of {FOLDS}", flush=True)
    return scores


def up_to(model: Baseline, x: np.ndarray, age_days: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Cumulative hazard of each GPU over its own number of days, in ten-day steps of the curve."""
    grid = np.arange(10.0, days.max() + 10, 10)
    sums = np.column_stack([np.zeros(len(x)), model.cumulative_hazard(x, age_days, grid.tolist())])
    points = np.concatenate([[0], grid])
    return np.array([np.interp(end, points, row) for end, row in zip(days, sums)])


def only(x: np.ndarray, names: list[str]) -> np.ndarray:
    """Columns of these names, the others absent."""
    known = np.isin(FEATURES[1:], names)
    return np.where(known, x, np.nan).astype(np.float32)


def kaplan_meier(train: Lives, test: Lives) -> np.ndarray:
    """Failed by five years, by the curve of the GPU's batch and cage; the last value holds where it ends before."""
    columns = [FEATURES.index(name) - 1 for name in ("batch_new", "cage")]
    result = np.zeros(len(test))
    for group in np.unique(train.x[:, columns], axis=0):
        inside = (train.x[:, columns] == group).all(axis=1)
        curve = KaplanMeierFitter().fit(train.days[inside], train.dead[inside])
        result[(test.x[:, columns] == group).all(axis=1)] = 1 - curve.predict(RISK_DAYS)
    return result


def cox(train: Lives, test: Lives, columns) -> np.ndarray:
    """Log of the partial hazard."""
    frame = columns(train).assign(days=train.days, dead=train.dead)
    return CoxPHFitter().fit(frame, "days", "dead").predict_log_partial_hazard(columns(test)).to_numpy()


def linear(lives: Lives) -> pandas.DataFrame:
    names = ["batch_new", "col", "row", "cage", "slot", "node"]
    return pandas.DataFrame({name: lives.x[:, FEATURES.index(name) - 1].astype(float) for name in names})


def categories(lives: Lives) -> pandas.DataFrame:
    frame = linear(lives).assign(col_odd=lives.x[:, FEATURES.index("col_odd") - 1].astype(float))
    for name, count in [("cage", 3), ("slot", 8), ("node", 4)]:
        for value in range(1, count):
            frame[f"{name}_{value}"] = (frame[name] == value).astype(float)
        frame = frame.drop(columns=name)
    return frame
