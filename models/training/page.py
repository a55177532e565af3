"""The command line of scripts that write a page of docs/models from a training set."""

import argparse
import json
import sys
from pathlib import Path

from tracking import fingerprint
from training_set import TrainingSet, read_training_set

CHAMPION = Path(__file__).resolve().parent.parent / "champion"


def parser(what: str) -> argparse.ArgumentParser:
    """@param what the script does"""
    made = argparse.ArgumentParser(description=what)
    made.add_argument("--data", type=Path, required=True, help="what `gpu-actuary training-set` wrote")
    made.add_argument("--out", type=Path, required=True, help="file of the page")
    return made


def learned_from(data: Path) -> tuple[TrainingSet, TrainingSet]:
    """What models are learned from, and what says when to stop and calibrates."""
    return read_training_set(data, "train"), read_training_set(data, "calibrate")


def champion_of(data: Path) -> str:
    """Version of the champion that was learned from this very training set. Ends the script where it was another."""
    card = json.loads((CHAMPION / "card.json").read_text())
    if fingerprint([data]) != card["data"]["sha256"]:
        sys.exit(f"{data}: {card['model_version']} was learned from another training set; train it anew first")
    return card["model_version"]
