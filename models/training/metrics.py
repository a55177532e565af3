"""How good probabilities are, on GPUs that neither training nor calibration has seen. Ranking metrics take
weights, with which GPUs are resampled."""

import numpy as np


def auc(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> float:
    """Area under the ROC curve; ties count half. NaN where only one class is there."""
    order = np.argsort(p, kind="stable")
    y, p, w = y[order], p[order], w[order]
    positive, negative = w * y, w * (1 - y)
    _, start = np.unique(p, return_index=True)
    pos = np.add.reduceat(positive, start)
    neg = np.add.reduceat(negative, start)
    below = np.cumsum(neg) - neg
    total = pos.sum() * neg.sum()
    return float((pos * (below + neg / 2)).sum() / total) if total > 0 else float("nan")


def average_precision(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> float:
    """Area under precision over recall, in steps; rows of one probability are taken together."""
    order = np.argsort(-p, kind="stable")
    y, p, w = y[order], p[order], w[order]
    ends = np.append(np.flatnonzero(np.diff(p)), len(p) - 1)
    hits = np.cumsum(w * y)[ends]
    taken = np.cumsum(w)[ends]
    if hits[-1] == 0:
        return float("nan")
    return float((np.diff(hits, prepend=0) / hits[-1] * hits / taken).sum())


def brier(y: np.ndarray, p: np.ndarray) -> float:
    return float(((y - p) ** 2).mean())


def top_share(y: np.ndarray, p: np.ndarray, share: float) -> tuple[float, float]:
    """Recall and precision of the riskiest rows that make up a share of all; ties at the edge are taken in part."""
    _, inverse = np.unique(-p, return_inverse=True)
    count = np.bincount(inverse)
    hits = np.bincount(inverse, y)
    budget = share * len(y)
    part = np.clip((budget - (np.cumsum(count) - count)) / count, 0, 1)
    found = (part * hits).sum()
    return (float(found / hits.sum()) if hits.sum() > 0 else float("nan")), float(found / budget)


def calibration_line(y: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """Slope of the logistic regression of y on the log-odds of p (1 is ideal), and observed over expected."""
    p = np.clip(p, 1e-9, 1 - 1e-9)
    z = np.log(p / (1 - p))
    slope, intercept = 1.0, 0.0
    for _ in range(50):
        fitted = 1 / (1 + np.exp(-np.clip(slope * z + intercept, -30, 30)))
        v = fitted * (1 - fitted)
        gradient = np.array([((y - fitted) * z).sum(), (y - fitted).sum()])
        hessian = np.array([[(v * z * z).sum(), (v * z).sum()], [(v * z).sum(), v.sum()]]) + 1e-9 * np.eye(2)
        step = np.clip(np.linalg.solve(hessian, gradient), -1, 1)
        slope, intercept = slope + step[0], intercept + step[1]
        if np.abs(step).max() < 1e-9:
            break
    return float(slope), float(y.sum() / p.sum())


def summary(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    recall, precision = top_share(y, p, 0.05)
    slope, ratio = calibration_line(y, p)
    rate, ones = float(y.mean()), np.ones(len(y))
    return {
        "rows": len(y),
        "failing_rows": int(y.sum()),
        "rate": rate,
        "auc": auc(y, p, ones),
        "average_precision": average_precision(y, p, ones),
        "brier": brier(y, p),
        "brier_of_the_base_rate": rate * (1 - rate),
        "calibration_slope": slope,
        "observed_over_expected": ratio,
        "recall_at_5_percent": recall,
        "precision_at_5_percent": precision,
    }


def auc_interval(y: np.ndarray, p: np.ndarray, gpu: np.ndarray, draws: int = 200) -> tuple[float, float]:
    """90 % interval of the AUC from resampling whole GPUs, for rows of one GPU are no independent evidence."""
    rng = np.random.default_rng(7)
    _, number = np.unique(gpu, return_inverse=True)
    count = number.max() + 1
    values = [
        auc(y, p, np.bincount(rng.integers(0, count, count), minlength=count)[number].astype(float))
        for _ in range(draws)
    ]
    low, high = np.nanquantile(values, [0.05, 0.95])
    return float(low), float(high)


def wilson(hits: float, count: float, z: float = 1.645) -> tuple[float, float]:
    """90 % interval of a rate."""
    if count <= 0:
        return 0.0, 1.0
    rate = hits / count
    centre = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))
