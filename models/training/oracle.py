"""The two ceilings of a model on simulated fleets, beside plain boosting.

All-knowing: the true risk. Observable: what the telemetry of the last eight days tells at best, by the filter of
defect_filter.py, then boosting on the true risk over the fleets of training. Both are ceilings for models of telemetry
only as far as they are calibrated and no model beats them.

    python oracle.py --data DIR --out ceilings.json
"""

import argparse
import json
from pathlib import Path

import numpy as np
import xgboost

import weighted
from dataset import HORIZONS
from defect_filter import DefectFilter
from training_set import TrainingSet, concatenate_fleets, read_fleet_directory

PARAMETERS = {
    "objective": "reg:logistic", "eta": 0.05, "max_depth": 5, "min_child_weight": 2.0, "subsample": 0.7,
    "colsample_bytree": 0.5, "lambda": 5.0, "seed": 3, "nthread": 1,
}  # fmt: skip
ROUNDS = 600
#: Rows whose windows are full: what eight days tell.
FULL_DAYS = 7.9
RESAMPLES = 100


def filtered(directory: Path, splits: tuple[str, ...]) -> tuple[TrainingSet, np.ndarray]:
    """Rows of full windows of some splits' fleets, and what the filter of each fleet's world makes of them."""
    parts, posteriors = [], []
    for card in sorted(directory.glob("*/fleet.json")):
        if json.loads(card.read_text())["split"] not in splits:
            continue
        fleet = read_fleet_directory(card.parent)
        fleet = fleet.take(fleet.columns["observed_days"] > FULL_DAYS)
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


def intervals(data: TrainingSet, failed: np.ndarray, score: np.ndarray) -> dict[str, dict[str, float]]:
    """Metrics with the 90 % interval of resampling GPUs; draws without a failure are left out."""
    found = weighted.summary(failed, score, data.weight)
    rng = np.random.default_rng(7)
    gpus, place = np.unique(data.columns["gpu"], return_inverse=True)
    drawn = []
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(0, len(gpus), len(gpus)), minlength=len(gpus))[place]
        rows = times > 0
        drawn.append(weighted.summary(failed[rows], score[rows], data.weight[rows] * times[rows]))
    drawn = [one for one in drawn if one]
    return {
        name: {"value": value, **dict(zip(("low", "high"), np.nanquantile([one[name] for one in drawn], [0.05, 0.95])))}
        for name, value in found.items()
    }


def ceilings(directory: Path) -> dict:
    """Metrics of both oracles and of plain boosting, by split and horizon."""
    train, train_posterior = filtered(directory, ("train",))
    watch, watch_posterior = filtered(directory, ("calibrate",))
    tests = {split: filtered(directory, (split,)) for split in ("test", "untrained")}
    report: dict = {"fleets": len(train.fleets), "rows": len(train)}
    for column, horizon in enumerate(HORIZONS):
        truth, watched = train.true_risk()[:, column], watch.true_risk()[:, column]
        observable = boosted(
            inputs(train, train_posterior), truth, train.weight, (inputs(watch, watch_posterior), watched, watch.weight)
        )
        outcome, outcome_watch = train.failed_within(horizon), watch.failed_within(horizon)
        known, known_watch = ~np.isnan(outcome), ~np.isnan(outcome_watch)
        plain = boosted(
            train.x[known], outcome[known], train.weight[known],
            (watch.x[known_watch], outcome_watch[known_watch], watch.weight[known_watch]),
        )  # fmt: skip
        for split, (data, posterior) in tests.items():
            failed = data.failed_within(horizon)
            scores = {
                "all_knowing": data.true_risk()[:, column],
                "observable": observable.inplace_predict(inputs(data, posterior)),
                "plain_boosting": plain.inplace_predict(data.x),
            }
            report.setdefault(split, {})[f"{horizon:.0f}d"] = {
                name: intervals(data, failed, score) for name, score in scores.items()
            }
    return report


def table(report: dict) -> str:
    shown = ["auc", "average_precision", "recall_at_5_percent", "precision_at_1_percent", "brier_skill", "calibration_slope"]
    lines = []
    for split in ("test", "untrained"):
        for horizon, rows in report[split].items():
            if not all(rows.values()):
                lines.append(f"{split} {horizon}: no failure")
                continue
            lines.append(f"{split} {horizon}: " + ", ".join(shown))
            for name, row in rows.items():
                figures = (f"{row[key]['value']:.3f} ({row[key]['low']:.3f}-{row[key]['high']:.3f})" for key in shown)
                lines.append(f"  {name:<15}" + "  ".join(figures))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="what `gpu-actuary training-set` wrote")
    parser.add_argument("--out", type=Path, required=True, help="file for the figures, JSON")
    options = parser.parse_args()
    report = ceilings(options.data)
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))


if __name__ == "__main__":
    main()
