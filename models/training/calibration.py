"""From margins of over-sampled fleets to probabilities of real ones, on GPUs that the trees never saw."""

import numpy as np

from dataset import Dataset
from hazards import at_risk


#: How firmly a slope is held at 1, as if by so many failures at a unit of margin from the mean.
SLOPE_PRIOR = 10.0


def fit_hazard(margin: np.ndarray, failed: np.ndarray, exposure: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of the log rate over the margin: Poisson regression by Newton's method.

    A prior holds the slope near 1: a few dozen failures may bend a head, not turn it round.
    """
    mean = float((failed * margin).sum() / max(failed.sum(), 1))
    centred = margin - mean
    slope = 1.0
    intercept = np.log(max(failed.sum(), 0.5) / (exposure * np.exp(centred)).sum())
    for _ in range(100):
        rate = exposure * np.exp(np.clip(slope * centred + intercept, -30, 10))
        gradient = np.array([((failed - rate) * centred).sum() - SLOPE_PRIOR * (slope - 1), (failed - rate).sum()])
        cross = (rate * centred).sum()
        hessian = np.array([[(rate * centred**2).sum() + SLOPE_PRIOR, cross], [cross, rate.sum() + 1e-9]])
        step = np.clip(np.linalg.solve(hessian, gradient), -0.5, 0.5)
        slope, intercept = slope + step[0], intercept + step[1]
        if np.abs(step).max() < 1e-10:
            break
    return float(slope), float(intercept - slope * mean)


def calibrate(data: Dataset, margins: np.ndarray) -> np.ndarray:
    """[3, 2]: slope and intercept of each head such that a rate is exp(slope * margin + intercept) a piece."""
    coefficients = np.zeros((3, 2))
    for piece in range(3):
        risk = at_risk(data, piece)
        coefficients[piece] = fit_hazard(margins[risk.rows, piece], risk.failed, risk.exposure)
    return coefficients


#: Log rates are held within these, in the graph too: exp(-20) a piece is nothing, exp(1.9) is 99.9 %.
MIN_LOG_RATE, MAX_LOG_RATE = -20.0, 1.9


def probabilities(margins: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Cumulative probabilities [rows, 3] of margins [rows, 3]."""
    log_rate = np.clip(margins * coefficients[:, 0] + coefficients[:, 1], MIN_LOG_RATE, MAX_LOG_RATE)
    return -np.expm1(-np.cumsum(np.exp(log_rate), axis=1))
