"""Trains a candidate on a user's own history, on top of the champion or alone, and writes it with its report.

Run by train.sh. Each GPU is either learned from or judged by. Where the history is long enough, what is judged lies after
all that was learned from: what was not known by then is not used. The candidate itself is then made from all GPUs.
"""

import argparse
import resource
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adapting import parts as parts_of
from baselines import AgeOnly, rule_of_thumb
from candidate_report import CANDIDATE, JUDGES, acting, write_report
from champion import golden, parity_rows, read_model, write
from evaluate import Comparison, bins, compare, flat
from history import HistoryError, read_history
from horizons import FAILURE_TYPES, HORIZONS
from model import Model
from predictions import write_predictions
from tracking import NotTracked, finish, fingerprint
from training_set import TrainingSet

ROOT = Path(__file__).resolve().parents[2]
CLI = ["node", str(ROOT / "dist" / "cli.cjs")]
CHAMPION = ROOT / "models" / "champion"
#: Share of the GPUs that judges.
TEST_SHARE = 0.25
#: Fewer failing GPUs than this on either side say nothing.
MIN_FAILING = 3
#: A history has to span so many days to be cut in time as well: a horizon to learn from, and one to judge by.
MIN_SPAN_DAYS = 2 * HORIZONS[-1]


@dataclass
class Split:
    learn: TrainingSet
    test: TrainingSet
    #: Days since 1970 up to which was learned; None: too short a history to be cut in time, or too
    #: few failures on one side.
    cut_days: float | None


def split(data: TrainingSet) -> Split:
    gpu, as_of = data.columns["gpu"].astype(int), data.columns["as_of_days"]
    fails = np.zeros(gpu.max() + 1, bool)
    np.logical_or.at(fails, gpu, data.columns["type"] >= 0)
    part = np.zeros(len(fails))
    # Failing GPUs are spread by themselves: by chance alone a part might have none.
    for group in (np.flatnonzero(fails), np.flatnonzero(~fails)):
        shuffled = np.random.default_rng(23).permutation(group)
        part[shuffled] = (np.arange(len(group)) + 0.5) / len(group)
    judges = part < TEST_SHARE
    if min((fails & chosen).sum() for chosen in (judges, ~judges)) < MIN_FAILING:
        raise HistoryError("input_invalid", f"the labels name {fails.sum()} failing GPUs: too few to learn from and judge")
    if as_of.max() - as_of.min() >= MIN_SPAN_DAYS:
        cut = float(as_of.max() - (as_of.max() - as_of.min()) / 3)
        early = as_of < cut
        parts = as_known(data, cut).take(early & ~judges[gpu]), data.take(~early & judges[gpu])
        if min(failing_gpus(part) for part in parts) >= MIN_FAILING:
            return Split(*parts, cut)
    return Split(data.take(~judges[gpu]), data.take(judges[gpu]), None)


def failing_gpus(data: TrainingSet) -> int:
    return len(np.unique(data.columns["gpu"][data.columns["type"] >= 0]))


def as_known(data: TrainingSet, cut_days: float) -> TrainingSet:
    """The rows as one knew of them at a time: later failures are not seen yet."""
    left = cut_days - data.columns["as_of_days"]
    later = ~(data.columns["days_to_failure"] <= left)
    return replace(data, columns={
        **data.columns,
        "exit_days": np.minimum(data.columns["exit_days"], left),
        "days_to_failure": np.where(later, np.nan, data.columns["days_to_failure"]),
        "type": np.where(later, -1, data.columns["type"]),
    })  # fmt: skip


def learned(history: TrainingSet, base: Model | None) -> Model:
    return Model.alone(history) if base is None else base.adapted(history)


