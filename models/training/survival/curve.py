"""From hazards by age to probabilities of failure."""

import numpy as np

from .lives import DAYS_PER_YEAR, STEP_DAYS
from .trees import Forest

#: Horizon of `risk`, by which whole lives are ranked: within a year, new GPUs of any kind hardly fail.
RISK_DAYS = 5 * DAYS_PER_YEAR


def cumulative_hazard(
    forest: Forest, x: np.ndarray, age_days: np.ndarray, horizons_days: list[float], last_quarter: int
) -> np.ndarray:
    """Hazard from an age up to each horizon behind it, [N, horizons].

    x: [N, FEATURES - 1], all columns but age. age_days: [N]; NaN: not known, the mean over ages is used then.
    Beyond `last_quarter` of age, the last that was learned from, its hazard goes on.
    """
    first = np.where(np.isnan(age_days), 0, age_days // STEP_DAYS)
    known = np.nan_to_num(age_days)
    total = np.zeros((len(x), len(horizons_days)))
    for step in range(int(np.ceil(max(horizons_days) / STEP_DAYS)) + 1):
        quarter = first + step
        column = np.where(np.isnan(age_days), np.nan, np.minimum(quarter, last_quarter))
        hazard_per_day = np.exp(forest.log_hazard(np.column_stack([column, x]))) / DAYS_PER_YEAR
        start = np.maximum(quarter * STEP_DAYS, known)
        for index, horizon in enumerate(horizons_days):
            end = np.minimum((quarter + 1) * STEP_DAYS, known + horizon)
            total[:, index] += hazard_per_day * np.maximum(end - start, 0)
    return total


def probabilities(hazard: np.ndarray, factor: float = 1.0) -> np.ndarray:
    """Probability of failure at a cumulative hazard. factor: level against that of the lives learned from."""
    return -np.expm1(-hazard * factor)
