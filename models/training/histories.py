"""How near to its ceiling a model comes by how much history it learns from: docs/models/histories.md.

    python histories.py --out docs/models/histories.md [--model DIR] [--work DIR]

A history is a fleet of a foreign world, looked at at one moment, as in carry.py; several are its owner's at moments far
apart. What is judged is the fleet that judges there. Figures are of the true risk: without the chance of who fails.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import xgboost

import weighted
from candidate import CHAMPION
from carry import HISTORY, JUDGES, ceilings_of, fleet, true_risk
from champion import read_model
from evaluate import OBSERVABLE
from foreign.ceiling import boosted
from foreign.worlds import WORLDS, World
from model import Model
from training_set import TrainingSet, concatenate_fleets

#: Moments of the largest history.
MOST = 4
SIZES = (1, 2, MOST)
COLUMN_30_DAYS = 1
#: As shares of the ceiling, and as they are.
SHARES = {"recall_at_5_percent": "recall, 5 %", "average_precision": "average precision", "auc": "AUC", "precision_at_1_percent": "precision, 1 %", "brier_skill": "Brier skill"}
ABSOLUTE = {"calibration_slope": "slope (absolute)", "mean_over_base_rate": "mean / base rate (absolute)"}


def taught_risk(world: World, histories: list[TrainingSet]) -> xgboost.Booster:
    """What the features of all histories say of the true risk within 30 days: no chance is in it. One says when to stop."""
    told = [
        (data.x, true_risk(world, HISTORY + number, data)[:, COLUMN_30_DAYS], data.weight) for number, data in enumerate(histories)
    ]

    def matrix(some: list[tuple[np.ndarray, ...]]) -> xgboost.DMatrix:
        x, risk, weight = (np.concatenate(columns) for columns in zip(*some))
        return xgboost.DMatrix(x, label=risk, weight=weight)

    return boosted(matrix(told[:-1]), matrix(told[-1:]))


def groups(histories: list[TrainingSet], size: int) -> list[TrainingSet]:
    """Histories of so many moments that have none in common."""
    return [concatenate_fleets(histories[first : first + size]) for first in range(0, len(histories) - size + 1, size)]


def learned(world: World, model: Model, test: TrainingSet, histories: list[TrainingSet]) -> dict[str, list[np.ndarray]]:
    """Probabilities [rows, horizons] by what was learned from, of one model or of several."""
    found = {"none": [model.probabilities(test.x)]}
    for size in SIZES:
        some = groups(histories, size)
        failing = np.mean([(data.failed_within(30.0) == 1).sum() for data in some])
        found[f"{size} moment{'s' if size > 1 else ''}, {failing:.0f} fail"] = [model.adapted(data).probabilities(test.x) for data in some]
    risk = taught_risk(world, histories).inplace_predict(test.x)
    found[f"the true risk of the {len(histories)}"] = [np.tile(risk[:, None], 3)]
    return found


def table(world: World, model: Model, work: Path) -> list[str]:
    test = fleet(world, JUDGES, model.names, work)
    risk, ceiling = true_risk(world, JUDGES, test), ceilings_of(world, test, work)[OBSERVABLE]

    def figures(probability: np.ndarray) -> dict[str, float]:
        return weighted.expected(risk[:, COLUMN_30_DAYS], probability[:, COLUMN_30_DAYS], test.weight)

    best = figures(ceiling)
    histories = [fleet(world, HISTORY + number, model.names, work) for number in range(MOST)]
    lines = ["| learned from | " + " | ".join([*SHARES.values(), *ABSOLUTE.values()]) + " |", "|---" * (1 + len(SHARES) + len(ABSOLUTE)) + "|"]
    for name, probabilities in learned(world, model, test, histories).items():
        found = [figures(probability) for probability in probabilities]
        cells = [f"{np.mean([one[key] for one in found]) / best[key]:.3f}" for key in SHARES]
        cells += [f"{np.mean([one[key] for one in found]):.2f}" for key in ABSOLUTE]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


TEXT = """# How much history a model needs

What learning on top of the champion reaches on fleets of [foreign worlds](foreign.md) by how many moments its history holds, each a fleet of the world as it stands on one day; figures of one and of two moments are the mean of {most} and of {half} models that learned from other fleets. Shares of the observable oracle at 30 days, counted by the true risk, so chance has no part in who fails among those that judge. Of a world whose deaths were drawn first there is none. Made by `models/training/histories.py`.

The last line of each is no model that an owner could have: boosting of the features that learned the true risk of the same GPUs instead of who of them failed. It tells what keeps a model from the ceiling. What lies between the lines above and it, failures are too few to tell; what lies above it, the features do not hold.

Wanted: recall 0.85, average precision 0.65, AUC 0.96, precision 0.75, Brier skill 0.45, slope 0.9–1.1, mean / base rate 0.8–1.25.

{tables}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=CHAMPION, help="directory of the model to go on from")
    parser.add_argument("--out", type=Path, required=True, help="file of the page")
    parser.add_argument("--work", type=Path, help="directory in which fleets are kept, or made")
    options = parser.parse_args()
    model = read_model(options.model)
    tables = []
    with tempfile.TemporaryDirectory() as made:
        work = options.work or Path(made)
        for world in WORLDS:
            if true_risk(world, JUDGES, fleet(world, JUDGES, model.names, work)) is not None:
                tables += [f"## {world.name}", "\n".join(table(world, model, work))]
    options.out.write_text(TEXT.format(most=MOST, half=MOST // 2, tables="\n\n".join(tables)))


if __name__ == "__main__":
    main()
