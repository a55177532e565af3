"""From margins of over-sampled fleets to probabilities of real ones, on GPUs that the trees never saw."""

import numpy as np

from dataset import Dataset
from hazards import BASE_RATE, at_risk
from natural import natural_weights


def fit_hazard(margin: np.ndarray, failed: np.ndarray, exposure: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of the log rate over the margin: weighted Poisson regression by Newton's method.

    The slope is kept within 0.25 to 1.5 and a weak prior holds it at 1: a few dozen failures may bend a head, not
    turn it round.
    """
    prior = 4.0
    slope, intercept = 1.0, np.log((weight * failed).sum() / max((weight * exposure * np.exp(margin)).sum(), 1e-12) + 1e-12)
    for _ in range(50):
        rate = weight * exposure * np.exp(np.clip(slope * margin + intercept, -30, 5))
        gradient = np.array([((weight * failed - rate) * margin).sum() - prior * (slope - 1), (weight * failed - rate).sum()])
        hessian = np.array(
            [[(rate * margin * margin).sum() + prior, (rate * margin).sum()], [(rate * margin).sum(), rate.sum() + 1e-9]]
        )
        step = np.linalg.solve(hessian, gradient)
        slope, intercept = slope + np.clip(step[0], -0.5, 0.5), intercept + np.clip(step[1], -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    if not 0.25 <= slope <= 1.5:
        slope = float(np.clip(slope, 0.25, 1.5))
        intercept = float(
            np.log((weight * failed).sum() + 1e-12) - np.log((weight * exposure * np.exp(slope * margin)).sum())
        )
    return float(slope), float(intercept)


def calibrate(data: Dataset, margins: np.ndarray) -> np.ndarray:
    """[3, 2]: slope and intercept of each head such that a rate is exp(slope * margin + intercept) a piece."""
    natural = natural_weights(data)
    coefficients = np.zeros((3, 2))
    for piece in range(3):
        risk = at_risk(data, piece)
        centred = margins[risk.rows, piece] + np.log(BASE_RATE)
        weight = natural[risk.rows]
        # Each failure counts as one against the prior; the rate is that of the weights all the same.
        weight = weight * risk.failed.sum() / max((weight * risk.failed).sum(), 1e-12)
        slope, intercept = fit_hazard(centred, risk.failed, risk.exposure, weight)
        coefficients[piece] = slope, intercept + slope * np.log(BASE_RATE)
    return coefficients


#: Log rates are held within these, in the graph too: exp(-20) a piece is nothing, exp(1.9) is 99.9 %.
MIN_LOG_RATE, MAX_LOG_RATE = -20.0, 1.9


def probabilities(margins: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Cumulative probabilities [rows, 3] of margins [rows, 3]."""
    log_rate = np.clip(margins * coefficients[:, 0] + coefficients[:, 1], MIN_LOG_RATE, MAX_LOG_RATE)
    return -np.expm1(-np.cumsum(np.exp(log_rate), axis=1))
