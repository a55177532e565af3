"""Tests of weighted metrics and of the filter behind the observable ceiling."""

import unittest

import numpy as np

import weighted
from defect_filter import DAYS, DefectFilter
from training_set import TrainingSet

LAWS = {
    "signals": {
        "memory": {
            "correctable": 50, "correctableRemaps": 0.5, "uncorrectableRemaps": 0.18, "uncorrectable": 0.035,
            "highRate": 0.4, "contained": 0.1, "uncontained": 0.02,
        },
        "thermal": {"coolingLoss": 0.45},
        "power": {"noise": 0.06, "brakes": 6, "halts": 0.12},
        "interconnect": {"replays": 250, "nvlinkErrors": 60, "linkErrors": 0.35, "dropouts": 0.25},
        "other": {"gspErrors": 0.3, "hangs": 0.15, "dropouts": 0.25},
    },
    "healthy": {
        "correctable": 0.03, "correctableRemaps": 0.0006, "uncorrectableRemaps": 0.0003, "replays": 0.05,
        "nvlinkErrors": 0.02, "linkErrors": 0.0004, "gspErrors": 0.0006, "hangs": 0.0015, "dropouts": 0.004,
    },
    "look_alike": {"weakRowCorrectable": 15, "noisyRiserReplays": 40},
    "peaks": [0.15, 1],
}  # fmt: skip
DEFECT = {"beginPerYear": 0.02, "growthDays": 15, "growthSigma": 0.7, "killsPerDay": 0.014, "heals": 0.45, "healingDays": 60}
KINDS = ["memory", "thermal", "power", "interconnect", "other"]
CARD = {
    "world": {
        "failures": {"defects": {kind: DEFECT for kind in KINDS}},
        "signals": {kind: 1 for kind in KINDS},
        "lookAlikes": {"weakRows": 0.04, "noisyRisers": 0.05},
        "air": {"cooling": 1.0},
    },
    "laws": LAWS,
}
TALLIES = [
    "sbe", "remap_correctable", "xid_memory", "xid_power", "xid_link", "xid_firmware", "pcie_replays", "nvlink_errors",
    "power_brakes", "dropouts", "days", "loaded_days", "resistance_days", "power_noise_days",
]  # fmt: skip


def board(**changes) -> np.ndarray:
    """A healthy A100's eight days, but for the tallies that are given."""
    quiet = {name: 0.0 for name in TALLIES} | {"days": 1, "loaded_days": 0.5, "resistance_days": 0.085, "power_noise_days": 0.06}
    return np.stack([np.broadcast_to((quiet | changes)[name], DAYS) for name in TALLIES], axis=1)


def rows(*boards: np.ndarray) -> TrainingSet:
    count = len(boards)
    return TrainingSet(["model_a100"], TALLIES, np.ones((count, 1), np.float32), np.stack(boards), {}, np.zeros(count), [CARD])


class Filter(unittest.TestCase):
    def posterior(self, *boards: np.ndarray) -> np.ndarray:
        """[boards, kinds, 4]"""
        return DefectFilter(CARD).features(rows(*boards)).reshape(len(boards), len(KINDS), 4)

    def test_finds_each_kind_by_its_signs_and_no_other(self):
        growing = 0.085 * (1 + 0.45 * np.linspace(0.1, 0.3, DAYS))
        found = self.posterior(
            board(),
            board(sbe=20.0, remap_correctable=np.eye(DAYS)[5], xid_memory=np.eye(DAYS)[6]),
            board(resistance_days=growing),
            board(power_brakes=1.0, power_noise_days=0.09),
            board(pcie_replays=100.0, nvlink_errors=25.0),
            board(xid_firmware=np.eye(DAYS)[2] + np.eye(DAYS)[7]),
        )[:, :, 0]
        np.testing.assert_array_less(found[0], 0.02)
        for kind in range(5):
            with self.subTest(KINDS[kind]):
                self.assertGreater(found[kind + 1, kind], 0.8)
                np.testing.assert_array_less(np.delete(found[kind + 1], kind), 0.02)

    def test_takes_a_weak_row_and_a_noisy_riser_for_what_they_are(self):
        weak, riser = self.posterior(board(sbe=15.0), board(pcie_replays=40.0))[:, :, 0]
        self.assertLess(weak[0], 0.2)
        self.assertLess(riser[3], 0.2)

    def test_risk_grows_with_the_horizon_and_with_the_signs(self):
        mild, grave = self.posterior(board(nvlink_errors=6.0, pcie_replays=25.0), board(nvlink_errors=50.0, pcie_replays=210.0))
        for risks in (mild[3, 1:], grave[3, 1:]):
            self.assertTrue(0 < risks[0] < risks[1] < risks[2] < 1)
        self.assertTrue((grave[3, 1:] > mild[3, 1:]).all())

    def test_says_no_more_than_the_prior_where_nothing_is_told(self):
        silent, quiet = self.posterior(board(**{name: np.nan for name in TALLIES}), board())
        np.testing.assert_array_less(quiet[:, 0], silent[:, 0])
        np.testing.assert_array_less(silent[:, 0], 0.1)


