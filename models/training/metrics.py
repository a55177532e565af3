"""models/evaluation/golden.json: rows, and what weighted.py makes of them, for the engine's own metrics to be held against.

    python metrics.py FILE
"""

import json
import sys
from pathlib import Path

import numpy as np

import weighted

ROWS = 400


def cases() -> dict[str, dict[str, np.ndarray]]:
    """Weighted rows with a rare failure; many rows of one score; scores of 0 and 1; failures apart from all others."""
    rng = np.random.default_rng(29)
    weight = rng.gamma(2.0, 1.5, ROWS)
    score = rng.beta(0.6, 12.0, ROWS)
    failed = (rng.random(ROWS) < 1.3 * score).astype(float)
    ties = np.round(score, 1)
    return {
        "weighted": {"failed": failed, "score": score, "weight": weight},
        "ties": {"failed": failed, "score": ties, "weight": np.ones(ROWS)},
        "certain": {"failed": failed, "score": np.where(score < 0.01, 0.0, np.where(score > 0.3, 1.0, score)), "weight": weight},
        "separate": {"failed": (score > 0.1).astype(float), "score": score, "weight": weight},
    }


def golden() -> dict:
    found = {}
    for name, rows in cases().items():
        summary = {key: None if np.isnan(value) else value for key, value in weighted.summary(**rows).items()}
        found[name] = {**{key: values.tolist() for key, values in rows.items()}, "summary": summary}
    return found


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(golden()) + "\n")
