"""The same seed, device, --gemm and number of threads give the same weights and losses, to the bit.

  determinism.py TRAINER [EMULATED]

Every device that is here, with each of some numbers of threads, and CUDA as EMULATED has it. With the cpu device's
own product, any number of threads gives the same. Each run is repeated once; with TRAINER_TEST_LONG=1, twenty
times, with more numbers of threads and algorithms.
"""
import os
import shutil
import struct
import sys
import tempfile
import unittest
import unittest.mock

import common
from common import devices, record, run

EMULATED = sys.argv.pop(1) if len(sys.argv) > 1 else None
LONG = os.environ.get("TRAINER_TEST_LONG") == "1"
RUNS = 21 if LONG else 2
# Seven batches, the last of which is completed from the start; none is a multiple of the threads.
SAMPLES = ("--data", "synthetic", "--samples", 2000, "--batch-size", 300, "--epochs", 2)
DEVICES = devices()
# What else makes a net train, and draws.
INGREDIENTS = ("--flip", "--dropout", 0.2, "--clip-norm", 0.5, "--normalize", "--optimizer", "adamw")
# The last batch of each is completed from the start.
OWN_SHAPES = (("--batch-size", 300), ("--batch-size", 2000, "--samples", 4100), INGREDIENTS,
              ("--batch-size", 50, "--samples", 430, "--layers", "300,300"))


# So many that by an operation more for each they would be too many for OpenCL to record.
MANY = ("--device", "opencl", "--samples", 950, "--batch-size", 1, "--layers", 16, "--epochs", 1, "--shuffle")


class Determinism(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def train(self, *arguments):
        """The bytes of the weights, and every figure that is no time."""
        path = os.path.join(self.folder, "weights")
        found = record(*SAMPLES, *arguments, "--save", path)
        scores = [(epoch["loss"], epoch["accuracy"]) for epoch in found["epochs"]]
        return self.read_weights(path), scores, found["test"]

    @staticmethod
    def read_weights(path):
        with open(path, "rb") as file:
            blob = file.read()
        (header,) = struct.unpack("<Q", blob[:8])
        return blob[8 + header:]

    def check(self, *arguments):
        """Gives what all of the runs gave."""
        first = self.train(*arguments)
        self.assertEqual(len(first[1]), 2)
        for number in range(2, RUNS + 1):
            again = self.train(*arguments)
            self.assertEqual(again[1:], first[1:], f"run {number}")
            self.assertTrue(again[0] == first[0], f"the weights of run {number} are others")
        return first

    @unittest.skipUnless(any(device.startswith("opencl") for device in DEVICES), "there is no OpenCL")
    def test_many_steps(self):
        """Whether they are fused does not depend on where the batches are."""
        for step in ("fused", "auto"):
            found = [self.train(*MANY, "--step", step, "--batches", batches) for batches in ("resident", "streamed")]
            self.assertTrue(found[0] == found[1], step)

    def check_ways(self, *arguments):
        """In the order of the files and in another; and wherever the batches are."""
        different = {self.train(*arguments, "--shuffle", "--seed", 2)[0]}
        for order in ((), ("--shuffle",)):
            with self.subTest(arguments=arguments + order):
                resident = self.check(*arguments, *order, "--batches", "resident")
                streamed = self.train(*arguments, *order, "--batches", "streamed")
                self.assertTrue(streamed == resident, "streamed batches give others")
                different.add(resident[0])
        self.assertEqual(len(different), 3)  # or equality would say nothing

    def test_devices(self):
        for device in DEVICES:
            for threads in (1, 2, 3, 5) if LONG else (1, 2):
                given = ("--device", device, "--threads", threads)
                if device.startswith("opencl"):
                    done = run(*SAMPLES, *given, "--epochs", 0)
                    if "compute units, not" in done.stderr:
                        print(f"no {threads} threads: {done.stderr.strip()}")
                        continue
                self.check_ways(*given)
                if threads == 2:
                    self.check_ways(*given, *INGREDIENTS)

    def test_own_gemm(self):
        """The cpu device's own product gives the same for any number of threads, more than there are processors,
        too: for batches that are read where they lie, for those that are taken in blocks, and for layers whose
        columns are divided."""
        if "cpu" not in DEVICES:
            self.skipTest("no cpu device")
        different = set()
        for shape in OWN_SHAPES:
            for order in ((), ("--shuffle",)):
                with self.subTest(shape=shape, order=order):
                    given = ("--device", "cpu", "--gemm", "own", *shape, *order)
                    weights, scores, test = self.train(*given, "--threads", 1, "--batches", "resident")
                    different.add(weights)
                    for threads in (2, 3, 7, 64):
                        found = self.train(*given, "--threads", threads, "--batches", "resident")
                        self.assertTrue(found == (weights, scores, test), f"{threads} threads give others")
                    found = self.train(*given, "--threads", 3, "--batches", "streamed")
                    self.assertTrue(found == (weights, scores, test), "streamed batches give others")
                    self.assertTrue(self.train_in_parts(*given) == weights, "a run in parts gives others")
        self.assertEqual(len(different), 2 * len(OWN_SHAPES))

    def train_in_parts(self, *arguments):
        """The weights of a run that is ended after its first epoch, and goes on."""
        path, checkpoint = os.path.join(self.folder, "parts"), os.path.join(self.folder, "checkpoint")
        record(*SAMPLES, *arguments, "--threads", 2, "--epochs", 1, "--checkpoint", checkpoint)
        record("--resume", checkpoint, "--epochs", 2, "--save", path)
        return self.read_weights(path)

    def test_own_sets(self):
        """For each instruction set that the processor has, one of which is the best."""
        if "cpu" not in DEVICES:
            self.skipTest("no cpu device")
        shape = (*OWN_SHAPES[-1], "--shuffle", "--device", "cpu")
        found = {}
        for name in ("own-baseline", "own-neon", "own-avx2", "own-avx512"):
            done = run(*SAMPLES, *shape, "--gemm", name, "--epochs", 0)
            if done.returncode != 0:
                print(f"no {name}: {done.stderr.strip()}")
                continue
            found[name] = self.train(*shape, "--gemm", name, "--threads", 1)
            for threads in (3, 7):
                self.assertTrue(self.train(*shape, "--gemm", name, "--threads", threads) == found[name],
                                f"{name}: {threads} threads give others")
        self.assertIn(self.train(*shape, "--gemm", "own", "--threads", 2), found.values())

    def test_emulated(self):
        if not EMULATED:
            self.skipTest("no emulated CUDA was built")
        with unittest.mock.patch.object(common, "TRAINER", EMULATED):
            listed = run("--list-devices")
            if listed.returncode == 77:
                self.skipTest(listed.stderr)
            self.assertEqual(listed.returncode, 0, listed.stderr)
            for gemm in ("own-small", "cublas") if LONG else ("own-small",):
                given = ("--device", "cuda", "--gemm", gemm, "--samples", 700)
                self.check_ways(*given)
                graph, stream = (self.train(*given, "--submission", name) for name in ("graph", "stream"))
                self.assertTrue(graph == stream, "launches one by one give others")


if __name__ == "__main__":
    unittest.main()
