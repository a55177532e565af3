"""The files of a model directory: graph, card, trees, and rows to check all of them by."""

import hashlib
import json
from pathlib import Path

import numpy as np
import xgboost as xgb

import graph
from augment import drop_fields
from model import Model
from training_set import TrainingSet

#: The largest difference between the graph and Python that is a difference of rounding.
PARITY = 1e-5
PARITY_ROWS = 10_000


class GraphDiffers(Exception):
    """The graph does not compute what the model does."""


def write(out: Path, model: Model, card: dict, checked: np.ndarray, batch: dict) -> dict:
    """Writes the directory. Returns the card as written.

    @param checked rows that graph and model are compared on. Raises GraphDiffers.
    """
    onnx_bytes = graph.build(model.hazards, model.types, model.coefficients, len(model.names)).SerializeToString()
    difference = parity(onnx_bytes, model, checked)
    if not difference <= PARITY:
        raise GraphDiffers(f"the graph differs from Python by {difference:.2e} on {len(checked)} rows")
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(onnx_bytes)
    sha256 = hashlib.sha256(onnx_bytes).hexdigest()
    card = {
        "format": 1, "model_version": f"hazard-{card['feature_set']}-{sha256[:8]}", "sha256": sha256, **card,
        "parity": {"rows": len(checked), "largest_difference": difference},
    }  # fmt: skip
    (out / "card.json").write_text(json.dumps(rounded(card), indent=2) + "\n")
    (out / "golden.json").write_text(json.dumps(batch) + "\n")
    heads = [f"hazard_{start}_{end}" for start, end in [(0, 7), (7, 30), (30, 90)]]
    trees = {name: json.loads(booster.save_raw("json")) for name, booster in zip(heads, model.hazards)}
    trees["failure_type"] = json.loads(model.types.save_raw("json"))
    parameters = {"coefficients": model.coefficients.tolist(), "heads": trees}
    (out / "model.json").write_text(json.dumps({"features": model.names, **parameters}) + "\n")
    return card


def read_model(directory: Path) -> Model:
    """The model of a directory's model.json."""
    stored = json.loads((directory / "model.json").read_text())
    boosters = {name: xgb.Booster(model_file=bytearray(json.dumps(head).encode())) for name, head in stored["heads"].items()}
    types = boosters.pop("failure_type")
    return Model(stored["features"], list(boosters.values()), types, np.array(stored["coefficients"]))


def parity(onnx_bytes: bytes, model: Model, x: np.ndarray) -> float:
    """The largest difference between what ONNX Runtime makes of the graph and what Python computes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])
    probability, kinds = session.run(["failure_prob", "failure_type_prob"], {"features": x.astype(np.float32)})
    return float(max(np.abs(probability - model.probabilities(x)).max(), np.abs(kinds - model.type_probabilities(x)).max()))


def parity_rows(data: TrainingSet) -> np.ndarray:
    """Rows as they are and with fields left out, and one with nothing."""
    rows = np.random.default_rng(17).integers(0, len(data), PARITY_ROWS - 1)
    half = len(rows) // 2
    x = np.concatenate([data.x[rows[:half]], drop_fields(data.x[rows[half:]], data.features, seed=19)])
    return np.concatenate([x, np.full((1, x.shape[1]), np.nan, np.float32)])


def golden(model: Model, data: TrainingSet) -> dict:
    """Rows and what the graph has to make of them, computed by XGBoost and NumPy in float64."""
    rng = np.random.default_rng(5)
    risky = np.argsort(-model.probabilities(data.x)[:, 1])[:8]
    rows = np.concatenate([rng.choice(len(data), 24, replace=False), risky])
    width = len(model.names)
    x = np.concatenate([
        data.x[rows], drop_fields(data.x[rows], model.names, seed=3), np.full((1, width), np.nan, np.float32),
        np.zeros((1, width), np.float32),
    ])  # fmt: skip
    return {
        "features": [[None if np.isnan(value) else float(value) for value in row] for row in x],
        "failure_prob": model.probabilities(x).tolist(),
        "failure_type_prob": model.type_probabilities(x).tolist(),
    }


def rounded(value):
    """Figures of the card to six significant digits; what cannot be computed is null."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if np.isfinite(value) else None
