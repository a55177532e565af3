"""The command line of scripts that write a page of docs/models from a training set."""

import argparse
from pathlib import Path

from training_set import TrainingSet, read_training_set


def parser(what: str) -> argparse.ArgumentParser:
    """@param what the script does"""
    made = argparse.ArgumentParser(description=what)
    made.add_argument("--data", type=Path, required=True, help="what `gpu-actuary training-set` wrote")
    made.add_argument("--out", type=Path, required=True, help="file of the page")
    return made


def learned_from(data: Path) -> tuple[TrainingSet, TrainingSet]:
    """What models are learned from, and what says when to stop and calibrates."""
    return read_training_set(data, "train"), read_training_set(data, "calibrate")
