"""What is known of a GPU without telemetry, as columns of numbers, and the recorded lives to learn from."""

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TITAN = Path(__file__).resolve().parents[1] / "titan" / "gpus.csv.gz"
#: The hazard is constant within a quarter of a year of age: failures are too few for finer steps.
STEP_DAYS = 365.25 / 4
DAYS_PER_YEAR = 365.25
#: Columns of the model; the first is the quarter of age, counted from 0.
FEATURES = ["age_quarter", "batch_new", "col", "row", "col_odd", "cage", "slot", "node", "made_week", "serial"]
BATCHES = {"old": 0.0, "new": 1.0}


def facts(batch, col, row, cage, slot, node, serial_number) -> list[float]:
    """All columns but age; NaN where nothing is known. Arguments: numbers, None or NaN; batch and serial are texts.

    Cabinets of odd columns failed more often than their neighbours of even ones, which trees find only if told.
    """
    number = [float("nan") if value is None else float(value) for value in (col, row, cage, slot, node)]
    week, running = made(serial_number)
    return [BATCHES.get(batch, float("nan")), number[0], number[1], number[0] % 2, *number[2:], week, running]


def made(serial_number: str | None) -> tuple[float, float]:
    """Week of making since the year 2000 (52 a year) and running number of a 13-digit NVIDIA serial; NaN of others."""
    if serial_number is None or len(serial_number) != 13 or not serial_number.isdecimal():
        return float("nan"), float("nan")
    return int(serial_number[5:7]) * 52.0 + int(serial_number[3:5]), float(serial_number[7:])


@dataclass
class Lives:
    """Recorded lives of GPUs, one a GPU.

    x: [N, FEATURES - 1] float32, all columns but age. days: [N] length of the life. dead: [N] bool, False: censored.
    """

    x: np.ndarray
    days: np.ndarray
    dead: np.ndarray

    def __len__(self) -> int:
        return len(self.days)

    def take(self, rows: np.ndarray) -> "Lives":
        return Lives(self.x[rows], self.days[rows], self.dead[rows])

    @property
    def yearly_rate(self) -> float:
        """Failures a GPU-year."""
        return float(self.dead.sum() / (self.days.sum() / DAYS_PER_YEAR))


def read_lives(path: Path = TITAN) -> Lives:
    """The lives of a file in the form of ../titan/README.md."""
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    position = ("col", "row", "cage", "slot", "node")
    x = [facts(row["batch"], *(row[name] for name in position), row["SN"]) for row in rows]
    return Lives(
        x=np.array(x, np.float32),
        days=np.array([float(row["life_s"]) / 86_400 for row in rows]),
        dead=np.array([row["dead"] == "1" for row in rows]),
    )
