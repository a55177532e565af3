"""How large the trees of the hazard heads should be, on fleets of training alone: docs/models/tuning.md.

    python tuning.py --data DIR --out docs/models/tuning.md

The fleets of training are parted in five; a model of each size learns from four parts, is stopped and calibrated by the
fleets of calibration as ever, and is judged on the fifth. No fleet of the test is read.
"""

import time

import numpy as np

import page
import weighted
from hazards import SIZE, Size
from horizons import HORIZONS
from model import Model
from oracle import full_windows
from teacher import taught
from training_set import TrainingSet

SIZES = [Size(30, 3, 0.3), Size(120, 3, 0.15), Size(40, 4, 0.3), Size(80, 4, 0.15), Size(160, 4, 0.08), Size(60, 5, 0.15), Size(60, 6, 0.12)]
PARTS = 5


def parted(data: TrainingSet, part: int) -> tuple[TrainingSet, TrainingSet]:
    held = data.fleet % PARTS == part
    return data.take(~held), full_windows(data.take(held))


def deviance_explained(data: TrainingSet, probability: np.ndarray) -> float:
    """Share of the distance between the true 30-day risk and its mean that a prediction covers, in Poisson deviance."""
    risk, weight = data.true_risk()[:, 1], data.weight

    def deviance(p: np.ndarray) -> float:
        return float((weight * (risk * np.log(risk / p) - risk + p)).sum())

    return 1 - deviance(probability) / deviance(np.full(len(risk), np.average(risk, weights=weight)))


def judge(size: Size, train: TrainingSet, lessons: TrainingSet, watch: TrainingSet, parts: list[int]) -> dict[str, float]:
    found: dict[str, list[float]] = {"deviance": [], "recall": [], "precision": [], "brier": [], "slope": [], "trees": [], "seconds": []}
    for part in parts:
        (learned, _), (_, held) = parted(lessons, part), parted(train, part)
        began = time.monotonic()
        model = Model.learn(learned, watch, size=size)
        found["seconds"].append(time.monotonic() - began)
        p30 = model.probabilities(held.x)[:, 1]
        summary = weighted.summary(held.failed_within(HORIZONS[1]), p30, held.weight)
        found["deviance"].append(deviance_explained(held, p30))
        found["recall"].append(summary["recall_at_5_percent"])
        found["precision"].append(summary["average_precision"])
        found["brier"].append(summary["brier_skill"])
        found["slope"].append(summary["calibration_slope"])
        found["trees"].append(sum(model.trees[:3]))
    return {name: float(np.mean(values)) for name, values in found.items()} | {"spread": float(np.std(found["deviance"]) / np.sqrt(len(parts)))}


TEXT = """# How large the trees are

Sizes of the hazard heads, each learned from four fifths of the fleets of training and judged on the full windows of the last fifth, {parts} of the five parts in turn; the fleets of calibration say when to stop and calibrate, those of the test are not read. Made by `models/training/tuning.py`.

Deviance explained is the share of what the true 30-day risk says beyond its mean, so a figure without the noise of who happened to fail; behind ± its standard error over the parts. The other figures are of who failed.

| depth | step | rounds at most | trees of the three heads | deviance explained | recall, 5 % | average precision | Brier skill | slope | s to learn |
|---|---|---|---|---|---|---|---|---|---|
{rows}

{verdict}
"""


def main() -> None:
    parser = page.parser(__doc__)
    parser.add_argument("--parts", type=int, default=PARTS, help="how many of the five parts are judged")
    options = parser.parse_args()
    train, watch = page.learned_from(options.data)
    lessons = taught(train, watch)
    found = {}
    for size in SIZES:
        found[size] = judge(size, train, lessons, watch, list(range(options.parts)))
        print(f"  {size}: {found[size]['deviance']:.4f} ± {found[size]['spread']:.4f}", flush=True)
    best = max(found, key=lambda size: found[size]["deviance"])
    rows = [
        f"| {size.depth} | {size.eta} | {size.rounds} | {one['trees']:.0f} | {one['deviance']:.4f} ± {one['spread']:.4f} | {one['recall']:.3f} | "
        f"{one['precision']:.3f} | {one['brier']:.4f} | {one['slope']:.2f} | {one['seconds']:.0f} |"
        for size, one in found.items()
    ]
    verdict = (
        f"Most is explained at depth {best.depth} with steps of {best.eta}. The champion has depth {SIZE.depth} and steps of {SIZE.eta}: "
        f"{found[SIZE]['deviance'] / found[best]['deviance']:.1%} of that with {found[SIZE]['trees']:.0f} trees for {found[best]['trees']:.0f}."
    )
    options.out.write_text(TEXT.format(parts=options.parts, rows="\n".join(rows), verdict=verdict))


if __name__ == "__main__":
    main()
