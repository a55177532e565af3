"""The baseline as the engine and `predict` read it: models/champion/survival.json."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .curve import cumulative_hazard
from .lives import FEATURES, STEP_DAYS, Lives
from .trees import Forest

ARTEFACT = Path(__file__).resolve().parents[2] / "champion" / "survival.json"
#: Rows on which the engine's arithmetic is held against this one's.
GOLDEN = ARTEFACT.with_name("survival-golden.json")
HORIZONS_DAYS = [7.0, 30.0, 90.0, 365.0]
FORMAT = 1


@dataclass
class Baseline:
    """A hazard model, the last quarter of age that it learned from, and the yearly rate of its GPUs."""

    forest: Forest
    last_quarter: int
    yearly_rate: float

    def cumulative_hazard(self, x: np.ndarray, age_days: np.ndarray, horizons_days: list[float]) -> np.ndarray:
        """See curve.cumulative_hazard."""
        return cumulative_hazard(self.forest, x, age_days, horizons_days, self.last_quarter)


def last_quarter(lives: Lives) -> int:
    return int(lives.days.max() // STEP_DAYS)


def write(baseline: Baseline, path: Path = ARTEFACT) -> None:
    body = {
        "format": FORMAT,
        "features": FEATURES,
        "step_days": STEP_DAYS,
        "last_quarter": baseline.last_quarter,
        "yearly_rate": baseline.yearly_rate,
        "trained_on": "models/training/titan",
        "forest": baseline.forest.to_json(),
    }
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:8]
    path.write_text(json.dumps({"model_version": f"survival-{digest}", **body}, separators=(",", ":")) + "\n")


def read(path: Path = ARTEFACT) -> Baseline:
    data = json.loads(path.read_text())
    if data["format"] != FORMAT or data["features"] != FEATURES:
        raise ValueError(f"{path} is of another version of this program; train it anew")
    return Baseline(Forest.from_json(data["forest"]), data["last_quarter"], data["yearly_rate"])


def write_golden(baseline: Baseline, lives: Lives, path: Path = GOLDEN) -> None:
    """Real GPUs at drawn ages, whole and with facts left out, and the hazards up to each horizon."""
    rng = np.random.default_rng(17)
    x = lives.x[rng.choice(len(lives), 60, replace=False)].astype(np.float64)
    x[30:][rng.random((30, x.shape[1])) < 0.5] = np.nan
    x[-1] = np.nan
    age = rng.uniform(0, 2600, len(x)).round(3)
    age[-5:] = np.nan
    hazard = baseline.cumulative_hazard(x, age, HORIZONS_DAYS)
    absent = lambda values: [None if np.isnan(value) else float(value) for value in values]  # noqa: E731
    rows = [
        {"facts": absent(known), "age_days": days, "cumulative_hazard": sums.tolist()}
        for known, days, sums in zip(x, absent(age), hazard)
    ]
    path.write_text(json.dumps({"horizons_days": HORIZONS_DAYS, "rows": rows}) + "\n")
