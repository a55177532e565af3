"""Tests of the survival baseline: `python -m unittest discover models/training`."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
from lifelines.utils import concordance_index

from survival import artefact, hazard
from survival.calibrate import poisson_fit
from survival.cases import CasesError, read_cases
from survival.commands import main
from survival.concordance import influence
from survival.curve import cumulative_hazard, probabilities
from survival.lives import DAYS_PER_YEAR, FEATURES, STEP_DAYS, Lives, made, read_lives
from survival.evaluate import BASELINE, Scores
from survival.report import deciles, highest_without_failure
from survival.trees import Forest

NOWHERE = len(FEATURES) - 1


def made_up_lives(seed: int, gpus: int) -> Lives:
    """GPUs of which cage 2 fails four times as often as cage 0, and none in its first year."""
    rng = np.random.default_rng(seed)
    x = np.full((gpus, NOWHERE), np.nan, np.float32)
    cage = rng.integers(0, 3, gpus)
    x[:, FEATURES.index("cage") - 1] = cage
    until = DAYS_PER_YEAR * (1 + rng.exponential(1 / np.array([0.05, 0.1, 0.2])[cage]))
    end = rng.uniform(500, 2000, gpus)
    return Lives(x, np.minimum(until, end), until <= end)


class Learning(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        lives = made_up_lives(3, 8000)
        cls.forest = hazard.train(lives, seed=3, rounds=80)
        cls.last = artefact.last_quarter(lives)

    def within_a_year(self, cage, age_days):
        x = np.full((1, NOWHERE), np.nan)
        x[0, FEATURES.index("cage") - 1] = cage
        return cumulative_hazard(self.forest, x, np.array([age_days]), [DAYS_PER_YEAR], self.last)[0, 0]

    def test_finds_the_true_hazard_by_age_and_position(self):
        self.assertLess(self.within_a_year(2, 0.0), 0.02)
        for cage, rate in enumerate([0.05, 0.1, 0.2]):
            self.assertAlmostEqual(self.within_a_year(cage, 2 * DAYS_PER_YEAR) / rate, 1, delta=0.2)

    def test_answers_with_the_mean_where_the_position_is_not_known(self):
        found = self.within_a_year(np.nan, 2 * DAYS_PER_YEAR)
        self.assertGreater(found, 0.09)
        self.assertLess(found, 0.14)

    def test_the_forest_is_what_xgboost_computes_also_after_json(self):
        import xgboost

        x = np.random.default_rng(1).uniform(-1, 25, (500, len(FEATURES))).astype(np.float32)
        x[np.random.default_rng(2).random(x.shape) < 0.3] = np.nan
        booster = hazard.boost(made_up_lives(4, 1000), seed=3, rounds=20)
        forest = Forest.of_booster(booster, base=-2.5)
        theirs = booster.predict(xgboost.DMatrix(x, base_margin=np.full(500, -2.5), feature_names=FEATURES), output_margin=True)
        again = Forest.from_json(json.loads(json.dumps(forest.to_json())))
        np.testing.assert_allclose(again.log_hazard(x), theirs, atol=2e-5)
        np.testing.assert_allclose(again.stretched(0.8, -0.1).log_hazard(x), -0.1 + 0.8 * again.log_hazard(x), atol=1e-5)


class Lifetimes(unittest.TestCase):
    def test_a_life_is_at_risk_for_as_long_as_it_lasted_and_fails_once(self):
        lives = Lives(np.empty((3, 0)), np.array([10.0, 2 * STEP_DAYS, 2 * STEP_DAYS + 1]), np.array([True, True, False]))
        life, quarter, years, failed = hazard.quarters(lives)
        self.assertEqual(life.tolist(), [0, 1, 1, 2, 2, 2])
        self.assertEqual(quarter.tolist(), [0, 0, 1, 0, 1, 2])
        self.assertEqual(failed.tolist(), [True, False, True, False, False, False])
        np.testing.assert_allclose(np.bincount(life, years) * DAYS_PER_YEAR, lives.days)

    def test_of_titan_are_those_of_the_fixture(self):
        lives = read_lives()
        self.assertEqual((len(lives), int(lives.dead.sum())), (15096, 2579))
        self.assertAlmostEqual(lives.yearly_rate, 0.05098, places=5)

    def test_a_serial_number_tells_when_it_was_made(self):
        self.assertEqual(made("0323712012345"), (12 * 52 + 37, 12345))
        self.assertTrue(all(np.isnan(made("unknown"))))


class Arithmetic(unittest.TestCase):
    def test_a_calibration_finds_slope_and_intercept(self):
        rng = np.random.default_rng(5)
        x, years = rng.normal(-3, 1, 40_000), rng.uniform(0.1, 1, 40_000)
        failed = rng.poisson(np.exp(0.4 + 0.7 * x) * years).astype(float)
        slope, error, intercept = poisson_fit(x, np.log(years), failed)
        self.assertAlmostEqual(slope, 0.7, delta=4 * error)
        self.assertLess(error, 0.03)
        self.assertAlmostEqual(intercept, 0.4, delta=0.2)

    def test_hazards_of_pieces_of_quarters_add_up(self):
        # One split: 0.1 a year in the first quarter, 0.4 from then on.
        forest = Forest(
            np.array([0, -1, -1]), np.array([1, np.log(0.1), np.log(0.4)], np.float32), np.array([1, 0, 0]),
            np.array([True, False, False]), np.array([0]), 0.0,
        )  # fmt: skip
        x, age = np.full((3, NOWHERE), np.nan), np.array([0.0, STEP_DAYS - 10, np.nan])
        found = cumulative_hazard(forest, x, age, [30.0, 400.0], 1)
        expected = [
            [0.1 * 30, 0.1 * STEP_DAYS + 0.4 * (400 - STEP_DAYS)],
            [0.1 * 10 + 0.4 * 20, 0.1 * 10 + 0.4 * 390],
            [0.1 * 30, 0.1 * 400],
        ]
        np.testing.assert_allclose(found * DAYS_PER_YEAR, expected, rtol=1e-6)
        np.testing.assert_allclose(probabilities(found, 2.0), 1 - np.exp(-2 * found))

    def test_concordance_is_lifelines_and_its_interval_that_of_resampling(self):
        rng = np.random.default_rng(8)
        risk = rng.normal(size=400).round(1)
        days = np.ceil(rng.exponential(100 * np.exp(-risk)))
        dead = rng.random(400) < 0.6
        value, parts = influence(days, dead, risk)
        self.assertAlmostEqual(value, concordance_index(days, -risk, dead), places=12)
        drawn = [rng.integers(0, 400, 400) for _ in range(300)]
        spread = np.std([concordance_index(days[rows], -risk[rows], dead[rows]) for rows in drawn])
        self.assertAlmostEqual(np.sqrt((parts**2).sum()) / spread, 1, delta=0.2)


class Tenths(unittest.TestCase):
    def test_where_nobody_failed_the_interval_still_has_a_width(self):
        days, dead = np.full(200, 1000.0), np.zeros(200, bool)
        # Of the upper half one in ten fails in the middle of the year.
        dead[100::10], days[100::10] = True, 180.0
        hazards = np.linspace(0.001, 0.2, 200)
        scores = Scores({}, np.zeros(200), {BASELINE: np.tile(hazards[:, None], 3)}, {BASELINE: np.zeros((200, 3))})
        found = deciles(Lives(np.empty((200, 0)), days, dead), scores)
        for count, predicted, failed, low, high in found[:5]:
            self.assertEqual((count, failed, low), (20, 0, 0))
            # So many would all live in one case of twenty.
            self.assertAlmostEqual((1 - high) ** 20, 0.05)
        for _, _, failed, low, high in found[5:]:
            self.assertAlmostEqual(failed, 0.1)
            self.assertTrue(0 < low < failed < high < 1)

    def test_nobody_followed_tells_nothing(self):
        self.assertEqual(highest_without_failure(0), 1)
        # The rule of three, for 90 %.
        self.assertAlmostEqual(highest_without_failure(1000), 3 / 1000, delta=1e-5)


class Predicting(unittest.TestCase):
    def setUp(self):
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def file(self, text: str) -> Path:
        path = self.directory / "cases"
        path.write_text(text)
        return path

    def run_predict(self, text: str, *more: str) -> tuple[int, list[dict], str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["predict", "--cases", str(self.file(text)), *more])
        return status, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()

    CSV = "id,SN,age_days,batch,col,row,cage,slot,node\n1,0323712012345,900,old,11,2,2,7,1\n2,,900,,,,,,\n"

    def test_json_lines_and_csv_give_the_same(self):
        lines = [
            {"id": "1", "SN": "0323712012345", "age_days": 900, "batch": "old", "col": 11, "row": 2, "cage": 2, "slot": 7, "node": 1},
            {"id": "2", "age_days": 900, "SN": None},
        ]
        status, from_csv, _ = self.run_predict(self.CSV)
        _, from_json, _ = self.run_predict("\n".join(map(json.dumps, lines)))
        self.assertEqual(status, 0)
        self.assertEqual(from_csv, from_json)
        self.assertEqual([row["id"] for row in from_csv], ["1", "2"])
        self.assertEqual(list(from_csv[0]), ["id", "SN", "p30", "p90", "p365", "risk"])
        for row in from_csv:
            self.assertTrue(0 < row["p30"] < row["p90"] < row["p365"] < row["risk"] < 1)
        self.assertGreater(from_csv[0]["p365"], from_csv[1]["p365"])

    def test_a_yearly_rate_sets_the_level(self):
        _, own, _ = self.run_predict(self.CSV)
        _, scaled, _ = self.run_predict(self.CSV, "--yearly-rate", str(2 * read_lives().yearly_rate))
        for before, after in zip(own, scaled):
            self.assertAlmostEqual(after["p90"], 1 - (1 - before["p90"]) ** 2, places=9)

    def test_what_is_wrong_is_named_by_line_field_and_code(self):
        for text, message in [
            ("", r":1: expected JSON Lines, or CSV"),
            ("id,SN\n", "no cases"),
            ('{"id":1}\n{"id":1}', ":2: id: a second case 1"),
            ('{"id":1}\n{"id":', ":2: not JSON"),
            ('{"SN":"x"}', ":1: id: expected"),
            ('{"id":1,"age_days":-3}', ":1: age_days: expected a number of 0 or more, found -3"),
            ("id,cage\na,top\n", ":2: cage: expected a number"),
            ("id,cage\na,1.5\n", ":2: cage: expected a whole number"),
            ("id,cage\na\n", ":2: as many values"),
        ]:
            with self.subTest(text):
                with self.assertRaisesRegex(CasesError, message) as caught:
                    read_cases(self.file(text))
                self.assertEqual(caught.exception.code, "input_invalid")
        status, lines, err = self.run_predict('{"id":1,"slot":true}')
        self.assertEqual((status, lines), (2, []))
        self.assertRegex(err, "^input_invalid: .*:1: slot: ")
        with self.assertRaises(CasesError) as caught:
            read_cases(self.directory / "absent")
        self.assertEqual(caught.exception.code, "input_unreadable")

    def test_golden_rows_are_what_the_artefact_gives(self):
        golden = json.loads(artefact.GOLDEN.read_text())
        number = lambda values: np.array([np.nan if value is None else value for value in values])  # noqa: E731
        x = np.array([number(row["facts"]) for row in golden["rows"]])
        age = number(row["age_days"] for row in golden["rows"])
        found = artefact.read().cumulative_hazard(x, age, golden["horizons_days"])
        np.testing.assert_allclose(found, [row["cumulative_hazard"] for row in golden["rows"]], rtol=1e-12)


if __name__ == "__main__":
    unittest.main()
