"""docs/models/champion.md: figures of the model beside its ceilings and what it replaces."""

from pathlib import Path

import numpy as np

import plots
import weighted
from evaluate import OBSERVABLE, Comparison, Figure, in_expectation, lead_times, operating_points
from horizons import FAILURE_TYPES, HORIZONS
from training_set import TrainingSet

MODEL = "model"
SHOWN = {
    "auc": "AUC", "average_precision": "average precision", "recall_at_1_percent": "recall, 1 %",
    "recall_at_5_percent": "recall, 5 %", "precision_at_1_percent": "precision, 1 %",
    "precision_at_5_percent": "precision, 5 %", "brier": "Brier score", "brier_skill": "Brier skill", "calibration_slope": "slope",
    "calibration_error": "calibration error", "mean_over_base_rate": "mean / base rate",
}  # fmt: skip
TITLES = {"test": "Worlds whose parameters training has seen", "untrained": "Worlds whose parameters it has not"}
#: Figure, column of the horizon, share of the observable oracle wanted by split; None: absolute bounds.
TARGETS: list[tuple[str, int, dict[str, float]]] = [
    ("recall_at_5_percent", 0, {"test": 0.90, "untrained": 0.85}),
    ("recall_at_5_percent", 1, {"test": 0.85, "untrained": 0.80}),
    ("recall_at_5_percent", 2, {"test": 0.85, "untrained": 0.80}),
    ("average_precision", 1, {"test": 0.65, "untrained": 0.55}),
    ("auc", 1, {"test": 0.96, "untrained": 0.93}),
    ("precision_at_1_percent", 1, {"test": 0.75, "untrained": 0.65}),
    ("brier_skill", 1, {"test": 0.45, "untrained": 0.30}),
]
BOUNDS: list[tuple[str, int, dict[str, tuple[float, float]]]] = [
    ("calibration_slope", 0, {"test": (0.9, 1.1), "untrained": (0.85, 1.2)}),
    ("calibration_slope", 1, {"test": (0.9, 1.1), "untrained": (0.85, 1.2)}),
    ("mean_over_base_rate", 0, {"test": (0.8, 1.25), "untrained": (0.7, 1.4)}),
    ("mean_over_base_rate", 1, {"test": (0.8, 1.25), "untrained": (0.7, 1.4)}),
]
PLOTTED = (MODEL, OBSERVABLE, "all-knowing oracle", "age only", "rule of thumb")
#: Cost of a missed failure over that of a false alarm.
COST_RATIOS = [5.0, 10.0, 20.0, 50.0, 100.0]
#: Noise only ever adds to it, so that resampling draws it too high: it is shown without an interval.
WITHOUT_INTERVAL = "calibration_error"
#: Decimals of figures that are all small: a Brier score lies about the base rate.
DECIMALS = {"brier": 5}


def cell(figure: Figure, decimals: int = 3) -> str:
    if not np.isfinite(figure.value):
        return "–"
    return f"{figure.value:.{decimals}f} ({figure.low:.{decimals}f}–{figure.high:.{decimals}f})"


def entry(key: str, figure: Figure) -> str:
    return f"{figure.value:.3f}" if key == WITHOUT_INTERVAL else cell(figure, DECIMALS.get(key, 3))


def comparison_table(found: Comparison) -> list[str]:
    lines = ["| prediction | " + " | ".join(SHOWN.values()) + " |", "|---" * (1 + len(SHOWN)) + "|"]
    for name, row in found.metrics.items():
        lines.append(f"| {name} | " + " | ".join(entry(key, row[key]) for key in SHOWN) + " |")
    return lines


def target_rows(results: dict[str, list[Comparison]]) -> list[str]:
    lines = []
    for key, column, wanted in TARGETS:
        cells = []
        for split in results:
            found = results[split][column]
            share, ceiling = found.shares[MODEL][key], found.metrics[OBSERVABLE][key].value
            met = "met" if share.value >= wanted[split] else "missed"
            own = found.metrics[MODEL][key].value
            cells.append(f"{own:.3f} of {ceiling:.3f}: {cell(share)} | {wanted[split]:.2f}, {met}")
        lines.append(f"| {SHOWN[key]}, {HORIZONS[column]:.0f} days | " + " | ".join(cells) + " |")
    for key, column, wanted in BOUNDS:
        cells = []
        for split in results:
            figure, (low, high) = results[split][column].metrics[MODEL][key], wanted[split]
            met = "met" if low <= figure.value <= high else "missed"
            cells.append(f"{cell(figure)} | {low}–{high}, {met}")
        lines.append(f"| {SHOWN[key]}, {HORIZONS[column]:.0f} days (absolute) | " + " | ".join(cells) + " |")
    return lines


