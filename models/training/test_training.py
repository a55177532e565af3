"""Tests of the training steps on made-up lines: `python -m unittest discover models/training`."""

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
from onnx.reference import ReferenceEvaluator

import calibration
import graph
import heuristic
import metrics
from augment import GROUPS, drop_fields, without_cadence
from dataset import Dataset, concatenate, read_fleet
from fleets import Fleet, FleetMaker, gap_ms
from hazards import at_risk
from main import Model, golden, one_row_each, write

NAMES = ["gpu_temp_mean", "thermal_throttle_count", "ecc_dbe_event_count", "gpu_age_days", "noise"]


def world(seed: int, gpus: int, scale: float) -> tuple[Dataset, np.ndarray]:
    """GPUs of which one in ten bears a sign and fails ten times as fast, and the true 30-day probability of each.

    As in `simulate`, scaling the rate changes who fails and when, never who bears the sign.
    """
    rng = np.random.default_rng(seed)
    sign = (rng.random(gpus) < 0.1).astype(float)
    rate = np.where(sign > 0, 0.002, 0.0002)
    lived = rng.exponential(1 / (rate * scale))
    days = np.where(lived < 97, lived, np.inf)
    x = np.column_stack([60 + 10 * sign + rng.normal(0, 1, gpus), rng.random(gpus), sign, rng.random(gpus) * 900, rng.random(gpus)])
    kind = np.where(np.isfinite(days), np.where(sign > 0, 0, 4), -1)
    data = Dataset(
        x=x.astype(np.float32), days=days, kind=kind, gpu=np.arange(gpus), scale=np.full(gpus, scale),
        position=np.zeros(gpus),
    )  # fmt: skip
    return data, -np.expm1(-30 * rate)


class Reading(unittest.TestCase):
    def test_rows_end_with_the_life_of_their_gpu_and_null_is_absent(self):
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            rows = [
                {"gpu_uuid": "GPU-a", "as_of": f"2026-01-0{day}T00:00:00.000Z", "features": {"t": None if day == 2 else day, "u": 1}}
                for day in (1, 2, 3)
            ]
            rows.insert(1, {**rows[0], "as_of": "2026-01-01T12:00:00.000Z"})
            rows.insert(0, {**rows[0], "as_of": "2025-12-31T12:00:00.000Z"})
            rows.append({"gpu_uuid": "GPU-b", "as_of": "2026-01-01T00:00:00.000Z", "features": {"t": 5, "u": 2}})
            (directory / "f").write_text("".join(json.dumps(row) + "\n" for row in rows))
            labels = [
                {"gpu_uuid": "GPU-a", "failed_at": "2026-01-02T12:00:00.000Z", "type": "power"},
                {"gpu_uuid": "GPU-a", "failed_at": "2026-02-02T12:00:00.000Z", "type": "other"},
            ]
            (directory / "l").write_text("".join(json.dumps(label) + "\n" for label in labels))
            data = read_fleet(directory / "f", directory / "l", ["u", "t"], scale=3)
        self.assertEqual(data.days.tolist(), [2, 1.5, 0.5, np.inf])
        self.assertEqual(data.kind.tolist(), [2, 2, 2, -1])
        self.assertEqual(data.gpu.tolist(), [0, 0, 0, 1])
        np.testing.assert_array_equal(data.x, np.float32([[1, 1], [1, 1], [1, np.nan], [2, 5]]))
        self.assertEqual(data.position.tolist(), [0, 0.5, 1.5, 0])

    def test_gpus_of_different_fleets_stay_apart(self):
        first, _ = world(1, 10, 1)
        second, _ = world(2, 5, 1)
        self.assertEqual(len(np.unique(concatenate([first, second]).gpu)), 15)

    def test_commands_scale_the_gap_with_the_cadence(self):
        self.assertEqual([gap_ms("30s"), gap_ms("2m"), gap_ms("15m")], [300_000, 300_000, 2_250_000])
        simulate, replay = FleetMaker(Path("/r"), Path("/d")).commands(Fleet("test", 7, 20, "10m", 4.0), Path("/w"))
        self.assertEqual(simulate[:3], ["simulate", "--gpus", "20"])
        self.assertIn("windows.gapMs=1500000", replay)


