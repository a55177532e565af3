"""What a model has to beat: the rule of thumb, age alone, and the superseded system's way from one horizon to others."""

import numpy as np

from calibration import calibrate, probabilities
from hazards import margins, train_hazard
from training_set import TrainingSet

RULES = [
    ("gpu_temp_mean", 85, 0.4),
    ("thermal_throttle_count", 20, 0.3),
    ("ecc_dbe_event_count", 0, 0.5),
    ("gpu_age_days", 3 * 365.25, 0.2),
]
#: The superseded system's 7- and 90-day numbers over its 30-day number.
SUPERSEDED = (0.25, 1.0, 2.5)


def rule_of_thumb(x: np.ndarray, names: list[str]) -> np.ndarray:
    """Cumulative probabilities [rows, 3]; the horizons of one row by constant hazard."""
    p30 = np.full(len(x), 0.01)
    for name, above, adds in RULES:
        p30 += np.where(x[:, names.index(name)] > above, adds, 0.0)
    rate = -np.log1p(-np.minimum(p30, 0.95)) / 30
    return np.column_stack([-np.expm1(-rate * days) for days in (7, 30, 90)])


def scaled(p30: np.ndarray) -> np.ndarray:
    """The superseded system's horizons of a 30-day probability: [rows, 3]."""
    return np.minimum(np.outer(p30, SUPERSEDED), 0.999)


class AgeOnly:
    """The same hazard heads, given nothing but the age."""

    def __init__(self, train: TrainingSet, watch: TrainingSet):
        self.column = train.features.index("gpu_age_days")
        train, watch = (data.with_features(data.x[:, [self.column]], ["gpu_age_days"]) for data in (train, watch))
        self.heads = [train_hazard(train, watch, piece, [0], truth=True) for piece in range(3)]
        self.coefficients = calibrate(train, watch, self.margins, truth=True)

    def margins(self, x: np.ndarray) -> np.ndarray:
        return np.column_stack([margins(head, x) for head in self.heads])

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        return probabilities(self.margins(x[:, [self.column]]), self.coefficients)
