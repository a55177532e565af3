"""Writes a foreign world's fleet as its owner would hand it over: telemetry, asset register, labels.

As in the training set, all GPUs are there that die within 90 days of the moment they are asked about or have a defect by
then, and a sample of the others, each with the weight of those that it stands for: a sick GPU that lives on is rare among
the others, and as one of a sample would count as dozens.
"""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from foreign.lives import BURN_IN, FOLLOW, Lives
from foreign.telemetry import DAYS, Gpu
from foreign.worlds import World, mix_of
from horizons import FAILURE_TYPES

AS_OF = datetime(2026, 5, 1, tzinfo=timezone.utc)
GPUS_PER_HOST = 8
HOUR_DAYS = 1 / 24


def write_fleet(world: World, seed: int, directory: Path) -> dict[str, int]:
    """telemetry.jsonl, assets.jsonl and labels.jsonl of a fleet. Returns how much there is of each."""
    rng = rng_of(world, seed)
    lives, found = draw_lives(world, rng)
    there, dies_or_ails = found > 0, (found <= FOLLOW) | ails(lives)
    cases, others = np.flatnonzero(there & dies_or_ails), np.flatnonzero(there & ~dies_or_ails)
    controls = rng.choice(others, min(world.controls, len(others)), replace=False)
    chosen = np.concatenate([cases, controls])
    weight = np.concatenate([np.ones(len(cases)), np.full(len(controls), len(others) / len(controls))])
    directory.mkdir(parents=True, exist_ok=True)
    as_of_ms = round(AS_OF.timestamp() * 1000)
    gpus, assets, labels = [], [], []
    for place, number in enumerate(chosen):
        host = int(number) // GPUS_PER_HOST
        uuid, name = uuid_of(world, seed, number), f"{world.name}-{host:04d}"
        severity = recent(lives)[number].astype(np.float64)
        gpu = Gpu(world, np.random.default_rng([seed, 1, number]), severity, lives.died[number], np.random.default_rng([seed, 2, host]))
        if len(gpu.time) == 0:
            continue  # nobody ever heard of it
        gpus.append((gpu, uuid, name))
        bought = AS_OF - timedelta(days=float(lives.age_days[number]))
        assets.append({"gpu_uuid": uuid, "model": gpu.model[0], "deployment_date": bought.date().isoformat(), "batch": f"lot-{host % 4}"})
        fails = found[number] <= FOLLOW
        labels.append({
            "gpu_uuid": uuid, "as_of": AS_OF.isoformat(), "days_to_failure": round(float(found[number]), 4) if fails else None,
            "type": FAILURE_TYPES[lives.kind[number]] if fails else None, "weight": float(weight[place]),
        })  # fmt: skip
    for name, rows in (("assets", assets), ("labels", labels)):
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    samples = write_telemetry(gpus, as_of_ms, directory / "telemetry.jsonl")
    return {"gpus": len(labels), "fail": sum(label["type"] is not None for label in labels), "samples": samples}


def uuid_of(world: World, seed: int, number: int) -> str:
    return f"GPU-{world.name}-{seed}-{number:05d}"


def number_of(uuid: str) -> int:
    return int(uuid.rsplit("-", 1)[1])


def recent(lives: Lives) -> np.ndarray:
    """Severities of the days that telemetry is of, [GPUs, 8 days, kinds]."""
    return lives.severity[:, BURN_IN - DAYS : BURN_IN]


def ails(lives: Lives) -> np.ndarray:
    """Which GPUs had a defect on any of those days."""
    return recent(lives).max(axis=(1, 2)) > 0


def rng_of(world: World, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, sum(world.name.encode())])


def draw_lives(world: World, rng: np.random.Generator) -> tuple[Lives, np.ndarray]:
    """Lives, and the day on which each death is found and labelled."""
    lives = world.life(rng, world.gpus, world.yearly, world.abrupt, mix_of(world), world.oldest)
    return lives, lives.died + (rng.exponential(world.found_after, world.gpus) if world.found_after > 0 else 0)


def write_telemetry(gpus: list[tuple[Gpu, str, str]], as_of_ms: int, file: Path) -> int:
    """In the order of time, an hour after the other."""
    samples = 0
    edges = np.arange(-DAYS, HOUR_DAYS / 2, HOUR_DAYS)
    bounds = [np.searchsorted(gpu.time, edges) for gpu, _, _ in gpus]
    with file.open("w") as out:
        for hour in range(len(edges) - 1):
            lines = [
                line for (gpu, uuid, host), bound in zip(gpus, bounds)
                for line in gpu.lines(bound[hour], bound[hour + 1], uuid, host, as_of_ms)
            ]  # fmt: skip
            lines.sort()
            out.writelines(text for _, text in lines)
            samples += len(lines)
    return samples
