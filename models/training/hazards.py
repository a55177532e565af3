"""Hazard heads: how fast GPUs fail within a piece of time, given that they lived to its start.

Each piece (0-7, 7-30, 30-90 days) is learned by a boosted Poisson regression of failures on the features, over the rows
that are at risk at its start, with the time at risk as exposure: a piecewise exponential survival model whose three
rates know nothing of each other.

On a simulated fleet the risk of every row is known: the expectation of the outcome. Learning from it teaches the same
rate as learning from who happened to fail, without the noise of chance: of a hundred rows one fails. The champion learns
from a risk with less noise still (teacher.py).
"""

import json
from dataclasses import dataclass

import numpy as np
import xgboost as xgb

from horizons import FAILURE_TYPES, HORIZONS
from training_set import TrainingSet

#: Rate of a margin of 0, failures per piece: the common level of all heads before anything is learned.
BASE_RATE = 0.01

PARAMETERS = {
    "objective": "count:poisson",
    "min_child_weight": 2.0,
    "lambda": 4.0,
    "subsample": 0.7,
    "colsample_bynode": 0.4,
    "max_bin": 128,
    "tree_method": "hist",
    "max_delta_step": 0.7,
    "nthread": 1,
    "seed": 1,
}
#: A risk that is known has no noise of chance: leaves may be finer than those of outcomes.
PARAMETERS_OF_TRUTH = {**PARAMETERS, "min_child_weight": 0.5, "lambda": 1.0, "colsample_bynode": 0.7}
PATIENCE = 10


@dataclass(frozen=True)
class Size:
    """How many trees a head may have, how deep they are, and how much each adds."""

    rounds: int
    depth: int
    eta: float


#: Chosen on fleets of training alone, by tuning.py, when the true risk taught. Taught by the observer, deeper trees explain
#: more (docs/models/tuning.md), but cost four times as much to explain: docs/model.md, how good the champion is.
SIZE = Size(80, 4, 0.15)


@dataclass
class AtRisk:
    """Rows at risk of one piece."""

    rows: np.ndarray
    #: Failures within the piece: 0 or 1, or the chance of one where the truth is known.
    failed: np.ndarray
    #: Share of the piece that the row was, or is expected to be, at risk.
    exposure: np.ndarray
    #: GPUs that the row stands for, times the chance to live to the start of the piece where the truth is known.
    weight: np.ndarray


def at_risk(data: TrainingSet, piece: int, truth: bool = True) -> AtRisk:
    """@param truth learn from the true risk of those rows that have it, instead of the outcome"""
    known = data.has_truth if truth else np.zeros(len(data), bool)
    parts = [by_truth(data, np.flatnonzero(known), piece), by_outcome(data, np.flatnonzero(~known), piece)]
    return AtRisk(*(np.concatenate([getattr(part, name) for part in parts]) for name in AtRisk.__dataclass_fields__))


def by_outcome(data: TrainingSet, rows: np.ndarray, piece: int) -> AtRisk:
    start, end = bounds(piece)
    rows = rows[data.columns["exit_days"][rows] > start]
    exit_days = data.columns["exit_days"][rows]
    failed = data.columns["days_to_failure"][rows] <= end
    exposure = (np.minimum(exit_days, end) - start) / (end - start)
    # A failure in the first instants is a failure all the same: an hour of exposure at least.
    exposure = np.maximum(exposure, 1 / 24 / (end - start))
    return AtRisk(rows, failed.astype(np.float64), exposure, data.weight[rows])


def by_truth(data: TrainingSet, rows: np.ndarray, piece: int) -> AtRisk:
    if len(rows) == 0:
        return AtRisk(rows, *(np.zeros(0) for _ in range(3)))
    risk = np.clip(data.true_risk()[rows], 0, 1 - 1e-6)
    before = risk[:, piece - 1] if piece > 0 else np.zeros(len(rows))
    failed = np.clip((risk[:, piece] - before) / (1 - before), 1e-9, 1 - 1e-6)
    # At a constant hazard h the expected time at risk is (1 - exp(-h)) / h of the piece.
    return AtRisk(rows, failed, failed / -np.log1p(-failed), data.weight[rows] * (1 - before))


def bounds(piece: int) -> tuple[float, float]:
    return (HORIZONS[piece - 1] if piece > 0 else 0.0), HORIZONS[piece]


