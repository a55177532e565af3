"""Rows of features with what became of their GPU, read from the files that the engine's own commands write."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

FAILURE_TYPES = ["memory", "thermal", "power", "interconnect", "other"]
#: Ends of the pieces of the hazard, days.
HORIZONS = [7.0, 30.0, 90.0]
DAY_SECONDS = 86_400.0


@dataclass
class Dataset:
    """Rows in the order of their files. A row is one GPU at one time at which it was still alive."""

    #: float32 [rows, features]; NaN where a feature is absent.
    x: np.ndarray
    #: Days from the row to the GPU's failure; infinite where none was seen.
    days: np.ndarray
    #: Index into FAILURE_TYPES; -1 where no failure was seen.
    kind: np.ndarray
    #: Number of the GPU, for resampling by GPU.
    gpu: np.ndarray
    #: Factor on the failure rate of the simulated fleet that the row comes from.
    scale: np.ndarray
    #: Days since the first row of the GPU: how full its window is.
    position: np.ndarray

    def take(self, rows: np.ndarray) -> "Dataset":
        return Dataset(**{name: values[rows] for name, values in vars(self).items()})

    def __len__(self) -> int:
        return len(self.days)


def epoch_days(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() / DAY_SECONDS


def read_labels(file: Path) -> dict[str, tuple[float, int]]:
    """First failure of each GPU: its time in epoch days and its type."""
    labels: dict[str, tuple[float, int]] = {}
    with file.open() as lines:
        for line in lines:
            label = json.loads(line)
            failed = epoch_days(label["failed_at"])
            before = labels.get(label["gpu_uuid"])
            if before is None or failed < before[0]:
                labels[label["gpu_uuid"]] = (failed, FAILURE_TYPES.index(label["type"]))
    return labels


def read_fleet(features_file: Path, labels_file: Path, names: list[str], scale: float) -> Dataset:
    """Rows of one fleet: the first of each GPU, and then those at midnight.

    Rows at or after a GPU's failure are dropped: nothing is left to predict. Labels have to reach the last horizon past every row, which `simulate` promises.
    """
    labels = read_labels(labels_file)
    gpus: dict[str, int] = {}
    first: dict[str, float] = {}
    x, days, kind, gpu, position = [], [], [], [], []
    with features_file.open() as lines:
        for line in lines:
            row = json.loads(line)
            uuid = row["gpu_uuid"]
            as_of = epoch_days(row["as_of"])
            begun = first.setdefault(uuid, as_of)
            if as_of != begun and as_of % 1 != 0:
                continue
            failed, failure_kind = labels.get(uuid, (np.inf, -1))
            if failed <= as_of:
                continue
            features = row["features"]
            x.append([np.nan if features[name] is None else features[name] for name in names])
            days.append(failed - as_of)
            kind.append(failure_kind)
            gpu.append(gpus.setdefault(uuid, len(gpus)))
            position.append(as_of - begun)
    count = len(days)
    return Dataset(
        x=np.asarray(x, dtype=np.float32).reshape(count, len(names)),
        days=np.asarray(days, dtype=np.float64),
        kind=np.asarray(kind, dtype=np.int64),
        gpu=np.asarray(gpu, dtype=np.int64),
        scale=np.full(count, scale),
        position=np.asarray(position, dtype=np.float64),
    )


def concatenate(parts: list[Dataset]) -> Dataset:
    """All rows of several fleets; GPUs are numbered anew."""
    offset = 0
    for part in parts:
        part.gpu = part.gpu + offset
        offset = int(part.gpu.max(initial=offset - 1)) + 1
    return Dataset(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})
