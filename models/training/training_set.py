"""Reads what `gpu-actuary training-set` writes: docs/training-set.md describes the files."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from horizons import HORIZONS


@dataclass
class TrainingSet:
    """Rows of one or more fleets, in the order of their files. A row is one GPU at one time."""

    #: Names of the features, columns of x.
    features: list[str]
    #: Names of the tallies, the last dimension of daily.
    tallies: list[str]
    #: float32 [rows, features]; NaN where a feature is absent.
    x: np.ndarray
    #: float32 [rows, 8 days, tallies], oldest day first; NaN for what no telemetry tells.
    daily: np.ndarray
    #: float64 [rows] by the names of docs/training-set.md; `gpu` is numbered through all fleets.
    columns: dict[str, np.ndarray]
    #: Place in `fleets` of each row's fleet.
    fleet: np.ndarray
    #: What fleet.json says of each fleet.
    fleets: list[dict]

    def __len__(self) -> int:
        return len(self.x)

    @property
    def weight(self) -> np.ndarray:
        return self.columns["weight"]

    def take(self, rows: np.ndarray) -> "TrainingSet":
        """@param rows indices or a mask"""
        return TrainingSet(
            self.features, self.tallies, self.x[rows], self.daily[rows],
            {name: values[rows] for name, values in self.columns.items()}, self.fleet[rows], self.fleets,
        )  # fmt: skip

    @property
    def has_truth(self) -> np.ndarray:
        """Of each row, whether it is of a simulated fleet, whose true risk is known."""
        risk = self.columns.get(f"true_risk_{HORIZONS[0]:.0f}d")
        return np.zeros(len(self), bool) if risk is None else ~np.isnan(risk)

    def with_features(self, x: np.ndarray, names: list[str] | None = None) -> "TrainingSet":
        """The same rows with other features, or other values of the same."""
        return replace(self, x=x, features=self.features if names is None else names)

    def failed_within(self, days: float) -> np.ndarray:
        """Whether each row's GPU fails within so many days; NaN where it was retired before, or not followed so long."""
        failure, exit_days = self.columns["days_to_failure"], self.columns["exit_days"]
        outcome = (failure <= days).astype(np.float64)
        outcome[~(failure <= days) & (exit_days < days)] = np.nan
        return outcome

    def true_risk(self) -> np.ndarray:
        """float64 [rows, 3]: probability of failure within 7, 30 and 90 days to one who knows all that is."""
        return np.column_stack([self.columns[f"true_risk_{horizon:.0f}d"] for horizon in HORIZONS])


def read_fleet_directory(directory: Path) -> TrainingSet:
    """One fleet. Raises ValueError where its files do not belong together."""
    card = json.loads((directory / "fleet.json").read_text())
    x, rows, daily = (np.load(directory / f"{name}.npy") for name in ("features", "rows", "daily"))
    names = [column["name"] for column in card["columns"]]
    tallies = [tally["name"] for tally in card["daily"]]
    expected = (card["rows"], len(card["features"])), (card["rows"], len(names)), (card["rows"], len(tallies))
    if (x.shape, rows.shape, (daily.shape[0], daily.shape[2])) != expected:
        raise ValueError(f"{directory}: shapes {x.shape}, {rows.shape}, {daily.shape} are not what fleet.json says")
    columns = {name: rows[:, place].copy() for place, name in enumerate(names)}
    return TrainingSet(card["features"], tallies, x, daily, columns, np.zeros(len(x), np.int64), [card])


def read_training_set(directory: Path, *splits: str) -> TrainingSet:
    """All fleets of some splits under a directory, by name; of all splits if none is named.

    Raises FileNotFoundError where there is none.
    """
    parts = []
    for card in sorted(directory.glob("*/fleet.json")):
        if not splits or json.loads(card.read_text())["split"] in splits:
            parts.append(read_fleet_directory(card.parent))
    if not parts:
        raise FileNotFoundError(f"{directory}: no fleet of {', '.join(splits) or 'any split'}")
    return concatenate_fleets(parts)


#: Worlds far from the reference keep a model from relying on levels that differ; at full weight they blunt it where it
#: is right (on the fleets of calibration: 0.572 of the 30-day risk's deviance explained for 0.575).
BROAD_WEIGHT = 0.3
#: A GPU has a full window for all of its life but the first week: such rows count for more than those after one and
#: three days (on fleets of training: 0.541 of the 30-day risk's deviance explained for 0.530).
FULL_WEIGHT, FULL_DAYS = 3.0, 7.9


def is_full(data: TrainingSet) -> np.ndarray:
    """Of each row, whether its window was full when it was due. (Silences have no days before them in daily.npy.)"""
    return (data.columns["observed_days"] > FULL_DAYS) & (data.columns["absence"] == 0)


def lightened(data: TrainingSet) -> TrainingSet:
    """The rows of simulated fleets with weights to learn by: broad worlds count less, full windows more."""
    if "observed_days" not in data.columns:
        return data
    broad = np.array([fleet.get("world", {}).get("name", "").startswith("broad-") for fleet in data.fleets], bool)
    factor = np.where(broad[data.fleet], BROAD_WEIGHT, 1.0) * np.where(is_full(data), FULL_WEIGHT, 1.0)
    return replace(data, columns={**data.columns, "weight": factor * data.weight})


def concatenate_fleets(parts: list[TrainingSet]) -> TrainingSet:
    """Rows of all of them; GPUs and fleets are numbered anew. What a part does not know of its rows is NaN."""
    first = parts[0]
    if any((part.features, part.tallies) != (first.features, first.tallies) for part in parts):
        raise ValueError("the fleets were made by builds with other features or tallies")
    gpus, fleets = [0], [0]
    for part in parts:
        gpus.append(gpus[-1] + int(part.columns["gpu"].max(initial=-1)) + 1)
        fleets.append(fleets[-1] + len(part.fleets))
    names = dict.fromkeys(name for part in parts for name in part.columns)
    columns = {
        name: np.concatenate([part.columns.get(name, np.full(len(part), np.nan)) for part in parts]) for name in names
    }
    columns["gpu"] = np.concatenate([part.columns["gpu"] + offset for part, offset in zip(parts, gpus)])
    return TrainingSet(
        first.features,
        first.tallies,
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.daily for part in parts]),
        columns,
        np.concatenate([part.fleet + offset for part, offset in zip(parts, fleets)]),
        [card for part in parts for card in part.fleets],
    )
