"""Tests of reading the training set."""

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np

from training_set import BROAD_WEIGHT, FULL_WEIGHT, lightened, read_fleet_directory, read_training_set

COLUMNS = ["gpu", "weight", "days_to_failure", "exit_days", "true_risk_7d", "true_risk_30d", "true_risk_90d"]


def write_fleet(directory: Path, split: str, rows: np.ndarray) -> None:
    directory.mkdir(parents=True)
    count = len(rows)
    np.save(directory / "features.npy", np.full((count, 2), count, np.float32))
    np.save(directory / "rows.npy", rows)
    np.save(directory / "daily.npy", np.zeros((count, 8, 1), np.float32))
    card = {"split": split, "rows": count, "features": ["a", "b"], "daily": [{"name": "sbe"}]}
    (directory / "fleet.json").write_text(json.dumps({**card, "columns": [{"name": name} for name in COLUMNS]}))


class Reading(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.root = Path(self.temporary.name)
        risks = [0.1, 0.2, 0.3]
        write_fleet(
            self.root / "train-0", "train",
            np.array([[0, 1, 5, 5, *risks], [3, 20, np.nan, 98, *risks], [4, 20, np.nan, 12, *risks]]),
        )  # fmt: skip
        write_fleet(self.root / "train-1", "train", np.array([[0, 2, 40, 40, *risks]]))
        write_fleet(self.root / "test-0", "test", np.array([[0, 1, np.nan, 98, *risks]]))

    def test_takes_the_splits_that_are_named_and_numbers_gpus_through(self):
        data = read_training_set(self.root, "train")
        self.assertEqual(len(data), 4)
        self.assertEqual(data.columns["gpu"].tolist(), [0, 3, 4, 5])
        self.assertEqual(data.fleet.tolist(), [0, 0, 0, 1])
        self.assertEqual(data.x[:, 0].tolist(), [3, 3, 3, 1])
        self.assertEqual(len(read_training_set(self.root)), 5)
        with self.assertRaises(FileNotFoundError):
            read_training_set(self.root, "calibrate")

    def test_lets_broad_worlds_count_less_in_learning_and_full_windows_more(self):
        data = read_training_set(self.root, "train")
        self.assertIs(lightened(data), data)
        for number, world in enumerate(("broad-2", "trained-3")):
            data.fleets[number]["world"] = {"name": world}
        data.columns |= {"observed_days": np.array([1.0, 8, 8, 8]), "absence": np.array([0.0, 0, 1, 0])}
        expected = [BROAD_WEIGHT, 20 * BROAD_WEIGHT * FULL_WEIGHT, 20 * BROAD_WEIGHT, 2 * FULL_WEIGHT]
        np.testing.assert_allclose(lightened(data).weight, expected)
        self.assertEqual(data.weight.tolist(), [1, 20, 20, 2])

    def test_does_not_know_what_becomes_of_a_gpu_that_was_retired(self):
        data = read_training_set(self.root, "train")
        np.testing.assert_array_equal(data.failed_within(7), [1, 0, 0, 0])
        np.testing.assert_array_equal(data.failed_within(30), [1, 0, np.nan, 0])
        np.testing.assert_array_equal(data.failed_within(90), [1, 0, np.nan, 1])
        self.assertEqual(data.take(data.weight > 10).weight.tolist(), [20, 20])
        self.assertEqual(data.true_risk().shape, (4, 3))

    def test_refuses_files_that_do_not_belong_together(self):
        np.save(self.root / "test-0" / "rows.npy", np.zeros((2, len(COLUMNS))))
        with self.assertRaises(ValueError):
            read_fleet_directory(self.root / "test-0")


if __name__ == "__main__":
    unittest.main()
