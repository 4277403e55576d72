"""Killed at any moment, a run that keeps a checkpoint goes on from it and ends as if nothing had been.

  kill.py TRAINER

A run that saves a checkpoint after every epoch is killed (SIGKILL) at random calls and moments, and resumed
until it is done; then its weights, losses and test score must be those of a run that was left alone, to the
bit. The same with SIGTERM, which is answered with a record. The calls are those of files and of the clock
(tests/moments), so that there are as many kills on a fast machine as on a slow or a busy one; one run in four
is killed after some time instead, at whatever moment that is. With TRAINER_TEST_LONG=1 there are 1,000
resumes after SIGKILL and 100 after SIGTERM, instead of 40 and 10; TRAINER_TEST_SEED: of the moments.
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

from common import PATIENCE, TRAINER, devices, environment, moment, record, texts

LONG = os.environ.get("TRAINER_TEST_LONG") == "1"
KILLS, TERMS = (1000, 100) if LONG else (40, 10)
SEED = int(os.environ.get("TRAINER_TEST_SEED", "1"))
EPOCHS = 20
SHAPE = ("--data", "synthetic", "--samples", 90, "--batch-size", 20, "--layers", 16, "--shuffle",
         "--tail", "short", "--epochs", EPOCHS, "--optimizer", "adamw", "--schedule", "cosine", "--validation", 20,
         "--keep-best", "--normalize", "--flip", "--dropout", 0.3, "--clip-norm", 2)
DEVICES = [device for device in devices() if device in ("reference", "cpu")]


class Killed(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.random = random.Random(SEED)
        self.reached = 0  # epochs in the checkpoint
        self.whole, self.calls, self.seconds = {}, {}, {}
        for device in DEVICES:
            start = time.monotonic()
            found = record("--device", device, *SHAPE, "--save", self.path(f"{device}.whole"),
                           "--checkpoint", self.path("spare"), env=moment(report=self.path("report")))
            self.seconds[device] = time.monotonic() - start
            self.whole[device] = self.results(found)
            self.calls[device] = json.loads(self.bytes_of("report"))
            os.remove(self.path("spare"))
            os.remove(self.path("report"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def bytes_of(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    @staticmethod
    def results(found):
        validations = [one["validation"] for one in found["epochs"]]
        return ([(one["loss"], one["accuracy"]) for one in found["epochs"]],
                [(one["loss"], one["accuracy"]) for one in validations], found["best"], found["test"])

    def start(self, device, env=None):
        """A run that begins, or goes on where the last one was ended."""
        begun = os.path.exists(self.path("run"))
        which = ("--resume", self.path("run")) if begun else (*SHAPE, "--device", device, "--checkpoint",
                                                              self.path("run"))
        return begun, subprocess.Popen(
            [TRAINER, *map(str, which), "--save", self.path("weights"), "--log", self.path("log"), "--format", "json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**(env or {})))

    def run_until(self, device, number):
        """Begins or resumes a run that the signal ends at a random call, or after a random time, unless it
        ends before: whether it was resumed, its exit status, and what it printed."""
        if self.random.random() < 0.25:
            begun, process = self.start(device)
            try:
                output, errors = process.communicate(timeout=self.random.uniform(0, self.seconds[device]))
            except subprocess.TimeoutExpired:
                process.send_signal(number)
                output, errors = process.communicate(timeout=PATIENCE)
        else:
            call = self.random.choice([name for name, count in self.calls[device].items() if count])
            at = self.random.randint(1, self.calls[device][call])
            name = signal.Signals(number).name[len("SIG"):]
            begun, process = self.start(device, moment(f"{call}:{at}:{name}"))
            output, errors = process.communicate(timeout=PATIENCE)
        return begun, process.returncode, output, errors

    def check_end(self, device, output, resumed):
        found = json.loads(output)
        self.assertEqual((found["status"], found["resumed"] is not None), ("complete", resumed))
        self.assertEqual(self.results(found), self.whole[device])
        self.assertEqual(self.bytes_of("weights"), self.bytes_of(f"{device}.whole"))
        self.check_log(found)
        left = set(os.listdir(self.folder)) - {f"{one}.whole" for one in DEVICES}
        self.assertEqual(left, {"run", "weights", "log"})  # nothing of the killed ones
        for name in left:
            os.remove(self.path(name))
        self.reached = 0

    def check_log(self, found):
        """Whole lines, of each epoch one at least, and the last one is what the record has."""
        lines = self.bytes_of("log").decode().split("\n")
        self.assertEqual(lines.pop(), "")
        last = {line["epoch"]: (line["loss"], line["validation"]["loss"]) for line in map(json.loads, lines)}
        self.assertEqual(last, {number: (one["loss"], one["validation"]["loss"])
                                for number, one in enumerate(found["epochs"], 1)})

    def interrupt(self, number, times):
        """Ends runs with the signal until that was done so often, and so many went on after it; the last one
        comes to its end. Gives how many were ended, went on, and came to their end."""
        count = resumes = whole = 0
        while min(count, resumes) < times or os.path.exists(self.path("run")):
            device = DEVICES[whole % len(DEVICES)]
            if min(count, resumes) < times:
                begun, code, output, errors = self.run_until(device, number)
            else:
                begun, process = self.start(device)
                output, errors = process.communicate(timeout=PATIENCE)
                code = process.returncode
            resumes += begun
            if code == 0:
                self.check_end(device, output, begun)
                whole += 1
                continue
            count += 1
            self.check_interrupted(number, code, output, errors)
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

    def test_terminate(self):
        count, resumes, whole = self.interrupt(signal.SIGTERM, TERMS)
        print(f"{count} SIGTERM, {resumes} resumed, {whole} runs to the end, seed {SEED}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
