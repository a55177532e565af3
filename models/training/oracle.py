"""The two ceilings of a model on simulated fleets, beside plain boosting.

All-knowing: the true risk. Observable: what the telemetry of the last eight days tells at best, by the filter of
defect_filter.py, then boosting on the true risk over the fleets of training. Both are ceilings for models of telemetry
only as far as they are calibrated and no model beats them.

An observable oracle learns from at least 20 fleets, none of which it is asked about.
"""

from pathlib import Path

import numpy as np
import xgboost

from defect_filter import DefectFilter
from horizons import FAILURE_TYPES, HORIZONS
from training_set import TrainingSet, is_full, read_training_set

PARAMETERS = {
    "objective": "reg:logistic", "eta": 0.05, "max_depth": 5, "min_child_weight": 2.0, "subsample": 0.7,
    "colsample_bytree": 0.5, "lambda": 5.0, "seed": 3, "nthread": 1,
}  # fmt: skip
ROUNDS = 600


def full_windows(data: TrainingSet) -> TrainingSet:
    """Rows that were due, of what eight days tell. (Silences are judged by themselves.)"""
    return data.take(is_full(data))


class Observable:
    """The oracle, learned from the fleets of training; those of calibration say when to stop."""

    def __init__(self, directory: Path):
        train, watch = (full_windows(read_training_set(directory, split)) for split in ("train", "calibrate"))
        self.directory = directory
        self.fleets = len(train.fleets)
        self.boosters = learned(train, inputs(train), watch, inputs(watch))

    def probabilities(self, *splits: str) -> np.ndarray:
        """[rows, 3] of the full windows of some splits, in the order of `read_training_set`."""
        return told(self.boosters, inputs(full_windows(read_training_set(self.directory, *splits))))


def inputs(data: TrainingSet) -> np.ndarray:
    """Features, what the filter of each fleet's world makes of the days, and its logarithms: trees split either alike,
    sums of risks better in logarithms.
    """
    posterior = np.zeros((len(data), len(FAILURE_TYPES) * (1 + len(HORIZONS))))
    for number in np.unique(data.fleet):
        rows = np.flatnonzero(data.fleet == number)
        posterior[rows] = DefectFilter(data.fleets[number]).features(data.take(rows))
    risk = posterior.reshape(len(data), -1, 1 + len(HORIZONS))[:, :, 1:].sum(axis=1)
    return np.column_stack([data.x, posterior, np.log(risk + 1e-9)]).astype(np.float32)


def learned(train: TrainingSet, x: np.ndarray, watch: TrainingSet, watch_x: np.ndarray) -> list[xgboost.Booster]:
    """One booster a horizon."""
    return [
        boosted(x, train.true_risk()[:, column], train.weight, (watch_x, watch.true_risk()[:, column], watch.weight))
        for column in range(len(HORIZONS))
    ]


def told(boosters: list[xgboost.Booster], x: np.ndarray) -> np.ndarray:
    """Probabilities by horizon, [rows, 3]."""
    return np.column_stack([booster.inplace_predict(x) for booster in boosters])


def boosted(x: np.ndarray, target: np.ndarray, weight: np.ndarray, watch: tuple) -> xgboost.Booster:
    """Boosting of a probability, stopped where the fleets that are watched gain no more."""
    train = xgboost.DMatrix(x, label=target, weight=weight)
    held = xgboost.DMatrix(watch[0], label=watch[1], weight=watch[2])
    base = float(np.average(target, weights=weight))
    parameters = {**PARAMETERS, "base_score": base, "eval_metric": "logloss"}
    return xgboost.train(parameters, train, ROUNDS, evals=[(held, "held")], early_stopping_rounds=40, verbose_eval=False)
