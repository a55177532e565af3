"""Tests of learning from a user's own history."""

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np

from candidate import as_known, failing_gpus, split
from history import HistoryError, joined, read_labels, scrape_interval_ms
from training_set import TrainingSet

LABEL = {"gpu_uuid": "GPU-a", "as_of": "2026-01-09T00:00:00Z", "days_to_failure": 5.5, "type": "power", "weight": 2}


class Files(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name)

    def write(self, name: str, rows: list[dict]) -> Path:
        (self.root / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return self.root / name

    def test_rows_are_labels_beside_the_features_of_their_gpu_at_their_time(self):
        alive = {"gpu_uuid": "GPU-b", "as_of": "2026-01-09T01:00:00+01:00", "days_to_failure": None, "type": None}
        labels = read_labels(self.write("l", [LABEL, alive, {**alive, "gpu_uuid": "GPU-c", "followed_days": 40}]))
        features = self.write("f", [
            {"gpu_uuid": uuid, "as_of": "2026-01-09T00:00:00.000Z", "features": {"t": value, "u": None}}
            for uuid, value in (("GPU-c", 3), ("GPU-a", 1))
        ])  # fmt: skip
        data = joined(labels, features, ["u", "t"])
        np.testing.assert_array_equal(data.x, np.float32([[np.nan, 1], [np.nan, 3]]))
        self.assertEqual(data.columns["exit_days"].tolist(), [5.5, 40])
        self.assertEqual(data.columns["type"].tolist(), [2, -1])
        self.assertEqual(data.weight.tolist(), [2, 1])
        np.testing.assert_array_equal(data.failed_within(30), [1, 0])
        np.testing.assert_array_equal(data.failed_within(90), [1, np.nan])

    def test_says_which_line_is_wrong_and_why(self):
        for wrong, why in [
            ({"gpu_uuid": None}, "gpu_uuid"), ({"as_of": "soon"}, "as_of"), ({"days_to_failure": -1}, "days_to_failure"),
            ({"type": "magic"}, "type"), ({"weight": 0}, "weight"), ({"followed_days": "all"}, "followed_days"),
        ]:  # fmt: skip
            with self.subTest(why), self.assertRaisesRegex(HistoryError, f"line 2.*{why}"):
                read_labels(self.write("l", [LABEL, {**LABEL, **wrong}]))
        with self.assertRaisesRegex(HistoryError, "no GPU fails"):
            read_labels(self.write("l", [{**LABEL, "days_to_failure": None}]))
        with self.assertRaises(HistoryError) as raised:
            read_labels(self.root / "nowhere")
        self.assertEqual(raised.exception.code, "input_unreadable")

    def test_takes_the_scrape_interval_from_the_telemetry_of_each_gpu(self):
        rows = [
            {"gpu": {"gpu_uuid": f"GPU-{gpu}"}, "timestamp": f"2026-01-01T00:{minute:02}:00Z"}
            for minute in range(0, 50, 5) for gpu in "ab"
        ]  # fmt: skip
        flat = [{"gpu_uuid": "GPU-a", "timestamp": 1_760_605_200_001 + 30_000 * step} for step in range(4)]
        self.assertEqual(scrape_interval_ms(self.write("w", rows)), 300_000)
        self.assertEqual(scrape_interval_ms(self.write("f", flat)), 30_000)
        self.assertTrue(np.isnan(scrape_interval_ms(self.write("n", [{"text": "no time"}]))))


def history(gpus: int, span_days: float) -> TrainingSet:
    """Each GPU at four times over a span; one in five fails, half of them 100.5 days after the first, half 300.5."""
    gpu = np.repeat(np.arange(gpus), 4).astype(float)
    as_of = np.tile(np.linspace(0, span_days, 4), gpus)
    days = np.where(gpu % 5 == 0, np.where(gpu % 10 == 0, 100.5, 300.5) - as_of, np.nan)
    keep = ~(days <= 0)
    columns = {
        "gpu": gpu, "as_of_days": as_of, "days_to_failure": days, "exit_days": np.where(np.isnan(days), 90, days),
        "type": np.where(np.isnan(days), -1.0, 0.0), "weight": np.ones(len(gpu)),
    }  # fmt: skip
    return TrainingSet(["a"], [], np.zeros((len(gpu), 1), np.float32), np.zeros((len(gpu), 0, 0)), columns, np.zeros(len(gpu)), [{}]).take(keep)


class Splits(unittest.TestCase):
    def test_no_gpu_is_in_two_parts_and_each_has_failures(self):
        parts = split(history(200, 60))
        self.assertIsNone(parts.cut_days)
        seen = [set(part.columns["gpu"]) for part in (parts.train, parts.watch, parts.test)]
        self.assertEqual(sum(map(len, seen)), 200)
        self.assertEqual(len(set.union(*seen)), 200)
        for part in (parts.train, parts.watch, parts.test):
            self.assertGreaterEqual(failing_gpus(part), 3)

    def test_a_long_history_is_judged_after_all_that_was_learned(self):
        parts = split(history(200, 270))
        self.assertEqual(parts.cut_days, 180)
        self.assertLess(parts.train.columns["as_of_days"].max(), 180)
        self.assertGreaterEqual(parts.test.columns["as_of_days"].min(), 180)

    def test_what_was_not_known_at_a_time_is_not_used(self):
        data = as_known(history(10, 60), 95)
        self.assertFalse((data.columns["type"] >= 0).any())
        self.assertEqual(data.columns["exit_days"].max(), 95)
        self.assertEqual(data.columns["exit_days"].min(), 35)
        self.assertTrue((as_known(history(10, 60), 101).columns["type"] >= 0).any())

    def test_too_few_failures_are_refused(self):
        with self.assertRaisesRegex(HistoryError, "too few"):
            split(history(20, 60))


if __name__ == "__main__":
    unittest.main()
