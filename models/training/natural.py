"""From over-sampled fleets back to real ones."""

import numpy as np

from dataset import HORIZONS, Dataset


def natural_weights(data: Dataset) -> np.ndarray:
    """Weights of rows that make over-sampled fleets count like fleets at their natural failure rate.

    Multiplying every failure rate by K turns a share f of rows that fail within the last horizon into 1 - (1 - f)^K;
    what a failing or a surviving GPU looks like hardly changes. So failing rows weigh f over their share, and surviving
    ones 1 - f over theirs. Exact where signs belong to failing, a few percent high where a known trait multiplies the
    rate (those GPUs fail early and are missed among the survivors): K is kept small for it.
    """
    weight = np.ones(len(data))
    failing = data.days <= HORIZONS[-1]
    for factor in np.unique(data.scale):
        inside = data.scale == factor
        share = failing[inside].mean()
        if factor == 1 or share in (0, 1):
            continue
        natural = -np.expm1(np.log1p(-share) / factor)
        weight[inside & failing] = natural / share
        weight[inside & ~failing] = (1 - natural) / (1 - share)
    return weight
