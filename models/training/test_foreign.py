"""Tests of the foreign worlds: they are what they say, and their files are such as an owner would hand over."""

import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import numpy as np

from foreign.fleet import AS_OF, draw_lives, write_fleet
from foreign.lives import BURN_IN
from foreign.worlds import WORLDS, world_named
from history import read_labels


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


class Files(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name)
        self.world = replace(world_named("late-labels"), gpus=1500, controls=20, cadence_s=3600, yearly=0.3, found_after=6.0)
        self.made = write_fleet(self.world, 4, self.root)

    def test_stand_for_the_whole_fleet(self):
        labels = read_labels(self.root / "labels.jsonl").rows
        _, found = draw_lives(self.world, np.random.default_rng([4, sum(self.world.name.encode())]))
        self.assertAlmostEqual(sum(row["weight"] for row in labels), (found > 0).sum(), delta=3)
        self.assertEqual(sum(row["type"] >= 0 for row in labels), self.made["fail"])
        self.assertEqual(len(np.load(self.root / "truth.npz")["x"]), len(labels))

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
