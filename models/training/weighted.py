"""Metrics of weighted rows: a row of weight w stands for w of its fleet (docs/training-set.md).

Everywhere: `failed` is 0 or 1, `score` a probability, `weight` positive, all [rows].
"""

import numpy as np


def auc(failed: np.ndarray, score: np.ndarray, weight: np.ndarray) -> float:
    """Probability that a failing GPU scores above one that does not fail; ties count half."""
    _, group = np.unique(score, return_inverse=True)
    failing = np.bincount(group, weight * failed)
    living = np.bincount(group, weight * (1 - failed))
    below = np.cumsum(living) - living
    return float((failing * (below + living / 2)).sum() / (failing.sum() * living.sum()))


def descending(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places from the highest score down, and for each the number of its group of equal scores."""
    order = np.argsort(-score, kind="stable")
    sorted_score = score[order]
    return order, np.concatenate([[0], np.cumsum(sorted_score[1:] != sorted_score[:-1])])


def average_precision(failed: np.ndarray, score: np.ndarray, weight: np.ndarray) -> float:
    """Mean of the precision at each failing row, from the top; rows of one score are taken together."""
    order, group = descending(score)
    hits = np.bincount(group, (weight * failed)[order])
    precision = np.cumsum(hits) / np.cumsum(np.bincount(group, weight[order]))
    return float((precision * hits).sum() / hits.sum())


def at_top(failed: np.ndarray, score: np.ndarray, weight: np.ndarray, share: float) -> tuple[float, float]:
    """Recall and precision in the riskiest share of the fleet. Rows of one score at its border count in part, all alike:
    in which order they stand in a file must not tell.
    """
    order, group = descending(score)
    size, failing = np.bincount(group, weight[order]), np.bincount(group, (weight * failed)[order])
    upto = np.cumsum(size)
    inside = np.clip((share * upto[-1] - (upto - size)) / size, 0, 1)
    hits = float((inside * failing).sum())
    return hits / float(failing.sum()), hits / float((inside * size).sum())


def brier_skill(failed: np.ndarray, score: np.ndarray, weight: np.ndarray) -> float:
    """Share of the Brier score of the base rate that is spared: 0 is no better than the base rate, 1 is perfect."""
    base = np.average(failed, weights=weight)
    return float(1 - np.average((score - failed) ** 2, weights=weight) / (base * (1 - base)))


def calibration_slope(failed: np.ndarray, score: np.ndarray, weight: np.ndarray) -> float:
    """Slope of the logistic regression of the outcome on the logit of the score: 1 is right, below it overconfident.

    NaN where failing rows and others are separate: any slope beyond would do.
    """
    logit = np.log(score) - np.log1p(-score)
    design = np.column_stack([np.ones_like(logit), logit])
    beta = np.array([0.0, 1.0])
    for _ in range(200):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -500, 500)))
        curvature = design.T @ (design * (weight * p * (1 - p))[:, None])
        if np.linalg.cond(curvature) > 1e12:
            return float("nan")
        step = np.linalg.solve(curvature, design.T @ (weight * (failed - p)))
        # Newton with steps of at most 1: far from the maximum full ones go astray.
        beta += step / max(1.0, np.abs(step).max())
        if np.abs(step).max() < 1e-9:
            return float(beta[1])
    return float("nan")


def calibration_error(failed: np.ndarray, score: np.ndarray, weight: np.ndarray) -> float:
    """Mean distance of the prediction from what happened, over the base rate, in tenths of the fleet by prediction."""
    order = np.argsort(score, kind="stable")
    upto = np.cumsum(weight[order])
    tenth = np.minimum((10 * (upto - weight[order] / 2) / upto[-1]).astype(int), 9)
    gaps = np.bincount(tenth, (weight * (score - failed))[order], minlength=10)
    return float(np.abs(gaps).sum() / (weight * failed).sum())


def rate_interval(failed: np.ndarray, weight: np.ndarray, gpu: np.ndarray, z: float = 1.645) -> tuple[float, float]:
    """90 % interval of the weighted rate: Wilson's, with the number of rows that would leave as much doubt.

    Rows of one GPU are no independent evidence: what they add to the doubt is summed before it is squared.
    """
    if len(failed) == 0:
        return 0.0, 1.0
    rate = float(np.average(failed, weights=weight))
    _, place = np.unique(gpu, return_inverse=True)
    if 0 < rate < 1:
        doubt = np.bincount(place, weight * (failed - rate))
        count = rate * (1 - rate) * weight.sum() ** 2 / (doubt**2).sum()
    else:
        count = weight.sum() ** 2 / (np.bincount(place, weight) ** 2).sum()
    centre = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def summary(failed: np.ndarray, score: np.ndarray, weight: np.ndarray) -> dict[str, float]:
    """All of them, and the mean prediction over the base rate. Rows of unknown outcome (NaN) are left out.

    Empty where no row fails: there is nothing to measure.
    """
    known = ~np.isnan(failed)
    if not failed[known].any():
        return {}
    failed, score, weight = failed[known], np.clip(score[known], 1e-9, 1 - 1e-9), weight[known]
    recall_1, precision_1 = at_top(failed, score, weight, 0.01)
    recall_5, precision_5 = at_top(failed, score, weight, 0.05)
    base = float(np.average(failed, weights=weight))
    return {
        "failing_rows": int(failed.sum()),
        "base_rate": base,
        "auc": auc(failed, score, weight),
        "average_precision": average_precision(failed, score, weight),
        "recall_at_1_percent": recall_1,
        "precision_at_1_percent": precision_1,
        "recall_at_5_percent": recall_5,
        "precision_at_5_percent": precision_5,
        "brier_skill": brier_skill(failed, score, weight),
        "calibration_slope": calibration_slope(failed, score, weight),
        "calibration_error": calibration_error(failed, score, weight),
        "brier": float(np.average((score - failed) ** 2, weights=weight)),
        "mean_over_base_rate": float(np.average(score, weights=weight)) / base,
    }


def expected(risk: np.ndarray, score: np.ndarray, weight: np.ndarray) -> dict[str, float]:
    """The summary to be expected, each row failing with its true risk."""
    outcome = np.repeat([1.0, 0.0], len(risk))
    return summary(outcome, np.tile(score, 2), np.concatenate([weight * risk, weight * (1 - risk)]))