class Sampling(unittest.TestCase):
    def test_takes_a_gpu_at_a_time_that_knows_nothing_of_its_end(self):
        # Ten rows of each GPU; every other one fails after its third.
        position = np.tile(np.arange(10.0), 2000)
        gpu = np.repeat(np.arange(2000), 10)
        alive = (gpu % 2 == 0) | (position < 3)
        data = Dataset(
            x=np.zeros((20000, 1), np.float32), days=np.where(gpu % 2 == 0, np.inf, 2.5 - position), kind=gpu, gpu=gpu,
            scale=np.ones(20000), position=position,
        ).take(np.flatnonzero(alive))  # fmt: skip
        taken = one_row_each(data)
        self.assertEqual(len(np.unique(taken.gpu)), len(taken))
        self.assertAlmostEqual((taken.gpu % 2 == 1).sum() / 1000, 0.3, delta=0.06)
        self.assertAlmostEqual((taken.gpu % 2 == 0).sum() / 1000, 1, delta=0.001)


class Risk(unittest.TestCase):
    def test_only_those_alive_at_the_start_of_a_piece_are_at_risk(self):
        data, _ = world(1, 4, 1)
        data.days = np.array([3.5, 18.5, 90, np.inf])
        week, month, quarter = (at_risk(data, piece) for piece in range(3))
        self.assertEqual(week.rows.tolist(), [0, 1, 2, 3])
        self.assertEqual(week.failed.tolist(), [1, 0, 0, 0])
        np.testing.assert_allclose(week.exposure, [0.5, 1, 1, 1])
        self.assertEqual(month.rows.tolist(), [1, 2, 3])
        np.testing.assert_allclose(month.exposure, [0.5, 1, 1])
        self.assertEqual(quarter.failed.tolist(), [1, 0])

    def test_time_counts_as_often_as_rates_were_multiplied(self):
        data, _ = world(1, 3, 5)
        data.days = np.array([3.5, np.inf, np.inf])
        np.testing.assert_allclose(at_risk(data, 0).exposure, [2.5, 5, 5])


