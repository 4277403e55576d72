"""What multiplies matrices: by the names that --gemm takes, and as a device chooses it, which stays.

  choices.py TRAINER DEVICE
"""
import glob
import os
import shutil
import sys
import unittest

from common import Runs, record, run, skip_unless_here, texts
from fixtures.cache_entry import Entry

DEVICE = sys.argv.pop(1)
LIBRARY = {"cpu": "openblas", "opencl": "clblast"}[DEVICE]
SMALL = ("--data", "synthetic", "--samples", 60, "--epochs", 2, "--batch-size", 20, "--layers", "9,7", "--device", DEVICE)


class Choices(Runs):
    def setUp(self):
        super().setUp()
        self.cache = {"XDG_CACHE_HOME": self.path("cache")}
        self.begun = record(*SMALL, "--epochs", 1, "--checkpoint", self.path("begun"), env=self.cache)
        if not self.entries():
            self.skipTest("has one way only on this machine")

    def entries(self):
        """What the cache has of choices."""
        entries = map(Entry, glob.glob(os.path.join(self.path("cache"), "trainer", "programs", "*")))
        return [entry for entry in entries if b"\ndense_" in entry.blob[:32 + entry.key] and len(entry.content) < 32]

    def exchange(self):
        """Puts another algorithm in the place of each that was chosen."""
        library = self.begun["device"]["library"]
        own = record(*SMALL, "--gemm", "own", env=self.cache)["device"]["gemm"].split()[0].rstrip(",")
        other = LIBRARY if library else "own-avx2"
        for entry in self.entries():
            entry.replace((own if entry.content.decode() == other else other).encode())

    def go_on(self, **more):
        """Its record and its weights, from a copy of what was begun."""
        shutil.copy(self.path("begun"), self.path("run"))
        found = record("--resume", self.path("run"), "--epochs", 2, "--save", self.path("weights"),
                       env={**self.cache, **more})
        return found, self.bytes_of("weights")

    def test_kept(self):
        """From run to run; and not for a run that differs in what the times depend on."""
        gemm, count = self.begun["device"]["gemm"], len(self.entries())
        self.assertGreater(count, 8)  # three products of each layer
        self.exchange()
        exchanged = record(*SMALL, env=self.cache)["device"]["gemm"]
        self.assertNotEqual(exchanged, gemm)
        for number, (options, more) in enumerate(((("--threads", 3), {}), ((), {"OMP_WAIT_POLICY": "passive"})), 1):
            if DEVICE == "cpu":
                record(*SMALL, *options, env={**self.cache, **more})
                self.assertEqual(len(self.entries()), (1 + number) * count)
        self.assertEqual(record(*SMALL, env=self.cache)["device"]["gemm"], exchanged)

    def test_one_of_all_optimizers(self):
        """What an update is done by does not depend on whose came first."""
        before = [(entry.blob, entry.content) for entry in self.entries()]
        for more in (("--optimizer", "adamw"), ("--momentum", 0.9)):
            record(*SMALL, *more, env=self.cache)
            self.assertEqual([(entry.blob, entry.content) for entry in self.entries()], before)

    def test_same_bits(self):
        whole = record(*SMALL, "--save", self.path("whole"), env=self.cache)
        expected, gemm = self.bytes_of("whole"), whole["device"]["gemm"]
        self.assertEqual(self.begun["device"]["gemm"], gemm)
        self.exchange()
        self.assertNotEqual(record(*SMALL, env=self.cache)["device"]["gemm"], gemm)
        shutil.copytree(self.path("cache"), self.path("changed"))
        for place in ("changed", "none"):
            found, weights = self.go_on(XDG_CACHE_HOME=self.path(place))
            self.assertEqual(found["device"]["gemm"], gemm)
            self.assertEqual(weights, expected)
            self.assertEqual(found["test"], whole["test"])
        again = texts(self.path("run"))["trainer.choices"]  # and it can go on once more
        self.assertEqual(again, texts(self.path("begun"))["trainer.choices"])

    def test_not_the_same(self):
        """On another device, with another library, or without an algorithm it is chosen anew, and that is said."""
        before = self.bytes_of("begun")
        kept = texts(self.path("begun"))["trainer.choices"]
        _, name, library, first = kept.split("\n")[:4]
        algorithm = first.split()[-1]
        elsewhere = [(text, "x" * len(text), "on another device, or with another library")
                     for text in (name, library) if text]
        for old, new, warning in (*elsewhere, (f" {algorithm}\\n", f" {algorithm[:-1]}y\\n",
                                               f"by '{algorithm[:-1]}y', which is not there any more")):
            changed = before.replace(old.encode(), new.encode())
            self.assertNotEqual(changed, before)
            with open(self.path("run"), "wb") as file:
                file.write(changed)
            done = run("--resume", self.path("run"), "--epochs", 2, env=self.cache)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stderr.count(warning), 1, done.stderr)
            self.assertIn("the last bits may differ", done.stderr)
            self.assertEqual(texts(self.path("run"))["trainer.choices"], kept)  # by the cache
        self.assertNotIn("bits may differ", run(*SMALL, env=self.cache).stderr)


@unittest.skipUnless(DEVICE == "cpu", "is about the cpu device")
class Names(Runs):
    def test_by_name(self):
        """What is asked for by name computes all; a name that is here is taken, or the processor lacks it."""
        listed = run(*SMALL, "--gemm", "nothing")
        self.assertEqual(listed.returncode, 2)
        names = listed.stderr.rsplit(": ", 1)[1].split()
        names = [name.rstrip(",") for name in names if name.rstrip(",") not in ("auto", "own")]
        usable = []
        for name in names:
            done = run(*SMALL, "--gemm", name, "--format", "csv")
            if done.returncode == 3 and name.startswith("own-"):
                self.assertRegex(done.stderr, f"cpu: --gemm {name}: this processor has no .*; use --gemm own")
                continue
            device = record(*SMALL, "--gemm", name)["device"]
            self.assertEqual((device["gemm"], bool(device["library"])), (name, name == "openblas"))
            usable.append(name)
        self.assertEqual({name for name in usable if name in ("own-baseline", "own-neon")},
                         {"own-neon"} & set(names) or {"own-baseline"})
        self.assertIn(record(*SMALL, "--gemm", "own")["device"]["gemm"], usable)
        for name in {"own-neon", "own-avx2"} - set(names):  # of other processors
            self.fails(2, f"cpu: '{name}' does not multiply matrices there; there are: auto, ", *SMALL, "--gemm", name)


if __name__ == "__main__":
    skip_unless_here(DEVICE)
    unittest.main()
