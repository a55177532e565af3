"""How large the trees of the hazard heads should be, on fleets of training alone: docs/models/tuning.md.

    python tuning.py --data DIR --out docs/models/tuning.md

The fleets of training are parted in five. Of four parts an observer is learned who teaches a model of each size, which is
stopped and calibrated by the fleets of calibration as ever, and judged on the fifth. No fleet of the test is read.
"""

import time
from collections.abc import Sequence

import numpy as np

import page
import weighted
from hazards import SIZE, Size
from horizons import HORIZONS
from model import Model
from oracle import full_windows
from teacher import taught
from training_set import TrainingSet

SIZES = [
    Size(30, 3, 0.3), Size(120, 3, 0.15), Size(40, 4, 0.3), Size(80, 4, 0.15), Size(160, 4, 0.15), Size(160, 4, 0.08),
    Size(60, 5, 0.15), Size(60, 6, 0.12),
]  # fmt: skip
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


def judge(size: Size, lessons: TrainingSet, watch: TrainingSet, held: TrainingSet) -> dict[str, float]:
    began = time.process_time()
    model = Model.learn(lessons, watch, size=size)
    seconds = time.process_time() - began
    p30 = model.probabilities(held.x)[:, 1]
    summary = weighted.summary(held.failed_within(HORIZONS[1]), p30, held.weight)
    return {**summary, "deviance": deviance_explained(held, p30), "trees": sum(model.trees[:3]), "seconds": seconds}


def mean_and_error(values: Sequence[float]) -> str:
    """Mean over the parts, behind ± its standard error."""
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.4f}"


def row(size: Size, parts: dict[str, list[float]], champions: list[float]) -> str:
    """@param champions deviance that the champion's size explains, by part"""
    one = {key: np.mean(values) for key, values in parts.items()}
    beyond = "–" if size == SIZE else mean_and_error(np.subtract(parts["deviance"], champions))
    return (
        f"| {size.depth} | {size.eta} | {size.rounds} | {one['trees']:.0f} | {mean_and_error(parts['deviance'])} | {beyond} | "
        f"{one['recall_at_5_percent']:.3f} | {one['average_precision']:.3f} | {one['brier_skill']:.4f} | "
        f"{one['calibration_slope']:.2f} | {one['seconds']:.0f} |"
    )


def verdict(champion: str, found: dict[Size, dict[str, list[float]]]) -> str:
    best = max(found, key=lambda size: np.mean(found[size]["deviance"]))
    said = f"The champion, `{champion}`, has depth {SIZE.depth}, steps of {SIZE.eta} and {SIZE.rounds} rounds: "
    if best == SIZE:
        return said + "no other size explains more."
    parts = found[best]["deviance"]
    better = int(np.sum(np.greater(parts, found[SIZE]["deviance"])))
    share = np.mean(found[SIZE]["deviance"]) / np.mean(parts)
    return said + (
        f"{share:.1%} of what is explained by depth {best.depth}, steps of {best.eta} and {best.rounds} rounds, "
        f"with {np.mean(found[SIZE]['trees']):.0f} trees for {np.mean(found[best]['trees']):.0f}. "
        f"That size explains more than the champion's on {better} of {len(parts)} parts, "
        f"and finds {np.mean(found[best]['recall_at_5_percent']):.3f} of who failed for {np.mean(found[SIZE]['recall_at_5_percent']):.3f}."
    )


TEXT = """# How large the trees are

Sizes of the hazard heads, each [taught by an observer](../model.md#how-the-champion-is-trained) of four fifths of the fleets of training and judged on the full windows of the last fifth, {parts} of 5 parts in turn. Nothing that is learned, the observer's word neither, knows the fifth that judges; the fleets of calibration say when to stop and calibrate, those of the test are not read. Made by `models/training/tuning.py`.

Deviance explained is the share of what the true 30-day risk says beyond its mean, so a figure without the noise of who happened to fail. Parts differ more than sizes do: behind it stands how far a size is from the champion's on the same part. Behind ± is a standard error over the parts. The other figures are of who failed.

| depth | step | rounds at most | trees of the three heads | deviance explained | beyond the champion's size | recall, 5 % | average precision | Brier skill | slope | s of CPU to learn |
|---|---|---|---|---|---|---|---|---|---|---|
{rows}

{verdict}
"""


def main() -> None:
    parser = page.parser(__doc__)
    parser.add_argument("--parts", type=int, choices=range(2, PARTS + 1), default=PARTS, help="how many of the five parts are judged")
    options = parser.parse_args()
    champion = page.champion_of(options.data)
    train, watch = page.learned_from(options.data)
    judged: dict[Size, list[dict[str, float]]] = {size: [] for size in SIZES}
    for part in range(options.parts):
        others, held = parted(train, part)
        lessons = taught(others, watch)
        for size in SIZES:
            judged[size].append(judge(size, lessons, watch, held))
            print(f"  part {part}, {size}: {judged[size][-1]['deviance']:.4f}", flush=True)

    # By size and figure, a value a part.
    found = {size: {key: [one[key] for one in each] for key in each[0]} for size, each in judged.items()}
    rows = "\n".join(row(size, one, found[SIZE]["deviance"]) for size, one in found.items())
    options.out.write_text(TEXT.format(parts=options.parts, rows=rows, verdict=verdict(champion, found)))


if __name__ == "__main__":
    main()
