"""Plots of the report."""

from pathlib import Path

import matplotlib
import numpy as np

from evaluate import bins, lead_times, lift
from horizons import HORIZONS
from training_set import TrainingSet

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

COLOURS = ["#1f5fa8", "#c44e1c", "#3a8a3a", "#777777", "#8a4fae", "#b8860b"]
#: Days until failure by which lead times are told.
LEAD_DAYS = [0.0, 1.0, 3.0, 7.0, 14.0, 30.0, 60.0, 90.0]
SHARES = np.array([0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0])


def save(figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


def reliability(parts: dict[str, tuple[TrainingSet, np.ndarray]], path: Path) -> None:
    """Predicted against what happened, for each horizon. @param parts by name: rows and probabilities [rows, horizons]"""
    figure, all_axes = pyplot.subplots(1, len(HORIZONS), figsize=(10.5, 3.6), dpi=80)
    for column, axes in enumerate(all_axes):
        axes.plot([1e-4, 1], [1e-4, 1], color="#999", linewidth=1)
        for (name, (data, probability)), colour in zip(parts.items(), COLOURS):
            found = [one for one in bins(data, probability[:, column], column) if one["failures"] > 0]
            x, y, low, high = (np.array([one[key] for one in found]) for key in ("predicted", "observed", "low", "high"))
            error = [np.maximum(y - low, 0), np.maximum(high - y, 0)]
            axes.errorbar(x, y, error, fmt="o", markersize=4, color=colour, capsize=2, label=name)
        axes.set(xscale="log", yscale="log", xlim=(1e-4, 1), ylim=(1e-4, 1))
        axes.set(xlabel="predicted", title=f"{HORIZONS[column]:.0f} days")
    all_axes[0].set_ylabel("failed")
    all_axes[0].legend(fontsize=7, loc="lower right")
    save(figure, path)


def gains(parts: dict[str, TrainingSet], scores: dict[str, dict[str, np.ndarray]], path: Path, column: int = 1) -> None:
    """Share of the failures in the riskiest share of the fleet. @param scores by part, then by name of the prediction"""
    figure, all_axes = pyplot.subplots(1, len(parts), figsize=(9, 3.8), dpi=80, squeeze=False)
    for axes, (part, data) in zip(all_axes[0], parts.items()):
        for (name, score), colour in zip(scores[part].items(), COLOURS):
            axes.plot(SHARES, lift(data, score, column, SHARES), color=colour, label=name, marker=".")
        axes.plot(SHARES, SHARES, color="#ccc", linewidth=1)
        axes.set(xscale="log", xlabel="riskiest share of the fleet", title=f"{part}, {HORIZONS[column]:.0f} days", ylim=(0, 1))
    all_axes[0][0].set_ylabel("share of failures in it")
    all_axes[0][0].legend(fontsize=8)
    save(figure, path)


def leads(parts: dict[str, TrainingSet], scores: dict[str, dict[str, np.ndarray]], path: Path, column: int = 1) -> None:
    """Share of the GPUs that fail so many days later which are among the riskiest 5 %."""
    figure, all_axes = pyplot.subplots(1, len(parts), figsize=(9, 3.6), dpi=80, squeeze=False)
    labels = [f"{start:.0f}–{end:.0f}" for start, end in zip(LEAD_DAYS[:-1], LEAD_DAYS[1:])]
    for axes, (part, data) in zip(all_axes[0], parts.items()):
        for (name, score), colour in zip(scores[part].items(), COLOURS):
            axes.plot(labels, [share for _, share in lead_times(data, score[:, column], LEAD_DAYS)], color=colour, label=name, marker="o")
        axes.axhline(0.05, color="#ccc", linewidth=1)
        axes.set(xlabel="days until failure", title=part, ylim=(0, 1))
    all_axes[0][0].set_ylabel("share of them in the riskiest 5 %")
    all_axes[0][0].legend(fontsize=8)
    save(figure, path)