def lead_rows(parts: dict[str, TrainingSet], scores: dict[str, dict[str, np.ndarray]]) -> list[str]:
    rows = []
    for place, (start, end) in enumerate(zip(plots.LEAD_DAYS[:-1], plots.LEAD_DAYS[1:])):
        cells = []
        for split, data in parts.items():
            for name in (MODEL, OBSERVABLE):
                count, share = lead_times(data, scores[split][name][:, 1], plots.LEAD_DAYS)[place]
                cells.append(f"{share:.2f} of {count}" if name == MODEL else f"{share:.2f}")
        rows.append(f"| {start:.0f}–{end:.0f} | " + " | ".join(cells) + " |")
    return rows


def type_accuracy(data: TrainingSet, kinds: np.ndarray) -> dict[str, float]:
    """Over the rows that fail within 90 days: how often the likeliest kind is the right one."""
    failing = data.columns["days_to_failure"] <= HORIZONS[-1]
    type_ = data.columns["type"][failing].astype(int)
    seen = data.columns["abrupt"][failing] == 0
    right = kinds[failing].argmax(axis=1) == type_
    return {
        "rows": int(failing.sum()),
        "accuracy": float(right.mean()),
        "accuracy_of_the_most_frequent_type": float(np.bincount(type_, minlength=len(FAILURE_TYPES)).max() / len(type_)),
        "rows_with_signs": int(seen.sum()),
        "accuracy_with_signs": float(right[seen].mean()) if seen.any() else float("nan"),
    }


TEXT = """# The champion: {version}

How well the model predicts on simulated fleets that it has not learned from, beside what is possible at best. Made by `npm run train`; the words and figures of this page are written by `models/training/report.py`, the fleets are those of [the training set](../training-set.md).

- Learned from {train_rows:,} rows of {train_fleets} fleets, calibrated on {watch_fleets} others; taught by the observable oracle, which has learned from other fleets than the one that it teaches.
- Judged on {test_fleets} fleets of worlds like those and {untrained_fleets} of worlds whose parameters no fleet of training has, each with a seed of its own, at their natural failure rate. No GPU of theirs was learned from. Rows have full windows of eight days; a fleet has four periods, a season apart; rows are weighted by the GPUs that they stand for.
- Intervals (90 %) come from resampling GPUs, for shares both predictions on the same GPUs.

| prediction | what it is |
|---|---|
| model | the champion |
| all-knowing oracle | the true risk: it knows frailty and every hidden defect, and of the future only the laws |
| observable oracle | what eight days of telemetry tell at best: a Bayesian filter with the laws of each fleet's own world over noise-free daily sums, then boosting on the true risk over {train_fleets} fleets |
| 30 days × 0.25, × 2.5 | the superseded system's way to 7 and 90 days, from the model's 30-day number |
| age only | the model's heads, given nothing but age |
| rule of thumb | the superseded system's |

## Against what was asked for

Shares are of what the observable oracle reaches.

| figure | model, trained parameters | wanted | model, untrained | wanted |
|---|---|---|---|---|
{targets}

Who fails is partly chance. The same figures without it, as they are to be expected where each GPU fails with its true risk:

| figure | model, trained parameters | wanted | model, untrained | wanted |
|---|---|---|---|---|
{expected}

{verdict}

{tables}

## Reliability

What was predicted and what happened.

![Reliability](champion-reliability.png)

## Lift

![Lift](champion-lift.png)

## Lead time

Of the GPUs that fail so many days later, the share that is among the riskiest 5 % by the 30-day probability. Failures without any sign are among them: {abrupt:.0%} of those within 30 days.

| days until failure | model, trained parameters | observable oracle | model, untrained | observable oracle |
|---|---|---|---|---|
{leads}

![Lead time](champion-lead-time.png)

## When a GPU falls silent

Rows that the engine emits with the trigger `absence`, at all lengths of window. Most are GPUs whose host or exporter is away; {dead} of the {silent} GPUs that fell silent here had failed. The model sees the readings before the silence and not who else of the host is silent: that the alert `detached` knows.

| worlds | horizon | failing rows, their share | true risk | predicted | AUC | recall, 5 % |
|---|---|---|---|---|---|---|
{silences}

## Young windows

Rows after one day and after three days of telemetry, as of GPUs that are new, of the same fleets. The oracle knows full windows only.

| worlds | window, days | failing rows within 30 days, base rate | AUC | average precision | recall, 5 % | slope | mean / base rate |
|---|---|---|---|---|---|---|---|
{young}

## By what the exporter sends

Full windows, 30 days: with ECC errors (all fields); without them, as dcgm-exporter is shipped or older; without memory temperature (the least).

| worlds | sent | failing rows, base rate | AUC: model, observable oracle | recall, 5 % | slope | mean / base rate | predicted / true risk |
|---|---|---|---|---|---|---|---|
{sent}

## What looks like a defect

GPUs with full windows that show what healthy boards show too, the sick among them: what the model makes of them within 30 days, and the true risk. A GPU is punished for a look-alike where it is said to be riskier than it is.

| worlds | what they show | share of GPUs | predicted | true risk | predicted / true | their share of the model's riskiest 5 %, of the truly riskiest 5 % |
|---|---|---|---|---|---|---|
{alike}

## When to act

With a right probability p, acting on a GPU pays where p × (cost of a missed failure) exceeds (1 − p) × (cost of a false alarm): above 1 / (1 + ratio of the two). Costs are in false alarms a thousand GPUs and month; fleets of trained parameters.

| missed failure / false alarm | threshold | GPUs alerted | recall | precision | cost | cost of never acting |
|---|---|---|---|---|---|---|
{costs}

## Kind of failure

{types}

## Elsewhere

How it does in worlds that share no law with these, before and after learning from their history: [foreign.md](foreign.md). How the size of its trees was settled, on fleets of training alone: [tuning.md](tuning.md). What keeps it from the oracle: [shortfall.md](shortfall.md).
"""

