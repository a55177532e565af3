"""docs/models/survival.md: figures of the baseline on GPUs that were held out, with its calibration plot."""

from pathlib import Path

import matplotlib
import numpy as np
from lifelines import KaplanMeierFitter

from .calibrate import poisson_fit
from .concordance import influence, interval
from .curve import probabilities
from .evaluate import BASELINE, COX, FOLDS, HORIZONS, Scores, cross_validate
from .lives import Lives, read_lives

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

#: A curve that is flat where nobody failed expects nothing there, and has no logarithm.
LEAST_HAZARD = 1e-7


def concordances(lives: Lives, all_scores: list[Scores]) -> list[str]:
    """Rows of the table: the mean over the splits, its interval, and the gain over Cox on the same GPUs."""
    found = {}
    for name in all_scores[0].risk:
        each = [influence(lives.days, lives.dead, scores.risk[name]) for scores in all_scores]
        found[name] = [value for value, _ in each], np.mean([parts for _, parts in each], axis=0)
    rows = []
    for name, (values, parts) in found.items():
        value = float(np.mean(values))
        low, high = interval(value, parts)
        gain = value - float(np.mean(found[COX][0]))
        gain_low, gain_high = interval(gain, parts - found[COX][1])
        against = "" if name == COX else f"{gain:+.3f} ({gain_low:+.3f} to {gain_high:+.3f})"
        each = ", ".join(f"{one:.3f}" for one in values)
        rows.append(f"| {name} | {value:.3f} ({low:.3f}–{high:.3f}) | {each} | {against} |")
    return rows


def calibration(lives: Lives, all_scores: list[Scores]) -> list[str]:
    """Rows of the table; each split looks at each GPU once, at another age."""
    return [calibration_row(lives, all_scores, name, column) for column in range(len(HORIZONS)) for name in all_scores[0].expected]


def calibration_row(lives: Lives, all_scores: list[Scores], name: str, column: int) -> str:
    slopes, errors, observed, expected = [], [], 0, 0.0
    for scores in all_scores:
        within = scores.within[name][:, column]
        alive = ~np.isnan(within)
        behind = lives.days[alive] - scores.landmark_days[alive]
        failed = lives.dead[alive] & (behind <= HORIZONS[column])
        # The prediction is what was known at the start; exposure ends with the life, so it only goes into the offset.
        predicted, seen = (np.log(np.maximum(of[alive], LEAST_HAZARD)) for of in (scores.expected[name][:, column], within))
        slope, error, _ = poisson_fit(predicted, seen - predicted, failed.astype(float))
        slopes.append(slope)
        errors.append(error)
        observed += int(failed.sum())
        expected += float(within[alive].sum())
    slope, error = float(np.mean(slopes)), float(np.mean(errors))
    return (
        f"| {HORIZONS[column]:.0f} days | {name} | {observed} | {expected:.1f} | {observed / expected:.2f} |"
        f" {slope:.2f} ({slope - 1.645 * error:.2f}–{slope + 1.645 * error:.2f}) |"
    )


def deciles(lives: Lives, scores: Scores) -> list[tuple[int, float, float, float, float]]:
    """GPUs, mean prediction for 365 days, failed by Kaplan-Meier with a 90 % interval; by tenth of the prediction."""
    expected = scores.expected[BASELINE][:, 2]
    alive = np.flatnonzero(~np.isnan(expected))
    predicted = probabilities(expected[alive])
    result = []
    for rows in np.array_split(np.argsort(predicted, kind="stable"), 10):
        gpus = alive[rows]
        behind = lives.days[gpus] - scores.landmark_days[gpus]
        curve = KaplanMeierFitter(alpha=0.1).fit(np.minimum(behind, 365), lives.dead[gpus] & (behind <= 365))
        failed = float(1 - curve.survival_function_.iloc[-1, 0])
        high, low = 1 - curve.confidence_interval_survival_function_.iloc[-1].to_numpy()
        if failed == 0:
            low, high = 0.0, highest_without_failure(int((behind >= 365).sum()))
        result.append((len(rows), float(predicted[rows].mean()), failed, low, high))
    return result


