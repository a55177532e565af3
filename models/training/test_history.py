"""Tests of learning from a user's own history."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

import numpy as np

from candidate import as_known, failing_gpus, split
from history import HistoryError, feed, joined, read_features, read_labels, rows_of_failures, scrape_interval_ms, tell_refused
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
        data = joined(labels.rows, read_features(features, ["u", "t"])[0], ["u", "t"])
        np.testing.assert_array_equal(data.x, np.float32([[np.nan, 1], [np.nan, 3]]))
        self.assertEqual(data.columns["exit_days"].tolist(), [5.5, 40])
        self.assertEqual(data.columns["type"].tolist(), [2, -1])
        self.assertEqual(data.weight.tolist(), [2, 1])
        np.testing.assert_array_equal(data.failed_within(30), [1, 0])
        np.testing.assert_array_equal(data.failed_within(90), [1, np.nan])

    def test_takes_failures_alone_and_tells_of_each_row_what_became_of_its_gpu(self):
        day = 86_400_000
        labels = read_labels(self.write("l", [
            {"gpu_uuid": "GPU-a", "failed_at": "1970-01-21T12:00:00Z", "type": "memory"},
            {"gpu_uuid": "GPU-a", "failed_at": "1970-01-30T00:00:00Z", "type": "other"},
        ]))  # fmt: skip
        self.assertEqual(labels.failures, {"GPU-a": (20 * day + day // 2, 0)})
        times = {(uuid, at * day): np.zeros(1) for uuid, ats in (("GPU-a", (10, 21)), ("GPU-b", (10, 40)), ("GPU-c", (10, 15))) for at in ats}
        rows = {(row["gpu_uuid"], row["as_of"] // day): row for row in rows_of_failures(labels.failures, times)}
        # The row after a failure, and the last of who has left or was never looked at again, say nothing.
        self.assertEqual(set(rows), {("GPU-a", 10), ("GPU-b", 10), ("GPU-c", 10)})
        self.assertEqual((rows["GPU-a", 10]["days_to_failure"], rows["GPU-a", 10]["type"]), (10.5, 0))
        self.assertTrue(np.isnan(rows["GPU-b", 10]["days_to_failure"]))
        self.assertEqual([rows[uuid, 10]["exit_days"] for uuid in ("GPU-b", "GPU-c")], [30, 5])

    def test_tells_rows_from_failures(self):
        mixed = [LABEL, {"gpu_uuid": "GPU-b", "failed_at": "2026-01-21T12:00:00Z", "type": "memory"}]
        with self.assertRaisesRegex(HistoryError, "line 2: some lines have as_of, others failed_at"):
            read_labels(self.write("l", mixed))
        with self.assertRaisesRegex(HistoryError, "line 1: failed_at is not a time"):
            read_labels(self.write("l", [{"gpu_uuid": "GPU-b", "failed_at": "soon", "type": "memory"}]))

    def test_feeds_files_line_by_line_and_finds_the_file_of_a_refused_line(self):
        (self.root / "a").write_bytes(b"1\n2")
        (self.root / "b").write_bytes(b"3\n")
        pipe = io.BytesIO()
        self.assertEqual(feed([self.root / "a", self.root / "b"], pipe), [(1, self.root / "a"), (3, self.root / "b")])
        self.assertEqual(pipe.getvalue(), b"1\n2\n3\n")
        output = self.write("f", [{"line": 3, "reason": "malformed", "detail": "cut"}, {"line": 4, "reason": "malformed", "detail": "x"}])
        rows, refused = read_features(output, [])
        self.assertEqual((rows, refused["malformed"].count, refused["malformed"].line), ({}, 2, 3))
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            tell_refused(refused, [(1, self.root / "a"), (3, self.root / "b")])
        self.assertIn(f"left out as malformed: 2, the first at {self.root / 'b'}, line 1: cut", told.getvalue())

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
        seen = [set(part.columns["gpu"]) for part in (parts.learn, parts.test)]
        self.assertEqual(sum(map(len, seen)), 200)
        self.assertEqual(len(set.union(*seen)), 200)
        for part in (parts.learn, parts.test):
            self.assertGreaterEqual(failing_gpus(part), 3)

    def test_a_long_history_is_judged_after_all_that_was_learned(self):
        parts = split(history(200, 270))
        self.assertEqual(parts.cut_days, 180)
        self.assertLess(parts.learn.columns["as_of_days"].max(), 180)
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