def silence_rows(silences: dict[str, TrainingSet], scores: dict[str, np.ndarray]) -> list[str]:
    """@param silences rows of silences by split. @param scores what the model says of them, by split"""
    lines = []
    for split, data in silences.items():
        for column, horizon in enumerate(HORIZONS):
            failed = data.failed_within(horizon)
            known = ~np.isnan(failed)
            found = weighted.summary(failed, scores[split][:, column], data.weight)
            if not found:
                continue  # nobody of them fails: there is nothing to measure
            lines.append(
                f"| {TITLES[split]} | {horizon:.0f} days | {int(failed[known].sum())} of {int(known.sum())}, {found['base_rate']:.2%} | "
                f"{np.average(data.true_risk()[:, column], weights=data.weight):.2%} | {np.average(scores[split][:, column], weights=data.weight):.2%} | "
                f"{found['auc']:.3f} | {found['recall_at_5_percent']:.3f} |"
            )
    return lines


def young_rows(young: dict[str, TrainingSet], scores: dict[str, np.ndarray]) -> list[str]:
    """@param young rows of windows that are not full yet, by split. @param scores what the model says of them, by split"""
    lines = []
    for split, data in young.items():
        days = np.round(data.columns["observed_days"])
        for day in (1, 3):
            rows = np.flatnonzero(days == day)
            failed, score = data.failed_within(30.0)[rows], scores[split][rows, 1]
            found = weighted.summary(failed, score, data.weight[rows])
            if not found:
                continue
            lines.append(
                f"| {TITLES[split]} | {day} | {found['failing_rows']}, {found['base_rate']:.2%} | {found['auc']:.3f} | {found['average_precision']:.3f} | "
                f"{found['recall_at_5_percent']:.3f} | {found['calibration_slope']:.2f} | {found['mean_over_base_rate']:.2f} |"
            )
    return lines


def senders(data: TrainingSet) -> dict[str, np.ndarray]:
    """Rows by what their exporter sends."""
    ecc, memory = (~np.isnan(data.x[:, data.features.index(name)]) for name in ("ecc_sbe_event_count", "memory_temp_mean"))
    return {"with ECC": ecc, "without ECC": ~ecc & memory, "least": ~ecc & ~memory}


