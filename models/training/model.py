"""The model: three hazard heads, a head of types, and the calibration of the hazards."""

import numpy as np
import xgboost as xgb

import calibration
import graph
from adapting import adapt, parts
from augment import with_exporters, with_fields_dropped, without_cadence
from hazards import PARAMETERS, SIZE, Size, margins, train_hazard, train_types
from horizons import FAILURE_TYPES
from training_set import TrainingSet, lightened

#: Physics: more of these never means less risk. (Not so of correctable errors or PCIe replays alone: boards with a weak
#: row or a bad riser show many for years and live on.)
RISING = [
    "ecc_dbe_event_count", "remap_uncorrectable_count", "remap_uncorrectable_total", "remap_failure",
    "xid_hardware_count", "xid_precursor_count", "power_brake_count", "thermal_throttle_count",
]  # fmt: skip
#: The longer ago the last hardware XID, the less it says.
FALLING = ["hours_since_hardware_xid"]


def constraints(names: list[str]) -> list[int]:
    return [1 if name in RISING else -1 if name in FALLING else 0 for name in names]


class Model:
    def __init__(self, names: list[str], hazards: list[xgb.Booster], types: xgb.Booster | None, coefficients: np.ndarray):
        """@param types None: nothing is known of them yet. @param coefficients slope and intercept of each head, [3, 2]"""
        self.names, self.hazards, self.types, self.coefficients = names, hazards, types, coefficients

    @staticmethod
    def learn(train: TrainingSet, watch: TrainingSet, truth: bool = True, size: Size = SIZE) -> "Model":
        """
        @param watch rows of other GPUs: they say when to stop, and calibrate
        @param truth learn from the true risk where it is known
        @param size of the heads' trees
        """
        names = train.features
        train = lightened(train)
        train, watch = (data.with_features(without_cadence(data.x, names)) for data in (train, watch))
        both = with_exporters(train)
        hazards = [train_hazard(both, watch, piece, constraints(names), truth, size=size) for piece in range(3)]
        model = Model(names, hazards, train_types(both, watch), np.ones((3, 2)))
        model.coefficients = calibration.calibrate(train, watch, model.margins, truth)
        return model

    @staticmethod
    def alone(history: TrainingSet) -> "Model":
        """A model of a history and nothing else: it goes on from heads that say the same of every GPU."""
        nothing = xgb.train(PARAMETERS, xgb.DMatrix(history.x, label=np.zeros(len(history))), num_boost_round=0)
        return Model(history.features, [nothing] * 3, None, np.ones((3, 2))).adapted(history)

    def adapted(self, history: TrainingSet) -> "Model":
        """A model that goes on from this one, by what became of the GPUs of a history with the same features."""
        history = history.with_features(without_cadence(history.x, self.names))
        hazards, coefficients = adapt(self.hazards, history, constraints(self.names))
        held = parts(history) == 0
        types = train_types(with_fields_dropped(history.take(~held)), history.take(held), self.types)
        return Model(self.names, hazards, types, coefficients)

    def margins(self, x: np.ndarray) -> np.ndarray:
        return np.column_stack([margins(booster, x) for booster in self.hazards])

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Within 7, 30 and 90 days: [rows, 3]."""
        return calibration.probabilities(self.margins(x), self.coefficients)

    def type_probabilities(self, x: np.ndarray) -> np.ndarray:
        raw = margins(self.types, x, targets=len(FAILURE_TYPES))
        powers = np.exp(raw - raw.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    @property
    def trees(self) -> list[int]:
        return [len(graph.trees_of(booster)[0]) for booster in [*self.hazards, self.types]]
