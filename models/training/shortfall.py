"""What keeps a model of the features from the observable oracle: docs/models/shortfall.md.

    python shortfall.py --data DIR --out docs/models/shortfall.md

On fleets of training alone. Two of five parts are judged by boosting of the other three, the same for all: of the features,
and of the features and what the oracle's filter makes of one kind of defect, or one sum of days without noise, beside them.
Figures are of the true risk, so without the chance of who happened to fail.
"""

import numpy as np

import page
import weighted
from horizons import FAILURE_TYPES, HORIZONS
from oracle import boosted, full_windows, inputs
from teacher import PARTS
from training_set import TrainingSet, lightened
from tuning import deviance_explained

JUDGED_PARTS = 2
COLUMN_30_DAYS = 1
TALLIES = {
    "xid_power": "power XIDs by themselves", "xid_firmware": "firmware XIDs by themselves", "dropouts": "spells without an answer",
    "power_noise_days": "noise of the power draw apart from load", "resistance_days": "thermal resistance without noise",
}  # fmt: skip


def scores(train: TrainingSet, watch: TrainingSet) -> tuple[TrainingSet, dict[str, np.ndarray]]:
    broad = np.array([fleet["world"]["name"].startswith("broad-") for fleet in train.fleets])
    judged = (train.fleet % PARTS < JUDGED_PARTS) & ~broad[train.fleet]
    learns = train.fleet % PARTS >= JUDGED_PARTS
    held, data, watched = full_windows(train.take(judged)), full_windows(train.take(learns)), full_windows(watch)
    told = {name: inputs(one)[:, len(train.features) :] for name, one in (("learn", data), ("judge", held), ("watch", watched))}
    weight = lightened(data).weight

    def learn(extra: slice | None, sums: int | None = None) -> np.ndarray:
        def matrix(name: str, one: TrainingSet) -> np.ndarray:
            parts = [one.x]
            if extra is not None:
                parts.append(np.log(told[name][:, extra] + 1e-9))
            if sums is not None:
                parts.append(np.nansum(one.daily[:, :, sums], axis=1, keepdims=True))
            return np.column_stack(parts)

        target, watched_target = (one.true_risk()[:, COLUMN_30_DAYS] for one in (data, watched))
        return boosted(matrix("learn", data), target, weight, (matrix("watch", watched), watched_target, watched.weight)).inplace_predict(matrix("judge", held))

    width = 1 + len(HORIZONS)
    found = {"features": learn(None)}
    found |= {f"and the filter for {kind}": learn(slice(width * place, width * (place + 1))) for place, kind in enumerate(FAILURE_TYPES)}
    found["and the filter for all"] = learn(slice(0, width * len(FAILURE_TYPES)))
    found |= {f"and {what}": learn(None, train.tallies.index(name)) for name, what in TALLIES.items()}
    return held, found


TEXT = """# What keeps the model from the oracle

The observable oracle knows the laws of each world and sees its days without noise. The model knows neither: it has the features. Here {held} fleets of training are judged by boosting that learned from {learned} others, always in the same way; what the oracle has is given to it bit by bit. No fleet of the test is read. 30 days, by the true risk: AUC to be expected, recall in the riskiest 5 %, share of the deviance of the true risk explained. Made by `models/training/shortfall.py`.

| learned from | AUC | recall, 5 % | deviance explained |
|---|---|---|---|
{rows}
"""


def main() -> None:
    options = page.parser(__doc__).parse_args()
    train, watch = page.learned_from(options.data)
    held, found = scores(train, watch)
    risk = held.true_risk()[:, COLUMN_30_DAYS]
    rows = []
    for name, score in found.items():
        figures = weighted.expected(risk, score, held.weight)
        rows.append(f"| {name} | {figures['auc']:.4f} | {figures['recall_at_5_percent']:.3f} | {deviance_explained(held, score):.3f} |")
    learned = sum(number % PARTS >= JUDGED_PARTS for number in range(len(train.fleets)))
    options.out.write_text(TEXT.format(held=len(np.unique(held.fleet)), learned=learned, rows="\n".join(rows)))


if __name__ == "__main__":
    main()
