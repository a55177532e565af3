"""How far a model carries: figures on fleets of foreign worlds (foreign/), before and after learning from their history.

    python carry.py --out docs/models/foreign.md [--model DIR] [--work DIR]

Each world has a fleet to judge by and one that is its owner's history. Both go through `replay` as a user's files would.
"""

import argparse
import json
import pickle
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np

from baselines import rule_of_thumb
from candidate import CHAMPION, CLI
from champion import read_model
from evaluate import OBSERVABLE, Comparison, compare, in_expectation
from foreign.ceiling import FLEETS, Ceiling
from foreign.fleet import draw_lives, number_of, rng_of, write_fleet
from foreign.lives import Lives
from foreign.truth import risks
from foreign.worlds import WORLDS, World
from history import read_history
from horizons import HORIZONS
from model import Model
from predictions import write_predictions
from report import BOUNDS, TARGETS, cell
from training_set import TrainingSet

JUDGES, HISTORY = 1, 2
SHOWN = {
    "auc": "AUC", "average_precision": "average precision", "recall_at_5_percent": "recall, 5 %", "brier_skill": "Brier skill",
    "calibration_slope": "slope", "mean_over_base_rate": "mean / base rate",
}  # fmt: skip
AS_IS, ON_TOP, ALONE, AGE = "the champion as it is", "learned on top", "learned alone", "by age"
ALL_KNOWING = "all-knowing oracle"


def fleet(world: World, seed: int, names: list[str], work: Path) -> TrainingSet:
    """Rows of a fleet, made where they are not kept."""
    directory = work / f"{world.name}-{seed}"

    def make() -> TrainingSet:
        made = write_fleet(world, seed, directory)
        data = read_history(CLI, [directory / "telemetry.jsonl"], directory / "assets.jsonl", directory / "labels.jsonl", names, directory, None)
        (directory / "telemetry.jsonl").unlink()
        (directory / "features.jsonl").unlink()
        print(f"{world.name}, fleet {seed}: {made}", file=sys.stderr, flush=True)
        return data

    return kept(directory / "rows.pickle", make)


def kept(file: Path, make: Callable[[], Any]) -> Any:
    """What a file holds, made where it is not there."""
    if not file.exists():
        file.write_bytes(pickle.dumps(make()))
    return pickle.loads(file.read_bytes())


def by_age(data: TrainingSet) -> np.ndarray:
    """The older the riskier, [rows, horizons]: a ranking; its level says nothing."""
    age = np.nan_to_num(data.x[:, data.features.index("gpu_age_days")], nan=0.0)
    return np.outer(np.clip(age / 36_525, 1e-6, 0.3), (0.25, 1.0, 2.5))


@dataclass
class Judged:
    """A world's comparisons, by horizon."""

    #: By who happened to fail.
    happened: list[Comparison]
    #: By the true risk; empty where nobody knows it.
    expected: list[Comparison]
    #: The rows that judge, and what each prediction says of them.
    test: TrainingSet
    scores: dict[str, np.ndarray]


def judged(world: World, model: Model, work: Path, histories: bool) -> Judged:
    test = fleet(world, JUDGES, model.names, work)
    scores = {
        AS_IS: model.probabilities(test.x),
        **(learned(world, model, test, work) if histories else {}),
        **ceilings_of(world, test, work),
        AGE: by_age(test),
        "rule of thumb": rule_of_thumb(test.x, test.features),
    }
    columns = range(len(HORIZONS))
    expected = [] if ALL_KNOWING not in scores else [in_expectation(test, scores, scores[ALL_KNOWING], column) for column in columns]
    return Judged([compare(test, scores, column) for column in columns], expected, test, scores)


def ceilings_of(world: World, test: TrainingSet, work: Path) -> dict[str, np.ndarray]:
    """Probabilities of both oracles for the fleet that judges, where the world's hazard is known."""

    def make() -> dict[str, np.ndarray]:
        lives, numbers = lives_of(world, JUDGES, test)
        if lives.alive is None:
            return {}
        return {
            ALL_KNOWING: risks(lives.alive[numbers], lives.died[numbers], world.found_after),
            OBSERVABLE: Ceiling(world).probabilities(JUDGES, lives, numbers),
        }

    return kept(work / f"{world.name}-{JUDGES}" / "ceilings.pickle", make)


def true_risk(world: World, seed: int, data: TrainingSet) -> np.ndarray | None:
    """Of the rows of a fleet, [rows, horizons]; None where nobody knows it."""
    lives, numbers = lives_of(world, seed, data)
    return None if lives.alive is None else risks(lives.alive[numbers], lives.died[numbers], world.found_after)


