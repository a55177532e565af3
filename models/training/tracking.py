"""What becomes of a model directory that training has written: it is sealed, and logged where MLflow is configured.

    python tracking.py --model DIR [--report DIR]

With MLFLOW_TRACKING_URI set, a run gets the card's parameters and metrics, the fingerprint of the data, the report with
its plots, and the directory as an MLflow model with signature; that is registered as a new version. No alias is moved:
that is what puts a model in force. Training calls this itself; by hand it is for a server that was away then.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLI = ["node", str(ROOT / "dist" / "cli.cjs")]
REGISTERED_MODEL = "gpu-actuary-failure"
EXPERIMENT = "gpu-actuary"
#: Files that the manifest does not name and that a version is not to have.
NOT_OF_THE_MODEL = {"survival.json", "survival-golden.json", "report.md"}
BLOCK = 1 << 20


class NotTracked(Exception):
    """MLflow did not take it; the model directory is whole and sealed nevertheless."""


def fingerprint(paths: list[Path]) -> str:
    """SHA-256 over names and bytes of files, and of all files of directories, in the order of their names."""
    digest = hashlib.sha256()
    for path in paths:
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        for file in files:
            name = str(file.relative_to(path)) if path.is_dir() else file.name
            digest.update(f"{name}\0{file.stat().st_size}\0".encode())
            with file.open("rb") as stream:
                while block := stream.read(BLOCK):
                    digest.update(block)
    return digest.hexdigest()


def seal(model: Path, run_id: str | None) -> None:
    """Checks the directory as the engine does and writes its manifest."""
    named = [] if run_id is None else ["--run-id", run_id]
    subprocess.run([*CLI, "model", "seal", str(model), *named], check=True, stdout=subprocess.DEVNULL)


def finish(model: Path, reports: list[Path]) -> None:
    """Seals a model directory, and logs it where MLflow is configured. Raises NotTracked.

    @param reports files that say how good it is: text and plots
    """
    seal(model, None)
    log(model, reports)


def log(model: Path, reports: list[Path]) -> None:
    """As `finish`, of a directory that is sealed."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return
    try:
        run_id, version = track(model, reports)
    except ImportError as error:
        raise NotTracked(f"{error}: pip install -r models/training/requirements-mlflow.txt") from error
    except Exception as error:  # the client raises what its transport does
        raise NotTracked(str(error)) from error
    print(f"logged as run {run_id}, registered as version {version} of {REGISTERED_MODEL}; set the alias champion on it to put it in force")


def track(model: Path, reports: list[Path]) -> tuple[str, str]:
    """Returns run and version."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    card = json.loads((model / "card.json").read_text())
    client = MlflowClient()
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(run_name=card["model_version"]) as run:
        mlflow.log_params(parameters_of(card))
        mlflow.log_metrics(metrics_of(card))
        mlflow.set_tags({"model_version": card["model_version"], "sha256": card["sha256"], **data_tags(card)})
        for report in reports:
            mlflow.log_artifact(str(report), "report")
        seal(model, run.info.run_id)
        with tempfile.TemporaryDirectory() as work:
            packed = Path(work) / "model"
            pack(model, card, packed)
            mlflow.log_artifacts(str(packed), "model")
        source = f"{run.info.artifact_uri}/model"
    try:
        client.create_registered_model(REGISTERED_MODEL)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = client.create_model_version(REGISTERED_MODEL, source, run.info.run_id)
    return run.info.run_id, str(version.version)


def pack(model: Path, card: dict, packed: Path) -> None:
    """The directory as an MLflow model: its files as they are, with MLmodel and signature beside them."""
    import mlflow.onnx
    import numpy as np
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def tensor(width: int, name: str) -> TensorSpec:
        return TensorSpec(np.dtype(np.float32), (-1, width), name)

    signature = ModelSignature(
        inputs=Schema([tensor(len(card["features"]), "features")]),
        outputs=Schema([
            tensor(len(card["horizons_days"]), "failure_prob"), tensor(len(card["failure_types"]), "failure_type_prob"),
        ]),
    )  # fmt: skip
    mlflow.onnx.save_model(onnx.load(str(model / "model.onnx")), str(packed), signature=signature, onnx_execution_providers=["CPUExecutionProvider"])
    # The graph too: written anew it may differ in bytes, and the manifest names these.
    for file in sorted(model.iterdir()):
        if file.is_file() and file.suffix in (".json", ".onnx") and file.name not in NOT_OF_THE_MODEL:
            shutil.copyfile(file, packed / file.name)


def parameters_of(card: dict) -> dict:
    data = card.get("data", {})
    named = {
        "feature_set": card["feature_set"], "features": len(card["features"]),
        "training": card.get("training", {}), "rows": data.get("rows"), "gpus": data.get("gpus"),
        "source": data.get("source"), "seeds": [fleet["seed"] for fleet in data.get("fleets", [])],
    }  # fmt: skip
    # MLflow takes 6,000 characters a value.
    return {key: text(value)[:6000] for key, value in flattened(named).items() if value not in (None, [], {})}


def metrics_of(card: dict) -> dict[str, float]:
    """Figures of the model itself by horizon, as 30d/auc; those of untrained worlds after them."""
    metrics = card.get("metrics", {})
    found = flattened(metrics.get("model", {}))
    found |= flattened({"untrained_worlds": metrics.get("untrained_worlds", {}).get("model", {})})
    return {key: float(value) for key, value in found.items() if isinstance(value, (int, float))}


def data_tags(card: dict) -> dict[str, str]:
    digest = card.get("data", {}).get("sha256")
    return {} if digest is None else {"data_sha256": digest}


def flattened(value: dict, above: str = "") -> dict:
    found: dict = {}
    for key, item in value.items():
        # The names that MLflow takes.
        name = above + "".join(letter if letter.isalnum() or letter in "_-. " else "_" for letter in str(key))
        found |= flattened(item, f"{name}/") if isinstance(item, dict) and item else {name: item}
    return found


def text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def reports_in(directory: Path) -> list[Path]:
    return sorted(file for file in directory.iterdir() if file.suffix in (".md", ".png") and not file.name.startswith("survival"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="directory with card.json, model.onnx, golden.json")
    parser.add_argument("--report", type=Path, help="directory with its report and plots")
    options = parser.parse_args()
    try:
        if not (options.model / "manifest.json").exists():
            seal(options.model, None)
        log(options.model, [] if options.report is None else reports_in(options.report))
    except NotTracked as error:
        print(f"mlflow_unreachable: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
