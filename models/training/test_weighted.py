"""Tests of the figures."""

import unittest

import numpy as np

import weighted


class Expected(unittest.TestCase):
    def test_figures_are_the_mean_of_those_of_outcomes_drawn_from_the_risk(self):
        rng = np.random.default_rng(1)
        risk, weight = rng.beta(1, 9, 3000), rng.gamma(2.0, 1.0, 3000)
        score = 0.3 * risk + 0.1 * rng.random(3000)
        drawn = [weighted.summary((rng.random(3000) < risk).astype(float), score, weight) for _ in range(100)]
        told = weighted.expected(risk, score, weight)
        for key in ("auc", "average_precision", "recall_at_5_percent", "brier_skill", "base_rate"):
            self.assertAlmostEqual(told[key], np.mean([one[key] for one in drawn]), delta=0.01, msg=key)


if __name__ == "__main__":
    unittest.main()
