"""Cross-validation: every GPU is scored by models that never saw it, and so are its rivals' scores made."""

from dataclasses import dataclass
from typing import Callable

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
    is looked at for calibration. expected: by name of those that tell probabilities, [N, 3] cumulative hazards of 30, 90
    and 365 days from there, NaN of a GPU that was not alive then; within: the same up to the end of its life.
    """

    risk: dict[str, np.ndarray]
    landmark_days: np.ndarray
    expected: dict[str, np.ndarray]
    within: dict[str, np.ndarray]


BASELINE, KAPLAN_MEIER, COX = "baseline", "Kaplan–Meier by batch and cage", "Cox"
HORIZONS = (30.0, 90.0, 365.0)
#: Cumulative hazards of some GPUs [N] from birth to ages [N] in days.
Hazards = Callable[[np.ndarray], np.ndarray]


def cross_validate(lives: Lives, seed: int) -> Scores:
    rng = np.random.default_rng(seed)
    fold = rng.permutation(len(lives)) % FOLDS
    landmark = rng.choice(LANDMARKS, len(lives)) * DAYS_PER_YEAR
    nothing = {name: np.full((len(lives), len(HORIZONS)), np.nan) for name in (KAPLAN_MEIER, COX, BASELINE)}
    scores = Scores({}, landmark, nothing, {name: figures.copy() for name, figures in nothing.items()})
    for held_out in range(FOLDS):
        train, rows = lives.take(np.flatnonzero(fold != held_out)), np.flatnonzero(fold == held_out)
        test = lives.take(rows)
        forest = hazard.train(train, seed)
        model = Baseline(forest, last_quarter(train), train.yearly_rate)
        at_birth = np.zeros(len(test))
        curves = {KAPLAN_MEIER: kaplan_meier(train, test), COX: cox(train, test, linear)}
        found = {
            "age only": np.zeros(len(test)),
            **{name: hazards(np.full(len(test), RISK_DAYS)) for name, hazards in curves.items()},
            "Cox, positions as categories": cox(train, test, categories)(np.full(len(test), RISK_DAYS)),
            "baseline, of batch, cage and slot": model.cumulative_hazard(only(test.x, REGISTER), at_birth, [RISK_DAYS])[:, 0],
            BASELINE: model.cumulative_hazard(test.x, at_birth, [RISK_DAYS])[:, 0],
        }
        for name, risk in found.items():
            scores.risk.setdefault(name, np.zeros(len(lives)))[rows] = risk
        alive = test.days > landmark[rows]
        age, end = landmark[rows], test.days
        x, there = test.x[alive], rows[alive]
        scores.expected[BASELINE][there] = model.cumulative_hazard(x, age[alive], list(HORIZONS))
        for column, horizon in enumerate(HORIZONS):
            scores.within[BASELINE][there, column] = up_to(model, x, age[alive], np.minimum((end - age)[alive], horizon))
            for name, hazards in curves.items():
                scores.expected[name][there, column] = (hazards(age + horizon) - hazards(age))[alive]
                scores.within[name][there, column] = (hazards(np.minimum(age + horizon, end)) - hazards(age))[alive]
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


def kaplan_meier(train: Lives, test: Lives) -> Hazards:
    """By the curve of the GPU's batch and cage; the last value holds where it ends before."""
    columns = [FEATURES.index(name) - 1 for name in ("batch_new", "cage")]
    groups = [
        ((test.x[:, columns] == group).all(axis=1), KaplanMeierFitter().fit(train.days[inside], train.dead[inside]))
        for group in np.unique(train.x[:, columns], axis=0)
        for inside in [(train.x[:, columns] == group).all(axis=1)]
    ]

    def hazards(ages: np.ndarray) -> np.ndarray:
        result = np.zeros(len(test))
        for members, curve in groups:
            result[members] = -np.log(curve.predict(ages[members]))
        return result

    return hazards


def cox(train: Lives, test: Lives, columns: Callable[[Lives], pandas.DataFrame]) -> Hazards:
    frame = columns(train).assign(days=train.days, dead=train.dead)
    fitted = CoxPHFitter().fit(frame, "days", "dead")
    partial = fitted.predict_partial_hazard(columns(test)).to_numpy()
    base = fitted.baseline_cumulative_hazard_.iloc[:, 0]
    return lambda ages: partial * np.interp(ages, base.index.to_numpy(), base.to_numpy())


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
