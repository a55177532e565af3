"""Tests of the foreign worlds: they are what they say, and their files are such as an owner would hand over."""

import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np

import carry
import weighted
from evaluate import compare, in_expectation
from foreign.ceiling import Ceiling
from foreign.fleet import AS_OF, draw_lives, number_of, rng_of, write_fleet
from foreign.lives import BURN_IN
from foreign.truth import risks
from foreign.worlds import WORLDS, world_named
from history import read_labels
from predictions import read_predictions, write_predictions
from test_training import world as made_up


class Lives(unittest.TestCase):
    def test_die_about_as_often_as_their_world_says_and_often_without_a_sign(self):
        for world in WORLDS:
            with self.subTest(world.name):
                lives, _ = draw_lives(replace(world, gpus=6000), np.random.default_rng(1))
                lived = np.minimum(lives.died, 90) + BURN_IN
                yearly = np.isfinite(lives.died).sum() / lived.sum() * 365.25
                self.assertGreater(yearly / world.yearly, 0.5)
                self.assertLess(yearly / world.yearly, 2)
                dies = np.flatnonzero(np.isfinite(lives.died) & (lives.died > -BURN_IN + 1))
                day = np.floor(lives.died[dies] + BURN_IN).astype(int)
                abrupt = lives.severity[dies, day].max(axis=1) < 0.05
                self.assertGreater(abrupt.mean(), 0.3)
                self.assertLess(abrupt.mean(), 0.85)

    def test_show_signs_that_lead_to_nothing(self):
        for world in WORLDS:
            lives, _ = draw_lives(replace(world, gpus=6000), np.random.default_rng(2))
            sick = lives.severity[:, BURN_IN].max(axis=1) > 0.2
            alive = lives.died > 0
            survives = ~(lives.died[sick & alive] < 30)
            self.assertGreater(survives.mean(), 0.25, world.name)

    def test_die_as_their_law_says(self):
        for name in ("stages", "sparse"):
            with self.subTest(name):
                world = replace(world_named(name), gpus=6000, yearly=0.5)
                lives, found = draw_lives(world, np.random.default_rng(3))
                there = lives.died > 0
                risk, dies = risks(lives.alive[there], lives.died[there], 0.0)[:, 1], (found[there] <= 30).astype(float)
                self.assertAlmostEqual(risk.mean() / dies.mean(), 1, delta=0.15)
                self.assertAlmostEqual(weighted.calibration_slope(dies, risk, np.ones(len(dies))), 1, delta=0.15)

    def test_a_death_that_is_found_later_is_less_likely_found_in_time(self):
        alive = np.exp(-0.01 * np.arange(91))[None, :]
        at_once, later = (risks(alive, np.full(len(alive), 100.0), found_after) for found_after in (0.0, 5.0))
        np.testing.assert_allclose(at_once[0], -np.expm1(-0.01 * np.array([7, 30, 90])))
        self.assertTrue((later < at_once).all())
        self.assertLess(later[0, 0] / at_once[0, 0], later[0, 2] / at_once[0, 2])


    def test_the_dead_are_found_whatever_was_to_be_said_of_the_living(self):
        world = replace(world_named("late-labels"), gpus=6000, yearly=0.5, found_after=6.0)
        lives, found = draw_lives(world, np.random.default_rng(3))
        lost = (lives.died <= 0) & (found > 0)
        self.assertGreater(lost.sum(), 20)
        risk = risks(lives.alive, lives.died, world.found_after)
        self.assertAlmostEqual(risk[lost, 0].mean(), (found[lost] <= 7).mean(), delta=0.15)
        there = found > 0
        self.assertAlmostEqual(risk[there, 0].mean() / (found[there] <= 7).mean(), 1, delta=0.15)