class Weighted(unittest.TestCase):
    def setUp(self):
        rng = np.random.default_rng(2)
        self.score = rng.beta(0.5, 8, 4_000).round(3).clip(0.001, 0.999)
        self.failed = (rng.random(4_000) < self.score).astype(float)
        self.weight = rng.integers(1, 5, 4_000).astype(float)

    def test_a_weight_is_so_many_rows(self):
        repeated = np.repeat(np.arange(4_000), self.weight.astype(int))
        one = weighted.summary(self.failed, self.score, self.weight)
        many = weighted.summary(self.failed[repeated], self.score[repeated], np.ones(len(repeated)))
        for name in one.keys() - {"failing_rows", "average_precision", "calibration_error"}:
            self.assertAlmostEqual(one[name], many[name], places=6, msg=name)
        # Among equal scores and within a row there is no order: repeating rows orders them otherwise.
        self.assertAlmostEqual(one["average_precision"], many["average_precision"], delta=0.01)
        # A row at the border of two tenths is in one of them.
        self.assertAlmostEqual(one["calibration_error"], many["calibration_error"], delta=0.01)

    def test_a_right_probability_has_slope_one_and_unknown_outcomes_are_left_out(self):
        failed = np.append(self.failed, np.nan)
        found = weighted.summary(failed, np.append(self.score, 0.5), np.append(self.weight, 1e6))
        self.assertAlmostEqual(found["calibration_slope"], 1, delta=0.12)
        self.assertAlmostEqual(found["mean_over_base_rate"], 1, delta=0.12)
        self.assertGreater(found["brier_skill"], 0)

    def test_does_not_depend_on_the_order_of_rows_of_one_score(self):
        failed, score, weight = np.array([1.0, 0, 0, 0, 1, 0]), np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1]), np.array([1.0, 2, 2, 2, 2, 3])
        for order in (np.arange(6), np.array([5, 4, 3, 2, 1, 0])):
            given = failed[order], score[order], weight[order]
            # A third of the fleet: the first row, and three eighths of those of one score.
            recall, precision = weighted.at_top(*given, 1 / 3)
            self.assertAlmostEqual(recall, (1 + 2 * 3 / 8) / 3)
            self.assertAlmostEqual(precision, (1 + 2 * 3 / 8) / 4)
            self.assertAlmostEqual(weighted.average_precision(*given), (1 * 1 + 2 * 3 / 9) / 3)

    def test_the_top_holds_its_share(self):
        failed = np.array([1.0, 0, 1, 0])
        recall, precision = weighted.at_top(failed, np.array([0.9, 0.8, 0.2, 0.1]), np.array([1.0, 1, 1, 7]), 0.2)
        self.assertEqual((recall, precision), (0.5, 0.5))
        self.assertEqual(weighted.auc(failed, np.array([0.9, 0.8, 0.2, 0.1]), np.ones(4)), 0.75)


if __name__ == "__main__":
    unittest.main()