class Learning(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = Model(world(1, 8000, 8.0)[0], world(2, 8000, 8.0)[0], NAMES)
        cls.test, cls.truth = world(3, 20000, 1.0)

    def test_over_sampled_fleets_give_the_probabilities_of_natural_ones(self):
        p30 = self.model.probabilities(self.test.x)[:, 1]
        sign = self.test.x[:, 2] > 0
        for group in (sign, ~sign):
            self.assertAlmostEqual(p30[group].mean() / self.truth[group].mean(), 1, delta=0.2)

    def test_probabilities_rise_with_the_horizon(self):
        probability = self.model.probabilities(drop_fields(self.test.x, NAMES, 1))
        self.assertTrue((np.diff(probability, axis=1) >= 0).all())
        self.assertTrue((probability >= 0).all() and (probability <= 1).all())

    def test_the_type_follows_the_sign(self):
        kinds = self.model.type_probabilities(self.test.x)
        np.testing.assert_allclose(kinds.sum(axis=1), 1, rtol=1e-6)
        self.assertGreater(kinds[self.test.x[:, 2] > 0, 0].mean(), 0.8)

    def test_the_graph_computes_what_xgboost_and_numpy_do(self):
        onnx = graph.build(self.model.hazards, self.model.types, self.model.coefficients, len(NAMES))
        x = np.concatenate([self.test.x[:40], np.full((1, 5), np.nan, np.float32)])
        probability, kinds = ReferenceEvaluator(onnx).run(None, {"features": x})
        np.testing.assert_allclose(probability, self.model.probabilities(x), atol=1e-6)
        np.testing.assert_allclose(kinds, self.model.type_probabilities(x), atol=1e-6)

    def test_writes_a_card_of_the_very_file(self):
        with tempfile.TemporaryDirectory() as name:
            out = Path(name)
            write(out, self.model, {"feature_set": "v1", "features": NAMES}, golden(self.model, self.test))
            card = json.loads((out / "card.json").read_text())
            import hashlib

            self.assertEqual(card["sha256"], hashlib.sha256((out / "model.onnx").read_bytes()).hexdigest())
            batch = json.loads((out / "golden.json").read_text())
            self.assertEqual(len(batch["features"]), len(batch["failure_prob"]))


class Calibration(unittest.TestCase):
    def test_finds_slope_and_intercept_of_a_rate(self):
        rng = np.random.default_rng(4)
        margin = rng.normal(-3, 1, 200_000)
        failed = (rng.random(200_000) < -np.expm1(-np.exp(0.7 * margin - 1))).astype(float)
        slope, intercept = calibration.fit_hazard(margin, failed, np.ones(200_000))
        self.assertAlmostEqual(slope, 0.7, delta=0.05)
        self.assertAlmostEqual(intercept, -1, delta=0.15)


class Metrics(unittest.TestCase):
    def setUp(self):
        rng = np.random.default_rng(9)
        self.p = np.round(rng.random(300), 2)
        self.y = (rng.random(300) < self.p).astype(float)
        self.w = rng.integers(1, 4, 300).astype(float)

    def test_auc_counts_pairs(self):
        wins = total = 0.0
        for i in np.flatnonzero(self.y == 1):
            for j in np.flatnonzero(self.y == 0):
                weight = self.w[i] * self.w[j]
                wins += weight * ((self.p[i] > self.p[j]) + (self.p[i] == self.p[j]) / 2)
                total += weight
        self.assertAlmostEqual(metrics.auc(self.y, self.p, self.w), wins / total, places=12)

    def test_a_weight_is_as_many_rows(self):
        times = self.w.astype(int)
        many = (np.repeat(self.y, times), np.repeat(self.p, times), np.ones(times.sum()))
        for function in (metrics.auc, metrics.average_precision):
            self.assertAlmostEqual(function(self.y, self.p, self.w), function(*many), places=12)

    def test_a_perfect_order_finds_all(self):
        y = np.array([0.0] * 95 + [1.0] * 5)
        recall, precision = metrics.top_share(y, y, 0.05)
        self.assertEqual((recall, precision), (1, 1))
        self.assertEqual(metrics.average_precision(y, y, np.ones(100)), 1)
        self.assertAlmostEqual(metrics.top_share(y, np.zeros(100), 0.05)[0], 0.05)

    def test_honest_probabilities_have_a_slope_of_one(self):
        rng = np.random.default_rng(2)
        p = rng.random(100_000) * 0.5
        y = (rng.random(100_000) < p).astype(float)
        slope, ratio = metrics.calibration_line(y, p)
        self.assertAlmostEqual(slope, 1, delta=0.03)
        self.assertAlmostEqual(ratio, 1, delta=0.03)
        self.assertLess(metrics.calibration_line(y, np.clip(p * 2, 0, 1))[1], 0.55)


class Heuristic(unittest.TestCase):
    def test_adds_what_the_rules_say(self):
        x = np.array([[86, 0, 0, 0, 0], [np.nan, 21, 1, 1096, 0], [60, 0, 0, 0, 0]], dtype=np.float32)
        np.testing.assert_allclose(heuristic.probabilities(x, NAMES)[:, 1], [0.41, 0.95, 0.01])


class Augmentation(unittest.TestCase):
    def test_drops_whole_groups_and_nothing_else(self):
        names = GROUPS["ECC"] + ["gpu_temp_mean"]
        out = drop_fields(np.ones((1000, 4), np.float32), names, seed=1)
        self.assertFalse(np.isnan(out[:, 3]).any())
        lost = np.isnan(out[:, :3])
        self.assertTrue((lost.all(axis=1) == lost.any(axis=1)).all())
        self.assertTrue(100 < lost[:, 0].sum() < 200)

    def test_nothing_is_learned_from_counts_that_the_cadence_makes(self):
        data, _ = world(5, 4000, 8.0)
        names = ["temp_spike_count", *NAMES[1:]]
        model = Model(data, world(6, 4000, 8.0)[0], names)
        x = data.x[:50].copy()
        x[:, 0] += 1000
        np.testing.assert_array_equal(model.margins(x), model.margins(data.x[:50]))
        self.assertTrue(np.isnan(without_cadence(x, names)[:, 0]).all())


if __name__ == "__main__":
    unittest.main()
