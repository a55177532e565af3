"""What the engine's metrics are held against is what weighted.py computes."""

import json
import unittest
from pathlib import Path

import numpy as np

from metrics import golden

FILE = Path(__file__).resolve().parents[1] / "evaluation" / "golden.json"


class Golden(unittest.TestCase):
    def test_file_has_the_figures_of_weighted(self) -> None:
        stored = json.loads(FILE.read_text())
        for name, case in golden().items():
            for key, value in case["summary"].items():
                with self.subTest(case=name, figure=key):
                    if value is None:
                        self.assertIsNone(stored[name]["summary"][key])
                    else:
                        np.testing.assert_allclose(stored[name]["summary"][key], value, rtol=1e-9, atol=1e-12)


if __name__ == "__main__":
    unittest.main()