def highest_without_failure(followed: int) -> float:
    """Upper end of a 90 % interval of the share that fails, where none of so many did: Kaplan-Meier's is no interval then.

    A greater share would leave all of them alive less than once in twenty. Who was followed for less than the whole time
    does not count, which errs to the side of doubt.
    """
    return 1.0 if followed == 0 else 1 - 0.05 ** (1 / followed)


def plot(bins: list[tuple[int, float, float, float, float]], path: Path) -> None:
    _, predicted, observed, low, high = (np.array(column) for column in zip(*bins))
    figure, axes = pyplot.subplots(figsize=(4.5, 4), dpi=80)
    top = max(predicted.max(), high.max()) * 1.05
    axes.plot([0, top], [0, top], color="#999", linewidth=1)
    axes.errorbar(predicted, observed, [observed - low, high - observed], fmt="o", color="#1f5fa8", capsize=3)
    axes.set(xlabel="predicted to fail within 365 days", ylabel="failed within 365 days (Kaplan–Meier)")
    axes.set_title("Tenths of the held-out GPUs", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


TEXT = """# The survival baseline on Titan's GPUs

What asset data alone (age, batch, position, serial number) says of failures, on GPUs that were held out. Made by

```sh
cd models && python3 -m training.survival report
```

from the lifetimes in [models/training/titan](../../models/training/titan): {gpus:,} GPUs, {failures:,} failures in {years:,.0f} GPU-years ({rate:.1f} % a year). Each GPU is scored {splits} times, by models that learned from the other GPUs ({folds}-fold; seeds of the splits: {seeds}). No GPU has two rows. Figures and intervals (90 %) count each GPU once.

## Ranking whole lives

Harrell's concordance at age 0: of two GPUs, how often the one with the greater `risk` fails first. Age alone ranks no new GPU before another.

| model | concordance | by split | against Cox |
|---|---|---|---|
{concordance}

Cox is lifelines' CoxPHFitter on batch, column, row, cage, slot and node. The baseline "of batch, cage and slot" knows what the engine's register knows; the last one also knows cabinet, node and serial number, as `predict` may.

## Probabilities

Each GPU is looked at once in a split, at an age drawn from 0, ½, 1 … 5 years, if it was alive then. Expected failures are cumulative hazards up to the horizon or to the end of what was seen. The slope is that of a Poisson regression of failures on the log of the predicted hazard, with the time seen as exposure: 1 where predictions spread as they should, below 1 where they are too bold.

| horizon | model | failures, all splits | expected | observed / expected | slope |
|---|---|---|---|---|---|
{calibration}

Tenths of the baseline's prediction for 365 days, first split:

| GPUs | predicted | failed (90 %) |
|---|---|---|
{deciles}

![Calibration](survival-calibration.png)

## Limits

- One machine, one model of GPU (K20X) of 2012 to 2017. Its old batch had a defect of the circuit boards that shows after about a year and a half; other fleets have other defects at other ages. The engine takes over the shape and sets the level from `survival.yearlyRates`.
- Splits are by GPU, not by time: neighbours of a GPU in cabinet and serial number are among those learned from, as they are in a fleet of one's own.
- The position is where a GPU spent the longest time, which is known only afterwards.
"""


def write_report(seeds: list[int], out: Path) -> None:
    lives = read_lives()
    all_scores = [cross_validate(lives, seed) for seed in seeds]
    out.mkdir(parents=True, exist_ok=True)
    bins = deciles(lives, all_scores[0])
    plot(bins, out / "survival-calibration.png")
    text = TEXT.format(
        gpus=len(lives), failures=int(lives.dead.sum()), years=lives.days.sum() / 365.25, rate=100 * lives.yearly_rate,
        splits=len(seeds), folds=FOLDS, seeds=", ".join(map(str, seeds)),
        concordance="\n".join(concordances(lives, all_scores)),
        calibration="\n".join(calibration(lives, all_scores)),
        deciles="\n".join(f"| {n} | {100 * p:.2f} % | {100 * o:.2f} % ({100 * l:.2f}–{100 * h:.2f}) |" for n, p, o, l, h in bins),
    )  # fmt: skip
    (out / "survival.md").write_text(text)
    print(f"wrote {out / 'survival.md'}")
