"""Tests of going on from a model by a history."""

import unittest

import numpy as np

import calibration
from adapting import FOLDS, adapt, in_failing_gpus, parts
from hazards import margins
from model import Model, constraints
from test_training import NAMES, world
from training_set import TrainingSet


def with_new_sign(seed: int, gpus: int, weight: float = 1.0) -> TrainingSet:
    """A history whose sign is in the column of noise. @param weight GPUs that each row stands for"""
    data, _ = world(seed, gpus)
    data.x[:, 4] = data.x[:, 2]
    data.x[:, :3] = 0
    data.columns["weight"] = np.full(gpus, weight)
    return data


class Adapting(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = Model.learn(world(1, 8000)[0], world(2, 8000)[0])

    def test_takes_a_model_to_the_level_of_a_fleet(self):
        history, judge = (world(seed, 4000)[0] for seed in (4, 5))
        for data in (history, judge):
            # Three of four survivors are taken away: the fleet fails about four times as often.
            keep = ~np.isnan(data.columns["days_to_failure"]) | (data.columns["gpu"] % 4 == 0)
            data.columns["weight"] = np.where(keep, 1.0, 1e-6)
        before, after = (model.probabilities(judge.x)[:, 2] for model in (self.model, self.model.adapted(history)))
        rate = np.average(judge.failed_within(90), weights=judge.weight)
        self.assertLess(np.average(before, weights=judge.weight) / rate, 0.6)
        self.assertAlmostEqual(np.average(after, weights=judge.weight) / rate, 1, delta=0.15)

    def test_teaches_all_heads_alike_what_none_knew(self):
        hazards, _ = adapt(self.model.hazards, with_new_sign(6, 6000), constraints(NAMES))
        x = np.zeros((2, len(NAMES)), np.float32)
        x[1, 4] = 1
        for head, before in zip(hazards, self.model.hazards):
            (quiet, sick), (unknown, unseen) = margins(head, x), margins(before, x)
            self.assertLess(unseen - unknown, 0.2)
            self.assertGreater(sick - quiet, 1)
            self.assertLess(sick - quiet, 1.2 * np.log(10))

    def test_says_the_same_of_a_history_whatever_its_rows_stand_for(self):
        one, many = (self.model.adapted(with_new_sign(6, 2000, weight)) for weight in (1.0, 40.0))
        x = with_new_sign(7, 200).x
        np.testing.assert_allclose(one.probabilities(x), many.probabilities(x), rtol=1e-4)

    def test_learns_alone_too_if_each_survivor_stands_for_many(self):
        data = with_new_sign(6, 6000)
        fails = data.columns["days_to_failure"] <= 90
        data.columns["weight"] = np.where(fails, 1.0, 20.0)
        p30 = Model.alone(data.take(fails | (data.columns["gpu"] % 20 == 0))).probabilities(data.x)[:, 1]
        sick = data.x[:, 4] > 0
        self.assertGreater(p30[sick].mean(), 5 * p30[~sick].mean())
        self.assertAlmostEqual(p30.mean() / data.failed_within(30).mean(), 1, delta=0.25)

    def test_learns_from_failures_even_if_each_survivor_stands_for_many(self):
        data = with_new_sign(6, 6000)
        fails = data.columns["days_to_failure"] <= 90
        sample = fails | (data.columns["gpu"] % 20 == 0)
        data.columns["weight"] = np.where(fails, 1.0, 20.0)
        p30 = self.model.adapted(data.take(sample)).probabilities(data.x)[:, 1]
        sign = data.x[:, 4] > 0
        self.assertGreater(p30[sign].mean() / p30[~sign].mean(), 4)


class History(unittest.TestCase):
    def test_is_weighed_in_failing_gpus(self):
        data, _ = world(3, 1000)
        failing = int((data.columns["days_to_failure"] <= 90).sum())
        data.columns["weight"] = np.full(1000, 7.0)
        # Every GPU has three rows, and fails once all the same.
        thrice = data.take(np.repeat(np.arange(1000), 3))
        for history in (data, thrice):
            weighed = in_failing_gpus(history)
            self.assertAlmostEqual(weighed.weight[weighed.columns["days_to_failure"] <= 90].sum(), failing)

    def test_is_parted_by_gpus_with_as_many_failing_ones_in_each(self):
        data, _ = world(3, 1000)
        twice = data.take(np.repeat(np.arange(1000), 2))
        part = parts(twice)
        np.testing.assert_array_equal(part[::2], part[1::2])
        failing = np.bincount(part[twice.columns["type"] >= 0], minlength=FOLDS)
        self.assertLessEqual(failing.max() - failing.min(), 2)


class Calibration(unittest.TestCase):
    def test_a_history_says_how_timid_a_model_is_that_never_saw_it(self):
        def found(gpus: int) -> float:
            data, risk = world(8, gpus)
            # Of a log rate only half is said.
            return calibration.stretch(np.log(risk[:, 0]) / 2, data, 0)

        self.assertAlmostEqual(found(100_000), 2, delta=0.15)
        # A handful of failures is no reason to believe otherwise.
        self.assertAlmostEqual(found(300), 1, delta=0.3)

    def test_spread_and_level_are_those_of_what_is_said_of_the_unseen(self):
        data, risk = world(9, 60_000)
        # Half of a log rate is said, and twenty times too often.
        unseen = np.log(np.column_stack([risk[:, 0]] * 3)) / 2 + 3
        coefficients = calibration.calibrate_unseen(data, unseen)
        np.testing.assert_allclose(coefficients[:, 0], 2, atol=0.2)
        said = calibration.probabilities(unseen, coefficients)[:, 2]
        self.assertAlmostEqual(said.mean() / data.failed_within(90).mean(), 1, delta=0.03)


if __name__ == "__main__":
    unittest.main()
