"""How GPUs of foreign worlds sicken and die. None of these laws is that of simulator/: severities go by stages, double in
fixed times, or are laid out backwards from a death that was drawn first.

Times are days from the moment at which a GPU is asked about. A life is told from BURN_IN days before to FOLLOW after.
"""

from dataclasses import dataclass

import numpy as np

from foreign.truth import chain, growing, yet_to_begin
from horizons import FAILURE_TYPES

BURN_IN, FOLLOW = 150, 90
KINDS = len(FAILURE_TYPES)


@dataclass
class Lives:
    #: Severity of each kind at the start of each day, [GPUs, days, kinds], 0 to 1.
    severity: np.ndarray
    #: Day of death, inf where none is seen; those that die before 0 are not there to be asked about.
    died: np.ndarray
    #: Place in FAILURE_TYPES of what killed, -1 where nothing did.
    kind: np.ndarray
    age_days: np.ndarray
    #: Survival to the mornings of the next days to one who knows all that is, [GPUs, FOLLOW + 1]; None where no law of it is.
    alive: np.ndarray | None = None


def frailty(rng: np.random.Generator, gpus: int, spread: float) -> np.ndarray:
    """Of GPUs: one of four vendors' lots, and gamma within it (simulator/: log-normal batches and lemons)."""
    lots = rng.gamma(1 / spread, spread, 4)
    return (lots / lots.mean())[rng.integers(0, 4, gpus)] * rng.gamma(2, 0.5, gpus)


