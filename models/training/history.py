"""A user's own history as rows to learn from: recorded telemetry through the engine, beside what became of the GPUs."""

import json
import statistics
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from horizons import FAILURE_TYPES, HORIZONS
from training_set import TrainingSet

DAY_MS = 86_400_000
#: Lines from which the scrape interval is taken.
INTERVAL_LINES = 200_000
#: A gap is two and a half scrapes, and never shorter than the engine's default.
GAP_INTERVALS, MIN_GAP_MS = 2.5, 300_000


class HistoryError(Exception):
    """The user's files cannot be used; says which, where and why."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


def read_labels(file: Path) -> list[dict]:
    """Lines of `{gpu_uuid, as_of, days_to_failure | null, type, weight}`, checked.

    `days_to_failure` null: the GPU was followed for `followed_days`, 90 without the field, and did not fail. `weight`
    is 1 without the field. `as_of` comes back as epoch ms.
    """
    found = []
    for number, line in enumerate(lines_of(file), 1):
        where = f"{file}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise HistoryError("input_invalid", f"{where}: {error}") from error
        if not isinstance(row, dict) or not isinstance(row.get("gpu_uuid"), str):
            raise HistoryError("input_invalid", f"{where}: gpu_uuid is missing")
        days, kind, weight = row.get("days_to_failure"), row.get("type"), row.get("weight", 1)
        followed = row.get("followed_days", HORIZONS[-1])
        if not (days is None or days == 0 or positive(days)):
            raise HistoryError("input_invalid", f"{where}: days_to_failure is neither null nor a number of days")
        if days is not None and kind not in FAILURE_TYPES:
            raise HistoryError("input_invalid", f"{where}: type is none of {', '.join(FAILURE_TYPES)}")
        if not positive(weight) or not positive(followed):
            raise HistoryError("input_invalid", f"{where}: weight or followed_days is not above 0")
        found.append({
            "gpu_uuid": row["gpu_uuid"], "as_of": epoch_ms(row.get("as_of"), where), "weight": float(weight),
            "days_to_failure": np.nan if days is None else float(days),
            "exit_days": float(followed if days is None else days),
            "type": -1 if days is None else FAILURE_TYPES.index(kind),
        })  # fmt: skip
    if not any(row["type"] >= 0 for row in found):
        raise HistoryError("input_invalid", f"{file}: no GPU fails, so there is nothing to learn")
    return found


def positive(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")


def epoch_ms(value, where: str) -> int:
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise HistoryError("input_invalid", f"{where}: as_of is not a time") from error
    if time.tzinfo is None:
        time = time.replace(tzinfo=timezone.utc)
    return round(time.timestamp() * 1000)


def lines_of(file: Path):
    try:
        with file.open("rb") as stream:
            for line in stream:
                if line.strip():
                    yield line
    except OSError as error:
        raise HistoryError("input_unreadable", f"{file}: {error}") from error


def scrape_interval_ms(file: Path) -> float:
    """Median step between the samples of a GPU at the head of a file of wide JSON; NaN where it cannot be told."""
    last: dict[str, int] = {}
    steps = []
    for number, line in enumerate(lines_of(file)):
        if number >= INTERVAL_LINES:
            break
        try:
            row = json.loads(line)
            gpu = row["gpu_uuid"] if "gpu_uuid" in row else row["gpu"]["gpu_uuid"]
            stamp = row["timestamp"]
            time = int(stamp) if isinstance(stamp, (int, float)) else epoch_ms(stamp, "")
        except (ValueError, KeyError, TypeError, HistoryError):
            continue  # replay judges broken lines; here they only say nothing
        if gpu in last and time > last[gpu]:
            steps.append(time - last[gpu])
        last[gpu] = time
    return float(statistics.median(steps)) if steps else float("nan")


def read_history(
    cli: list[str], inputs: list[Path], assets: Path, labels: Path, names: list[str], work: Path, gap_ms: float | None
) -> TrainingSet:
    """Rows at the times of the labels, those left out at which nothing of the GPU was known.

    @param cli command of the engine. @param names features of a row, in order. @param gap_ms null: from the telemetry
    Raises HistoryError.
    """
    found = read_labels(labels)
    if gap_ms is None:
        interval = scrape_interval_ms(inputs[0])
        gap_ms = MIN_GAP_MS if np.isnan(interval) else max(MIN_GAP_MS, GAP_INTERVALS * interval)
    features = work / "features.jsonl"
    command = [
        *cli, "replay", "--input", "-", "--assets", str(assets), "--emit", "features", "--as-of", f"listed:{labels}",
        "--set", f"windows.gapMs={gap_ms:.0f}", "--output", str(features),
    ]  # fmt: skip
    with (work / "replay.err").open("w+") as errors:
        replay = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors)
        try:
            for file in inputs:
                for line in lines_of(file):
                    replay.stdin.write(line if line.endswith(b"\n") else line + b"\n")
            replay.stdin.close()
        except BrokenPipeError:
            pass  # it has ended early: its status says so
        if replay.wait() != 0:
            errors.seek(0)
            raise HistoryError("input_invalid", f"replay of the telemetry failed: {errors.read()[-2000:]}")
    return joined(found, features, names)


def joined(labels: list[dict], features: Path, names: list[str]) -> TrainingSet:
    rows = {}
    for line in lines_of(features):
        row = json.loads(line)
        values = [np.nan if row["features"][name] is None else row["features"][name] for name in names]
        rows[row["gpu_uuid"], epoch_ms(row["as_of"], "")] = np.array(values, np.float32)
    known = [label for label in labels if (label["gpu_uuid"], label["as_of"]) in rows]
    if not known:
        raise HistoryError("input_invalid", "no label has telemetry of its GPU before its time")
    gpus = {uuid: number for number, uuid in enumerate(dict.fromkeys(label["gpu_uuid"] for label in known))}
    columns = {
        name: np.array([label[name] for label in known], np.float64)
        for name in ("weight", "days_to_failure", "exit_days", "type")
    }
    columns["gpu"] = np.array([gpus[label["gpu_uuid"]] for label in known], np.float64)
    columns["as_of_days"] = np.array([label["as_of"] / DAY_MS for label in known])
    x = np.stack([rows[label["gpu_uuid"], label["as_of"]] for label in known])
    fleet = {"name": "history", "labels": len(labels), "with_telemetry": len(known)}
    return TrainingSet(names, [], x, np.zeros((len(known), 0, 0), np.float32), columns, np.zeros(len(known), np.int64), [fleet])
