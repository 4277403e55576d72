"""Which second is part of which phase: whole runs of a program whose clock moves with what it does (tests/pace),
so that each figure is known to the last digit.

  seconds.py PACED_TRAINER
"""
import csv
import io
import json
import unittest

from common import PHASES, Folder, outside_phases, record, run, said_to_terminal

# Four steps an epoch, and four batches in the test.
RUN = ("--device", "reference", "--threads", 1, "--data", "synthetic", "--samples", 500, "--batch-size", 125)

# The device is found in 1 s, and a checkpoint's path checked in 2. Two sets are made, in 3 s each. The device is
# opened in 10 s, the network made in 20, an epoch recorded in 40. Batches are made in 100 s. The Nth epoch of a
# process takes N times 200 s, and 1/4 s for each step. A checkpoint is fetched in 11 s and written in 13. The
# data's fingerprint takes 7 s, which are of the setup. The recording is forgotten in 1000 s, batches in 2000. The
# test makes batches, takes 5 s for each of four, and gives them back.
SETUP, LOAD, OPEN, BATCHING, RELEASE, EVALUATE = 1 + 7, 6, 70, 100, 3000, 2120
NO_RECORDING = OPEN - 40
CHECKED, KEPT = 2, 24


class Seconds(Folder):
    def setUp(self):
        super().setUp()
        self.checkpoint = self.path("run")

    def check(self, found, **expected):
        """All of them; what is not expected otherwise is as it is in a run that keeps nothing."""
        seconds = {"setup": SETUP, "load": LOAD, "open": OPEN, "batching": BATCHING, "warm_up": 0,
                   "unfinished": 0, "validate": 0, "meet": 0, "checkpoint": 0, "release": RELEASE,
                   "evaluate": EVALUATE, **expected}
        done = seconds["epochs"]
        seconds["mean_epoch"] = float(f"{sum(done) / len(done):.9g}") if done else None  # as a record has it
        self.assertEqual(found["seconds"], seconds)
        self.assertEqual([epoch["seconds"] for epoch in found["epochs"]], done)
        self.assertEqual(set(seconds), {*PHASES, "epochs", "mean_epoch", "evaluate", "wall"})
        self.assertEqual(outside_phases(found), 0)

    def interrupted(self, step, where, *arguments):
        """The record of a run that gets a signal in this step, and says that it was interrupted there."""
        done = run(*arguments, "--format", "json", env={"TRAINER_PACE_TERM": str(step)})
        self.assertEqual((done.returncode, done.stderr.splitlines()[-1]), (
            143, f"trainer: interrupted in {where}; go on with --resume {self.checkpoint}"))
        return json.loads(done.stdout)

    def test_whole(self):
        found = record(*RUN, "--epochs", 3)
        self.check(found, epochs=[201, 401, 601], wall=8 + 6 + 70 + 100 + 201 + 401 + 601 + 3000 + 2120)
        self.assertIsNone(found["resumed"])
        self.assertEqual(found["samples_per_second"], round(500 / 401, 8))

    def test_checkpoints(self):
        """Those after each epoch, and the last, which says that the run has ended; not the weights, which are
        written when the record is there."""
        found = record(*RUN, "--epochs", 3, "--checkpoint", self.checkpoint)
        self.check(found, setup=SETUP + CHECKED, checkpoint=4 * KEPT, epochs=[201, 401, 601],
                   wall=6507 + 2 + 96)
        found = record(*RUN, "--epochs", 3, "--save", self.path("weights"))
        self.check(found, setup=SETUP + CHECKED, epochs=[201, 401, 601], wall=6507 + 2)
        found = record(*RUN, "--epochs", 3, "--checkpoint", self.path("seldom"), "--checkpoint-every", 2)
        self.check(found, setup=SETUP + CHECKED, checkpoint=3 * KEPT, epochs=[201, 401, 601],
                   wall=6507 + 2 + 72)

    def test_resumed(self):
        """What was done of an epoch before it was interrupted counts, however often that was; but only what this
        process did is part of its own time."""
        found = self.interrupted(6, "epoch 2 of 3, after batch 2 of 4", *RUN, "--epochs", 3, "--checkpoint",
                                 self.checkpoint)
        self.check(found, setup=10, epochs=[201], unfinished=400.5, checkpoint=2 * 24, evaluate=None,
                   wall=10 + 6 + 70 + 100 + 201 + 400.5 + 48 + 3000)
        found = self.interrupted(1, "epoch 2 of 3, after batch 3 of 4", "--resume", self.checkpoint)
        self.assertEqual(found["resumed"], {"epochs": 1, "batches": 2, "seconds": 201})
        self.check(found, setup=10, epochs=[201], unfinished=200.25, checkpoint=24, evaluate=None,
                   wall=10 + 6 + 70 + 100 + 200.25 + 24 + 3000)
        found = record("--resume", self.checkpoint)
        self.assertEqual(found["resumed"], {"epochs": 1, "batches": 3, "seconds": 201 + 400.5 + 200.25})
        self.check(found, setup=10, epochs=[201, 400.5 + 200.25 + 200.25, 401], checkpoint=3 * 24,
                   wall=10 + 6 + 70 + 100 + 200.25 + 401 + 72 + 3000 + 2120)
        found = record("--resume", self.checkpoint, "--epochs", 4)
        self.assertEqual(found["resumed"], {"epochs": 3, "batches": 0, "seconds": 201 + 801 + 401})
        self.check(found, setup=10, epochs=[201, 801, 401, 201], checkpoint=2 * 24,
                   wall=10 + 6 + 70 + 100 + 201 + 48 + 3000 + 2120)

    def test_less(self):
        """Without an epoch, with batches that are sent within it, and with one that diverges."""
        self.check(record(*RUN, "--epochs", 0), epochs=[], open=NO_RECORDING, wall=8 + 6 + 30 + 100 + 3000 + 2120)
        self.check(record(*RUN, "--epochs", 1, "--batches", "streamed"), epochs=[201], open=NO_RECORDING,
                   wall=8 + 6 + 30 + 100 + 201 + 3000 + 2120)
        done = run(*RUN, "--epochs", 2, "--activation", "relu", "--learning-rate", 1e6, "--format", "json")
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertRegex(done.stderr, r"diverged: epoch 1, batch [23] of 4: the loss is .*; try a smaller "
                         r"--learning-rate than 1e\+06")
        self.check(json.loads(done.stdout), epochs=[], unfinished=201, evaluate=None,
                   wall=8 + 6 + 70 + 100 + 201 + 3000)

    def test_warm_up(self):
        """Of epochs while it lasts, from the same weights; one that is given batch by batch ends within its last.
        The scores of a run that has gone on are not touched."""
        before = record(*RUN, "--epochs", 2)
        found = record(*RUN, "--epochs", 2, "--warm-up", 202)
        self.check(found, warm_up=11 + 201 + 400.25, epochs=[601, 801],
                   wall=8 + 6 + 70 + 100 + 612.25 + 601 + 801 + 3000 + 2120)
        for what in ("epochs", "test"):
            one, other = ([{**epoch, "seconds": 0} for epoch in run[what]] if what == "epochs" else run[what]
                          for run in (before, found))
            self.assertEqual(one, other)
        self.interrupted(6, "epoch 2 of 2, after batch 2 of 4", *RUN, "--epochs", 2, "--checkpoint",
                         self.checkpoint)
        resumed = record("--resume", self.checkpoint, "--warm-up", 100)
        self.check(resumed, setup=10, warm_up=211.25, epochs=[201, 400.5 + 400.5], checkpoint=2 * 24,
                   wall=10 + 6 + 70 + 100 + 211.25 + 400.5 + 48 + 3000 + 2120)
        self.assertEqual([epoch["loss"] for epoch in resumed["epochs"]],
                         [epoch["loss"] for epoch in before["epochs"]])
        self.assertEqual(resumed["test"], before["test"])
        self.check(record(*RUN, "--epochs", 0, "--warm-up", 100), epochs=[], open=NO_RECORDING,
                   wall=8 + 6 + 30 + 100 + 3000 + 2120)
        found = self.interrupted(2, "epoch 1 of 2, after batch 0 of 4", *RUN, "--epochs", 2, "--warm-up", 500,
                                 "--checkpoint", self.checkpoint)
        self.check(found, setup=10, warm_up=211.5, epochs=[], checkpoint=24, evaluate=None,
                   wall=10 + 6 + 70 + 100 + 211.5 + 24 + 3000)

    def test_validation(self):
        """A pass of its own after each epoch, which fetches the weights where it is the best so far. At the end the
        last weights are fetched, too, and put back."""
        found = record(*RUN, "--epochs", 2, "--validation", 125, "--keep-best")
        accuracies = [epoch["validation"]["accuracy"] for epoch in found["epochs"]]
        self.assertGreater(accuracies[0], accuracies[1])
        self.assertEqual([epoch["validation"]["seconds"] for epoch in found["epochs"]], [5 + 11, 5])
        self.check(found, batching=100 + 140, epochs=[200.75, 400.75], validate=16 + 5, release=5000,
                   evaluate=EVALUATE + 11, wall=8 + 6 + 70 + 240 + 601.5 + 21 + 5000 + 2131)

    def test_planned(self):
        self.check(record(*RUN, "--dry-run"), setup=1, load=0, open=NO_RECORDING, batching=0, epochs=[], release=0,
                   evaluate=None, wall=1 + NO_RECORDING)

    def test_forms(self):
        """The same in every form."""
        options = (*RUN, "--epochs", 3, "--checkpoint", self.checkpoint)
        done = run(*options, "--format", "csv")
        header, row = csv.reader(io.StringIO(done.stdout))
        found = dict(zip(header, row))
        for name, value in (("setup", 10), ("load", 6), ("open", 70), ("batching", 100), ("mean_epoch", 401),
                            ("min_epoch", 201), ("max_epoch", 601), ("unfinished", 0), ("checkpoint", 96),
                            ("release", 3000), ("evaluate", 2120), ("wall", 6605)):
            self.assertEqual(found[name], str(value), name)
        done = run(*options, "--format", "markdown")
        self.assertIn(" | 6.0000 | 100.0000 | 401.0000 | 1 | 0.0 | ", done.stdout)
        lines = run(*options).stdout.splitlines()
        for epoch, seconds in enumerate((201, 401, 601), 1):
            self.assertTrue(any(line.startswith(f"    {epoch}    {seconds}.0000 ") for line in lines), lines)
        for line in ("load      6.0000 s", "open      70.0000 s", "batching  100.0000 s", "evaluate  2120.0000 s",
                     "epoch     401.0000 s mean, 201.0000 s min, 601.0000 s max",
                     "in all    6605.0000 s, with 10.0000 s to set up and 3000.0000 s to release memory",
                     "          96.0000 s of it to write checkpoints"):
            self.assertIn(line, lines)

    def test_time_of_day(self):
        """Is UTC, wherever the machine is: in Nepal, it is 5:15 of the next day by then."""
        for zone in ("UTC", "Asia/Kathmandu", "NPT-5:45", "America/New_York"):
            self.assertEqual(record(*RUN, "--dry-run", env={"TZ": zone})["time"], "2024-02-29T23:30:45Z")

    def test_progress(self):
        """A resumed run begins where the other one ended."""
        self.interrupted(6, "epoch 2 of 3, after batch 2 of 4", *RUN, "--epochs", 3, "--checkpoint",
                         self.checkpoint)
        text, status = said_to_terminal("--resume", self.checkpoint)
        self.assertEqual(status, 0)
        shown = [part for part in text.decode().split("\r\033[K") if part.startswith("[")]
        self.assertEqual(shown[0], "[###############               ] epoch 2 of 3")
        # A quarter of an epoch in 340.25 s, which has all that was made ready; five more are left.
        self.assertEqual(shown[1], "[#################             ] epoch 2 of 3, 1701 s left")
        self.assertIn(", 0 s left", shown[-1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