def deaths(rng: np.random.Generator, hazard: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First death by competing daily hazards [GPUs, days, causes]: day from now, and cause."""
    total = np.cumsum(hazard.sum(axis=2), axis=1)
    threshold = rng.exponential(1, len(hazard))
    day = (total < threshold[:, None]).sum(axis=1)
    dies = day < hazard.shape[1]
    at = np.minimum(day, hazard.shape[1] - 1)
    shares = hazard[np.arange(len(hazard)), at]
    cause = (np.cumsum(shares, axis=1) < rng.random(len(hazard))[:, None] * shares.sum(axis=1, keepdims=True)).sum(axis=1)
    return np.where(dies, day - BURN_IN + rng.random(len(hazard)), np.inf), np.where(dies, np.minimum(cause, shares.shape[1] - 1), -1)


def ages(rng: np.random.Generator, gpus: int, oldest: float) -> np.ndarray:
    return BURN_IN + rng.random(gpus) * oldest


def abrupt_hazard(rng, gpus: int, days: int, yearly: float, mix: np.ndarray) -> np.ndarray:
    """Of deaths that nothing precedes: constant in time."""
    return (frailty(rng, gpus, 0.3)[:, None, None] * yearly / 365.25 * mix[None, None, :]) * np.ones((1, days, 1))


def staged(rng: np.random.Generator, gpus: int, yearly: float, abrupt: float, mix: np.ndarray, oldest: float) -> Lives:
    """Healthy, ailing, dying, dead: a chain with constant rates, on which one goes back too."""
    days = BURN_IN + FOLLOW
    severity = np.zeros((gpus, days, KINDS), np.float32)
    ails, worsens, recovers, kills = 2.2 * yearly * (1 - abrupt) / 365.25, 1 / 25, 1 / 30, 1 / 18
    fate = frailty(rng, gpus, 0.4)
    stage = np.zeros((gpus, KINDS), np.int8)
    hazard = abrupt_hazard(rng, gpus, days, yearly * abrupt, mix)
    for day in range(days):
        draw = rng.random((gpus, KINDS))
        begin = (stage == 0) & (draw < ails * fate[:, None] * mix)
        worse, better = (stage == 1) & (draw < worsens), (stage >= 1) & (draw > 1 - recovers)
        stage = np.where(begin, 1, np.where(worse, 2, np.where(better, stage - 1, stage))).astype(np.int8)
        severity[:, day] = np.array([0, 0.25, 1], np.float32)[stage]
        hazard[:, day] += (stage == 2) * kills
        if day == BURN_IN - 1:
            now = stage
    sudden = hazard[:, 0].sum(axis=1) - kills * (severity[:, 0] == 1).sum(axis=1)
    died, kind = deaths(rng, hazard)
    alive = np.exp(-np.outer(sudden, np.arange(FOLLOW + 1)))
    for place in range(KINDS):
        alive *= chain(now[:, place], ails * fate * mix[place], FOLLOW, worsens, recovers, kills)
    return Lives(severity, died, kind, ages(rng, gpus, oldest), alive)


def doubling(rng: np.random.Generator, gpus: int, yearly: float, abrupt: float, mix: np.ndarray, oldest: float) -> Lives:
    """Defects double every few days from next to nothing until they are mended, or kill in proportion to what they are."""
    days, kills = BURN_IN + FOLLOW, 0.02
    severity = np.zeros((gpus, days, KINDS), np.float32)
    fate = frailty(rng, gpus, 0.4)
    chance = 1 - np.exp(-3.5 * yearly * (1 - abrupt) * fate[:, None] * mix * days / 365.25)
    starts = rng.random((gpus, KINDS)) < chance
    # Of a kind that has not begun by now.
    later = chance * FOLLOW / days / (1 - chance * BURN_IN / days)
    alive = np.ones((gpus, FOLLOW + 1))
    unborn = np.ones((gpus, KINDS), bool)
    for gpu, kind in np.argwhere(starts):
        begin, double, mended = rng.integers(0, days), rng.uniform(2, 9), rng.exponential(45)
        age = np.arange(days - begin)
        severity[gpu, begin:, kind] = np.where(age < mended, np.minimum(1, 2 ** (age / double) / 64), 0)
        if begin < BURN_IN:
            unborn[gpu, kind] = False
            if BURN_IN - 1 - begin < mended:
                alive[gpu] *= growing(BURN_IN - begin, double, FOLLOW, kills)
    sudden = abrupt_hazard(rng, gpus, days, yearly * abrupt, mix)
    hazard = sudden + severity * kills
    died, kind = deaths(rng, hazard)
    alive *= np.exp(-np.outer(sudden[:, 0].sum(axis=1), np.arange(FOLLOW + 1)))
    to_come = yet_to_begin(np.random.default_rng(1), FOLLOW, kills)
    for place in range(KINDS):
        alive *= 1 - np.outer(later[:, place] * unborn[:, place], 1 - to_come)
    return Lives(severity, died, kind, ages(rng, gpus, oldest), alive)


def backwards(rng: np.random.Generator, gpus: int, yearly: float, abrupt: float, mix: np.ndarray, oldest: float) -> Lives:
    """Deaths first, by age (Weibull); then signs are laid before some of them, and as many where nobody dies."""
    days = BURN_IN + FOLLOW
    severity = np.zeros((gpus, days, KINDS), np.float32)
    age = ages(rng, gpus, oldest)
    aged = (age[:, None] + np.arange(days)[None, :] - BURN_IN) / age.mean()
    hazard = abrupt_hazard(rng, gpus, days, yearly, mix) * (aged**0.8)[:, :, None]
    died, kind = deaths(rng, hazard)
    announced = (kind >= 0) & (rng.random(gpus) > abrupt)
    false = ~announced & (rng.random(gpus) < 1.5 * yearly * days / 365.25)
    for gpu in np.flatnonzero(announced | false):
        end = died[gpu] + BURN_IN if announced[gpu] else rng.uniform(0, days)
        which = kind[gpu] if announced[gpu] else rng.choice(KINDS, p=mix)
        lasts, height = rng.gamma(2, 9), rng.uniform(0.3, 1)
        grown = (np.arange(days) - (end - lasts)) / lasts
        severity[gpu, :, which] = np.where((grown > 0) & (np.arange(days) <= end), height * np.clip(grown, 0, 1), 0)
    return Lives(severity, died, kind, age)
