"""Tests of the observer who teaches the heads."""

import unittest

import numpy as np

from horizons import HORIZONS
from teacher import PARTS, taught
from test_oracle import CARD, TALLIES, board
from training_set import TrainingSet

GPUS = 200


def fleets(count: int, seed: int) -> TrainingSet:
    """Boards of which one in ten has a sick link that all days show. What kills half of those, and of the others as many
    as it likes, nothing shows: the true risk has two values at each sign.
    """
    rng = np.random.default_rng(seed)
    rows = count * GPUS
    sick, doomed = rng.random(rows) < 0.1, rng.random(rows) < 0.5
    p90 = np.where(sick, np.where(doomed, 0.4, 0.2), np.where(doomed, 0.02, 0.005))
    risk = p90[:, None] * np.array([0.1, 0.4, 1.0])
    daily = np.where(sick[:, None, None], board(pcie_replays=100.0, nvlink_errors=25.0), board()).astype(np.float32)
    columns = {
        "gpu": np.arange(rows, dtype=float), "weight": np.ones(rows), "absence": (rng.random(rows) < 0.2).astype(float),
        "observed_days": np.full(rows, 8.0), **{f"true_risk_{days:.0f}d": risk[:, place] for place, days in enumerate(HORIZONS)},
    }  # fmt: skip
    cards = [{**CARD, "world": {**CARD["world"], "name": f"trained-{number}"}} for number in range(count)]
    x = np.column_stack([np.ones(rows), sick]).astype(np.float32)
    return TrainingSet(["model_a100", "sick"], TALLIES, x, daily, columns, np.repeat(np.arange(count), GPUS), cards)


class Teacher(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.train, cls.watch = fleets(PARTS + 1, 1), fleets(2, 2)
        cls.taught = taught(cls.train, cls.watch)
        cls.due = cls.train.columns["absence"] == 0

    def test_says_what_days_tell_and_leaves_out_what_nothing_shows(self):
        truth, told = self.train.true_risk()[:, 1], self.taught.true_risk()[:, 1]
        sick = self.train.x[:, 1] == 1
        for group in (self.due & sick, self.due & ~sick):
            self.assertAlmostEqual(told[group].mean() / truth[group].mean(), 1, delta=0.1)
            self.assertLess(told[group].std(), truth[group].std() / 3)

    def test_knows_nothing_of_silences_and_never_calls_a_longer_time_safer(self):
        np.testing.assert_array_equal(self.taught.true_risk()[~self.due], self.train.true_risk()[~self.due])
        self.assertTrue((np.diff(self.taught.true_risk(), axis=1) >= 0).all())

    def test_learned_nothing_from_the_fleet_that_it_teaches(self):
        other = {**self.train.columns}
        own = self.train.fleet % PARTS == 1
        for days in HORIZONS:
            name = f"true_risk_{days:.0f}d"
            other[name] = np.where(own, other[name] * 1.5, other[name])
        again = taught(TrainingSet(**{**vars(self.train), "columns": other}), self.watch)
        np.testing.assert_array_equal(again.true_risk()[own & self.due], self.taught.true_risk()[own & self.due])


if __name__ == "__main__":
    unittest.main()
