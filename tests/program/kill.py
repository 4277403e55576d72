"""Killed at any moment, a run that keeps a checkpoint goes on from it and ends as if nothing had been.

  kill.py TRAINER

A run that saves a checkpoint after every epoch is killed (SIGKILL) at random moments and resumed until
it is done; then its weights, losses and test score must be those of a run that was left alone, to the
bit. The same with SIGTERM, which is answered with a record. With TRAINER_TEST_LONG=1 there are 1,000 resumes
after SIGKILL and 100 after SIGTERM, instead of 40 and 10; TRAINER_TEST_SEED: of the moments.
"""
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from common import TRAINER, record, run, texts

LONG = os.environ.get("TRAINER_TEST_LONG") == "1"
KILLS, TERMS = (1000, 100) if LONG else (40, 10)
SEED = int(os.environ.get("TRAINER_TEST_SEED", "1"))
EPOCHS = 20
SHAPE = ("--data", "synthetic", "--samples", 90, "--batch-size", 20, "--layers", 16, "--shuffle",
         "--tail", "short", "--epochs", EPOCHS)
DEVICES = [device for device in ("reference", "cpu")
           if f"\n{device} " in run("--list-devices").stdout.replace(f"{device}         not here", "")]


class Killed(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.random = random.Random(SEED)
        self.reached = 0  # epochs in the checkpoint
        self.whole = {}
        self.longest = {}
        for device in DEVICES:
            start = time.monotonic()
            found = record("--device", device, *SHAPE, "--save", self.path(f"{device}.whole"),
                           "--checkpoint", self.path("spare"))
            self.longest[device] = time.monotonic() - start
            self.whole[device] = self.results(found)
            os.remove(self.path("spare"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def bytes_of(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    @staticmethod
    def results(found):
        return [(one["loss"], one["accuracy"]) for one in found["epochs"]], found["test"]

    def start(self, device):
        """A run that begins, or goes on where the last one was ended."""
        begun = os.path.exists(self.path("run"))
        which = ("--resume", self.path("run")) if begun else (*SHAPE, "--device", device, "--checkpoint",
                                                              self.path("run"))
        return begun, subprocess.Popen(
            [TRAINER, *map(str, which), "--save", self.path("weights"), "--format", "json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def check_end(self, device, output, resumed):
        found = json.loads(output)
        self.assertEqual((found["status"], found["resumed"] is not None), ("complete", resumed))
        self.assertEqual(self.results(found), self.whole[device])
        self.assertEqual(self.bytes_of("weights"), self.bytes_of(f"{device}.whole"))
        left = set(os.listdir(self.folder)) - {f"{one}.whole" for one in DEVICES}
        self.assertEqual(left, {"run", "weights"})  # nothing of the killed ones
        for name in left:
            os.remove(self.path(name))
        self.reached = 0

    def interrupt(self, number, times):
        """Ends runs with the signal until so many went on after it, and the last of them to its end. Gives
        how many were ended, went on, and came to their end."""
        count = resumes = whole = 0
        while resumes < times or os.path.exists(self.path("run")):
            device = DEVICES[whole % len(DEVICES)]
            begun, process = self.start(device)
            resumes += begun
            try:
                # While the program is loaded nothing is handled yet, or to be lost.
                output, errors = process.communicate(
                    timeout=self.random.uniform(0.05, 1.1) * self.longest[device] if resumes < times else 60)
            except subprocess.TimeoutExpired:
                process.send_signal(number)
                output, errors = process.communicate(timeout=60)
            if process.returncode == 0:
                self.check_end(device, output, begun)
                whole += 1
                continue
            count += 1
            self.check_interrupted(number, process.returncode, output, errors)
        return count, resumes, whole

    def check_interrupted(self, number, code, output, errors):
        if os.path.exists(self.path("run")):
            before, self.reached = self.reached, int(texts(self.path("run"))["trainer.epochs"])
            self.assertGreaterEqual(self.reached, before)  # what was kept once stays
        if number == signal.SIGKILL:
            self.assertEqual(code, -signal.SIGKILL, errors)
            return
        self.assertIn(code, (128 + number, -number), errors)
        if output:  # it was training
            self.assertEqual(code, 128 + number)
            found = json.loads(output)
            self.assertEqual(found["status"], "interrupted")
            self.assertEqual(len(found["epochs"]), int(texts(self.path("run"))["trainer.epochs"]))
            self.assertIn(f"go on with --resume {self.path('run')}", errors)

    def test_kill(self):
        count, resumes, whole = self.interrupt(signal.SIGKILL, KILLS)
        print(f"{count} SIGKILL, {resumes} resumed, {whole} runs to the end, seed {SEED}")
        self.assertGreaterEqual(min(count, resumes), KILLS)

    def test_terminate(self):
        count, resumes, whole = self.interrupt(signal.SIGTERM, TERMS)
        print(f"{count} SIGTERM, {resumes} resumed, {whole} runs to the end, seed {SEED}")
        self.assertGreaterEqual(min(count, resumes), TERMS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
