"""Trains the champion: simulate fleets, compute their features with the engine, learn, calibrate, test, write.

Run by train.sh. Everything is seeded: the same build gives the same model.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import time
from pathlib import Path

import numpy as np

import calibration
import graph
import heuristic
import metrics
from augment import BOUND_TO_CADENCE, drop_fields, without_cadence
from dataset import FAILURE_TYPES, HORIZONS, Dataset, concatenate
from fleets import Fleet, FleetMaker
from hazards import PARAMETERS, TYPE_PARAMETERS, margins, train_hazard, train_types
from plan import PLANS

ROOT = Path(__file__).resolve().parents[2]
#: Bounds of the bins in which the 30-day probability is held against what happened.
BINS = [0.0, 0.001, 0.002, 0.004, 0.008, 0.02, 0.1, 1.0]


def feature_names(feature_set: str) -> list[str]:
    """The engine's features in the order of its rows, asked of the engine itself."""
    script = (
        f"import({json.dumps((ROOT / 'dist' / 'schema' / 'features.js').as_uri())}).then(({{FEATURES}}) =>"
        " console.log(JSON.stringify(FEATURES.map(({name, set}) => ({name, set})))))"
    )
    out = subprocess.run(["node", "--eval", script], check=True, capture_output=True, text=True).stdout
    sets = {"v1": {"v1"}, "v2": {"v1", "v2"}}[feature_set]
    return [feature["name"] for feature in json.loads(out) if feature["set"] in sets]


