"""How good predictions are on fleets that nothing was learned from, beside their ceilings and what they replace."""

from dataclasses import dataclass, replace

import numpy as np

import weighted
from horizons import HORIZONS
from training_set import TrainingSet, concatenate_fleets

DRAWS = 100
#: The ceiling that shares are taken of.
OBSERVABLE = "observable oracle"
#: Bounds of the bins in which probabilities are held against what happened.
BINS = [0.0, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0]


@dataclass
class Figure:
    """A figure with its 90 % interval, from resampling GPUs."""

    value: float
    low: float
    high: float

    @staticmethod
    def of(value: float, drawn: list[float]) -> "Figure":
        low, high = np.nanquantile(drawn, [0.05, 0.95]) if np.isfinite(drawn).any() else (np.nan, np.nan)
        return Figure(float(value), float(low), float(high))


@dataclass
class Comparison:
    """Metrics of each prediction for one horizon, by the names of `weighted.summary`."""

    metrics: dict[str, dict[str, Figure]]
    #: The same as shares of what one of them reaches on the same GPUs, the observable oracle by default.
    shares: dict[str, dict[str, Figure]]
    failing_rows: int
    base_rate: float


def compare(data: TrainingSet, scores: dict[str, np.ndarray], column: int, draws: int = DRAWS, of: str = OBSERVABLE) -> Comparison | None:
    """None where no row fails. @param scores by name: probabilities [rows, horizons]. @param of what shares are taken of"""
    failed = data.failed_within(HORIZONS[column])
    known = ~np.isnan(failed)
    if not failed[known].any():
        return None
    failed, weight = failed[known], data.weight[known]
    _, gpu = np.unique(data.columns["gpu"][known], return_inverse=True)
    found, drawn = {}, {}
    for name, score in scores.items():
        probability = score[known, column]
        # Sorted once: the draws find their order made.
        order = np.argsort(-probability, kind="stable")
        y, p, w, g = failed[order], probability[order], weight[order], gpu[order]
        found[name] = weighted.summary(y, p, w)
        rng = np.random.default_rng(7)
        drawn[name] = []
        for _ in range(draws):
            times = np.bincount(rng.integers(0, gpu.max() + 1, gpu.max() + 1), minlength=gpu.max() + 1)[g]
            rows = times > 0
            drawn[name].append(weighted.summary(y[rows], p[rows], w[rows] * times[rows]))
    keys = [key for key in next(iter(found.values())) if key not in ("failing_rows", "base_rate")]
    # A draw without a failure measures nothing, for none of the predictions.
    usable = [draw for draw in range(draws) if all(drawn[name][draw] for name in scores)]

    def figures(name: str, of: str | None) -> dict[str, Figure]:
        def ratio(one: dict[str, float], whole: dict[str, float] | None, key: str) -> float:
            if whole is None:
                return one[key]
            return one[key] / whole[key] if whole[key] != 0 else float("nan")

        whole = (None, [None] * draws) if of is None else (found[of], drawn[of])
        return {
            key: Figure.of(ratio(found[name], whole[0], key), [ratio(drawn[name][draw], whole[1][draw], key) for draw in usable])
            for key in keys
        }

    shares = {name: figures(name, of) for name in scores} if of in scores else {}
    first = next(iter(found.values()))
    return Comparison({name: figures(name, None) for name in scores}, shares, int(first["failing_rows"]), first["base_rate"])


def in_expectation(test: TrainingSet, scores: dict[str, np.ndarray], risk: np.ndarray, column: int) -> Comparison:
    """Figures to be expected, each GPU failing with its true risk: those of who happened to fail without the chance of it.

    Every row is there twice, as one that fails and as one that does not, and stands for as many GPUs as are expected to.
    """
    def standing_for(share: np.ndarray, failure: float) -> TrainingSet:
        told = {"days_to_failure": failure, "exit_days": HORIZONS[-1]}
        return replace(test, columns={
            **test.columns, **{name: np.full(len(test), value) for name, value in told.items()}, "weight": share * test.weight,
        })  # fmt: skip

    # Numbered as one fleet: both rows of a GPU are drawn together.
    fails, lives = standing_for(risk[:, column], 0.0), standing_for(1 - risk[:, column], np.nan)
    both = concatenate_fleets([fails, lives])
    both.columns["gpu"] = np.tile(test.columns["gpu"], 2)
    return compare(both, {name: np.tile(score, (2, 1)) for name, score in scores.items()}, column)


