"""Small runs against an independent program's losses, accuracies and weights, in double precision.

  golden.py TRAINER GOLDEN.json DEVICE
"""
import json
import math
import os
import sys
import unittest

from common import Folder, read_safetensors, record, skip_unless_here

GOLDEN, DEVICE = sys.argv.pop(1), sys.argv.pop(1)


def words(options):
    """As the program takes them: those that are true or false are flags."""
    for name, value in options.items():
        if value is not False:
            yield f"--{name}"
        if not isinstance(value, bool):
            yield value


class Golden(Folder):
    """The bounds are about twenty times what single precision makes of these runs."""

    def near(self, found, expected, bound, what):
        self.assertTrue(abs(found - expected) <= bound, f"{what}: {found}, expected {expected}")  # NaN is not

    def score(self, found, expected, samples, what):
        self.near(found["loss"], expected["loss"], 1e-6 * expected["loss"], what + " loss")
        # Rounding may turn a tie between two classes: one sample.
        self.near(found["accuracy"], expected["accuracy"], 1.001 / samples, what + " accuracy")

    def tensor(self, values, expected, what):
        size = expected["norm"]
        self.near(math.sqrt(sum(v * v for v in values)), size, 1e-6 * size, what + " norm")
        self.near(sum(values), expected["sum"], 5e-6 * size, what + " sum")
        for n, value in enumerate(expected["some"]):
            place = n * (len(values) - 1) // 7
            self.near(values[place], value, 5e-7, f"{what}[{place}]")

    def check(self, options, expected, batches):
        path = self.path("w.safetensors")
        found = record("--device", DEVICE, "--data", "synthetic", "--save", path, "--batches", batches,
                       *words(options))
        self.assertEqual(found["config"]["batches"], batches)
        self.assertEqual(len(found["epochs"]), options["epochs"])
        self.assertEqual(len(expected["epochs"]), options["epochs"])
        for number, (one, other) in enumerate(zip(found["epochs"], expected["epochs"])):
            self.score(one, other, options["samples"], f"epoch {number + 1}")
        self.score(found["test"], expected["test"], options["samples"], "test")
        tensors = read_safetensors(path)
        self.assertEqual(set(tensors), set(expected["weights"]))
        for name, of in expected["weights"].items():
            self.tensor(tensors[name][1], of, name)

    def test_golden(self):
        """Wherever the batches are, it is the same run."""
        with open(GOLDEN, encoding="utf-8") as file:
            runs = json.load(file)
        self.assertGreaterEqual(len(runs), 26)
        for run in runs:
            for batches in ("resident", "streamed"):
                with self.subTest(batches=batches, **run["options"]):
                    self.check(run["options"], run["expected"], batches)


if __name__ == "__main__":
    skip_unless_here(DEVICE)
    unittest.main()