class Model:
    """Three hazard heads, a head of types, and the calibration of the hazards."""

    def __init__(self, train: Dataset, watch: Dataset, names: list[str]):
        self.names = names
        train, watch = (Dataset(**{**vars(data), "x": without_cadence(data.x, names)}) for data in (train, watch))
        # Each row once as it is and once with fields left out.
        dropped = Dataset(**{**vars(train), "x": drop_fields(train.x, names, seed=11)})
        both = concatenate([train, dropped])
        self.hazards = [train_hazard(both, watch, piece) for piece in range(3)]
        self.types = train_types(both, watch)
        self.coefficients = calibration.calibrate(watch, self.margins(watch.x))

    def margins(self, x: np.ndarray) -> np.ndarray:
        return np.column_stack([margins(booster, x) for booster in self.hazards])

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        return calibration.probabilities(self.margins(x), self.coefficients)

    def type_probabilities(self, x: np.ndarray) -> np.ndarray:
        raw = margins(self.types, x, targets=len(FAILURE_TYPES))
        powers = np.exp(raw - raw.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    @property
    def trees(self) -> list[int]:
        return [len(graph.trees_of(booster)[0]) for booster in [*self.hazards, self.types]]


def evaluate(data: Dataset, probability: np.ndarray) -> dict[str, dict[str, float]]:
    """Metrics of each horizon."""
    result = {}
    for column, horizon in enumerate(HORIZONS):
        failed = (data.days <= horizon).astype(np.float64)
        found = metrics.summary(failed, probability[:, column])
        low, high = metrics.auc_interval(failed, probability[:, column], data.gpu)
        result[f"{horizon:.0f}d"] = {**found, "auc_low": low, "auc_high": high}
    return result


def one_row_each(data: Dataset) -> Dataset:
    """At most one row a GPU, at a time drawn for it beforehand: independent evidence.

    GPUs that had failed by their time give none. (The last row of each would not do: that of a GPU that fails is the
    one right before its failure.)
    """
    times = np.unique(data.position)
    drawn = np.random.default_rng(13).choice(times, int(data.gpu.max()) + 1)
    return data.take(np.flatnonzero(data.position == drawn[data.gpu]))


def calibration_bins(data: Dataset, p30: np.ndarray) -> list[dict[str, float]]:
    """What happened to GPUs by their 30-day probability; rows have to be independent."""
    failed = data.days <= 30
    bins = []
    for start, end in zip(BINS[:-1], BINS[1:]):
        inside = (p30 >= start) & ((p30 < end) | (end == 1.0))
        count, failures = int(inside.sum()), int(failed[inside].sum())
        low, high = metrics.wilson(failures, count)
        predicted = float(p30[inside].mean()) if count else (start + end) / 2
        row = {"from": start, "to": end, "rows": count, "failures": failures}
        bins.append({**row, "predicted": predicted, "low": low, "high": high})
    return bins


def golden(model: Model, data: Dataset) -> dict:
    """Rows and what the graph has to make of them, computed by XGBoost and NumPy in float64."""
    rng = np.random.default_rng(5)
    risky = np.argsort(-model.probabilities(data.x)[:, 1])[:8]
    rows = np.concatenate([rng.choice(len(data), 24, replace=False), risky])
    width = len(model.names)
    x = np.concatenate([
        data.x[rows], drop_fields(data.x[rows], model.names, seed=3), np.full((1, width), np.nan, np.float32),
        np.zeros((1, width), np.float32),
    ])  # fmt: skip
    return {
        "features": [[None if np.isnan(value) else float(value) for value in row] for row in x],
        "failure_prob": model.probabilities(x).tolist(),
        "failure_type_prob": model.type_probabilities(x).tolist(),
    }


def rounded(value):
    """Figures of the card to six significant digits; what cannot be computed is null."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if np.isfinite(value) else None


def write(out: Path, model: Model, card: dict, batch: dict) -> None:
    out.mkdir(parents=True, exist_ok=True)
    onnx_bytes = graph.build(model.hazards, model.types, model.coefficients, len(model.names)).SerializeToString()
    (out / "model.onnx").write_bytes(onnx_bytes)
    sha256 = hashlib.sha256(onnx_bytes).hexdigest()
    card = {"format": 1, "model_version": f"hazard-{card['feature_set']}-{sha256[:8]}", "sha256": sha256, **card}
    (out / "card.json").write_text(json.dumps(rounded(card), indent=2) + "\n")
    (out / "golden.json").write_text(json.dumps(batch) + "\n")
    heads = [f"hazard_{start}_{end}" for start, end in [(0, 7), (7, 30), (30, 90)]]
    trees = {name: json.loads(booster.save_raw("json")) for name, booster in zip(heads, model.hazards)}
    trees["failure_type"] = json.loads(model.types.save_raw("json"))
    parameters = {"coefficients": model.coefficients.tolist(), "heads": trees}
    (out / "model.json").write_text(json.dumps({"features": model.names, **parameters}) + "\n")


def table(title: str, result: dict[str, dict[str, float]]) -> str:
    lines = [f"{title:<22}      AUC (90 %)           AP    Brier  slope    O/E  recall@5%"]
    for horizon, row in result.items():
        lines.append(
            f"  {horizon:>3} {row['failing_rows']:>6}/{row['rows']:<7}  {row['auc']:.3f} ({row['auc_low']:.3f}-{row['auc_high']:.3f})"
            f"  {row['average_precision']:.4f}  {row['brier']:.5f}  {row['calibration_slope']:5.2f}  "
            f"{row['observed_over_expected']:5.2f}  {row['recall_at_5_percent']:.3f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="directory for the simulated fleets")
    parser.add_argument("--out", type=Path, required=True, help="directory for model.onnx and card.json")
    parser.add_argument("--feature-set", choices=["v1", "v2"], default="v2")
    parser.add_argument("--workers", type=int, default=2, help="fleets made at a time")
    parser.add_argument("--plan", choices=list(PLANS), default="full", help="fleets to make: plan.py")
    options = parser.parse_args()
    plan = PLANS[options.plan]

    started = time.monotonic()
    names = feature_names(options.feature_set)
    maker = FleetMaker(ROOT, options.data)
    print(f"Making {len(plan)} fleets ...", flush=True)
    maker.make_all(plan, options.workers)
    # Rows hold all features; a model of v1 reads the first of them.
    every = feature_names("v2")
    split = {}
    for name in ("train", "calibrate", "test"):
        split[name] = maker.read([fleet for fleet in plan if fleet.split == name], every)
        split[name].x = split[name].x[:, : len(names)]
        failing = int((split[name].days <= HORIZONS[-1]).sum())
        print(f"  {name}: {len(split[name])} rows, {failing} of them fail within 90 days", flush=True)
    made = time.monotonic()

    model = Model(split["train"], split["calibrate"], names)
    print(f"Trees: {model.trees}; calibration {np.round(model.coefficients, 3).tolist()}")
    test = split["test"]
    scored = evaluate(test, model.probabilities(test.x))
    thumb = evaluate(test, heuristic.probabilities(test.x, names))
    print(table("model", scored))
    print(table("heuristic", thumb))
    independent = one_row_each(test)
    failing = test.take(np.flatnonzero(test.days <= 90))
    guessed = model.type_probabilities(failing.x).argmax(axis=1)
    most = np.bincount(failing.kind).max() / len(failing)

    card = {
        "feature_set": options.feature_set,
        "features": names,
        "horizons_days": [int(horizon) for horizon in HORIZONS],
        "failure_types": FAILURE_TYPES,
        "calibration_30d": calibration_bins(independent, model.probabilities(independent.x)[:, 1]),
        "metrics": {
            "of": "rows of held-out fleets at their natural failure rate, one a GPU and day; 90 % intervals by resampling GPUs",
            "model": scored,
            "heuristic": thumb,
            "failure_type": {
                "rows": len(failing),
                "accuracy": float((guessed == failing.kind).mean()),
                "accuracy_of_the_most_frequent_type": float(most),
            },
        },
        "data": {
            "source": "gpu-actuary simulate; features by gpu-actuary replay, as of each midnight",
            "over_sampling": "Fleets with hazard_scale K have every failure rate multiplied by K; signs of defects do not depend on it. Their time at risk counts K-fold, which gives the natural rate back. Test fleets have a hazard_scale of 1.",
            "features_not_learned_from": {
                "names": BOUND_TO_CADENCE,
                "why": "Their counts depend on the scrape interval more than on the GPU.",
            },
            "absent_fields": "Every training row is used twice, once as it is and once with random groups of fields left out.",
            "fleets": [vars(fleet) for fleet in plan],
            "rows": {name: len(data) for name, data in split.items()},
            "gpus": {name: int(len(np.unique(data.gpu))) for name, data in split.items()},
        },
        "training": {
            "method": "XGBoost: a Poisson hazard head each for 0-7, 7-30 and 30-90 days with time at risk as exposure, a softmax head for the type; one ONNX tree ensemble",
            "parameters": {"hazards": PARAMETERS, "types": TYPE_PARAMETERS},
            "trees": dict(zip(["hazard_0_7", "hazard_7_30", "hazard_30_90", "failure_type"], model.trees)),
            "calibration": {"slope_and_intercept": model.coefficients.tolist()},
        },
        "limits": [
            "Trained on simulated fleets only: real fleets fail in other proportions and with other precursors. Re-train on your own labels before you rely on the figures.",
            "Many failures give no warning in telemetry; no model finds those.",
            "Scrape intervals of training are mostly longer than exporters': what is learned from counts of onsets may be off at short ones.",
        ],
    }
    write(options.out, model, card, golden(model, test))
    print(
        f"Fleets {made - started:.0f} s, training and tests {time.monotonic() - made:.0f} s, "
        f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB; wrote {options.out}"
    )


if __name__ == "__main__":
    main()
