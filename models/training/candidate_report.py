"""report.md of a candidate: how good it is on GPUs of the history that nothing was learned from."""

from dataclasses import replace
from pathlib import Path

import numpy as np

import plots
from evaluate import Comparison, lead_times, lift, operating_points
from horizons import HORIZONS
from report import COST_RATIOS, comparison_table, type_accuracy
from training_set import TrainingSet

CANDIDATE = "candidate"
#: GPUs that judge and fail within a horizon; of fewer, shares of them are told by no more than a few.
MIN_TOLD = 10
MONTH, QUARTER = HORIZONS[1], HORIZONS[-1]
MONTH_COLUMN = 1
LIFT_SHARES = np.array([0.01, 0.02, 0.05, 0.1])

TEXT = """# A candidate: {version}

Learned from a history of {rows:,} rows of {gpus:,} GPUs, {failing} of which fail, {base}. Made by `npm run train -- --input …`.

Judged by {judging:,} GPUs that nothing was learned from{time}: a model that was learned without them, in the same way. The candidate is learned from all of them. Rows are weighted by the GPUs that they stand for; intervals (90 %) come from resampling GPUs.

{tables}

## Reliability

![Reliability](reliability.png)

## Lift

{lift}

## Lead time

{leads}

## When to act

{costs}

## Kind of failure

{kinds}
"""


def failing_within(test: TrainingSet, days: float) -> int:
    """GPUs that fail within so many days of one of their rows."""
    return len(np.unique(test.columns["gpu"][test.failed_within(days) == 1]))


def too_few(test: TrainingSet, days: float) -> str | None:
    """What is said where a history has too few failures for more; None where it has enough."""
    count = failing_within(test, days)
    return None if count >= MIN_TOLD else f"Too few failures to tell: of the GPUs that judge {count} fail within {days:.0f} days, {MIN_TOLD} are needed."


def acting(test: TrainingSet, p30: np.ndarray) -> dict:
    """Alert thresholds by cost, for the card."""
    few = too_few(test, MONTH)
    if few is not None:
        return {"of": few, "points": []}
    of = "GPUs of the history that nothing was learned from; costs in false alarms a thousand GPUs and month"
    return {"of": of, "points": operating_points(test, p30, COST_RATIOS)}


def write_report(
    out: Path, version: str, history: TrainingSet, test: TrainingSet, cut_days: float | None, base: str,
    scores: dict[str, np.ndarray], results: list[Comparison | None], kinds: np.ndarray,
) -> list[Path]:  # fmt: skip
    """@param scores by name, of the rows that judge, [rows, horizons]. @param kinds of failure [rows, types]

    @returns text and plots
    """
    plots.reliability({CANDIDATE: (test, scores[CANDIDATE])}, out / "reliability.png")
    written = [out / "report.md", out / "reliability.png"]
    sections = {}
    for name, days, section, draw in (
        ("lift", MONTH, lift_section, plots.gains), ("leads", QUARTER, lead_section, plots.leads),
    ):  # fmt: skip
        few, plot = too_few(test, days), out / PLOTS[name]
        if few is None:
            sections[name] = f"{section(test, scores)}\n\n![{TITLES[name]}]({plot.name})"
            draw({JUDGES: test}, {JUDGES: scores}, plot)
            written.append(plot)
        else:
            sections[name] = few
            # That of an earlier candidate is not this one's.
            plot.unlink(missing_ok=True)
    text = TEXT.format(
        version=version, rows=len(history), gpus=len(np.unique(history.columns["gpu"])),
        failing=len(np.unique(history.columns["gpu"][history.columns["type"] >= 0])), base=base,
        judging=len(np.unique(test.columns["gpu"])),
        time="" if cut_days is None else ", at times after all that was learned from",
        tables="\n\n".join(comparisons(results)), costs=too_few(test, MONTH) or cost_section(test, scores[CANDIDATE]),
        kinds=too_few(test, QUARTER) or kind_section(test, kinds), **sections,
    )  # fmt: skip
    (out / "report.md").write_text(text)
    return written


