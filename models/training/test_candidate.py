"""Tests of a candidate's report."""

import tempfile
import unittest
from pathlib import Path

import numpy as np

from candidate_report import CANDIDATE, JUDGES, MIN_TOLD, acting, failing_within, write_report
from evaluate import compare, lead_times, lift, operating_points
from horizons import FAILURE_TYPES, HORIZONS
from plots import LEAD_DAYS
from predictions import read_predictions, write_predictions
from report import COST_RATIOS, comparison_table
from test_training import world
from training_set import TrainingSet


class Report(unittest.TestCase):
    def setUp(self):
        self.out = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def written(self, test: TrainingSet, scores: dict[str, np.ndarray]) -> tuple[str, set[str]]:
        """Text, and names of the files."""
        results = [compare(test, scores, column, draws=5) for column in range(len(HORIZONS))]
        kinds = np.zeros((len(test), len(FAILURE_TYPES)))
        kinds[:, 4] = 1
        files = write_report(self.out, "hazard-x", test, test, None, "alone", scores, results, kinds)
        return (self.out / "report.md").read_text(), {file.name for file in files}

    def test_tells_lift_lead_time_and_alert_thresholds_of_its_own_rows(self):
        test, truth = world(9, 6000)
        text, files = self.written(test, {CANDIDATE: truth, "other": np.full_like(truth, 0.01)})
        share, = lift(test, truth, 1, np.array([0.02]))
        self.assertRegex(text, rf"\| candidate \|[^|]*\| {share:.2f}, {share / 0.02:.1f} \|")
        # Who says the same of all finds as many as any other.
        self.assertIn("| other | 0.01, 1.0 | 0.02, 1.0 | 0.05, 1.0 | 0.10, 1.0 |", text)
        for (start, end), (count, inside) in zip(zip(LEAD_DAYS, LEAD_DAYS[1:]), lead_times(test, truth[:, 1], LEAD_DAYS)):
            self.assertIn(f"| {start:.0f}–{end:.0f} | {count} | {inside:.2f} | 0.05 |", text)
        points = operating_points(test, truth[:, 1], COST_RATIOS)
        self.assertEqual(acting(test, truth[:, 1])["points"], points)
        for point in points:
            self.assertIn(f"| {point['threshold_30d']:.3f} | {point['alerted_share']:.2%} | {point['recall']:.2f} |", text)
        # At 5 to 1 it pays to act on those with the sign, of whom 21 % fail.
        self.assertRegex(text, r"\| 5 \| 0\.167 \| (9|10)\.\d\d% \|")
        type_ = test.columns["type"][test.columns["days_to_failure"] <= 90]
        self.assertIn(f"the likeliest kind is right in {(type_ == 4).mean():.0%}", text)
        self.assertEqual(files, {"report.md", "reliability.png", "lift.png", "lead-time.png"})
        self.assertNotIn("Too few", text)

    def test_says_where_a_history_has_too_few_failures(self):
        self.written(*(lambda data, truth: (data, {CANDIDATE: truth}))(*world(9, 6000)))
        test, truth = world(9, 100)
        self.assertTrue(0 < failing_within(test, 30) < MIN_TOLD)
        text, files = self.written(test, {CANDIDATE: truth})
        few = f"Too few failures to tell: of the GPUs that judge {failing_within(test, 30)} fail within 30 days, {MIN_TOLD} are needed."
        self.assertEqual(text.count(few), 2)
        self.assertNotIn("| missed failure", text)
        self.assertEqual(acting(test, truth[:, 1]), {"of": few, "points": []})
        # Plots of the candidate that was there before are gone.
        self.assertEqual({file.name for file in self.out.iterdir()}, files)

    def test_tells_thresholds_that_are_never_reached(self):
        test, truth = world(9, 6000)
        text, _ = self.written(test, {CANDIDATE: truth / 100})
        self.assertRegex(text, r"\| 5 \| 0\.167 \| 0\.00% \| 0\.00 \| – \|")

    def test_tables_can_be_counted_again_from_its_predictions(self):
        test, truth = world(9, 3000)
        test.columns["as_of_days"] = np.zeros(len(test))
        scores = {CANDIDATE: truth, "champion, as it is": truth / 2}
        write_predictions(self.out / "kept.npz", {JUDGES: test}, {JUDGES: scores})
        parts, again = read_predictions(self.out / "kept.npz")
        text, _ = self.written(test, scores)
        for line in comparison_table(compare(parts[JUDGES], again[JUDGES], 1, draws=5)):
            self.assertIn(line, text)


if __name__ == "__main__":
    unittest.main()
