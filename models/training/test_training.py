"""Tests of the training steps on made-up rows: `python -m unittest discover models/training`."""

import hashlib
import json
import tempfile
import unittest
from pathlib import Path

import numpy as np

import calibration
import weighted
from augment import EXPORTERS, GROUPS, drop_fields, of_sparse_exporters, without_cadence
from baselines import rule_of_thumb, scaled
from champion import GraphDiffers, golden, read_model, write
from evaluate import OBSERVABLE, bins, compare, lead_times, operating_points
from hazards import AtRisk, at_risk, joined, margins, stretched
from horizons import HORIZONS
from model import Model, constraints
from predictions import read_predictions, write_predictions
from report import look_alikes, top_share, young_rows
from training_set import TrainingSet, concatenate_fleets

NAMES = ["gpu_temp_mean", "thermal_throttle_count", "ecc_dbe_event_count", "gpu_age_days", "noise"]


def world(seed: int, gpus: int, truth: bool = False) -> tuple[TrainingSet, np.ndarray]:
    """GPUs of which one in ten bears a sign and fails ten times as fast, and the true probabilities [gpus, 3] of each."""
    rng = np.random.default_rng(seed)
    sign = (rng.random(gpus) < 0.1).astype(float)
    rate = np.where(sign > 0, 0.008, 0.0008)
    lived = rng.exponential(1 / rate)
    days = np.where(lived < 97, lived, np.nan)
    x = np.column_stack([60 + 10 * sign + rng.normal(0, 1, gpus), rng.random(gpus), sign, rng.random(gpus) * 900, rng.random(gpus)])
    risk = -np.expm1(-np.outer(rate, HORIZONS))
    columns = {
        "gpu": np.arange(gpus, dtype=float), "weight": np.ones(gpus), "days_to_failure": days,
        "exit_days": np.minimum(lived, 97), "type": np.where(np.isnan(days), -1.0, np.where(sign > 0, 0, 4)),
    }  # fmt: skip
    if truth:
        columns |= {f"true_risk_{horizon:.0f}d": risk[:, place] for place, horizon in enumerate(HORIZONS)}
    return TrainingSet(NAMES, [], x.astype(np.float32), np.zeros((gpus, 0, 0), np.float32), columns, np.zeros(gpus, int), [{}]), risk


class Risk(unittest.TestCase):
    def setUp(self):
        self.data, self.risk = world(1, 5)
        self.data.columns["days_to_failure"] = np.array([3.5, 18.5, np.nan, np.nan, 90])
        self.data.columns["exit_days"] = np.array([3.5, 18.5, 48.5, 97, 90])
        self.data.columns["weight"] = np.array([1.0, 1, 7, 8, 1])

    def test_only_those_alive_at_the_start_of_a_piece_are_at_risk_as_long_as_they_are_followed(self):
        week, month, quarter = (at_risk(self.data, piece) for piece in range(3))
        self.assertEqual(week.rows.tolist(), [0, 1, 2, 3, 4])
        self.assertEqual(week.failed.tolist(), [1, 0, 0, 0, 0])
        np.testing.assert_allclose(week.exposure, [0.5, 1, 1, 1, 1])
        self.assertEqual(month.rows.tolist(), [1, 2, 3, 4])
        np.testing.assert_allclose(month.exposure, [0.5, 1, 1, 1])
        self.assertEqual(quarter.rows.tolist(), [2, 3, 4])
        self.assertEqual(quarter.failed.tolist(), [0, 0, 1])
        np.testing.assert_allclose(quarter.exposure, [18.5 / 60, 1, 1])
        self.assertEqual(quarter.weight.tolist(), [7, 8, 1])

    def test_the_truth_takes_the_place_of_the_outcome_where_it_is_known(self):
        known, risk = world(1, 3, truth=True)
        both = concatenate_fleets([known, self.data])
        piece = at_risk(both, 1)
        np.testing.assert_allclose(piece.failed[:3], (risk[:, 1] - risk[:, 0]) / (1 - risk[:, 0]))
        np.testing.assert_allclose(piece.weight[:3], 1 - risk[:, 0])
        # Expected failures over expected time at risk are the hazard.
        np.testing.assert_allclose(piece.failed[:3] / piece.exposure[:3], -23 * np.log1p(-risk[:, 0]) / 7)
        self.assertEqual(piece.rows.tolist(), [0, 1, 2, 4, 5, 6, 7])
        self.assertEqual(at_risk(both, 1, truth=False).rows.tolist(), np.flatnonzero(both.columns["exit_days"] > 7).tolist())


