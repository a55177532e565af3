"""What the GPUs of a foreign world say in the eight days before they are asked about, as lines of flat wide JSON."""

from typing import Iterator

import numpy as np

from foreign.worlds import World

DAYS = 8
#: Of a severity of 1 and strength 1, a day: bursts of correctable errors (of a geometric size), uncorrectable ones, remaps;
#: XIDs of power, of links and of firmware; bursts of replays; spells without an answer.
BURSTS, BURST_SIZE, UNCORRECTABLE, REMAPS = 5.0, 14, 0.06, 0.3
POWER_XIDS, LINK_XIDS, FIRMWARE_XIDS, REPLAY_BURSTS, SPELLS = 0.1, 0.5, 0.4, 3.0, 0.3
#: Degrees that broken cooling adds under full load, and the share of power that a sick regulator takes off.
THERMAL_DEGREES, POWER_LOSS = 16.0, 0.12
THERMAL_SLOWDOWN, POWER_BRAKE, IDLE, POWER_CAP = 0x20, 0x80, 0x1, 0x4


class Gpu:
    """The readings of one GPU, an array a field."""

    def __init__(self, world: World, rng: np.random.Generator, severity: np.ndarray, dead_at: float, host_rng: np.random.Generator):
        """@param severity [8 days, 5 kinds]. @param dead_at days from now of its last sign of life"""
        self.model = world.models[host_rng.integers(0, len(world.models))]
        shares = np.array([share for _, share in world.exporters])
        self.fields = world.exporters[host_rng.choice(len(shares), p=shares / shares.sum())][0]
        count = DAYS * 86400 // world.cadence_s
        phase = host_rng.random()
        #: Days from now, below 0.
        self.time = (np.arange(count) + phase) * world.cadence_s / 86400 - DAYS
        step = world.cadence_s / 86400
        day = np.clip((self.time + DAYS).astype(int), 0, DAYS - 1)
        sick = severity[day] * np.array(world.strength)
        load = loads(world, host_rng, self.time)
        there = reachable(world, host_rng, rng, self.time, sick, step) & (self.time < dead_at)
        self.readings(world, rng, load, sick, step)
        keep = np.flatnonzero(there)
        self.time = self.time[keep]
        self.values = {name: values[keep] for name, values in self.values.items()}

    def readings(self, world: World, rng: np.random.Generator, load: np.ndarray, sick: np.ndarray, step: float) -> None:
        _, full, rest, per_watt, clock = self.model
        memory, thermal, power, link, other = sick.T
        n = len(load)
        noise = np.convolve(rng.standard_normal(n + 4), np.ones(5) / 5, "valid")
        watts = (rest + (full - rest) * load * (1 - POWER_LOSS * power)) * (1 + 0.04 * noise + 0.05 * power * rng.standard_normal(n))
        room = world.inlet + 2.5 * rng.standard_normal() + 1.5 * np.sin(2 * np.pi * self.time)
        lag = 0.5 * watts + 0.5 * np.concatenate([watts[:1], watts[:-1]]) if world.cadence_s <= 60 else watts
        celsius = room + per_watt * rng.uniform(0.88, 1.12) * lag + THERMAL_DEGREES * thermal * load + 0.7 * rng.standard_normal(n)

        def counter(daily: np.ndarray | float, size: int = 1) -> np.ndarray:
            events = rng.poisson(np.maximum(daily, 0) * step * np.ones(n))
            counts = events if size == 1 else rng.negative_binomial(np.maximum(events, 1), 1 / size) * (events > 0)
            return rng.integers(0, 4) + np.cumsum(counts)

        healthy = world.sbe_daily if rng.random() < world.sbe_share else 0.01
        dbe = counter(UNCORRECTABLE * memory)
        remaps = counter(REMAPS * memory)
        xid = latch(rng, n, step, [
            (UNCORRECTABLE * memory, (48, 95)), (REMAPS * memory, (63, 94)), (POWER_XIDS * power, (62, 79)),
            (LINK_XIDS * link, (74,)), (FIRMWARE_XIDS * other, (119, 120, 109)), (world.application_xids, (13, 31, 43, 45)),
            (world.stray_xids, (63, 74, 119)),
        ])  # fmt: skip
        throttle = np.where(load < 0.05, IDLE, 0) | np.where(load > 0.97, POWER_CAP, 0)
        throttle |= np.where(celsius > 84, THERMAL_SLOWDOWN, 0) | np.where(rng.random(n) < 4 * power * load * step, POWER_BRAKE, 0)
        self.values = {
            "gpu_temp": np.round(celsius), "power_usage": np.round(np.maximum(watts, 20), 1),
            "memory_temp": np.round(celsius + 6 + 2 * load), "sm_active": np.round(np.clip(90 * load + 3 * noise, 0, 100), 1),
            "throttle_reasons": throttle, "ecc_sbe": counter(healthy) + counter(BURSTS * memory, BURST_SIZE), "ecc_dbe": dbe,
            "memory_utilization": np.round(np.clip(np.where(load > 0.02, 55 + 30 * load, 1), 0, 99), 1),
            "gpu_utilization": np.round(np.where(load > 0.02, np.clip(100 * load**0.3, 0, 100), 0)),
            "sm_clock_mhz": np.round(np.where(load > 0.02, clock * (1 - 0.1 * power - 0.25 * (celsius > 84)), 0.3 * clock)),
            "pcie_replay": counter(world.replays) + counter(REPLAY_BURSTS * link, 40), "xid": xid,
            "remap_correctable": counter(0.5 * REMAPS * memory), "remap_uncorrectable": remaps,
            "remap_failure": (remaps > remaps[0] + 5).astype(int),
        }  # fmt: skip

    def lines(self, first: int, last: int, uuid: str, host: str, as_of_ms: int) -> Iterator[tuple[int, str]]:
        """Of readings first … last: time and line."""
        names = ("gpu_temp", "power_usage", *self.fields)
        columns = [self.values[name][first:last].tolist() for name in names]
        text = f'{{"gpu_uuid":"{uuid}","hostname":"{host}","model":"{self.model[0]}",' + ",".join(f'"{name}":%g' for name in names) + ',"timestamp":%d}\n'
        stamps = (as_of_ms + np.round(self.time[first:last] * 86_400_000)).astype(np.int64).tolist()
        for stamp, *row in zip(stamps, *columns):
            yield stamp, text % (*row, stamp)