def judged(parts: Split, base: Model | None) -> tuple[Model, dict[str, np.ndarray], list[Comparison]]:
    model, learn, test = learned(parts.learn, base), parts.learn, parts.test
    # Of the baseline by age a part of the GPUs says when to stop.
    watches = parts_of(learn) == 0
    scores = {CANDIDATE: model.probabilities(test.x)}
    if base is not None:
        scores["champion, as it is"] = base.probabilities(test.x)
    scores |= {
        "age only": AgeOnly(learn.take(~watches), learn.take(watches)).probabilities(test.x),
        "rule of thumb": rule_of_thumb(test.x, test.features),
    }
    return model, scores, [compare(test, scores, column) for column in range(len(HORIZONS))]


def train_candidate(options: argparse.Namespace) -> None:
    began = time.monotonic()

    def told(what: str) -> None:
        print(f"{what} ({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)

    base = None if options.alone else read_model(options.base)
    names = base.names if base is not None else read_model(CHAMPION).names
    with tempfile.TemporaryDirectory() as work:
        data = read_history(CLI, options.input, options.assets, options.labels, names, Path(work), options.gap_ms)
    parts = split(data)
    told(
        f"{len(data)} rows of {int(data.columns['gpu'].max()) + 1} GPUs, {failing_gpus(data)} of which fail. Learning from {len(parts.learn)} rows "
        f"({failing_gpus(parts.learn)} failing GPUs), judging on {len(parts.test)} ({failing_gpus(parts.test)})"
    )
    model, scores, results = judged(parts, base)
    told("judged; learning from all of it")
    final = learned(data, base)

    card = {
        "feature_set": "v1" if len(names) == 27 else "v2",
        "features": names,
        "horizons_days": [int(horizon) for horizon in HORIZONS],
        "failure_types": FAILURE_TYPES,
        "calibration_30d": bins(parts.test, scores[CANDIDATE][:, 1], 1),
        "operating_points": acting(parts.test, scores[CANDIDATE][:, 1]),
        "metrics": {
            "of": "GPUs of the history that nothing was learned from, by a model learned without them",
            "model": {
                f"{HORIZONS[column]:.0f}d": flat(one.metrics[CANDIDATE]) for column, one in enumerate(results) if one is not None
            },
        },
        "data": {"source": "history", "sha256": fingerprint([*options.input, options.assets, options.labels]), "rows": len(data), "gpus": int(data.columns["gpu"].max()) + 1, "on_top_of": None if base is None else str(options.base)},
        "training": {"trees": dict(zip(["hazard_0_7", "hazard_7_30", "hazard_30_90", "failure_type"], final.trees))},
    }  # fmt: skip
    written = write(options.out, final, card, parity_rows(data), golden(final, data))
    if options.predictions is not None:
        write_predictions(options.predictions, {JUDGES: parts.test}, {JUDGES: scores})
    reports = write_report(
        options.out, written["model_version"], data, parts.test, parts.cut_days,
        "alone" if base is None else f"on top of the model in {options.base.name}",
        scores, results, model.type_probabilities(parts.test.x),
    )  # fmt: skip
    told(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    print(f"wrote {written['model_version']} and report.md to {options.out}")
    finish(options.out, reports)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", type=Path, nargs="+", required=True, help="recorded telemetry, wide JSON lines")
    parser.add_argument("--assets", type=Path, required=True, help="asset register, JSON Lines")
    parser.add_argument("--labels", type=Path, required=True, help="lines {gpu_uuid, as_of, days_to_failure|null, type, weight}, or of the failures alone {gpu_uuid, failed_at, type}")
    parser.add_argument("--alone", action="store_true", help="learn from the history alone, not on top of a model")
    parser.add_argument("--base", type=Path, default=CHAMPION, help="model to go on from")
    parser.add_argument("--out", type=Path, default=ROOT / "models" / "candidate", help="directory of the candidate")
    parser.add_argument("--predictions", type=Path, help="file for the predictions that the report is counted from")
    parser.add_argument("--gap-ms", type=float, help="windows.gapMs; without it 2.5 scrape intervals, at least 5 min")
    try:
        train_candidate(parser.parse_args())
    except HistoryError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return 2
    except NotTracked as error:
        print(f"mlflow_unreachable: the candidate is written and sealed, but not logged: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
