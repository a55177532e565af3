"""The two ceilings of a model on simulated fleets, beside plain boosting.

All-knowing: the true risk. Observable: what the telemetry of the last eight days tells at best, by the filter of
defect_filter.py, then boosting on the true risk over the fleets of training. Both are ceilings for models of telemetry
only as far as they are calibrated and no model beats them.

An observable oracle learns from at least 20 fleets, none of which it is asked about.
"""

import json
from pathlib import Path

import numpy as np
import xgboost

from horizons import HORIZONS
from defect_filter import DefectFilter
from training_set import TrainingSet, concatenate_fleets, read_fleet_directory

PARAMETERS = {
    "objective": "reg:logistic", "eta": 0.05, "max_depth": 5, "min_child_weight": 2.0, "subsample": 0.7,
    "colsample_bytree": 0.5, "lambda": 5.0, "seed": 3, "nthread": 1,
}  # fmt: skip
ROUNDS = 600
#: Rows whose windows are full: what eight days tell.
FULL_DAYS = 7.9


def full_windows(data: TrainingSet) -> TrainingSet:
    """Rows that were due. (Silences have no days before them in daily.npy, and are judged by themselves.)"""
    return data.take((data.columns["observed_days"] > FULL_DAYS) & (data.columns["absence"] == 0))


class Observable:
    """The oracle, learned from the fleets of training; those of calibration say when to stop."""

    def __init__(self, directory: Path):
        train, posterior = filtered(directory, ("train",))
        watch, watch_posterior = filtered(directory, ("calibrate",))
        x, watch_x = inputs(train, posterior), inputs(watch, watch_posterior)
        self.directory = directory
        self.fleets = len(train.fleets)
        self.boosters = [
            boosted(x, train.true_risk()[:, column], train.weight, (watch_x, watch.true_risk()[:, column], watch.weight))
            for column in range(len(HORIZONS))
        ]

    def probabilities(self, *splits: str) -> np.ndarray:
        """[rows, 3] of the full windows of some splits, in the order of `read_training_set`."""
        x = inputs(*filtered(self.directory, splits))
        return np.column_stack([booster.inplace_predict(x) for booster in self.boosters])


def filtered(directory: Path, splits: tuple[str, ...]) -> tuple[TrainingSet, np.ndarray]:
    """Rows of full windows of some splits' fleets, and what the filter of each fleet's world makes of them."""
    parts, posteriors = [], []
    for card in sorted(directory.glob("*/fleet.json")):
        if json.loads(card.read_text())["split"] not in splits:
            continue
        fleet = full_windows(read_fleet_directory(card.parent))
        parts.append(fleet)
        posteriors.append(DefectFilter(fleet.fleets[0]).features(fleet))
    return concatenate_fleets(parts), np.concatenate(posteriors)


def inputs(data: TrainingSet, posterior: np.ndarray) -> np.ndarray:
    """Features, posteriors and their logarithms: trees split either alike, sums of risks better in logarithms."""
    risk = posterior.reshape(len(data), -1, 1 + len(HORIZONS))[:, :, 1:].sum(axis=1)
    return np.column_stack([data.x, posterior, np.log(risk + 1e-9)]).astype(np.float32)


def boosted(x: np.ndarray, target: np.ndarray, weight: np.ndarray, watch: tuple) -> xgboost.Booster:
    """Boosting of a probability, stopped where the fleets that are watched gain no more."""
    train = xgboost.DMatrix(x, label=target, weight=weight)
    held = xgboost.DMatrix(watch[0], label=watch[1], weight=watch[2])
    base = float(np.average(target, weights=weight))
    parameters = {**PARAMETERS, "base_score": base, "eval_metric": "logloss"}
    return xgboost.train(parameters, train, ROUNDS, evals=[(held, "held")], early_stopping_rounds=40, verbose_eval=False)
