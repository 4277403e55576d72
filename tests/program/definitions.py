"""What a run is made of - first weights, images, orders - against an independent program's, to the bit; and
golden.json against what that program makes of its runs.

  definitions.py TRAINER EXPORT GOLDEN_FOLDER
"""
import itertools
import json
import os
import struct
import subprocess
import sys
import unittest

from common import Folder, read_safetensors, record
from fixtures.patience import PATIENCE

EXPORT, GOLDEN = sys.argv.pop(1), sys.argv.pop(1)
sys.path.insert(0, GOLDEN)
import draws  # noqa: E402
import make  # noqa: E402
import workload  # noqa: E402

LARGE = 2 ** 40 + 7  # a seed of more than 32 bits


def export(*arguments):
    return subprocess.run([EXPORT, *map(str, arguments)], stdout=subprocess.PIPE, check=True,
                          timeout=PATIENCE).stdout


class Draws(Folder):
    def test_published_vectors(self):
        """Random123's kat_vectors, the lines "philox4x32 10", hold for the independent program, too."""
        ones = 0xFFFFFFFF
        for counter, key, output in (
                ([0] * 4, [0] * 2, (0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8)),
                ([ones] * 4, [ones] * 2, (0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd)),
                ([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0],
                 (0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1))):
            self.assertEqual(draws.philox(counter, key), output)

    def test_first_weights(self):
        for seed, layers, color in ((1, "64,32", "grey"), (LARGE, "9,7", "rgb"), (2, "none", "grey")):
            with self.subTest(seed=seed, layers=layers, color=color):
                path = self.path("first.safetensors")
                record("--device", "reference", "--data", "synthetic", "--samples", 10, "--epochs", 0,
                       "--batch-size", 10, "--seed", seed, "--layers", layers, "--color", color, "--save", path)
                expected = {}
                widths = workload.widths({"layers": layers, "color": color})
                for number, (rows, bias) in enumerate(draws.first_parameters(seed, widths)):
                    shape = [len(rows), len(rows[0])]
                    expected[f"{2 * number}.weight"] = (shape, tuple(itertools.chain(*rows)))
                    expected[f"{2 * number}.bias"] = ([len(bias)], tuple(bias))
                found = read_safetensors(path)
                self.assertEqual(set(found), set(expected))
                for name, tensor in expected.items():
                    self.assertTrue(found[name] == tensor, name)  # no list of all that differs

    def test_images(self):
        for seed, samples in ((1, 60), (LARGE, 25)):
            with self.subTest(seed=seed):
                images = [image for part in (0, 1) for image in draws.synthetic_images(seed, part, samples)]
                self.assertEqual(len(images), 2 * samples)
                found = export("images", samples, seed)
                self.assertEqual(len(found), 2 * samples * 3073)
                for number, (label, pixels) in enumerate(images):
                    record_found = found[number * 3073:(number + 1) * 3073]
                    self.assertTrue(record_found == bytes([label]) + pixels, f"image {number}")

    def test_orders(self):
        """Of 300,000, some of the words drawn are passed over, as they would make some orders likelier."""
        for count, seed, number in ((1, 1, 0), (2, 1, 0), (50, 1, 1), (50, LARGE, 7), (300000, 3, 2)):
            with self.subTest(count=count, seed=seed, epoch=number):
                found = struct.unpack(f"={count}I", export("order", count, seed, number))
                expected = draws.permutation(seed, draws.ORDER, number, count)
                self.assertEqual(sorted(expected), list(range(count)))
                self.assertTrue(found == tuple(expected), found[:20])


class Golden(unittest.TestCase):
    def same(self, found, expected, where):
        """Up to what another Python's sums, or another machine's exp, may round differently."""
        if isinstance(expected, dict):
            self.assertEqual(set(found), set(expected), where)
            for name in expected:
                self.same(found[name], expected[name], f"{where} {name}")
        elif isinstance(expected, list):
            self.assertEqual(len(found), len(expected), where)
            for n, value in enumerate(expected):
                self.same(found[n], value, f"{where} {n}")
        else:
            self.assertTrue(abs(found - expected) <= 1e-9 * (1 + abs(expected)), f"{where}: {found}, {expected}")

    def test_file(self):
        with open(os.path.join(GOLDEN, "golden.json"), encoding="utf-8") as file:
            kept = json.load(file)
        self.assertEqual([run["options"] for run in kept], make.RUNS)
        # The first takes as long as all others together.
        for run in kept if os.environ.get("TRAINER_TEST_LONG") else kept[1:]:
            self.same(run["expected"], workload.train(run["options"]), str(run["options"]))


if __name__ == "__main__":
    unittest.main()
