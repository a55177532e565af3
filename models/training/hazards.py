"""Hazard heads: how fast GPUs fail within a piece of time, given that they lived to its start.

Each piece (0-7, 7-30, 30-90 days) is learned by a boosted Poisson regression of "failed within the piece" on the
features, over the rows that are at risk at its start, with the time at risk as exposure: a piecewise exponential
survival model whose three rates know nothing of each other.

A fleet whose every failure rate was multiplied by K lives K times as fast: its time at risk counts K-fold, which gives
back the natural rate. What a GPU shows does not depend on K. The rest of the error is that GPUs of unseen frailty die
out sooner in such a fleet, so K is kept small and what is judged comes from fleets at their natural rate.
"""

from dataclasses import dataclass

import numpy as np
import xgboost as xgb

from dataset import HORIZONS, Dataset

#: Rate of a margin of 0, failures per piece: the common level of all heads before anything is learned.
BASE_RATE = 0.01

PARAMETERS = {
    "objective": "count:poisson",
    "eta": 0.06,
    "max_depth": 4,
    "min_child_weight": 8.0,
    "lambda": 4.0,
    "subsample": 0.7,
    "colsample_bynode": 0.3,
    "max_bin": 128,
    "tree_method": "hist",
    "max_delta_step": 0.7,
    "nthread": 1,
    "seed": 1,
}
ROUNDS = 260
PATIENCE = 25


@dataclass
class AtRisk:
    """Rows at risk of one piece."""

    rows: np.ndarray
    failed: np.ndarray
    #: Share of the piece that the row was at risk, times the fleet's factor on failure rates.
    exposure: np.ndarray


def at_risk(data: Dataset, piece: int) -> AtRisk:
    start = HORIZONS[piece - 1] if piece > 0 else 0.0
    end = HORIZONS[piece]
    rows = np.flatnonzero(data.days > start)
    days = data.days[rows]
    exposure = (np.minimum(days, end) - start) / (end - start)
    # A failure in the first instants is a failure all the same: an hour of exposure at least.
    exposure = np.maximum(exposure, 1 / 24 / (end - start)) * data.scale[rows]
    return AtRisk(rows, (days <= end).astype(np.float32), exposure)


def matrix(data: Dataset, piece: int) -> xgb.DMatrix:
    """Rows at risk. The offset holds time at risk and over-sampling, so trees learn the natural rate alone."""
    risk = at_risk(data, piece)
    return xgb.DMatrix(data.x[risk.rows], label=risk.failed, base_margin=np.log(risk.exposure * BASE_RATE))


def train_hazard(train: Dataset, watch: Dataset, piece: int) -> xgb.Booster:
    """One head, as many rounds as help on GPUs it was not trained on."""
    booster = xgb.train(
        PARAMETERS,
        matrix(train, piece),
        num_boost_round=ROUNDS,
        evals=[(matrix(watch, piece), "watch")],
        early_stopping_rounds=PATIENCE,
        verbose_eval=False,
    )
    return booster[: booster.best_iteration + 1]


TYPE_PARAMETERS = {
    "objective": "multi:softprob",
    "num_class": 5,
    "eta": 0.1,
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
TYPE_ROUNDS = 50


def train_types(train: Dataset, watch: Dataset) -> xgb.Booster:
    """Which kind of failure, learned on the rows that fail within the last horizon."""

    def failing(data: Dataset) -> xgb.DMatrix:
        rows = np.flatnonzero(data.days <= HORIZONS[-1])
        return xgb.DMatrix(data.x[rows], label=data.kind[rows], base_margin=np.zeros(len(rows) * 5))

    booster = xgb.train(
        TYPE_PARAMETERS,
        failing(train),
        num_boost_round=TYPE_ROUNDS,
        evals=[(failing(watch), "watch")],
        early_stopping_rounds=PATIENCE,
        verbose_eval=False,
    )
    return booster[: booster.best_iteration + 1]


def margins(booster: xgb.Booster, x: np.ndarray, targets: int = 1) -> np.ndarray:
    """Sum of the trees alone, [rows] or [rows, targets]."""
    data = xgb.DMatrix(x, base_margin=np.zeros(len(x) * targets))
    return booster.predict(data, output_margin=True)
