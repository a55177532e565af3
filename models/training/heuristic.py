"""The superseded system's rule of thumb, the baseline that a model has to beat."""

import numpy as np

RULES = [
    ("gpu_temp_mean", 85, 0.4),
    ("thermal_throttle_count", 20, 0.3),
    ("ecc_dbe_event_count", 0, 0.5),
    ("gpu_age_days", 3 * 365.25, 0.2),
]


def probabilities(x: np.ndarray, names: list[str]) -> np.ndarray:
    """Cumulative probabilities [rows, 3]; the horizons of one row by constant hazard."""
    p30 = np.full(len(x), 0.01)
    for name, above, adds in RULES:
        p30 += np.where(x[:, names.index(name)] > above, adds, 0.0)
    rate = -np.log1p(-np.minimum(p30, 0.95)) / 30
    return np.column_stack([-np.expm1(-rate * days) for days in (7, 30, 90)])
