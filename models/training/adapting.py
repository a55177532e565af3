"""Goes on from a model by what became of the GPUs of a history: heads made bolder or more timid, then trees in common.

A history is told in failing GPUs, of which it has few, so that is what its rows are weighed in, and what penalties and
priors are counted in. Rows of a mean weight of 1 would do for many fleets; in a history whose survivors stand for twenty
others each failure would count for a tenth of one, and trees would hardly dare to say anything.
"""

from dataclasses import replace

import numpy as np
import xgboost as xgb

import calibration
from augment import with_fields_dropped
from hazards import BASE_RATE, PARAMETERS, PATIENCE, AtRisk, Size, at_risk, joined, margins, stretched
from horizons import HORIZONS
from training_set import TrainingSet

#: Parts of the GPUs, each of which says once when to stop and how far to trust what the others say.
FOLDS = 5
#: Less deep trees than a head's, for failures are few.
SIZE = Size(100, 3, 0.15)
#: Rows are weighed in failing GPUs, so leaves may be as light, and as little held back, as those of a risk that is known.
PARAMETERS_OF_HISTORY = {**PARAMETERS, "min_child_weight": 0.5, "lambda": 1.0}


def adapt(heads: list[xgb.Booster], history: TrainingSet, constraints: list[int]) -> tuple[list[xgb.Booster], np.ndarray]:
    """Heads that go on from others, and the slope and intercept of each, [pieces, 2]."""
    history = in_failing_gpus(history)
    factors = [calibration.stretch(margins(head, history.x), history, piece) for piece, head in enumerate(heads)]
    heads = [stretched(head, factor) for head, factor in zip(heads, factors)]
    told = np.column_stack([margins(head, history.x) for head in heads])
    unseen, learned = np.zeros_like(told), []
    part = parts(history)
    for number in range(FOLDS):
        held = part == number
        shared = train_shared(history.take(~held), history.take(held), heads, constraints, seed=number)
        unseen[held] = told[held] + margins(shared, history.x[held])[:, None]
        learned.append(stretched(shared, 1 / FOLDS))
    return [joined(head, *learned) for head in heads], calibration.calibrate_unseen(history, unseen)


def in_failing_gpus(history: TrainingSet) -> TrainingSet:
    """The rows, those that fail weighing together as much as there are GPUs among them: a GPU of many rows fails once."""
    fails = history.columns["days_to_failure"] <= HORIZONS[-1]
    gpus = len(np.unique(history.columns["gpu"][fails]))
    scale = gpus / max(history.weight[fails].sum(), 1e-9) if gpus else 1 / history.weight.mean()
    return replace(history, columns={**history.columns, "weight": scale * history.weight})


def parts(history: TrainingSet) -> np.ndarray:
    """Part of each row, all rows of a GPU in one, and of the failing GPUs as many in each."""
    gpu = history.columns["gpu"].astype(int)
    fails = np.zeros(gpu.max() + 1, bool)
    np.logical_or.at(fails, gpu, history.columns["type"] >= 0)
    part, rng = np.zeros(len(fails), int), np.random.default_rng(3)
    for group in (np.flatnonzero(fails), np.flatnonzero(~fails)):
        part[rng.permutation(group)] = np.arange(len(group)) % FOLDS
    return part[gpu]


def train_shared(
    learns: TrainingSet, watches: TrainingSet, heads: list[xgb.Booster], constraints: list[int], seed: int = 0
) -> xgb.Booster:
    """Trees for all heads alike, on top of them, as many rounds as help on GPUs that they were not trained on.

    A history holds a few dozen failures a piece, too few to tell a head's trees from chance; what makes a GPU riskier than
    a head says mostly does so in every piece. Each row is there once as it is and once with fields left out.
    """
    offsets = [level(learns, piece, head) for piece, head in enumerate(heads)]

    def pieces(data: TrainingSet) -> xgb.DMatrix:
        risks = [at_risk(data, piece, truth=False) for piece in range(len(heads))]
        rows, failed, exposure, weight = (np.concatenate([getattr(risk, name) for risk in risks]) for name in AtRisk.__dataclass_fields__)
        told = np.concatenate([offset + margins(head, data.x[risk.rows]) for head, offset, risk in zip(heads, offsets, risks)])
        return xgb.DMatrix(data.x[rows], label=failed, weight=weight, base_margin=told + np.log(exposure * BASE_RATE))

    booster = xgb.train(
        {**PARAMETERS_OF_HISTORY, "max_depth": SIZE.depth, "eta": SIZE.eta, "monotone_constraints": tuple(constraints), "seed": seed},
        pieces(with_fields_dropped(learns, 11 + seed)),
        num_boost_round=SIZE.rounds,
        evals=[(pieces(watches), "watch")],
        early_stopping_rounds=PATIENCE,
        verbose_eval=False,
    )
    return booster[: booster.best_iteration + 1]


def level(data: TrainingSet, piece: int, head: xgb.Booster) -> float:
    """Logarithm of failures over those that a head expects."""
    risk = at_risk(data, piece, truth=False)
    expected = risk.weight * risk.exposure * BASE_RATE * np.exp(margins(head, data.x[risk.rows]))
    return float(np.log(max((risk.weight * risk.failed).sum(), 0.5) / expected.sum()))
