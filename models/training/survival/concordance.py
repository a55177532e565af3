"""Harrell's concordance with its standard error: of two GPUs, did the one of the greater risk fail first?"""

import numpy as np


def influence(days: np.ndarray, dead: np.ndarray, risk: np.ndarray) -> tuple[float, np.ndarray]:
    """Concordance, and what each GPU adds to its deviation.

    A pair counts where one is seen to fail before the other's life ends; equal risks count half. The concordance is a
    ratio of sums over pairs, so its variance is about the sum of the squared influences (Hajek's projection), and the
    variance of a difference that of the squared differences.
    """
    concordant, comparable = np.zeros(len(days)), np.zeros(len(days))
    for i in np.flatnonzero(dead):
        later = (days > days[i]) | ((days == days[i]) & ~dead)
        right = later * ((risk < risk[i]) + 0.5 * (risk == risk[i]))
        # The pair of a GPU with itself: dead and not later, so never counted.
        concordant += right
        comparable += later
        concordant[i] += right.sum()
        comparable[i] += later.sum()
    pairs = comparable.sum() / 2
    value = concordant.sum() / 2 / pairs
    return float(value), (concordant - value * comparable) / pairs


def interval(value: float, parts: np.ndarray) -> tuple[float, float]:
    """90 % interval of a concordance, or of a difference of two."""
    half = 1.645 * float(np.sqrt((parts**2).sum()))
    return value - half, value + half
