"""Tests of what keeps the model from the oracle."""

import unittest

import numpy as np

import weighted
from horizons import HORIZONS
from shortfall import auc_of_risk
from training_set import TrainingSet


class ExpectedAuc(unittest.TestCase):
    def test_is_the_mean_of_those_of_outcomes_drawn_from_the_risk(self):
        rng = np.random.default_rng(1)
        risk, weight, score = rng.beta(1, 9, 3000), rng.gamma(2.0, 1.0, 3000), rng.random(3000)
        score += 2 * risk
        columns = {"weight": weight, **{f"true_risk_{days:.0f}d": risk for days in HORIZONS}}
        data = TrainingSet([], [], np.zeros((3000, 0)), np.zeros((3000, 0, 0)), columns, np.zeros(3000, int), [{}])
        drawn = [weighted.auc((rng.random(3000) < risk).astype(float), score, weight) for _ in range(300)]
        self.assertAlmostEqual(auc_of_risk(data, score), np.mean(drawn), delta=0.004)


if __name__ == "__main__":
    unittest.main()
