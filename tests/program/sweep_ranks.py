"""tools/sweep with ranks: what it starts them with, what a row of them is of, and how they end; with a launcher and
a trainer that only pretend.

  sweep_ranks.py TRAINER SWEEP
"""
import os
import shlex
import signal
import subprocess
import sys
import time
import unittest

from common import PATIENCE
from fixtures import pretended
from fixtures.swept import Swept

Swept.tool = sys.argv.pop(1)
ONE = ("--device", "cpu", "--repeat", 2, "--no-peak")


class Ranks(Swept):
    def setUp(self):
        super().setUp()
        self.launcher = self.path("my mpirun")  # with a space, as its options may have some
        pretended.launcher(self.launcher)
        self.words = f"{shlex.quote(self.launcher)} --hostfile 'two hosts'"

    def ranked(self, counts, *more, launcher=None, **environment):
        return self.sweep(*ONE, "--ranks", counts, "--launcher", launcher or self.words, *more, **environment)

    def launches(self):
        """The words of each, but for those of the trainer itself."""
        with open(self.trace + ".launches", encoding="utf-8") as file:
            return [line.split("|")[:4] + line.split("|")[5:-1] for line in file]

    def test_in_turn(self):
        """As any other axis, the last one; each command begins with the launcher's words, and a peak has none."""
        done = self.sweep("--device", "cpu,gpu", "--batch-size", "100,200", "--repeat", 2, "--ranks", "1,4",
                          "--launcher", self.words)
        self.assertEqual(done.returncode, 0, done.stderr)
        one_round = [(device, batch, count) for device in ("cpu", "gpu") for batch in ("100", "200") for count in "14"]
        launches = self.launches()
        self.assertEqual([(words[5], words[7], words[3]) for words in launches], 3 * one_round)
        self.assertEqual({tuple(words[:3]) for words in launches}, {("--hostfile", "two hosts", "-n")})
        self.assertEqual([kind for kind, *_ in self.traced()], ["peak"] * 2 + ["1"] * 8 + ["5"] * 16)
        rows = self.rows()
        self.assertEqual([row["sweep"].get("ranks") for row in rows], [None] * 2 + [1, 4] * 8)
        self.assertEqual([row["sweep"].get("launcher") for row in rows], [None] * 2 + [self.words] * 16)
        self.assertIn("18 of 18: 0 s left: 4 ranks of --device gpu --batch-size 200: 0.0", done.stderr)
        self.assertIn("warm-up: 1 rank of --device cpu --batch-size 100\n", done.stderr)
        self.assertRegex(done.stdout, r"  2 runs  1 rank of --device cpu --batch-size 100\n")

    def test_one_task_of_slurm(self):
        """It is a rank only where the MPI is named."""
        os.symlink(self.launcher, self.path("srun"))
        for way, mpi in (("--mpi=pmi2", ["mpich"]), ("--mpi=pmix_v4", ["openmpi"]), ("--mpi=none", [])):
            done = self.ranked("1,2", "--out", self.path(way), launcher=f"{shlex.quote(self.path('srun'))} {way}")
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(self.trace + ".launches", encoding="utf-8") as file:
                words = [line.split("|") for line in file if way in line]
            for count, named in (("1", mpi), ("2", [])):
                ends = [line[line.index("--communicator") + 1:-1] if "--communicator" in line else []
                        for line in words if line[2] == count]
                self.assertEqual(ends, 3 * [named])

    def test_resumed(self):
        """A row is one of its number of ranks, and of its launcher."""
        self.assertEqual(self.ranked("1-2").returncode, 0)
        self.assertEqual(self.ranked("2").returncode, 2)
        self.assertEqual((self.ranked("1-3", "--resume").returncode, len(self.rows())), (0, 6))
        self.assertEqual((self.ranked("1-3", "--resume").returncode, len(self.rows())), (0, 6))
        for more in (ONE, (*ONE, "--ranks", "2", "--launcher", self.words + " --bind-to none")):
            before = len(self.rows())
            done = self.sweep(*more)
            self.assertEqual((done.returncode, len(self.rows())), (0, before + 2), done.stderr)
        self.assertEqual([row["sweep"].get("ranks") for row in self.rows()], [1, 2, 1, 2, 3, 3, None, None, 2, 2])

    def test_dry_run(self):
        """As a shell would take it; peers have no launcher, and are there once."""
        done = self.ranked("1,2", "--peers", "numpy", "--data", self.folder, "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        _, *commands, peer = done.stdout.splitlines()
        self.assertEqual([shlex.split(line)[:6] for line in commands],
                         [[self.launcher, "--hostfile", "two hosts", "-n", count, self.pretender] for count in "12"])
        self.assertNotIn(" -n ", peer)
        self.assertIn("numpy_blas.py", peer)
        done = self.sweep("--device", "cpu", "--ranks", "2", "--dry-run")
        self.assertIn(f"\nmpirun -n 2 {shlex.quote(self.pretender)} --device cpu", done.stdout)
        self.assertEqual(done.stdout.count("mpirun"), 1)  # the peak has none

    def test_more_ranks_than_samples(self):
        """Which the trainer refuses are left out, with a word; they are no failure."""
        done = self.ranked("3-4", "--batch-size", "3,4", "--samples", "4")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count("left out"), 1)
        self.assertIn("sweep: 4 ranks can't share a batch of 3: --device cpu --batch-size 3 is left out\n", done.stderr)
        self.assertEqual([(row["sweep"]["options"][3], row["sweep"]["ranks"]) for row in self.rows()],
                         2 * [("3", 3), ("4", 3), ("4", 4)])
        done = self.ranked("8", "--samples", "7", "--dry-run")
        self.assertIn("8 ranks can't share a batch of 7", done.stderr)

    def test_usage(self):
        for more, said in (
                (("--ranks", "0"), "--ranks 0: numbers of ranks are whole, and from 1 on"),
                (("--ranks", "two"), "--ranks two: numbers of"), (("--ranks", "2.5"), "--ranks 2.5: numbers of"),
                (("--ranks", "1,,2"), "an empty value"), (("--ranks", "4-1"), "a range goes up"),
                (("--ranks", "1", "--launcher", "mpirun '"), "No closing quotation"),
                (("--ranks", "1", "--launcher", ""), "--launcher: a command is expected"),
                (("--launcher", "mpirun"), "--launcher starts ranks: say how many with --ranks")):
            done = self.sweep("--device", "cpu", *more)
            self.assertEqual(done.returncode, 2, more)
            self.assertIn(said, done.stderr)
            self.assertNotIn("Traceback", done.stderr)

    def test_no_launcher(self):
        done = self.ranked("2", launcher="/nonexistent/mpirun --bind-to none")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^sweep: --ranks needs /nonexistent/mpirun, which is not here: .*apt install "
                         "openmpi-bin.*apt install mpich.*--launcher names another")
        self.assertFalse(os.path.exists(self.out) or os.path.exists(self.trace))

    def test_failing(self):
        """What a trainer says comes before what its launcher says; of that the first words count."""
        for lies, said in (({"LIE": "crash"}, "exit status 1: trainer: it gave cudaErrorWrong"),
                           ({"LAUNCHER_LIE": "slots"}, "exit status 1: There are not enough slots for 9 ranks:"),
                           ({"LAUNCHER_LIE": "alone"}, f"{self.words} started no ranks that found each other")):
            self.forget()
            done = self.ranked("2", "--batch-size", 200, **lies)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(f"2 ranks of --device cpu: failed: {said}\n", done.stderr)
            (row,) = self.rows()
            self.assertEqual((row["status"], row["error"], row["sweep"]["ranks"]), ("failed", said, 2))

    def test_input(self):
        """Is the sweep's own, and for none of what it runs."""
        done = subprocess.run(self.command(self.pretender, *ONE, "--ranks", "2", "--launcher", self.words),
                              input="typed\n", capture_output=True, text=True, timeout=PATIENCE, check=False,
                              env=self.environment(LAUNCHER_LIE="reads"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(os.path.getsize(self.trace + ".input"), 0)

    def test_ended(self):
        """A signal ends the launcher in such a way that it ends its ranks, wherever they are."""
        signals = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
        for number, status in signals + [(signal.SIGKILL, -9)] * (sys.platform == "linux"):
            self.forget()
            command = self.command(self.pretender, *ONE, "--batch-size", 200, "--ranks", "2", "--launcher", self.words)
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True,
                                  env=self.environment(LIE="slow")) as process:
                while process.poll() is None and not (os.path.exists(self.trace) and os.path.getsize(self.trace)):
                    time.sleep(0.02)
                process.send_signal(number)
                _, errors = process.communicate(timeout=PATIENCE)
            self.assertEqual(process.returncode, status, errors)
            numbers = []
            for path in (self.trace + ".launcher", self.trace):
                with open(path, encoding="utf-8") as file:
                    numbers.append(int(file.read().split()[0]))
            launcher, rank = numbers
            self.wait_for_end(launcher)
            left = self.runs(rank)
            if left:
                os.kill(rank, signal.SIGKILL)
            self.assertFalse(left, "its rank goes on")


if __name__ == "__main__":
    unittest.main()
