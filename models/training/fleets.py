"""Simulated fleets, run through the engine's own operators: training and serving share one feature code."""

import json
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset import Dataset, concatenate, read_fleet


@dataclass(frozen=True)
class Fleet:
    """One world: GPUs that share batches, workloads and weather. Splits never share a fleet."""

    split: str
    seed: int
    gpus: int
    cadence: str
    #: Factor on every failure rate; 1 is a fleet as it is.
    hazard_scale: float
    days: int = 9

    @property
    def name(self) -> str:
        return f"{self.split}-{self.seed}"


class FleetMaker:
    """Runs `simulate` and `replay` and keeps the features and labels of each fleet under a directory.

    A fleet that is already there, made by the same commands of the same build, is not made again.
    """

    def __init__(self, root: Path, directory: Path):
        self.cli = ["node", str(root / "dist" / "cli.cjs")]
        self.directory = directory

    def make(self, fleet: Fleet) -> float:
        """Makes a fleet's files. Returns the seconds it took."""
        target = self.directory / fleet.name
        commands = self.commands(fleet, target / "work")
        stamp = target / "commands.json"
        if stamp.exists() and json.loads(stamp.read_text()) == commands:
            return 0.0
        shutil.rmtree(target, ignore_errors=True)
        (target / "work").mkdir(parents=True)
        start = time.monotonic()
        for command in commands:
            done = subprocess.run(self.cli + command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if done.returncode != 0:
                raise RuntimeError(f"gpu-actuary {' '.join(command)} failed:\n{done.stderr[-2000:]}")
        (target / "work" / "labels.jsonl").rename(target / "labels.jsonl")
        (target / "work" / "features.jsonl").rename(target / "features.jsonl")
        shutil.rmtree(target / "work")
        stamp.write_text(json.dumps(commands))
        return time.monotonic() - start

    def make_all(self, fleets: list[Fleet], workers: int) -> None:
        with ThreadPoolExecutor(workers) as pool:
            for fleet, seconds in zip(fleets, pool.map(self.make, fleets)):
                made = f"{seconds:.0f} s" if seconds else "kept"
                print(f"  {fleet.name}: {fleet.gpus} GPUs, {fleet.days} days at {fleet.cadence}: {made}", flush=True)

    def commands(self, fleet: Fleet, work: Path) -> list[list[str]]:
        return [
            [
                "simulate", "--gpus", str(fleet.gpus), "--days", str(fleet.days), "--cadence", fleet.cadence,
                "--seed", str(fleet.seed), "--format", "wide-json", "--hazard-scale", str(fleet.hazard_scale),
                "--output", str(work),
            ],
            [
                "replay", "--input", str(work / "telemetry.jsonl"), "--assets", str(work / "assets.jsonl"),
                "--emit", "features", "--as-of", "every:12h", "--set", f"windows.gapMs={gap_ms(fleet.cadence)}",
                "--output", str(work / "features.jsonl"),
            ],
        ]  # fmt: skip

    def read(self, fleets: list[Fleet], names: list[str]) -> Dataset:
        parts = []
        for fleet in fleets:
            target = self.directory / fleet.name
            cache = target / "rows.npz"
            if not cache.exists():
                rows = read_fleet(target / "features.jsonl", target / "labels.jsonl", names, fleet.hazard_scale)
                np.savez(cache, **vars(rows))
            with np.load(cache) as stored:
                parts.append(Dataset(**stored))
        return concatenate(parts)


def gap_ms(cadence: str) -> int:
    """A gap is two and a half scrapes, and never shorter than the engine's default."""
    units = {"s": 1_000, "m": 60_000, "h": 3_600_000}
    return max(300_000, int(2.5 * float(cadence[:-1]) * units[cadence[-1]]))