def lives_of(world: World, seed: int, data: TrainingSet) -> tuple[Lives, np.ndarray]:
    """Lives of a fleet, and which of them each row of it is of."""
    lives, _ = draw_lives(world, rng_of(world, seed))
    return lives, np.array([number_of(uuid) for uuid in data.fleets[0]["gpu_uuids"]])[data.columns["gpu"].astype(int)]


def learned(world: World, model: Model, test: TrainingSet, work: Path) -> dict[str, np.ndarray]:
    """Probabilities of models that were learned from the history of the world's owner."""
    history = fleet(world, HISTORY, model.names, work)
    return {ON_TOP: model.adapted(history).probabilities(test.x), ALONE: Model.alone(history).probabilities(test.x)}


TEXT = """# Worlds of another author

How {version} does on fleets whose laws nothing here shares: severities that go by stages, double in fixed times or were laid out backwards from a death; other hardware, cadences, fields, noise, rates and bookkeeping ([models/training/foreign](../../models/training/foreign)). Made by `models/training/carry.py`: telemetry is written as flat wide JSON, and read with labels and assets as `npm run train -- --input …` reads a user's.

- A fleet of each world judges; another is its owner's history, from which a model is learned on top of the champion and one alone, as `npm run train` does. GPUs that fail within 90 days or have a defect are all there, the others as a weighted sample, as in the training set; each has one row, after eight days of telemetry.
- These worlds stand for those of another author. They were written for this project, apart from the simulator and from other assumptions; and their fleets that judge were looked at for earlier models too ([tried.md](tried.md)). How training leaves out what exporters that send little do not send was settled on the fleets that are histories here, and sparse is heard through such an exporter.
- Intervals (90 %) come from resampling GPUs. Each world is judged by one fleet.

## At a glance

30 days. Wanted of a model that was not trained there: a Brier skill above 0, a slope of 0.7–1.4, more recall and average precision than age and the rule of thumb.

| world | failing, base rate | recall, 5 %: as it is / on top | average precision | Brier skill | slope | mean / base rate |
|---|---|---|---|---|---|---|
{glance}

{verdict}

## After training on its history

What was asked for then is what is asked for of the champion in worlds whose parameters it has seen: shares of the observable oracle, and absolute bounds. The oracle is boosting of the true risk over sums and means of each of the eight days of what is sent, on {fleets} other fleets of the same world, of which every fifth says when to stop ([foreign/ceiling.py](../../models/training/foreign/ceiling.py)); where deaths were drawn first, nobody knows a hazard and there is none. Behind each figure of "learned on top" its 90 % interval; figures that miss are in bold.

{ceilings}

Read it with care: a healthy GPU stands for 20 to 45 others, and a history is one moment of a fleet: it has about as many failures as judge, half of them without a sign. What more of it earns: [histories.md](histories.md). Shares of a ceiling that is not above 0 are left out.

{after}

Who of the riskiest fails is chance, and few do. The same by the true risk, as if every fleet were judged that fares like this one:

{expected}

{tables}
"""


def glance_row(name: str, one: Comparison) -> str:
    def both(key: str, digits: int = 3) -> str:
        return " / ".join(f"{one.metrics[name][key].value:.{digits}f}" if name in one.metrics else "–" for name in (AS_IS, ON_TOP))

    def two(key: str) -> str:
        return " / ".join(f"{one.metrics[name][key].value:.2f}" if name in one.metrics else "–" for name in (AS_IS, ON_TOP))

    return (
        f"| {name} | {one.failing_rows}, {one.base_rate:.2%} | {both('recall_at_5_percent')} | {both('average_precision')} | "
        f"{both('brier_skill')} | {two('calibration_slope')} | {two('mean_over_base_rate')} |"
    )


def after_rows(found: dict[str, list[Comparison]]) -> list[str]:
    """What is wanted after training on a world's history, figure by figure."""
    lines = ["| figure | wanted | " + " | ".join(found) + " |", "|---" * (2 + len(found)) + "|"]
    for key, column, wanted in [*TARGETS, *BOUNDS]:
        bounds = wanted["test"] if isinstance(wanted["test"], tuple) else (wanted["test"], np.inf)
        absolute = np.isfinite(bounds[1])
        cells = []
        for comparisons in found.values():
            one = comparisons[column]
            figure = (one.metrics if absolute else one.shares).get(ON_TOP, {}).get(key)
            if figure is None or (not absolute and one.metrics[OBSERVABLE][key].value <= 0):
                cells.append("–")
            else:
                told = cell(figure)
                cells.append(told if bounds[0] <= figure.value <= bounds[1] else f"**{told}**")
        label = f"{bounds[0]}–{bounds[1]}" if absolute else f"{bounds[0]:.2f}"
        lines.append(f"| {SHOWN.get(key, 'precision, 1 %')}, {HORIZONS[column]:.0f} days{' (absolute)' if absolute else ''} | {label} | " + " | ".join(cells) + " |")
    return lines


