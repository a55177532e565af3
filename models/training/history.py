"""A user's own history as rows to learn from: recorded telemetry through the engine, beside what became of the GPUs."""

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
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
#: A GPU that is not heard for the last week of a recording has left.
LEFT_AFTER_MS = 7 * DAY_MS


class HistoryError(Exception):
    """The user's files cannot be used; says which, where and why."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


@dataclass
class Labels:
    """What became of the GPUs: of some rows, or as the failures themselves."""

    #: Each with gpu_uuid, as_of (epoch ms), days_to_failure, exit_days, type and weight; empty if failures are given.
    rows: list[dict]
    #: By GPU: epoch ms of its failure, and its kind.
    failures: dict[str, tuple[int, int]]


def read_labels(file: Path) -> Labels:
    """Lines of `{gpu_uuid, as_of, days_to_failure | null, type, weight}`, or of `{gpu_uuid, failed_at, type}`, checked.

    `days_to_failure` null: the GPU was followed for `followed_days`, 90 without the field, and did not fail. `weight`
    is 1 without the field. Failures are what `labels import` takes; whoever is in none did not fail. `as_of` and
    `failed_at` come back as epoch ms.
    """
    found = Labels([], {})
    for number, line in enumerate(lines_of(file), 1):
        where = f"{file}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise HistoryError("input_invalid", f"{where}: {error}") from error
        if not isinstance(row, dict) or not isinstance(row.get("gpu_uuid"), str):
            raise HistoryError("input_invalid", f"{where}: gpu_uuid is missing")
        if "failed_at" in row:
            add_failure(found, row, where)
        else:
            add_row(found, row, where)
        if found.rows and found.failures:
            raise HistoryError("input_invalid", f"{where}: some lines have as_of, others failed_at; a file has one or the other")
    if not found.failures and not any(row["type"] >= 0 for row in found.rows):
        raise HistoryError("input_invalid", f"{file}: no GPU fails, so there is nothing to learn")
    return found


def add_failure(found: Labels, row: dict, where: str) -> None:
    kind, failed_at = row.get("type"), epoch_ms(row["failed_at"], where, "failed_at")
    if kind not in FAILURE_TYPES:
        raise HistoryError("input_invalid", f"{where}: type is none of {', '.join(FAILURE_TYPES)}")
    known = found.failures.get(row["gpu_uuid"])
    # The first one ends what is learned of a GPU.
    if known is None or failed_at < known[0]:
        found.failures[row["gpu_uuid"]] = failed_at, FAILURE_TYPES.index(kind)


def add_row(found: Labels, row: dict, where: str) -> None:
    days, kind, weight = row.get("days_to_failure"), row.get("type"), row.get("weight", 1)
    followed = row.get("followed_days", HORIZONS[-1])
    if not (days is None or days == 0 or positive(days)):
        raise HistoryError("input_invalid", f"{where}: days_to_failure is neither null nor a number of days")
    if days is not None and kind not in FAILURE_TYPES:
        raise HistoryError("input_invalid", f"{where}: type is none of {', '.join(FAILURE_TYPES)}")
    if not positive(weight) or not positive(followed):
        raise HistoryError("input_invalid", f"{where}: weight or followed_days is not above 0")
    found.rows.append({
        "gpu_uuid": row["gpu_uuid"], "as_of": epoch_ms(row.get("as_of"), where), "weight": float(weight),
        "days_to_failure": np.nan if days is None else float(days),
        "exit_days": float(followed if days is None else days),
        "type": -1 if days is None else FAILURE_TYPES.index(kind),
    })  # fmt: skip


def positive(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")


def epoch_ms(value, where: str, field: str = "as_of") -> int:
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise HistoryError("input_invalid", f"{where}: {field} is not a time") from error
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
    """Rows at the times of the labels, or of failures at each midnight, those left out at which nothing of the GPU was known.

    @param cli command of the engine. @param names features of a row, in order. @param gap_ms null: from the telemetry
    Raises HistoryError.
    """
    found = read_labels(labels)
    for file in (*inputs, assets):
        if not file.is_file():
            raise HistoryError("input_unreadable", f"{file}: no such file")
    if gap_ms is None:
        interval = scrape_interval_ms(inputs[0])
        gap_ms = MIN_GAP_MS if np.isnan(interval) else max(MIN_GAP_MS, GAP_INTERVALS * interval)
    features = work / "features.jsonl"
    command = [
        *cli, "replay", "--input", "-", "--assets", str(assets), "--emit", "features,rejected", "--as-of",
        "every:1d" if found.failures else f"listed:{labels}", "--set", f"windows.gapMs={gap_ms:.0f}", "--output", str(features),
    ]  # fmt: skip
    with (work / "replay.err").open("w+") as errors:
        replay = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors)
        try:
            first_lines = feed(inputs, replay.stdin)
            replay.stdin.close()
        except BrokenPipeError:
            pass  # it has ended early: its status says so
        except BaseException:
            replay.kill()
            replay.wait()
            raise
        if replay.wait() != 0:
            errors.seek(0)
            raise HistoryError("input_invalid", f"replay of the telemetry failed: {errors.read()[-2000:]}")
    rows, refused = read_features(features, names)
    tell_refused(refused, first_lines)
    print(f"  {len(rows)} rows of features; gap {gap_ms / 60_000:g} min", file=sys.stderr, flush=True)
    return joined(found.rows if found.rows else rows_of_failures(found.failures, rows), rows, names)


BLOCK_BYTES = 1 << 22
PROGRESS_EVERY_S = 5.0


def feed(inputs: list[Path], pipe) -> list[tuple[int, Path]]:
    """Copies the files into a pipe, telling how far it is. Returns the number of the line with which each begins, from 1."""
    size, copied, lines = sum(file.stat().st_size for file in inputs), 0, 0
    told, first_lines = time.monotonic(), []
    for file in inputs:
        first_lines.append((lines + 1, file))
        last = b"\n"
        try:
            stream = file.open("rb")
        except OSError as error:
            raise HistoryError("input_unreadable", f"{file}: {error}") from error
        with stream:
            while block := stream.read(BLOCK_BYTES):
                pipe.write(block)
                last, copied, lines = block, copied + len(block), lines + block.count(b"\n")
                if time.monotonic() - told >= PROGRESS_EVERY_S:
                    told = time.monotonic()
                    print(f"  telemetry: {100 * copied / size:.0f} %, {lines} lines", file=sys.stderr, flush=True)
        if not last.endswith(b"\n"):
            pipe.write(b"\n")
            lines += 1
    return first_lines


@dataclass
class Refused:
    count: int
    #: Line of the telemetry, over all files, of the first of them.
    line: int
    detail: str


def read_features(file: Path, names: list[str]) -> tuple[dict[tuple[str, int], np.ndarray], dict[str, Refused]]:
    """What replay wrote: features by GPU and time (epoch ms), and by reason what it refused."""
    rows, refused = {}, {}
    for line in lines_of(file):
        row = json.loads(line)
        if "features" in row:
            features = row["features"]
            values = [np.nan if features[name] is None else features[name] for name in names]
            rows[row["gpu_uuid"], epoch_ms(row["as_of"], "")] = np.array(values, np.float32)
        elif (known := refused.get(row["reason"])) is None:
            refused[row["reason"]] = Refused(1, row["line"], str(row["detail"]))
        else:
            known.count += 1
    return rows, refused


def tell_refused(refused: dict[str, Refused], first_lines: list[tuple[int, Path]]) -> None:
    """A broken line is no reason to stop: what it would have said is left out, and told."""
    for reason, one in sorted(refused.items(), key=lambda item: -item[1].count):
        first, file = max((place for place in first_lines if place[0] <= one.line), key=lambda place: place[0])
        print(f"  left out as {reason}: {one.count}, the first at {file}, line {one.line - first + 1}: {one.detail}", file=sys.stderr)


def rows_of_failures(failures: dict[str, tuple[int, int]], times: dict[tuple[str, int], np.ndarray]) -> list[dict]:
    """What became of each GPU at each of some times, by the failures alone.

    All GPUs are followed to the end of the recording, or of the failures if some are later; one that stops reporting a
    week before the end without a failure has left, and is followed to its last row.
    """
    newest: dict[str, int] = {}
    for uuid, as_of in times:
        newest[uuid] = max(newest.get(uuid, 0), as_of)
    recorded = max(newest.values(), default=0)
    end = max(recorded, *(failed_at for failed_at, _ in failures.values()))
    found = []
    for uuid, as_of in times:
        failed_at, kind = failures.get(uuid, (None, -1))
        if failed_at is not None and failed_at <= as_of:
            continue  # it is said to have failed already
        left = failed_at is None and newest[uuid] < recorded - LEFT_AFTER_MS
        days = ((newest[uuid] if left else end) if failed_at is None else failed_at) - as_of
        if days <= 0:
            continue
        found.append({
            "gpu_uuid": uuid, "as_of": as_of, "weight": 1.0, "type": kind, "exit_days": days / DAY_MS,
            "days_to_failure": np.nan if failed_at is None else days / DAY_MS,
        })  # fmt: skip
    return found


def joined(labels: list[dict], rows: dict[tuple[str, int], np.ndarray], names: list[str]) -> TrainingSet:
    known = [label for label in labels if (label["gpu_uuid"], label["as_of"]) in rows]
    if not known:
        raise HistoryError("input_invalid", "no label has telemetry of its GPU before its time")
    if len(known) < len(labels):
        print(f"  {len(labels) - len(known)} of {len(labels)} labels have no telemetry before their time: left out", file=sys.stderr)
    gpus = {uuid: number for number, uuid in enumerate(dict.fromkeys(label["gpu_uuid"] for label in known))}
    columns = {
        name: np.array([label[name] for label in known], np.float64)
        for name in ("weight", "days_to_failure", "exit_days", "type")
    }
    columns["gpu"] = np.array([gpus[label["gpu_uuid"]] for label in known], np.float64)
    columns["as_of_days"] = np.array([label["as_of"] / DAY_MS for label in known])
    x = np.stack([rows[label["gpu_uuid"], label["as_of"]] for label in known])
    fleet = {"name": "history", "labels": len(labels), "with_telemetry": len(known), "gpu_uuids": list(gpus)}
    return TrainingSet(names, [], x, np.zeros((len(known), 0, 0), np.float32), columns, np.zeros(len(known), np.int64), [fleet])