def sent_rows(parts: dict[str, TrainingSet], scores: dict[str, dict[str, np.ndarray]]) -> list[str]:
    lines = []
    for split, data in parts.items():
        for name, rows in senders(data).items():
            if not (data.failed_within(30.0)[rows] == 1).any():
                continue
            failed, weight = data.failed_within(30.0)[rows], data.weight[rows]
            own, best = (weighted.summary(failed, scores[split][one][rows, 1], weight) for one in (MODEL, OBSERVABLE))
            right = np.average(scores[split][MODEL][rows, 1], weights=weight) / np.average(data.true_risk()[rows, 1], weights=weight)
            lines.append(
                f"| {TITLES[split]} | {name} | {own['failing_rows']}, {own['base_rate']:.2%} | {own['auc']:.3f}, {best['auc']:.3f} | "
                f"{own['recall_at_5_percent']:.3f} | {own['calibration_slope']:.2f} | {own['mean_over_base_rate']:.2f} | {right:.2f} |"
            )
    return lines


def look_alikes(data: TrainingSet) -> dict[str, np.ndarray]:
    """Rows that show what a healthy board may show."""

    def feature(name: str) -> np.ndarray:
        return np.nan_to_num(data.x[:, data.features.index(name)], nan=0.0)

    def tenth(values: np.ndarray) -> np.ndarray:
        """The highest tenth of each fleet: counts of onsets differ by scrape interval."""
        found = np.zeros(len(values), bool)
        for number in np.unique(data.fleet):
            rows = np.flatnonzero(data.fleet == number)
            found[rows] = values[rows] > max(0.0, float(np.quantile(values[rows], 0.9)))
        return found

    days, inlet = (data.daily[:, :, data.tallies.index(name)] for name in ("days", "inlet_days"))
    celsius = np.nansum(inlet, axis=1) / np.maximum(np.nansum(days, axis=1), 1e-9)
    return {
        "application XIDs, no hardware XID": (feature("xid_application_count") >= 3) & (feature("xid_hardware_count") == 0),
        "the warmest tenth by air taken in": tenth(celsius),
        "the tenth that the power cap slows most often": tenth(feature("sw_power_cap_count")),
        "temperature that jumps, the most frequent tenth": tenth(feature("thermal_residual_spike_count")),
        "20 and more PCIe replays a day, no hardware XID": (feature("pcie_replay_count") >= 160) & (feature("xid_hardware_count") == 0),
        "10 and more correctable errors a day, no uncorrectable one": (feature("ecc_sbe_event_count") >= 80)
        & (feature("ecc_dbe_event_count") == 0) & (feature("xid_hardware_count") == 0),
    }  # fmt: skip


def alike_rows(parts: dict[str, TrainingSet], scores: dict[str, dict[str, np.ndarray]]) -> list[str]:
    lines = []
    for split, data in parts.items():
        risk, said = data.true_risk()[:, 1], scores[split][MODEL][:, 1]
        top = [top_share(score, data.weight, 0.05) for score in (said, risk)]
        for name, rows in look_alikes(data).items():
            if not rows.any():
                continue
            predicted, true = (float(np.average(one[rows], weights=data.weight[rows])) for one in (said, risk))
            held = ", ".join(f"{np.average(rows[one], weights=data.weight[one]):.0%}" for one in top)
            share = data.weight[rows].sum() / data.weight.sum()
            lines.append(f"| {TITLES[split]} | {name} | {share:.1%} | {predicted:.2%} | {true:.2%} | {predicted / true:.2f} | {held} |")
    return lines


def top_share(score: np.ndarray, weight: np.ndarray, share: float) -> np.ndarray:
    """Rows that are the riskiest share of the fleet."""
    order = np.argsort(-score, kind="stable")
    return order[np.cumsum(weight[order]) <= share * weight.sum()]


TYPES = (
    "{title}: of {rows} rows that fail within 90 days the likeliest kind is right in {accuracy:.0%}, always naming the most frequent one "
    "in {accuracy_of_the_most_frequent_type:.0%}; of the {rows_with_signs} whose failure shows, in {accuracy_with_signs:.0%}."
)