def flat(row: dict[str, Figure]) -> dict[str, float]:
    return {
        key: value
        for name, figure in row.items()
        for key, value in ((name, figure.value), (f"{name}_low", figure.low), (f"{name}_high", figure.high))
    }


def bins(data: TrainingSet, probability: np.ndarray, column: int, bounds: list[float] = BINS) -> list[dict]:
    """What happened to GPUs by their probability [rows], with a 90 % interval of the rate."""
    failed = data.failed_within(HORIZONS[column])
    known = ~np.isnan(failed)
    failed, weight, p, gpu = failed[known], data.weight[known], probability[known], data.columns["gpu"][known]
    found = []
    for start, end in zip(bounds[:-1], bounds[1:]):
        inside = (p >= start) & ((p < end) | (end == 1.0))
        y, w = failed[inside], weight[inside]
        low, high = weighted.rate_interval(y, w, gpu[inside])
        predicted = float(np.average(p[inside], weights=w)) if len(w) else (start + end) / 2
        found.append({
            "from": start, "to": end, "rows": int(inside.sum()), "failures": int(y.sum()), "predicted": predicted,
            "low": low, "high": high, "observed": float(np.average(y, weights=w)) if len(w) else float("nan"),
        })  # fmt: skip
    return found


def lift(data: TrainingSet, score: np.ndarray, column: int, shares: np.ndarray) -> np.ndarray:
    """Recall in the riskiest share of the fleet, for each share."""
    failed = data.failed_within(HORIZONS[column])
    known = ~np.isnan(failed)
    return np.array([weighted.at_top(failed[known], score[known, column], data.weight[known], share)[0] for share in shares])


def lead_times(data: TrainingSet, score: np.ndarray, bounds: list[float], share: float = 0.05) -> list[tuple[int, float]]:
    """Of the GPUs that fail so many days later: how many rows, and which share of them is among the riskiest of the fleet.

    @param score [rows]
    """
    # Rows of one score at the border count in part, all alike, as in `weighted.at_top`.
    order, group = weighted.descending(score)
    size = np.bincount(group, data.weight[order])
    upto = np.cumsum(size)
    inside = np.zeros(len(data))
    inside[order] = np.clip((share * upto[-1] - (upto - size)) / size, 0, 1)[group]
    days = data.columns["days_to_failure"]
    found = []
    for start, end in zip(bounds[:-1], bounds[1:]):
        rows = (days > start) & (days <= end)
        weight = data.weight[rows]
        found.append((int(rows.sum()), float(np.average(inside[rows], weights=weight)) if rows.any() else float("nan")))
    return found


def operating_points(data: TrainingSet, p30: np.ndarray, ratios: list[float]) -> list[dict]:
    """Alert thresholds by cost. With right probabilities an alert pays where p > 1 / (1 + ratio).

    @param ratios cost of a missed failure over the cost of a false alarm
    """
    failed = data.failed_within(30.0)
    known = ~np.isnan(failed)
    failed, weight, p = failed[known], data.weight[known], p30[known]
    total, failing = weight.sum(), (weight * failed).sum()
    points = []
    for ratio in ratios:
        threshold = 1 / (1 + ratio)
        alerted = p >= threshold
        caught = (weight * failed)[alerted].sum()
        false = (weight * (1 - failed))[alerted].sum()
        cost = false + ratio * (failing - caught)
        points.append({
            "missed_failure_over_false_alarm": ratio, "threshold_30d": threshold, "alerted_share": float(weight[alerted].sum() / total),
            "recall": float(caught / failing), "precision": float(caught / max(caught + false, 1e-9)),
            # In false alarms a thousand GPUs and month; beside it, never to alert.
            "cost_per_1000": float(1000 * cost / total), "cost_of_never_per_1000": float(1000 * ratio * failing / total),
        })  # fmt: skip
    return points