class AtBest(unittest.TestCase):
    def test_days_of_telemetry_rank_better_than_chance_and_worse_than_the_truth(self):
        world = replace(world_named("sparse"), gpus=4000, cadence_s=3600, yearly=0.5)
        lives, _ = draw_lives(world, rng_of(world, 1))
        there = np.flatnonzero(lives.died > 0)[:800]
        told, truth = Ceiling(world, fleets=5).probabilities(1, lives, there), risks(lives.alive[there], lives.died[there], 0.0)
        self.assertTrue((np.diff(told, axis=1) >= 0).all())

        def ranks(score: np.ndarray) -> float:
            high = (truth[:, 1] > np.quantile(truth[:, 1], 0.95)).astype(float)
            return weighted.auc(high, score, np.ones(len(score)))

        self.assertGreater(ranks(told[:, 1]), 0.65)
        self.assertLess(ranks(told[:, 1]), 1)


class Predictions(unittest.TestCase):
    def test_those_behind_the_page_give_its_figures_again(self):
        data, risk = made_up(3, 1500)
        data.columns["as_of_days"] = np.zeros(len(data))
        model = SimpleNamespace(names=data.features, probabilities=lambda x: risk**1.5)
        with (
            patch.object(carry, "fleet", lambda *_: data), tempfile.TemporaryDirectory() as work,
            patch.object(carry, "ceilings_of", lambda *_: {carry.ALL_KNOWING: risk, carry.OBSERVABLE: risk**0.9}),
        ):  # fmt: skip
            found = carry.judged(WORLDS[0], model, Path(work), histories=False)
            file = Path(work) / "kept.npz"
            write_predictions(file, {"stages": found.test}, {"stages": found.scores})
            parts, scores = read_predictions(file)
        self.assertEqual(compare(parts["stages"], scores["stages"], 1), found.happened[1])
        self.assertEqual(in_expectation(parts["stages"], scores["stages"], scores["stages"][carry.ALL_KNOWING], 1), found.expected[1])


class InExpectation(unittest.TestCase):
    def test_figures_are_of_the_true_risk_and_not_of_who_failed(self):
        data, risk = made_up(3, 2000)
        score = risk**1.5
        one = in_expectation(data, {"it": score}, risk, 1)
        for key, value in weighted.expected(risk[:, 1], score[:, 1], data.weight).items():
            if key in one.metrics["it"]:
                self.assertAlmostEqual(one.metrics["it"][key].value, value)
        nobody = replace(data, columns={**data.columns, "days_to_failure": np.full(len(data), np.nan), "exit_days": np.full(len(data), 1.0)})
        again = in_expectation(nobody, {"it": score}, risk, 1)
        self.assertEqual(again.metrics["it"]["auc"], one.metrics["it"]["auc"])
        self.assertAlmostEqual(again.base_rate, risk[:, 1].mean())


class Files(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name)
        self.world = replace(world_named("late-labels"), gpus=1500, controls=20, cadence_s=3600, yearly=0.3, found_after=6.0)
        self.made = write_fleet(self.world, 4, self.root)

    def test_stand_for_the_whole_fleet(self):
        labels = read_labels(self.root / "labels.jsonl").rows
        _, found = draw_lives(self.world, rng_of(self.world, 4))
        self.assertAlmostEqual(sum(row["weight"] for row in labels), (found > 0).sum(), delta=3)
        self.assertEqual(sum(row["type"] >= 0 for row in labels), self.made["fail"])
        self.assertLess(max(number_of(row["gpu_uuid"]) for row in labels), self.world.gpus)

    def test_are_in_the_order_of_time_and_end_with_the_life_of_a_gpu(self):
        rows = [json.loads(line) for line in (self.root / "telemetry.jsonl").read_text().splitlines()]
        self.assertEqual(len(rows), self.made["samples"])
        stamps = [row["timestamp"] for row in rows]
        self.assertEqual(stamps, sorted(stamps))
        end = AS_OF.timestamp() * 1000
        self.assertLessEqual(stamps[-1], end)
        newest = {row["gpu_uuid"]: row["timestamp"] for row in rows}
        # Deaths that nobody has found yet: silent for long, and said to fail soon.
        labels = read_labels(self.root / "labels.jsonl").rows
        lost = [row for row in labels if end - newest[row["gpu_uuid"]] > 6 * 3_600_000 and row["days_to_failure"] < 2]
        self.assertGreater(len(lost), 0)
