"""Learns the hazard: boosted Poisson regression of failures in quarters of age, time at risk as exposure."""

import numpy as np
import xgboost

from .calibrate import poisson_fit
from .lives import DAYS_PER_YEAR, FEATURES, STEP_DAYS, Lives
from .trees import Forest

ROUNDS = 300
CALIBRATION_FOLDS = 3
PARAMETERS = {
    "objective": "count:poisson",
    "eta": 0.08,
    "max_depth": 5,
    # Failures expected in a leaf; each life counts twice, see below.
    "min_child_weight": 15,
    "subsample": 0.7,
    "colsample_bytree": 0.7,
    "max_delta_step": 0.7,
    "max_bin": 128,
    "tree_method": "hist",
    # One thread: the same sums on every machine, and no waiting for each other on a busy one.
    "nthread": 1,
}
#: Columns that are known together or not at all.
GROUPS = [["batch_new"], ["col", "row", "col_odd"], ["cage"], ["slot"], ["node"], ["made_week", "serial"]]
#: How often a group, and age, is left out of the second copy of a life.
LEFT_OUT = 0.5
AGE_LEFT_OUT = 0.1


def quarters(lives: Lives) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lives cut into quarters of age: index of the life, quarter, years at risk in it, whether it failed in it."""
    count = np.maximum(np.ceil(lives.days / STEP_DAYS).astype(int), 1)
    life = np.repeat(np.arange(len(lives)), count)
    quarter = np.arange(len(life)) - np.repeat(np.cumsum(count) - count, count)
    years = np.minimum(STEP_DAYS, lives.days[life] - quarter * STEP_DAYS) / DAYS_PER_YEAR
    failed = lives.dead[life] & (quarter == count[life] - 1)
    return life, quarter, years, failed


def leave_out(x: np.ndarray, seed: int) -> np.ndarray:
    """Lives [N, FEATURES - 1] of which each knows only some of its columns, drawn at random."""
    rng = np.random.default_rng(seed)
    x = x.copy()
    for group in GROUPS:
        hidden = rng.random(len(x)) < LEFT_OUT
        x[np.ix_(hidden, [FEATURES.index(name) - 1 for name in group])] = np.nan
    return x


def boost(lives: Lives, seed: int, rounds: int) -> xgboost.Booster:
    """Each life is used twice: as it is, and with random columns left out in all its quarters, so that of a GPU of
    which less is known the model answers with the mean of those like it in what is known.
    """
    life, quarter, years, failed = quarters(lives)
    both = []
    for known in (lives.x, leave_out(lives.x, seed)):
        both.append(rows_of(known, life, quarter))
    hidden = np.random.default_rng(seed + 1).random(len(lives)) < AGE_LEFT_OUT
    both[1][hidden[life], 0] = np.nan
    offset = np.log(years * lives.yearly_rate)
    matrix = xgboost.DMatrix(
        np.concatenate(both), np.tile(failed.astype(np.float32), 2), base_margin=np.tile(offset, 2),
        feature_names=FEATURES,
    )  # fmt: skip
    return xgboost.train({**PARAMETERS, "seed": seed}, matrix, rounds)


def rows_of(x: np.ndarray, life: np.ndarray, quarter: np.ndarray) -> np.ndarray:
    """Rows of the model, [M, FEATURES] float32, one a life and quarter."""
    return np.column_stack([quarter, x[life]]).astype(np.float32)


def forest_of(lives: Lives, seed: int, rounds: int) -> Forest:
    return Forest.of_booster(boost(lives, seed, rounds), base=float(np.log(lives.yearly_rate)))


def train(lives: Lives, seed: int = 7, rounds: int = ROUNDS) -> Forest:
    """A calibrated hazard model of lives.

    Boosting is bolder than the lives it has not seen allow. How much, models of two thirds of the GPUs tell on the
    other third: slope and intercept of the log hazard, fitted there, go into the model of all.
    """
    fold = np.random.default_rng(seed).permutation(len(lives)) % CALIBRATION_FOLDS
    log_hazards, years_all, failed_all = [], [], []
    for held_out in range(CALIBRATION_FOLDS):
        forest = forest_of(lives.take(np.flatnonzero(fold != held_out)), seed, rounds)
        rest = lives.take(np.flatnonzero(fold == held_out))
        life, quarter, years, failed = quarters(rest)
        log_hazards.append(forest.log_hazard(rows_of(rest.x, life, quarter)))
        years_all.append(years)
        failed_all.append(failed)
    log_hazard, years = np.concatenate(log_hazards), np.concatenate(years_all)
    slope, _, intercept = poisson_fit(log_hazard, np.log(years), np.concatenate(failed_all).astype(float))
    return forest_of(lives, seed, rounds).stretched(slope, intercept)
