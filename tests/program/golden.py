"""Small runs against an independent float64 implementation's losses, accuracies and weights.

  golden.py TRAINER GOLDEN.json DEVICE
"""
import json
import math
import os
import sys
import tempfile
import unittest

from common import read_safetensors, record, skip_unless_here

GOLDEN, DEVICE = sys.argv.pop(1), sys.argv.pop(1)


class Golden(unittest.TestCase):
    def near(self, found, expected, tolerance, what):
        self.assertTrue(abs(found - expected) <= tolerance * abs(expected),  # NaN is not near
                        f"{what}: {found}, expected {expected}")

    def score(self, found, expected, samples, what):
        self.near(found["loss"], expected["loss"], 1e-5, what + " loss")
        # Rounding may turn a tie between two classes: one sample.
        self.assertLessEqual(abs(found["accuracy"] - expected["accuracy"]), 1.001 / samples, what)

    def check(self, golden):
        run, expected = golden["options"], golden["expected"]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "w.safetensors")
            found = record("--device", DEVICE, "--data", "synthetic", "--save", path,
                           *[word for name, value in run.items() for word in (f"--{name}", value)])
            self.assertEqual(len(found["epochs"]), len(expected["epochs"]))
            for number, (one, other) in enumerate(zip(found["epochs"], expected["epochs"])):
                self.score(one, other, run["samples"], f"epoch {number + 1}")
            self.score(found["test"], expected["test"], run["samples"], "test")
            tensors = read_safetensors(path)
            self.assertEqual(set(tensors), set(expected["weights"]))
            for name, of in expected["weights"].items():
                norm = math.sqrt(sum(v * v for v in tensors[name][1]))
                self.near(norm, of["norm"], 1e-5, name + " norm")
                self.assertLessEqual(abs(sum(tensors[name][1]) - of["sum"]), 1e-4 * of["norm"], name)

    def test_golden(self):
        with open(GOLDEN) as file:
            runs = json.load(file)
        self.assertGreaterEqual(len(runs), 3)
        for golden in runs:
            with self.subTest(**golden["options"]):
                self.check(golden)


if __name__ == "__main__":
    skip_unless_here(DEVICE)
    unittest.main()
