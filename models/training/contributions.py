"""What XGBoost says each feature contributes to each hazard head: the judge of the engine's own explanations.

    python contributions.py MODEL_DIR OUT [--trees N] [--rows N]

Reads model.json and the rows of golden.json. Rows that no training saw are made of theirs, each value taken from
another row or left out. Writes JSON: rows, and by head the margin and `pred_contribs` of each row, the base last. With
--trees only the first trees of each head count, and a model.json of them goes into the output: a small fixture.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import xgboost as xgb


def unseen_rows(rows: np.ndarray, count: int) -> np.ndarray:
    """Rows whose every value was drawn from some row of its column; a fifth of them absent."""
    rng = np.random.default_rng(17)
    drawn = rows[rng.integers(len(rows), size=(count, rows.shape[1])), np.arange(rows.shape[1])]
    drawn[rng.random(drawn.shape) < 0.2] = np.nan
    return drawn


def booster_of(head: dict) -> xgb.Booster:
    return xgb.Booster(model_file=bytearray(json.dumps(head), "utf8"))


def contributions(booster: xgb.Booster, rows: np.ndarray) -> dict:
    """Without a base score, as the graph adds up trees."""
    data = xgb.DMatrix(rows, base_margin=np.zeros(len(rows)))
    found = booster.predict(data, pred_contribs=True)
    return {"margin": booster.predict(data, output_margin=True).tolist(), "pred_contribs": found.tolist()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--trees", type=int)
    parser.add_argument("--rows", type=int, default=200)
    options = parser.parse_args()

    stored = json.loads((options.model / "model.json").read_text())
    golden = json.loads((options.model / "golden.json").read_text())
    known = np.array([[np.nan if value is None else value for value in row] for row in golden["features"]], np.float32)
    rows = np.concatenate([known[-2:], unseen_rows(known, options.rows - 2)])
    result = {"features": [[None if np.isnan(value) else float(value) for value in row] for row in rows], "heads": {}}
    heads = {}
    for name, head in stored["heads"].items():
        if not name.startswith("hazard_"):
            continue
        booster = booster_of(head)
        if options.trees is not None:
            booster = booster[: options.trees]
        heads[name] = json.loads(booster.save_raw("json"))
        result["heads"][name] = contributions(booster, rows)
    if options.trees is not None:
        result["model"] = {"features": stored["features"], "heads": heads}
    options.out.write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
