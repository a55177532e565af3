"""Tests of how sizes of trees are compared, and of whom the pages about the champion are of."""

import tempfile
import unittest
from pathlib import Path

import numpy as np

import page
from hazards import SIZE, Size
from test_teacher import fleets
from tuning import PARTS, deviance_explained, mean_and_error, parted, row, verdict

OTHER = Size(160, 4, 0.08)


def figures(deviance: list[float], trees: int) -> dict[str, list[float]]:
    others = ("recall_at_5_percent", "average_precision", "brier_skill", "calibration_slope", "seconds")
    return {"deviance": deviance, "trees": [trees] * len(deviance)} | {name: [0.5] * len(deviance) for name in others}


class Sizes(unittest.TestCase):
    def test_a_fleet_judges_in_one_part_and_is_not_learned_from_there(self):
        data = fleets(PARTS + 1, 1)
        judged = []
        for part in range(PARTS):
            learned, held = parted(data, part)
            self.assertFalse(set(learned.fleet) & set(held.fleet))
            self.assertTrue((held.columns["absence"] == 0).all())
            judged += set(held.fleet)
        self.assertEqual(sorted(judged), list(range(PARTS + 1)))

    def test_the_truth_explains_all_and_its_mean_nothing(self):
        data = fleets(1, 1)
        risk = data.true_risk()[:, 1]
        self.assertAlmostEqual(deviance_explained(data, risk), 1)
        self.assertAlmostEqual(deviance_explained(data, np.full(len(data), risk.mean())), 0)

    def test_sizes_are_held_against_the_champions_on_the_same_part(self):
        self.assertEqual(mean_and_error([0.4, 0.5]), "0.4500 ± 0.0500")
        found = {SIZE: figures([0.40, 0.50], 240), OTHER: figures([0.41, 0.51], 480)}
        self.assertIn("| 0.4600 ± 0.0500 | 0.0100 ± 0.0000 |", row(OTHER, found[OTHER], found[SIZE]["deviance"]))
        self.assertIn("97.8% of what is explained by depth 4, steps of 0.08 and 160 rounds, with 240 trees for 480. ", verdict("x", found))
        self.assertIn("on 2 of 2 parts, and finds 0.500 of who failed for 0.500.", verdict("x", found))
        self.assertIn("no other size explains more", verdict("x", {**found, OTHER: figures([0.39, 0.49], 480)}))


class Champion(unittest.TestCase):
    def test_is_not_named_on_figures_of_another_training_set(self):
        with tempfile.TemporaryDirectory() as empty, self.assertRaisesRegex(SystemExit, "another training set"):
            page.champion_of(Path(empty))


if __name__ == "__main__":
    unittest.main()
