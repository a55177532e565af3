"""Reads the cases to predict, JSON Lines or CSV, and says what is wrong with them by file, line and field."""

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .lives import facts

#: Columns of a case; all but `id` may be left out or empty, and are then not known.
FIELDS = ["id", "SN", "age_days", "batch", "col", "row", "cage", "slot", "node"]
NUMBERS = FIELDS[2:3] + FIELDS[4:]


class CasesError(Exception):
    """What a user can put right. code: stable, for programs."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


@dataclass
class Cases:
    """ids and serials as given; x: [N, FEATURES - 1] float32; age_days: [N], NaN where not known."""

    ids: list[str | int]
    serials: list[str | None]
    x: np.ndarray
    age_days: np.ndarray


def read_cases(path: Path) -> Cases:
    """@raises CasesError input_unreadable or input_invalid"""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CasesError("input_unreadable", f"{path}: {error}") from error
    lines = json_lines(text, path) if text.lstrip().startswith(("{", "[")) else csv_lines(text, path)
    cases = Cases([], [], np.empty((0, 0)), np.empty(0))
    columns, ages, seen = [], [], set()
    for number, row in lines:
        problem = Problem(path, number)
        values = {name: None if row.get(name) in ("", None) else row[name] for name in FIELDS}
        if not isinstance(values["id"], str | int) or isinstance(values["id"], bool):
            raise problem("id: expected a text or a whole number")
        if values["id"] in seen:
            raise problem(f"id: a second case {values['id']}")
        seen.add(values["id"])
        for name in ("SN", "batch"):
            if values[name] is not None and not isinstance(values[name], str | int):
                raise problem(f"{name}: expected a text")
        numbers = {name: number_of(values[name], name, problem) for name in NUMBERS}
        serial = None if values["SN"] is None else str(values["SN"])
        batch = None if values["batch"] is None else str(values["batch"]).strip().lower()
        cases.ids.append(values["id"])
        cases.serials.append(serial)
        ages.append(numbers["age_days"])
        columns.append(facts(batch, *(numbers[name] for name in FIELDS[4:]), serial))
    if not columns:
        raise CasesError("input_invalid", f"{path}: no cases")
    cases.x, cases.age_days = np.array(columns, np.float32), np.array(ages)
    return cases


class Problem:
    """Makes the errors of one line."""

    def __init__(self, path: Path, line: int):
        self.where = f"{path}:{line}"

    def __call__(self, what: str) -> CasesError:
        return CasesError("input_invalid", f"{self.where}: {what}")


def number_of(value, name: str, problem: Problem) -> float:
    """A number of 0 or more, also as text; NaN where there is none."""
    if value is None:
        return math.nan
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise problem(f"{name}: expected a number of 0 or more, found {value!r}")
    if name != "age_days" and number != int(number):
        raise problem(f"{name}: expected a whole number, found {value!r}")
    return number


def json_lines(text: str, path: Path):
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise Problem(path, number)(f"not JSON: {error.msg}") from error
        if not isinstance(row, dict):
            raise Problem(path, number)("not a JSON object")
        yield number, row


def csv_lines(text: str, path: Path):
    reader = csv.DictReader(text.splitlines())
    if "id" not in (reader.fieldnames or []):
        raise Problem(path, 1)(f"expected JSON Lines, or CSV with a header of {','.join(FIELDS)}")
    for row in reader:
        if None in row or None in row.values():
            raise Problem(path, reader.line_num)("as many values as the header has names are expected")
        yield reader.line_num, row
