"""A boosted forest as plain arrays: what the artefact holds, and how it is evaluated here and in the engine."""

import json
from dataclasses import dataclass, replace

import numpy as np
import xgboost


@dataclass
class Forest:
    """Trees one after the other. A value below the threshold goes left, an absent one by `absent_left`.

    feature: [M] column that a node splits on, -1 for a leaf. value: [M] float32 threshold, or a leaf's value.
    left: [M] index of the left child, the right one is next to it; 0 for a leaf. absent_left: [M] bool.
    roots: [T]. base: log of the hazard a year where all leaves are 0.
    """

    feature: np.ndarray
    value: np.ndarray
    left: np.ndarray
    absent_left: np.ndarray
    roots: np.ndarray
    base: float

    @staticmethod
    def of_booster(booster: xgboost.Booster, base: float) -> "Forest":
        nodes: list[tuple[int, float, int, bool]] = []
        roots = []
        for tree in json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]:
            roots.append(len(nodes))
            nodes.append((-1, 0.0, 0, False))
            waiting = [(0, roots[-1])]
            while waiting:
                source, target = waiting.pop()
                if tree["left_children"][source] < 0:
                    nodes[target] = (-1, tree["split_conditions"][source], 0, False)
                    continue
                first = len(nodes)
                nodes += [(-1, 0.0, 0, False)] * 2
                waiting += [(tree["right_children"][source], first + 1), (tree["left_children"][source], first)]
                split = tree["split_indices"][source], tree["split_conditions"][source]
                nodes[target] = (*split, first, bool(tree["default_left"][source]))
        feature, value, left, absent_left = zip(*nodes)
        return Forest(
            np.array(feature), np.array(value, np.float32), np.array(left), np.array(absent_left), np.array(roots), base
        )  # fmt: skip

    def log_hazard(self, x: np.ndarray) -> np.ndarray:
        """Log of the hazard a year of rows [N, FEATURES]; NaN is absent. Sums in float64, in the order of the trees."""
        x = np.asarray(x, np.float32)
        flat = np.ascontiguousarray(x).ravel()
        starts = np.arange(len(x)) * x.shape[1]
        # A leaf is its own left child, and nothing goes right of it: all rows of a tree walk alike.
        leaf = self.feature < 0
        feature = np.where(leaf, 0, self.feature)
        threshold = np.where(leaf, np.float32(np.inf), self.value)
        left = np.where(leaf, np.arange(len(leaf)), self.left)
        absent_left = self.absent_left | leaf
        total = np.full(len(x), self.base)
        for root in self.roots:
            node = np.full(len(x), root)
            while not leaf[node].all():
                read = flat[starts + feature[node]]
                goes_left = (read < threshold[node]) | (np.isnan(read) & absent_left[node])
                node = left[node] + ~goes_left
            total += self.value[node].astype(np.float64)
        return total

    def stretched(self, slope: float, intercept: float) -> "Forest":
        """The forest whose log hazard is `intercept` + `slope` times this one's."""
        value = np.where(self.feature < 0, self.value * np.float32(slope), self.value)
        return replace(self, value=value, base=intercept + slope * self.base)

    def to_json(self) -> dict:
        """Numbers of float32 in the fewest digits that give the same float32 again."""
        return {
            "base": self.base,
            "roots": self.roots.tolist(),
            "feature": self.feature.tolist(),
            "value": [float(str(value)) for value in self.value],
            "left": self.left.tolist(),
            "absent_left": self.absent_left.astype(int).tolist(),
        }

    @staticmethod
    def from_json(data: dict) -> "Forest":
        return Forest(
            np.array(data["feature"]), np.array(data["value"], np.float32), np.array(data["left"]),
            np.array(data["absent_left"], bool), np.array(data["roots"]), data["base"],
        )  # fmt: skip