class Learning(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = Model.learn(world(1, 8000)[0], world(2, 8000)[0])
        cls.test, cls.truth = world(3, 20000)

    def test_probabilities_are_those_of_the_world(self):
        sign = self.test.x[:, 2] > 0
        for model in (self.model, Model.learn(world(1, 3000, truth=True)[0], world(2, 3000, truth=True)[0])):
            p30 = model.probabilities(self.test.x)[:, 1]
            for group in (sign, ~sign):
                self.assertAlmostEqual(p30[group].mean() / self.truth[group, 1].mean(), 1, delta=0.2)

    def test_probabilities_rise_with_the_horizon(self):
        probability = self.model.probabilities(drop_fields(self.test.x, NAMES, 1))
        self.assertTrue((np.diff(probability, axis=1) >= 0).all())
        self.assertTrue((probability >= 0).all() and (probability <= 1).all())

    def test_more_uncorrectable_errors_never_mean_less_risk(self):
        self.assertEqual(constraints(NAMES), [0, 1, 1, 0, 0])
        x = np.repeat(self.test.x[:200], 6, axis=0)
        x[:, 2] = np.tile(np.arange(6), 200)
        self.assertTrue((np.diff(self.model.margins(x)[:, 1].reshape(200, 6), axis=1) >= 0).all())

    def test_the_type_follows_the_sign(self):
        kinds = self.model.type_probabilities(self.test.x)
        np.testing.assert_allclose(kinds.sum(axis=1), 1, rtol=1e-6)
        self.assertGreater(kinds[self.test.x[:, 2] > 0, 0].mean(), 0.8)

    def test_joined_heads_say_what_all_say(self):
        head, more = self.model.hazards[1], self.model.hazards[2]
        all_three = joined(head, more, more)
        np.testing.assert_allclose(margins(all_three, self.test.x), margins(head, self.test.x) + 2 * margins(more, self.test.x), rtol=1e-5, atol=1e-5)

    def test_a_stretched_head_says_so_many_times_as_much(self):
        head = self.model.hazards[1]
        np.testing.assert_allclose(margins(stretched(head, 1.7), self.test.x), 1.7 * margins(head, self.test.x), rtol=1e-5, atol=1e-5)

    def test_writes_a_directory_that_can_be_read_again_and_whose_card_is_of_the_very_graph(self):
        with tempfile.TemporaryDirectory() as name:
            out = Path(name)
            x = np.concatenate([self.test.x[:200], np.full((1, 5), np.nan, np.float32)])
            card = write(out, self.model, {"feature_set": "v1", "features": NAMES}, x, golden(self.model, self.test))
            self.assertLess(card["parity"]["largest_difference"], 1e-5)
            stored = json.loads((out / "card.json").read_text())
            self.assertEqual(stored["sha256"], hashlib.sha256((out / "model.onnx").read_bytes()).hexdigest())
            batch = json.loads((out / "golden.json").read_text())
            self.assertEqual(len(batch["features"]), len(batch["failure_prob"]))
            again = read_model(out)
            np.testing.assert_array_equal(again.probabilities(x), self.model.probabilities(x))
            np.testing.assert_array_equal(again.type_probabilities(x), self.model.type_probabilities(x))
            broken = Model(NAMES, self.model.hazards, self.model.types, self.model.coefficients)
            broken.probabilities = lambda rows: self.model.probabilities(rows) + 1e-4
            with self.assertRaises(GraphDiffers):
                write(out, broken, {"feature_set": "v1", "features": NAMES}, x, {})


class Calibration(unittest.TestCase):
    def test_finds_slope_and_intercept_of_a_rate_over_weighted_rows(self):
        rng = np.random.default_rng(4)
        margin = rng.normal(-3, 1, 200_000)
        failed = (rng.random(200_000) < -np.expm1(-np.exp(0.7 * margin - 1))).astype(float)
        # Half of the survivors stand for the other half.
        rows = (failed == 1) | (rng.random(200_000) < 0.5)
        weight = np.where(failed == 1, 1.0, 2.0)[rows]
        risk = AtRisk(np.flatnonzero(rows), failed[rows], np.ones(rows.sum()), weight)
        slope, intercept = calibration.fit_hazard(margin[rows], risk)
        self.assertAlmostEqual(slope, 0.7, delta=0.05)
        self.assertAlmostEqual(intercept, -1, delta=0.15)


class Evaluation(unittest.TestCase):
    def setUp(self):
        self.data, self.truth = world(9, 6000)

    def test_a_share_of_a_ceiling_is_one_for_the_ceiling_and_less_for_chance(self):
        chance = np.random.default_rng(1).random(self.truth.shape) * 0.1
        found = compare(self.data, {OBSERVABLE: self.truth, "chance": chance}, 1, draws=20)
        self.assertEqual(found.shares[OBSERVABLE]["auc"].value, 1)
        share = found.shares["chance"]["recall_at_5_percent"]
        self.assertLess(share.high, 0.6)
        self.assertTrue(share.low <= share.value <= share.high)
        slope = found.metrics[OBSERVABLE]["calibration_slope"]
        self.assertAlmostEqual(slope.value, 1, delta=0.25)
        self.assertTrue(slope.low < slope.value < slope.high)

    def test_figures_can_be_counted_again_from_the_predictions_alone(self):
        self.data.columns["as_of_days"] = np.zeros(len(self.data))
        scores = {"model": self.truth, "30 days × 0.25, × 2.5 / scaled": scaled(self.truth[:, 1])}
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "predictions.npz"
            write_predictions(file, {"test": self.data}, {"test": scores})
            parts, again = read_predictions(file)
        self.assertEqual(list(again["test"]), list(scores))
        self.assertEqual(compare(parts["test"], again["test"], 1, draws=5), compare(self.data, scores, 1, draws=5))

    def test_bins_of_right_probabilities_hold_the_rate(self):
        found = [one for one in bins(self.data, self.truth[:, 2], 2) if one["rows"] > 0]
        self.assertEqual(len(found), 2)
        for one in found:
            self.assertTrue(one["low"] < one["predicted"] < one["high"])

    def test_rows_of_one_gpu_add_no_evidence(self):
        failed, weight = (np.arange(300) % 3 == 0).astype(float), np.ones(300)
        one = weighted.rate_interval(failed, weight, np.arange(300))
        again = weighted.rate_interval(np.repeat(failed, 4), np.ones(1200), np.repeat(np.arange(300), 4))
        np.testing.assert_allclose(one, again)

    def test_lead_times_say_who_is_among_the_riskiest(self):
        days = self.data.columns["days_to_failure"]
        score = np.where(days <= 10, 1.0, 0.0)
        share = float((days <= 10).mean()) + 1e-9
        (_, early), (_, late) = lead_times(self.data, score, [0, 10, 90], share)
        self.assertAlmostEqual(early, 1, delta=1e-6)
        self.assertAlmostEqual(late, 0, delta=0.01)

    def test_the_threshold_of_right_probabilities_is_where_an_alert_pays(self):
        p30 = self.truth[:, 1]
        low, high = operating_points(self.data, p30, [1.0, 8.0])
        self.assertEqual((low["threshold_30d"], low["alerted_share"]), (0.5, 0))
        self.assertEqual(low["cost_per_1000"], low["cost_of_never_per_1000"])
        # Of GPUs with the sign 21 % fail: at 1 to 8 it pays to act on all of them.
        self.assertAlmostEqual(high["alerted_share"], 0.1, delta=0.02)
        self.assertLess(high["cost_per_1000"], high["cost_of_never_per_1000"])


class Baselines(unittest.TestCase):
    def test_the_rule_of_thumb_adds_what_its_rules_say(self):
        x = np.array([[86, 0, 0, 0, 0], [np.nan, 21, 1, 1096, 0], [60, 0, 0, 0, 0]], dtype=np.float32)
        np.testing.assert_allclose(rule_of_thumb(x, NAMES)[:, 1], [0.41, 0.95, 0.01])

    def test_the_superseded_system_scales_its_30_day_number(self):
        np.testing.assert_allclose(scaled(np.array([0.1, 0.6])), [[0.025, 0.1, 0.25], [0.15, 0.6, 0.999]])


class Report(unittest.TestCase):
    def test_finds_what_looks_like_a_defect(self):
        names = [
            "xid_application_count", "xid_hardware_count", "sw_power_cap_count", "thermal_residual_spike_count",
            "pcie_replay_count", "ecc_sbe_event_count", "ecc_dbe_event_count",
        ]  # fmt: skip
        x = np.zeros((40, len(names)), np.float32)
        x[0, 0], x[1, :2], x[2, 4], x[3, 5], x[4, 5:], x[5, 2] = 3, (3, 1), 160, 80, 80, 9
        x[6] = np.nan
        daily = np.ones((40, 8, 2), np.float32)
        daily[7, :, 1] = 31
        data = TrainingSet(names, ["days", "inlet_days"], x, daily, {}, np.zeros(40, int), [{}])
        xids, warm, capped, jumps, replays, errors = (np.flatnonzero(rows).tolist() for rows in look_alikes(data).values())
        self.assertEqual((xids, warm, capped, jumps, replays, errors), ([0], [7], [5], [], [2], [3]))

    def test_the_riskiest_share_is_of_the_fleet_not_of_the_rows(self):
        self.assertEqual(sorted(top_share(np.array([0.4, 0.3, 0.2, 0.1]), np.array([1.0, 1, 4, 4]), 0.2)), [0, 1])

    def test_young_windows_are_told_by_their_length(self):
        data, risk = world(1, 4000)
        data.columns["observed_days"] = np.where(np.arange(4000) % 2 == 0, 1.0, 2.998)
        lines = young_rows({"test": data}, {"test": risk})
        self.assertEqual([line.split("|")[2].strip() for line in lines], ["1", "3"])


class Augmentation(unittest.TestCase):
    def test_drops_whole_groups_and_nothing_else(self):
        names = GROUPS["ECC"] + ["gpu_temp_mean"]
        out = drop_fields(np.ones((1000, 4), np.float32), names, seed=1)
        self.assertFalse(np.isnan(out[:, 3]).any())
        lost = np.isnan(out[:, :3])
        self.assertTrue((lost.all(axis=1) == lost.any(axis=1)).all())
        self.assertTrue(100 < lost[:, 0].sum() < 200)

    def test_rows_of_sparse_exporters_lack_all_that_one_of_them_does_not_send(self):
        names = [*dict.fromkeys(name for members in GROUPS.values() for name in members), "gpu_temp_mean"]
        out = of_sparse_exporters(np.ones((1000, len(names)), np.float32), names, seed=1)
        absent = {group: np.isnan(out[:, [names.index(name) for name in members]]).all(axis=1) for group, members in GROUPS.items()}
        self.assertFalse(np.isnan(out[:, names.index("gpu_temp_mean")]).any())
        # The second sends XIDs, the first does not.
        for rows, (lacks, _) in zip((absent["XID"], ~absent["XID"]), EXPORTERS):
            self.assertTrue(400 < rows.sum() < 600, rows.sum())
            self.assertTrue(all(absent[group][rows].all() for group in lacks))
        self.assertTrue(0.4 < absent["memory temperature"][absent["XID"]].mean() < 0.6)

    def test_nothing_is_learned_from_counts_that_the_cadence_makes(self):
        names = ["temp_spike_count", *NAMES[1:]]
        parts = [world(seed, 3000)[0] for seed in (5, 6)]
        model = Model.learn(*(data.with_features(data.x, names) for data in parts))
        x = parts[0].x[:50].copy()
        x[:, 0] += 1000
        np.testing.assert_array_equal(model.margins(x), model.margins(parts[0].x[:50]))
        self.assertTrue(np.isnan(without_cadence(x, names)[:, 0]).all())


if __name__ == "__main__":
    unittest.main()
