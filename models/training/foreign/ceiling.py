"""What the telemetry of a foreign world tells at best: boosting of the true risk over what really happened on each of the
eight days, on fleets of the same world that nobody is asked about.
"""

from dataclasses import dataclass

import numpy as np
import xgboost

from foreign.fleet import GPUS_PER_HOST, ails, draw_lives, recent, rng_of
from foreign.lives import Lives
from foreign.telemetry import DAYS, Gpu
from foreign.truth import risks
from foreign.worlds import World
from horizons import HORIZONS

FLEETS = 20
#: Seeds of fleets to learn from begin here: those that judge and the owners' histories have small ones.
FIRST_SEED = 101
#: GPUs without a defect that are heard, of each fleet.
CONTROLS = 300
PARAMETERS = {
    "objective": "reg:logistic", "eta": 0.05, "max_depth": 5, "min_child_weight": 0.2, "subsample": 0.7, "colsample_bytree": 0.5,
    "lambda": 1.0, "seed": 3, "nthread": 1, "eval_metric": "logloss",
}  # fmt: skip
ROUNDS = 600
#: XIDs by what they tell of.
XIDS = {"memory": (48, 63, 64, 92, 94, 95), "power": (62, 79), "link": (74,), "firmware": (109, 119, 120), "program": (13, 31, 43, 45)}
COUNTERS = ("ecc_sbe", "ecc_dbe", "pcie_replay", "remap_correctable", "remap_uncorrectable")


@dataclass
class Seen:
    x: np.ndarray
    risk: np.ndarray
    weight: np.ndarray


def days_of(gpu: Gpu) -> np.ndarray:
    """Of each day what the counters counted, XIDs by class, and how power, temperature and clock stood; NaN what is not sent."""
    columns = []
    day = np.clip((gpu.time + DAYS).astype(int), 0, DAYS - 1)
    count = np.maximum(np.bincount(day, minlength=DAYS), 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(day, values, DAYS) / count

    for name in COUNTERS:
        steps = np.diff(gpu.values[name], prepend=gpu.values[name][:1])
        columns.append(np.bincount(day, steps, DAYS) if name in gpu.fields else np.full(DAYS, np.nan))
    xid = gpu.values["xid"]
    onset = np.diff(xid, prepend=0) != 0
    for codes in XIDS.values():
        columns.append(np.bincount(day, onset & np.isin(xid, codes), DAYS) if "xid" in gpu.fields else np.full(DAYS, np.nan))
    watts, celsius, clock = (gpu.values[name].astype(float) for name in ("power_usage", "gpu_temp", "sm_clock_mhz"))
    brakes = (gpu.values["throttle_reasons"] & 0x80) > 0
    warm = celsius - gpu.model[3] * watts
    columns += [
        mean(warm), np.sqrt(mean(warm**2) - mean(warm) ** 2), mean(watts) / gpu.model[1],
        mean(np.abs(np.diff(watts, prepend=watts[0]))) / gpu.model[1],
        np.maximum.reduceat(np.append(watts, 0), np.minimum(np.searchsorted(day, np.arange(DAYS)), len(day))) / gpu.model[1],
        mean(clock) / gpu.model[4] if "sm_clock_mhz" in gpu.fields else np.full(DAYS, np.nan),
        np.bincount(day, brakes, DAYS) if "throttle_reasons" in gpu.fields else np.full(DAYS, np.nan), count / count.max(),
    ]  # fmt: skip
    each = np.stack(columns)
    return np.concatenate([each.ravel(), each.sum(axis=1), [gpu.time[-1]]])


def seen(world: World, seed: int, lives: Lives, numbers: np.ndarray) -> np.ndarray:
    """Rows of some GPUs of a fleet, whose telemetry is that which write_fleet writes of them; NaN of those never heard."""
    rows = []
    for number in numbers:
        host = np.random.default_rng([seed, 2, int(number) // GPUS_PER_HOST])
        gpu = Gpu(world, np.random.default_rng([seed, 1, number]), recent(lives)[number].astype(np.float64), lives.died[number], host)
        rows.append(np.append(days_of(gpu), lives.age_days[number]) if len(gpu.time) > 0 else None)
    width = max(len(row) for row in rows if row is not None)
    return np.array([np.full(width, np.nan) if row is None else row for row in rows], np.float32)


def fleet_to_learn_from(world: World, seed: int) -> Seen:
    rng = rng_of(world, seed)
    lives, found = draw_lives(world, rng)
    # Who is dead and not found yet is asked about too, and known by its silence.
    there, dead_or_ails = found > 0, (lives.died <= 0) | ails(lives)
    cases, others = np.flatnonzero(there & dead_or_ails), np.flatnonzero(there & ~dead_or_ails)
    controls = rng.choice(others, min(CONTROLS, len(others)), replace=False)
    numbers = np.concatenate([cases, controls])
    weight = np.concatenate([np.ones(len(cases)), np.full(len(controls), len(others) / len(controls))])
    x = seen(world, seed, lives, numbers)
    heard = ~np.isnan(x).all(axis=1)
    return Seen(x[heard], risks(lives.alive[numbers], lives.died[numbers], world.found_after)[heard], weight[heard])


class Ceiling:
    """Of one world whose hazard is known."""

    def __init__(self, world: World, fleets: int = FLEETS):
        self.world = world
        parts = [fleet_to_learn_from(world, FIRST_SEED + place) for place in range(fleets)]
        # Every fifth says when to stop.
        watches, learns = (
            [part for place, part in enumerate(parts) if (place % 5 == 0) is watch] for watch in (True, False)
        )
        self.boosters = [boosted(*(merged(group, column) for group in (learns, watches))) for column in range(len(HORIZONS))]

    def probabilities(self, seed: int, lives: Lives, numbers: np.ndarray) -> np.ndarray:
        x = seen(self.world, seed, lives, numbers)
        return np.maximum.accumulate(np.column_stack([booster.inplace_predict(x) for booster in self.boosters]), axis=1)


def merged(parts: list[Seen], column: int) -> xgboost.DMatrix:
    weight = np.concatenate([part.weight for part in parts])
    return xgboost.DMatrix(
        np.concatenate([part.x for part in parts]), label=np.concatenate([part.risk[:, column] for part in parts]), weight=weight
    )


def boosted(learns: xgboost.DMatrix, watches: xgboost.DMatrix) -> xgboost.Booster:
    base = float(np.average(learns.get_label(), weights=learns.get_weight()))
    booster = xgboost.train({**PARAMETERS, "base_score": base}, learns, ROUNDS, evals=[(watches, "watch")], early_stopping_rounds=40, verbose_eval=False)
    return booster[: booster.best_iteration + 1]
