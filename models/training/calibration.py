"""From margins to probabilities, on GPUs that the trees never saw."""

from typing import Callable

import numpy as np

from hazards import AtRisk, at_risk
from training_set import TrainingSet

#: How firmly a slope is held at 1, as if by so many failures at a unit of margin from the mean. Outcomes are few, come
#: in rows of the same GPUs and have already said when to stop: on six fleets of unseen worlds, a slope fitted freely to
#: a fifth of their GPUs left predictions for the rest too bold (0.82), one held at 1 did not (1.03).
SLOPE_PRIOR = 10.0
SLOPE_PRIOR_OF_OUTCOMES = 300.0
#: The same where a model goes on from another one, whose trees have seen none of the outcomes: all of them judge its
#: slope then, and it is held as firmly as a few failures would.
SLOPE_PRIOR_OF_BASE = 30.0
#: A history bends the model that it goes on from by no more than this factor, either way.
MOST_STRETCH = 3.0


def fit_hazard(margin: np.ndarray, risk: AtRisk, prior: float = SLOPE_PRIOR) -> tuple[float, float]:
    """Slope and intercept of the log rate over the margin: weighted Poisson regression by Newton's method.

    A prior holds the slope near 1: a few dozen failures may bend a head, not turn it round.
    @param margin [rows at risk]
    """
    failed, exposure = risk.weight * risk.failed, risk.weight * risk.exposure
    mean = float((failed * margin).sum() / max(failed.sum(), 1e-9))
    centred = margin - mean
    slope = 1.0
    intercept = np.log(max(failed.sum(), 0.5) / (exposure * np.exp(centred)).sum())
    for _ in range(100):
        rate = exposure * np.exp(np.clip(slope * centred + intercept, -30, 10))
        gradient = np.array([((failed - rate) * centred).sum() - prior * (slope - 1), (failed - rate).sum()])
        cross = (rate * centred).sum()
        hessian = np.array([[(rate * centred**2).sum() + prior, cross], [cross, rate.sum() + 1e-9]])
        step = np.clip(np.linalg.solve(hessian, gradient), -0.5, 0.5)
        slope, intercept = slope + step[0], intercept + step[1]
        if np.abs(step).max() < 1e-10:
            break
    return float(slope), float(intercept - slope * mean)


def stretch(margin: np.ndarray, data: TrainingSet, piece: int) -> float:
    """By how much a head that was learned elsewhere is too timid (above 1) or too bold (below 1) for a history.

    In fleets whose defects are deadlier than those it has seen a model ranks right and says too little. Trees cannot mend
    that from a few dozen failures, one number can.
    @param margin of all rows
    """
    risk = at_risk(data, piece, truth=False)
    slope, _ = fit_hazard(margin[risk.rows], risk, SLOPE_PRIOR_OF_BASE)
    return float(np.clip(slope, 1 / MOST_STRETCH, MOST_STRETCH))


def calibrate(train: TrainingSet, watch: TrainingSet, margins: Callable[[np.ndarray], np.ndarray], truth: bool) -> np.ndarray:
    """[3, 2]: slope and intercept of each head such that a rate is exp(slope * margin + intercept) a piece.

    How far predictions spread is judged on GPUs that the trees never saw. Their level is that of all fleets: fleets
    differ by as much as two in how often they fail, and a few of them would set it too high or too low.
    @param margins of rows of features, [rows, 3]
    """
    coefficients = np.zeros((3, 2))
    prior = SLOPE_PRIOR if truth and watch.has_truth.any() else SLOPE_PRIOR_OF_OUTCOMES
    every = [(data, margins(data.x)) for data in (train, watch)]
    for piece in range(3):
        risk = at_risk(watch, piece, truth)
        slope, _ = fit_hazard(every[1][1][risk.rows, piece], risk, prior)
        coefficients[piece] = slope, intercept(slope, [(at_risk(data, piece, truth), margin[:, piece]) for data, margin in every])
    return coefficients


def calibrate_unseen(history: TrainingSet, unseen: np.ndarray) -> np.ndarray:
    """The same of a history, all of whose GPUs are learned from: of what is said of each by trees that have not seen it.

    Its level too: of survivors that they have seen trees say less than of others, so as many failures as happened are
    foretold in the history when a tenth too many are elsewhere (docs/model.md).
    @param unseen margins by trees that have not seen a row's GPU, [rows, 3]
    """
    risks = [at_risk(history, piece, truth=False) for piece in range(3)]
    return np.array([fit_hazard(unseen[risk.rows, piece], risk, SLOPE_PRIOR_OF_BASE) for piece, risk in enumerate(risks)])


def intercept(slope: float, told: list[tuple[AtRisk, np.ndarray]]) -> float:
    """Such that as many fail as are said to. @param told rows at risk, and margins of all rows"""
    failed = sum(float((risk.weight * risk.failed).sum()) for risk, _ in told)
    expected = sum(float((risk.weight * risk.exposure * np.exp(slope * margin[risk.rows])).sum()) for risk, margin in told)
    return float(np.log(max(failed, 0.5) / expected))


#: Log rates are held within these, in the graph too: exp(-20) a piece is nothing, exp(1.9) is 99.9 %.
MIN_LOG_RATE, MAX_LOG_RATE = -20.0, 1.9


def probabilities(margins: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Cumulative probabilities [rows, 3] of margins [rows, 3]."""
    log_rate = np.clip(margins * coefficients[:, 0] + coefficients[:, 1], MIN_LOG_RATE, MAX_LOG_RATE)
    return -np.expm1(-np.cumsum(np.exp(log_rate), axis=1))
