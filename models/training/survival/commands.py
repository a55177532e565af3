"""The commands: predict cases, train the baseline, write its report."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from . import artefact
from .cases import CasesError, read_cases
from .curve import RISK_DAYS, probabilities

USAGE = 2
FAILED = 1


def predict(options: argparse.Namespace) -> None:
    """Writes one JSON line a case, in the order of the cases."""
    cases = read_cases(options.cases)
    baseline = artefact.read()
    factor = 1.0 if options.yearly_rate is None else options.yearly_rate / baseline.yearly_rate
    hazard = baseline.cumulative_hazard(cases.x, cases.age_days, [30.0, 90.0, 365.0, RISK_DAYS])
    p = probabilities(hazard, factor)
    lines = [
        json.dumps({"id": case, "SN": serial, "p30": row[0], "p90": row[1], "p365": row[2], "risk": row[3]})
        for case, serial, row in zip(cases.ids, cases.serials, p.tolist())
    ]
    write_text(options.output, "\n".join(lines) + "\n")


def write_text(path: Path | None, text: str) -> None:
    if path is None:
        sys.stdout.write(text)
        return
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise CasesError("output_unwritable", f"{path}: {error}") from error


def train(options: argparse.Namespace) -> None:
    """Learns the baseline from all lives and writes it, with the rows that the engine is held against."""
    from . import hazard
    from .lives import read_lives

    lives = read_lives()
    forest = hazard.train(lives)
    baseline = artefact.Baseline(forest, artefact.last_quarter(lives), lives.yearly_rate)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / artefact.ARTEFACT.name
    artefact.write(baseline, path)
    artefact.write_golden(artefact.read(path), lives, options.out / artefact.GOLDEN.name)
    print(f"{len(lives)} lives, {int(lives.dead.sum())} failures, {len(forest.roots)} trees; wrote {path}")


def report(options: argparse.Namespace) -> None:
    """Cross-validates and writes docs/models/survival.md."""
    from .report import write_report

    write_report(options.seeds, options.out)


def parser() -> argparse.ArgumentParser:
    root = Path(__file__).resolve().parents[3]
    top = argparse.ArgumentParser(prog="python -m training.survival", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("predict", help=predict.__doc__)
    one.add_argument("--cases", type=Path, required=True, help="JSON Lines or CSV: id,SN,age_days,batch,col,row,cage,slot,node")
    one.add_argument("--output", type=Path, help="JSON Lines; standard output if left out")
    one.add_argument("--yearly-rate", type=positive, help="failures a GPU-year of these GPUs; Titan's own level if left out")
    one.set_defaults(run=predict)
    one = commands.add_parser("train", help=train.__doc__)
    one.add_argument("--out", type=Path, default=artefact.ARTEFACT.parent, help="directory")
    one.set_defaults(run=train)
    one = commands.add_parser("report", help=report.__doc__)
    one.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="each splits the GPUs anew")
    one.add_argument("--out", type=Path, default=root / "docs" / "models", help="directory")
    one.set_defaults(run=report)
    return top


def positive(text: str) -> float:
    value = float(text)
    if not (np.isfinite(value) and value > 0):
        raise ValueError(text)
    return value


def main(arguments: list[str]) -> int:
    """@returns exit status: 0, 1 where it failed, 2 where it was misused or the cases are wrong"""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except CasesError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return FAILED if error.code == "output_unwritable" else USAGE
    except FileNotFoundError as error:
        print(f"model_missing: {error}", file=sys.stderr)
        return FAILED
    except ValueError as error:
        print(f"model_mismatch: {error}", file=sys.stderr)
        return FAILED
    return 0
