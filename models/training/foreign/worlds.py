"""Foreign worlds: each a law of life, of telemetry and of bookkeeping, chosen to differ from simulator/ and each other."""

from dataclasses import dataclass
from typing import Callable

import numpy as np

from foreign.lives import Lives, backwards, doubling, staged

ALL_FIELDS = (
    "memory_temp", "sm_active", "throttle_reasons", "ecc_sbe", "ecc_dbe", "memory_utilization", "gpu_utilization", "sm_clock_mhz",
    "pcie_replay", "xid", "remap_correctable", "remap_uncorrectable", "remap_failure",
)  # fmt: skip
#: What a script around nvidia-smi records: no XID, no remaps, no profiling.
SMI_FIELDS = ("memory_utilization", "gpu_utilization", "ecc_sbe", "ecc_dbe", "sm_clock_mhz")
#: dcgm-exporter as it is shipped.
SHIPPED_FIELDS = ("memory_temp", "memory_utilization", "gpu_utilization", "sm_clock_mhz", "pcie_replay", "xid", "remap_correctable", "remap_uncorrectable", "remap_failure")


@dataclass(frozen=True)
class World:
    name: str
    what: str
    life: Callable[..., Lives]
    #: Deaths a year, and the share that nothing precedes.
    yearly: float
    abrupt: float
    #: Of memory, thermal, power, interconnect, other.
    mix: tuple[float, ...]
    cadence_s: int
    #: Models: name, watts at full load, watts at rest, degrees a watt, SM clock.
    models: tuple[tuple[str, float, float, float, int], ...]
    inlet: float
    #: What exporters send besides temperature and power; each with its share of the hosts.
    exporters: tuple[tuple[tuple[str, ...], float], ...]
    #: Load: "training" runs flat out but for checkpoints, "serving" goes with the hours of the day, "batch" has jobs.
    load: str = "batch"
    #: How strongly severities show, by kind.
    strength: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)
    #: Of healthy GPUs: share with correctable errors and their daily rate, application XIDs a day, replays a day.
    sbe_share: float = 0.05
    sbe_daily: float = 3.0
    application_xids: float = 0.01
    replays: float = 0.1
    #: Hardware XIDs a day of GPUs that have nothing.
    stray_xids: float = 0.0005
    #: Hosts are away so often (days between), for so many hours.
    away_every: float = 20.0
    away_hours: float = 0.7
    #: Days after which a death is found and labelled, mean; the GPU is silent meanwhile.
    found_after: float = 0.0
    oldest: float = 1300.0
    gpus: int = 20000
    controls: int = 900


H100, A100 = ("NVIDIA H100 80GB HBM3", 690.0, 74.0, 0.055, 1980), ("NVIDIA A100-SXM4-40GB", 395.0, 55.0, 0.09, 1410)
B200, L40S = ("NVIDIA B200", 980.0, 140.0, 0.034, 1965), ("NVIDIA L40S", 340.0, 34.0, 0.13, 2520)

WORLDS = [
    World(
        "stages", "a training cluster: flat out, sickness by stages, every field, a scrape a minute",
        staged, 0.07, 0.5, (0.4, 0.1, 0.15, 0.2, 0.15), 60, (H100,), 24, ((ALL_FIELDS, 1.0),), "training", gpus=12000, controls=300,
    ),
    World(
        "sparse", "a script around nvidia-smi every 15 min: no XID, no remaps, a hot room, many failures",
        doubling, 0.13, 0.45, (0.45, 0.2, 0.15, 0.1, 0.1), 900, (A100, L40S), 33, ((SMI_FIELDS, 1.0),), "serving",
        sbe_share=0.1, oldest=1900,
    ),
    World(
        "chatty", "few failures, and healthy GPUs that show errors of all sorts all the time",
        staged, 0.03, 0.4, (0.3, 0.1, 0.1, 0.3, 0.2), 300, (H100, B200), 26, ((ALL_FIELDS, 0.5), (SHIPPED_FIELDS, 0.5)), "batch",
        sbe_share=0.4, sbe_daily=6.0, application_xids=0.6, replays=4.0, stray_xids=0.004, gpus=40000,
    ),
    World(
        "late-labels", "the shipped exporter every 5 min, hosts often away for long, deaths labelled days after the last reading",
        doubling, 0.08, 0.5, (0.3, 0.1, 0.2, 0.2, 0.2), 300, (H100,), 21, ((SHIPPED_FIELDS, 1.0),), "batch",
        away_every=12.0, away_hours=6.0, found_after=1.5,
    ),
    World(
        "backwards", "deaths by age, signs laid backwards from them or from nothing, faint, every 10 min",
        backwards, 0.09, 0.5, (0.35, 0.15, 0.15, 0.2, 0.15), 600, (A100, H100), 29, ((ALL_FIELDS, 0.6), (SMI_FIELDS, 0.4)), "batch",
        strength=(0.6, 0.5, 0.5, 0.6, 0.6), oldest=1600,
    ),
]  # fmt: skip


def world_named(name: str) -> World:
    return next(world for world in WORLDS if world.name == name)


def mix_of(world: World) -> np.ndarray:
    return np.array(world.mix) / sum(world.mix)
