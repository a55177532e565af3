"""The risk of GPUs of foreign worlds to one who knows their frailty and every defect under way, and of what is to come only
the laws. Of a world whose deaths were drawn first there is none: its signs follow from them.

Survival is told for the mornings of the next days, [GPUs, FOLLOW + 1], and is 1 now.
"""

import numpy as np

from horizons import HORIZONS

MENDED_DAYS = 45


def chain(state: np.ndarray, begins: np.ndarray, days: int, worsens: float, recovers: float, kills: float) -> np.ndarray:
    """Survival of the chain healthy, ailing, dying. @param state place of each GPU. @param begins daily, of each GPU"""
    at = np.eye(3)[state]
    alive = np.ones((len(state), days + 1))
    for day in range(days):
        healthy, ailing, dying = at.T
        at = np.column_stack([
            healthy * (1 - begins) + ailing * recovers,
            healthy * begins + ailing * (1 - worsens - recovers) + dying * recovers,
            (ailing * worsens + dying * (1 - recovers)) * np.exp(-kills),
        ])  # fmt: skip
        alive[:, day + 1] = at.sum(axis=1)
    return alive


def growing(age: int, double: float, days: int, kills: float) -> np.ndarray:
    """Survival, [days + 1], of a defect of so many days that is not mended yet."""
    severity = np.minimum(1, 2 ** ((age + np.arange(days)) / double) / 64)
    open_, mended, alive = 1.0, 0.0, np.ones(days + 1)
    for day in range(days):
        mended += open_ * -np.expm1(-1 / MENDED_DAYS)
        open_ *= np.exp(-1 / MENDED_DAYS - kills * severity[day])
        alive[day + 1] = open_ + mended
    return alive


def yet_to_begin(rng: np.random.Generator, days: int, kills: float, draws: int = 400) -> np.ndarray:
    """Mean survival of a defect that begins on one of the days to come."""
    alive = np.ones((draws, days + 1))
    for draw in range(draws):
        begin = rng.integers(0, days)
        alive[draw, begin:] = growing(0, rng.uniform(2, 9), days - begin, kills)
    return alive.mean(axis=0)


def risks(alive: np.ndarray, died: np.ndarray, found_after: float) -> np.ndarray:
    """Probability that a death is found within each horizon, [GPUs, horizons].

    @param alive survival. @param died day of death: a GPU that is dead by now and was not found yet will be, the likelier the
    longer one waits, whatever the laws of the living say of it
    """
    dies, middle = -np.diff(alive, axis=1), np.arange(alive.shape[1] - 1) + 0.5
    living = np.column_stack([
        dies @ (np.where(middle < horizon, 1.0, 0.0) if found_after == 0 else found_within(horizon - middle, found_after))
        for horizon in HORIZONS
    ])  # fmt: skip
    if found_after == 0:
        return living
    return np.where((died <= 0)[:, None], found_within(np.array(HORIZONS), found_after), living)


def found_within(days: np.ndarray, found_after: float) -> np.ndarray:
    """Of a death: probability that it is found within so many days of it, 0 where they are none."""
    return -np.expm1(-np.maximum(days, 0) / found_after)