#: A ceiling is calibrated if its slope lies within these.
CALIBRATED = (0.9, 1.1)
RANKED_BY = ("auc", "average_precision", "recall_at_5_percent", "precision_at_1_percent", "brier_skill")


def ceilings_hold(found: dict[str, list[Comparison]]) -> str:
    """Whether the observable oracle of each world is a ceiling: calibrated, and beaten by nothing beyond its interval."""
    lines = ["An observable oracle is a ceiling as far as it is calibrated and nothing beats it beyond the interval. Its slopes at 7, 30 and 90 days:", ""]
    for world, comparisons in found.items():
        if OBSERVABLE not in comparisons[0].metrics:
            continue
        slopes = [one.metrics[OBSERVABLE]["calibration_slope"] for one in comparisons]
        off = [f"{HORIZONS[column]:.0f} days" for column, slope in enumerate(slopes) if slope.low > CALIBRATED[1] or slope.high < CALIBRATED[0]]
        beaten = [
            f"{SHOWN.get(key, 'precision, 1 %')} at {HORIZONS[column]:.0f} days by {name}"
            for column, one in enumerate(comparisons) for name in (AS_IS, ON_TOP, ALONE, AGE, "rule of thumb") if name in one.shares
            for key in RANKED_BY if one.metrics[OBSERVABLE][key].value > 0 and one.shares[name][key].low > 1
        ]  # fmt: skip
        lines.append(
            f"- {world}: {', '.join(f'{slope.value:.2f} ({slope.low:.2f}–{slope.high:.2f})' for slope in slopes)}; "
            f"surely outside {CALIBRATED[0]}–{CALIBRATED[1]}: {', '.join(off) or 'none'}; beaten in: {', '.join(beaten) or 'nothing'}."
        )
    return "\n".join(lines)


def verdict(found: dict[str, list[Comparison]]) -> str:
    """What of the wishes is met, world by world, at 30 days."""
    lines = []
    for name, comparisons in found.items():
        one = comparisons[1].metrics
        own, age, thumb = one[AS_IS], one[AGE], one["rule of thumb"]
        missed = []
        if not own["brier_skill"].value > 0:
            missed.append("Brier skill")
        if not 0.7 <= own["calibration_slope"].value <= 1.4:
            missed.append(f"slope ({own['calibration_slope'].value:.2f})")
        for key in ("recall_at_5_percent", "average_precision"):
            if not own[key].low > max(age[key].high, thumb[key].high):
                missed.append(f"a separate interval of {SHOWN[key]}")
        lines.append(f"- {name}: " + ("all of it is met." if not missed else "missed: " + ", ".join(missed) + "."))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=CHAMPION, help="directory of the model")
    parser.add_argument("--out", type=Path, required=True, help="file of the page")
    parser.add_argument("--no-histories", action="store_true", help="judge the model as it is, learn from no history")
    parser.add_argument("--work", type=Path, help="directory in which fleets are kept, or made")
    parser.add_argument("--predictions", type=Path, help="file for the predictions that the page is counted from")
    options = parser.parse_args()
    model = read_model(options.model)
    with tempfile.TemporaryDirectory() as made:
        found = {world.name: judged(world, model, options.work or Path(made), not options.no_histories) for world in WORLDS}
    if options.predictions is not None:
        write_predictions(options.predictions, {name: one.test for name, one in found.items()}, {name: one.scores for name, one in found.items()})
    happened = {name: one.happened for name, one in found.items()}
    tables = []
    for world in WORLDS:
        tables.append(f"## {world.name}\n\n{world.what[0].upper()}{world.what[1:]}.")
        for column, one in enumerate(happened[world.name]):
            lines = [f"| {HORIZONS[column]:.0f} days: {one.failing_rows} failing, {one.base_rate:.2%} | " + " | ".join(SHOWN.values()) + " |", "|---" * (1 + len(SHOWN)) + "|"]
            lines += [f"| {name} | " + " | ".join(cell(row[key]) for key in SHOWN) + " |" for name, row in one.metrics.items()]
            tables.append("\n".join(lines))
    version = json.loads((options.model / "card.json").read_text())["model_version"]
    text = TEXT.format(
        version=version,
        glance="\n".join(glance_row(name, one[1]) for name, one in happened.items()), verdict=verdict(happened), fleets=FLEETS,
        after="\n".join(after_rows(happened)), ceilings=ceilings_hold(happened),
        expected="\n".join(after_rows({name: one.expected for name, one in found.items() if one.expected})), tables="\n\n".join(tables),
    )  # fmt: skip
    options.out.write_text(text)


if __name__ == "__main__":
    main()