PLOTS = {"lift": "lift.png", "leads": "lead-time.png"}
TITLES = {"lift": "Lift", "leads": "Lead time"}
JUDGES = "GPUs of the history that judge"


def comparisons(results: list[Comparison | None]) -> list[str]:
    tables = []
    for horizon, one in zip(HORIZONS, results):
        if one is None:
            tables.append(f"## {horizon:.0f} days\n\nNo GPU that judges fails within them.")
        else:
            tables += [f"## {horizon:.0f} days: {one.failing_rows} failing rows, base rate {one.base_rate:.2%}", "\n".join(comparison_table(one))]
    return tables


def lift_section(test: TrainingSet, scores: dict[str, np.ndarray]) -> str:
    lines = [
        "Of the failures within 30 days, the share that is in the riskiest part of the fleet; behind it, how many times as often GPUs of that part fail as all do.",
        "",
        "| prediction | " + " | ".join(f"riskiest {share:.0%}" for share in LIFT_SHARES) + " |",
        "|---" * (1 + len(LIFT_SHARES)) + "|",
    ]
    for name, score in scores.items():
        found = lift(test, score, MONTH_COLUMN, LIFT_SHARES)
        lines.append(f"| {name} | " + " | ".join(f"{recall:.2f}, {recall / share:.1f}" for recall, share in zip(found, LIFT_SHARES)) + " |")
    return "\n".join(lines)


def lead_section(test: TrainingSet, scores: dict[str, np.ndarray]) -> str:
    lines = [
        "Of the rows whose GPU fails so many days later, the share that is among the riskiest 5 % by the 30-day probability.",
        "",
        "| days until failure | rows | " + " | ".join(scores) + " |",
        "|---" * (2 + len(scores)) + "|",
    ]
    found = [lead_times(test, score[:, MONTH_COLUMN], plots.LEAD_DAYS) for score in scores.values()]
    for start, end, *each in zip(plots.LEAD_DAYS[:-1], plots.LEAD_DAYS[1:], *found):
        cells = [f"{share:.2f}" if count > 0 else "–" for count, share in each]
        lines.append(f"| {start:.0f}–{end:.0f} | {each[0][0]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cost_section(test: TrainingSet, probability: np.ndarray) -> str:
    points = acting(test, probability[:, MONTH_COLUMN])["points"]
    lines = [
        "With a right probability p, acting on a GPU pays where p × (cost of a missed failure) exceeds (1 − p) × (cost of a false alarm): above 1 / (1 + ratio of the two). Costs are in false alarms a thousand GPUs and month.",
        "",
        "| missed failure / false alarm | threshold | GPUs alerted | recall | precision | cost | cost of never acting |",
        "|---" * 7 + "|",
        *(
            f"| {point['missed_failure_over_false_alarm']:.0f} | {point['threshold_30d']:.3f} | {point['alerted_share']:.2%} | "
            f"{point['recall']:.2f} | {precision(point)} | {point['cost_per_1000']:.1f} | {point['cost_of_never_per_1000']:.1f} |"
            for point in points
        ),
    ]
    return "\n".join(lines)


def precision(point: dict) -> str:
    return f"{point['precision']:.2f}" if point["alerted_share"] > 0 else "–"


def kind_section(test: TrainingSet, kinds: np.ndarray) -> str:
    # A history does not tell which failures showed before.
    found = type_accuracy(replace(test, columns={**test.columns, "abrupt": np.full(len(test), np.nan)}), kinds)
    return (
        f"Of {found['rows']} rows that fail within 90 days the likeliest kind is right in {found['accuracy']:.0%}, "
        f"always naming the most frequent one in {found['accuracy_of_the_most_frequent_type']:.0%}."
    )