def loads(world: World, rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    """Of a host, 0 to 1."""
    n = len(time)
    if world.load == "training":
        load = np.where(rng.random(n) < 0.05, rng.uniform(0, 0.5, n), rng.uniform(0.93, 1, n))
        stopped = np.zeros(n, bool)
        for _ in range(rng.poisson(2)):
            begin = rng.uniform(-DAYS, 0)
            stopped |= (time > begin) & (time < begin + rng.exponential(0.3))
        return np.where(stopped, 0, load)
    if world.load == "serving":
        return np.clip(0.45 + 0.35 * np.sin(2 * np.pi * (time - rng.uniform(0, 0.2))) + 0.08 * rng.standard_normal(n), 0, 1)
    load, begin = np.zeros(n), -DAYS - rng.exponential(0.3)
    while begin < 0:
        end = begin + rng.lognormal(-1.2, 1.2)
        load[(time >= begin) & (time < end)] = rng.uniform(0.4, 1)
        begin = end + rng.exponential(0.2)
    return np.where(load > 0, np.clip(load + 0.04 * rng.standard_normal(n), 0.03, 1), 0)


def reachable(world: World, host_rng, rng, time: np.ndarray, sick: np.ndarray, step: float) -> np.ndarray:
    there = rng.random(len(time)) > 0.002
    for _ in range(host_rng.poisson(DAYS / world.away_every)):
        begin = host_rng.uniform(-DAYS, 0)
        there &= ~((time > begin) & (time < begin + host_rng.exponential(world.away_hours) / 24))
    for place in np.flatnonzero(rng.random(len(time)) < SPELLS * (sick[:, 3] + sick[:, 4]) * step):
        there &= ~((time >= time[place]) & (time < time[place] + rng.exponential(0.02)))
    return there


def latch(rng: np.random.Generator, n: int, step: float, sources: list) -> np.ndarray:
    """The last XID so far: each source raises one of its codes at a daily rate."""
    raised = np.zeros(n, int)
    for daily, codes in sources:
        at = rng.random(n) < daily * step * np.ones(n)
        raised[at] = rng.choice(codes, at.sum())
    places = np.maximum.accumulate(np.where(raised > 0, np.arange(n), -1))
    return np.where(places >= 0, raised[np.maximum(places, 0)], 0)