def verdict(results: dict[str, list[Comparison]]) -> str:
    """Whether the observable oracle is a ceiling: calibrated, and beaten by nothing beyond its interval."""
    beaten, slopes = [], []
    for split, found in results.items():
        for column, one in enumerate(found):
            slope = one.metrics[OBSERVABLE]["calibration_slope"]
            slopes.append(f"{slope.value:.2f} ({slope.low:.2f}–{slope.high:.2f})")
            for key in ("auc", "average_precision", "recall_at_5_percent", "precision_at_1_percent", "brier_skill"):
                if one.shares[MODEL][key].low > 1:
                    beaten.append(f"{SHOWN[key]} at {HORIZONS[column]:.0f} days, {split}")
    return (
        "The observable oracle is a ceiling as far as it is calibrated and no model beats it. Its calibration slopes, at 7, 30 and 90 "
        f"days, trained parameters then untrained: {', '.join(slopes)}. Beyond the interval the model beats it in: {', '.join(beaten) or 'nothing'}."
    )


def write_report(
    out: Path, version: str, parts: dict[str, TrainingSet], scores: dict[str, dict[str, np.ndarray]],
    results: dict[str, list[Comparison]], kinds: dict[str, dict[str, float]], train: TrainingSet, watch: TrainingSet,
    silences: dict[str, TrainingSet], said: dict[str, np.ndarray], young: dict[str, TrainingSet], early: dict[str, np.ndarray],
) -> None:  # fmt: skip
    """@param parts rows of full windows by split. @param scores by split, then by name, [rows, horizons]

    @param silences rows of silences by split. @param said what the model says of them
    @param young rows of windows that are not full yet, by split. @param early what the model says of them
    """
    out.mkdir(parents=True, exist_ok=True)
    own = {TITLES[split]: (data, scores[split][MODEL]) for split, data in parts.items()}
    plots.reliability(own, out / "champion-reliability.png")
    held = {split: {name: scores[split][name] for name in (MODEL, OBSERVABLE)} for split in parts}
    expected = {
        split: [in_expectation(data, held[split], data.true_risk(), column) for column in range(len(HORIZONS))] for split, data in parts.items()
    }
    titled = {TITLES[split]: data for split, data in parts.items()}
    shown = {TITLES[split]: {name: scores[split][name] for name in PLOTTED} for split in parts}
    plots.gains(titled, shown, out / "champion-lift.png")
    plots.leads(titled, shown, out / "champion-lead-time.png")
    tables = []
    for split, found in results.items():
        tables.append(f"## {TITLES[split]}")
        for column, one in enumerate(found):
            tables.append(f"### {HORIZONS[column]:.0f} days: {one.failing_rows} failing rows, base rate {one.base_rate:.2%}")
            tables.append("\n".join(comparison_table(one)))
    within = parts["test"].columns["days_to_failure"] <= 30
    costs = operating_points(parts["test"], scores["test"][MODEL][:, 1], COST_RATIOS)
    text = TEXT.format(
        version=version, train_rows=len(train), train_fleets=len(train.fleets), watch_fleets=len(watch.fleets),
        test_fleets=len(parts["test"].fleets), untrained_fleets=len(parts["untrained"].fleets),
        targets="\n".join(target_rows(results)), expected="\n".join(target_rows(expected)), verdict=verdict(results), tables="\n\n".join(tables),
        abrupt=float(parts["test"].columns["abrupt"][within].mean()), leads="\n".join(lead_rows(parts, scores)),
        silences="\n".join(silence_rows(silences, said)), silent=sum(len(data) for data in silences.values()),
        young="\n".join(young_rows(young, early)), sent="\n".join(sent_rows(parts, scores)), alike="\n".join(alike_rows(parts, scores)),
        dead=sum(int((data.true_risk()[:, 0] == 1).sum()) for data in silences.values()),
        costs="\n".join(
            f"| {point['missed_failure_over_false_alarm']:.0f} | {point['threshold_30d']:.3f} | {point['alerted_share']:.2%} | "
            f"{point['recall']:.2f} | {point['precision']:.2f} | {point['cost_per_1000']:.1f} | {point['cost_of_never_per_1000']:.1f} |"
            for point in costs
        ),
        types="\n\n".join(TYPES.format(title=TITLES[split], **row) for split, row in kinds.items()),
    )  # fmt: skip
    (out / "champion.md").write_text(text)
