"""Predictions behind a report, kept so that anybody may count again.

    python predictions.py FILE

prints the report's tables anew from the file alone. It has, by split, a row a GPU and time: `gpu`, `as_of_days`, `weight`,
`days_to_failure` and `exit_days` (docs/training-set.md), and of each prediction its probabilities within 7, 30, 90 days.
"""

import argparse
from pathlib import Path

import numpy as np

from evaluate import compare
from horizons import HORIZONS
from report import TITLES, comparison_table
from training_set import TrainingSet

COLUMNS = ("gpu", "as_of_days", "weight", "days_to_failure", "exit_days")
#: Between the split, the kind of entry and its name.
SEPARATOR = "/"


def write_predictions(file: Path, parts: dict[str, TrainingSet], scores: dict[str, dict[str, np.ndarray]]) -> None:
    arrays = {}
    for split, data in parts.items():
        arrays |= {SEPARATOR.join((split, "row", name)): data.columns[name] for name in COLUMNS}
        arrays |= {SEPARATOR.join((split, "score", name)): score for name, score in scores[split].items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        np.savez_compressed(out, **arrays)


def read_predictions(file: Path) -> tuple[dict[str, TrainingSet], dict[str, dict[str, np.ndarray]]]:
    """Rows without features, and probabilities by split and prediction, in the order in which they were written."""
    columns: dict[str, dict[str, np.ndarray]] = {}
    scores: dict[str, dict[str, np.ndarray]] = {}
    # Names of predictions may hold the separator.
    with np.load(file) as stored:
        for key in stored.files:
            split, kind, name = key.split(SEPARATOR, 2)
            (columns if kind == "row" else scores).setdefault(split, {})[name] = stored[key]
    parts = {}
    for split, named in columns.items():
        count = len(named["gpu"])
        parts[split] = TrainingSet([], [], np.zeros((count, 0), np.float32), np.zeros((count, 0, 0), np.float32), named, np.zeros(count, int), [])
    return parts, scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="what training wrote with --predictions")
    parts, scores = read_predictions(parser.parse_args().file)
    for split, data in parts.items():
        print(f"## {TITLES.get(split, split)}")
        for column, horizon in enumerate(HORIZONS):
            found = compare(data, scores[split], column)
            if found is not None:
                print("\n".join([f"\n### {horizon:.0f} days: {found.failing_rows} failing rows, base rate {found.base_rate:.2%}\n", *comparison_table(found), ""]))


if __name__ == "__main__":
    main()