def matrix(data: TrainingSet, piece: int, truth: bool) -> xgb.DMatrix:
    """Rows at risk. The margin to begin with holds the time at risk, so trees learn the rate alone."""
    risk = at_risk(data, piece, truth)
    margin = np.log(risk.exposure * BASE_RATE)
    return xgb.DMatrix(data.x[risk.rows], label=risk.failed, weight=risk.weight / risk.weight.mean(), base_margin=margin)


def train_hazard(
    train: TrainingSet, watch: TrainingSet, piece: int, constraints: list[int], truth: bool, size: Size = SIZE
) -> xgb.Booster:
    """One head, as many rounds as help on GPUs it was not trained on.

    @param constraints of each feature: 1 where the rate must not fall with it, -1 where it must not rise, else 0
    """
    parameters = PARAMETERS_OF_TRUTH if truth and train.has_truth.all() else PARAMETERS
    booster = xgb.train(
        {**parameters, "max_depth": size.depth, "eta": size.eta, "monotone_constraints": tuple(constraints)},
        matrix(train, piece, truth),
        num_boost_round=size.rounds,
        evals=[(matrix(watch, piece, truth), "watch")],
        early_stopping_rounds=PATIENCE,
        verbose_eval=False,
    )
    return booster[: booster.best_iteration + 1]


def joined(*parts: xgb.Booster) -> xgb.Booster:
    """A head with the trees of others behind its own."""
    raw, *others = (json.loads(booster.save_raw("json")) for booster in parts)
    model = raw["learner"]["gradient_booster"]["model"]
    for other in others:
        behind, before = other["learner"]["gradient_booster"]["model"], len(model["trees"])
        model["trees"] += [{**tree, "id": before + place} for place, tree in enumerate(behind["trees"])]
        model["tree_info"] += behind["tree_info"]
        model["iteration_indptr"] += [before + end for end in behind["iteration_indptr"][1:]]
    model["gbtree_model_param"]["num_trees"] = str(len(model["trees"]))
    made = xgb.Booster()
    made.load_model(bytearray(json.dumps(raw).encode()))
    return made


def stretched(booster: xgb.Booster, factor: float) -> xgb.Booster:
    """A head whose every tree says so many times as much."""
    raw = json.loads(booster.save_raw("json"))
    for tree in raw["learner"]["gradient_booster"]["model"]["trees"]:
        # A leaf's value stands where an inner node has its threshold.
        tree["split_conditions"] = [
            value * factor if left == -1 else value for value, left in zip(tree["split_conditions"], tree["left_children"])
        ]
    made = xgb.Booster()
    made.load_model(bytearray(json.dumps(raw).encode()))
    return made


TYPE_PARAMETERS = {
    "objective": "multi:softprob",
    "num_class": len(FAILURE_TYPES),
    "eta": 0.25,
    "max_depth": 3,
    "min_child_weight": 2.0,
    "lambda": 4.0,
    "subsample": 0.7,
    "colsample_bynode": 0.5,
    "max_bin": 128,
    "tree_method": "hist",
    "nthread": 1,
    "seed": 1,
}
TYPE_ROUNDS = 16


def train_types(train: TrainingSet, watch: TrainingSet, base: xgb.Booster | None = None) -> xgb.Booster:
    """Which kind of failure, learned on the rows that fail within the last horizon."""

    def failing(data: TrainingSet) -> xgb.DMatrix:
        rows = np.flatnonzero(data.columns["days_to_failure"] <= HORIZONS[-1])
        kinds = data.columns["type"][rows]
        margin = np.zeros(len(rows) * len(FAILURE_TYPES))
        return xgb.DMatrix(data.x[rows], label=kinds, weight=data.weight[rows], base_margin=margin)

    booster = xgb.train(
        TYPE_PARAMETERS,
        failing(train),
        num_boost_round=TYPE_ROUNDS,
        evals=[(failing(watch), "watch")],
        early_stopping_rounds=PATIENCE,
        verbose_eval=False,
        xgb_model=base,
    )
    return booster[: booster.best_iteration + 1]


def margins(booster: xgb.Booster, x: np.ndarray, targets: int = 1) -> np.ndarray:
    """Sum of the trees alone, [rows] or [rows, targets]."""
    data = xgb.DMatrix(x, base_margin=np.zeros(len(x) * targets))
    return booster.predict(data, output_margin=True)
