"""Trains the champion on the training set: learn, calibrate, hold against its ceilings, write model and report.

Run by train.sh. Everything is seeded: the same build gives the same model.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np

from augment import BOUND_TO_CADENCE
from baselines import AgeOnly, rule_of_thumb, scaled
from champion import golden, parity_rows, write
from evaluate import OBSERVABLE, Comparison, bins, compare, flat, operating_points
from hazards import PARAMETERS_OF_TRUTH, SIZE, TYPE_PARAMETERS
from horizons import FAILURE_TYPES, HORIZONS
from model import Model
from oracle import Observable, full_windows
from predictions import write_predictions
from report import COST_RATIOS, MODEL, type_accuracy, write_report
from teacher import taught
from tracking import NotTracked, finish, fingerprint, reports_in
from training_set import BROAD_WEIGHT, FULL_WEIGHT, TrainingSet, is_full, read_training_set

#: Features of v1 come first in the engine's row.
V1_FEATURES = 27
SPLITS = ("test", "untrained")


def columns_of(data: TrainingSet, feature_set: str) -> TrainingSet:
    width = V1_FEATURES if feature_set == "v1" else len(data.features)
    return data.with_features(data.x[:, :width], data.features[:width])


def judge(model: Model, directory: Path, train: TrainingSet, watch: TrainingSet, parts: dict[str, TrainingSet]):
    """Probabilities of the model and of what stands beside it, and their figures, by split."""
    age, oracle = AgeOnly(train, watch), Observable(directory)
    scores: dict[str, dict[str, np.ndarray]] = {}
    results: dict[str, list[Comparison]] = {}
    for split, data in parts.items():
        own = model.probabilities(data.x)
        scores[split] = {
            MODEL: own, "all-knowing oracle": data.true_risk(), OBSERVABLE: oracle.probabilities(split),
            "30 days × 0.25, × 2.5": scaled(own[:, 1]), "age only": age.probabilities(data.x),
            "rule of thumb": rule_of_thumb(data.x, data.features),
        }  # fmt: skip
        results[split] = [compare(data, scores[split], column) for column in range(len(HORIZONS))]
    return scores, results


#: Names of predictions in the card.
CARD_NAMES = {
    MODEL: "model", "rule of thumb": "heuristic", "age only": "age_only", "30 days × 0.25, × 2.5": "superseded_scaling",
    OBSERVABLE: "observable_oracle", "all-knowing oracle": "all_knowing_oracle",
}  # fmt: skip


def card_metrics(found: list[Comparison]) -> dict:
    """By prediction, then by horizon."""
    horizons = [f"{horizon:.0f}d" for horizon in HORIZONS]
    by_name = {
        short: {
            horizon: {"failing_rows": one.failing_rows, "base_rate": one.base_rate, **flat(one.metrics[name])}
            for horizon, one in zip(horizons, found)
        }
        for name, short in CARD_NAMES.items()
    }
    return {**by_name, "model_over_observable_oracle": {horizon: flat(one.shares[MODEL]) for horizon, one in zip(horizons, found)}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="what `gpu-actuary training-set` wrote")
    parser.add_argument("--out", type=Path, required=True, help="directory for model.onnx and card.json")
    parser.add_argument("--report", type=Path, required=True, help="directory for champion.md and its plots")
    parser.add_argument("--predictions", type=Path, help="file for the predictions that the report is counted from")
    parser.add_argument("--feature-set", choices=["v1", "v2"], default="v2")
    options = parser.parse_args()

    started = time.monotonic()
    split = {
        name: columns_of(read_training_set(options.data, name), options.feature_set)
        for name in ("train", "calibrate", *SPLITS)
    }
    for name, data in split.items():
        failing = int((data.columns["days_to_failure"] <= HORIZONS[-1]).sum())
        print(f"  {name}: {len(data.fleets)} fleets, {len(data)} rows, {failing} of them fail within 90 days", flush=True)
    train, watch = split["train"], split["calibrate"]
    model = Model.learn(taught(train, watch), watch)
    print(f"Trees: {model.trees}; calibration {np.round(model.coefficients, 3).tolist()}", flush=True)
    learned = time.monotonic()

    parts = {name: full_windows(split[name]) for name in SPLITS}
    scores, results = judge(model, options.data, train, watch, parts)
    if options.predictions is not None:
        write_predictions(options.predictions, parts, scores)
    silences = {name: split[name].take(split[name].columns["absence"] == 1) for name in SPLITS}
    said = {name: model.probabilities(data.x) for name, data in silences.items()}
    young = {name: split[name].take((split[name].columns["absence"] == 0) & ~is_full(split[name])) for name in SPLITS}
    early = {name: model.probabilities(data.x) for name, data in young.items()}
    kinds = {name: type_accuracy(data, model.type_probabilities(data.x)) for name, data in parts.items()}
    card = {
        "feature_set": options.feature_set,
        "features": model.names,
        "horizons_days": [int(horizon) for horizon in HORIZONS],
        "failure_types": FAILURE_TYPES,
        "calibration_30d": bins(split["test"], model.probabilities(split["test"].x)[:, 1], 1),
        "operating_points": {
            "of": "fleets of the test; costs in false alarms a thousand GPUs and month",
            "points": operating_points(parts["test"], scores["test"][MODEL][:, 1], COST_RATIOS),
        },
        "metrics": {
            "of": "rows of full windows of fleets that nothing was learned from, at their natural failure rate, weighted; 90 % intervals by resampling GPUs",
            **card_metrics(results["test"]),
            "failure_type": kinds["test"],
            "untrained_worlds": {**card_metrics(results["untrained"]), "failure_type": kinds["untrained"]},
        },
        "data": {
            "source": "gpu-actuary training-set: docs/training-set.md",
            "sha256": fingerprint([options.data]),
            "learned_from": "what an observer of the days of simulated GPUs makes of them who knows the laws of their world and learned from the true risk of other fleets; kinds of failure from those that fail",
            "features_not_learned_from": {
                "names": BOUND_TO_CADENCE,
                "why": "Their counts depend on the scrape interval more than on the GPU.",
            },
            "weight_of_broad_worlds": BROAD_WEIGHT,
            "weight_of_full_windows": FULL_WEIGHT,
            "absent_fields": "Every training row is used three times: as it is, with random groups of fields left out, and as an exporter that sends little would have it.",
            "fleets": [
                {"name": fleet["name"], "split": name, "world": fleet["world"]["name"], "seed": fleet["seed"]}
                for name, data in split.items() for fleet in data.fleets
            ],
            "rows": {name: len(data) for name, data in split.items()},
            "gpus": {name: int(len(np.unique(data.columns["gpu"]))) for name, data in split.items()},
        },
        "training": {
            "method": "XGBoost: a Poisson hazard head each for 0-7, 7-30 and 30-90 days with time at risk as exposure, a softmax head for the type; one ONNX tree ensemble",
            "parameters": {"hazards": {**PARAMETERS_OF_TRUTH, "max_depth": SIZE.depth, "eta": SIZE.eta, "rounds": SIZE.rounds}, "types": TYPE_PARAMETERS},
            "trees": dict(zip(["hazard_0_7", "hazard_7_30", "hazard_30_90", "failure_type"], model.trees)),
            "calibration": {"slope_and_intercept": model.coefficients.tolist()},
        },
        "limits": [
            "Trained on simulated fleets only: real fleets fail in other proportions and with other precursors. Train on your own history before you rely on the figures.",
            "Many failures give no warning in telemetry; no model finds those.",
        ],
    }  # fmt: skip
    written = write(options.out, model, card, parity_rows(split["test"]), golden(model, split["test"]))
    write_report(options.report, written["model_version"], parts, scores, results, kinds, train, watch, silences, said, young, early)
    print(
        f"Learned in {learned - started:.0f} s, judged in {time.monotonic() - learned:.0f} s, "
        f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB; "
        f"wrote {written['model_version']} to {options.out}, its report to {options.report}"
    )
    try:
        finish(options.out, reports_in(options.report))
    except NotTracked as error:
        sys.exit(f"mlflow_unreachable: the model is written and sealed, but not logged: {error}")


if __name__ == "__main__":
    main()
