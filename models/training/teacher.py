"""What the heads are taught by: not how a simulated GPU truly stands, but what its days of telemetry could have told.

The true risk knows every hidden defect, so most of how it differs from row to row is noise to a model of telemetry. An
observer who knows the laws of the fleet's world and saw its days without noise (oracle.py) leaves that out. He sees all
that the features are made of, so what the features say of his estimate on average is what they say of the risk itself.
"""

from dataclasses import replace

import numpy as np

from horizons import HORIZONS
from oracle import inputs, learned, told
from training_set import TrainingSet, lightened

#: The fleets are parted in so many; what teaches a fleet was learned from the other parts.
PARTS = 5


def taught(train: TrainingSet, watch: TrainingSet) -> TrainingSet:
    """The rows with the observer's estimates as their risk. Silences, which have no days, keep the true one.

    @param watch rows of other fleets: they say when the observer has learned enough
    """
    seen = np.flatnonzero(train.columns["absence"] == 0)
    data, held = lightened(train.take(seen)), watch.take(watch.columns["absence"] == 0)
    x, held_x = inputs(data), inputs(held)
    risk = train.true_risk()
    for part in range(PARTS):
        others = data.fleet % PARTS != part
        if others.all() or not others.any():
            continue  # too few fleets to part: these learn from the true risk
        boosters = learned(data.take(others), x[others], held, held_x)
        # Horizons are learned one by one: a longer one is never safer.
        risk[seen[~others]] = np.maximum.accumulate(told(boosters, x[~others]), axis=1)
    columns = {f"true_risk_{horizon:.0f}d": risk[:, place] for place, horizon in enumerate(HORIZONS)}
    return replace(train, columns={**train.columns, **columns})
