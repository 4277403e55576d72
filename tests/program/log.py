"""The file of --log: a line for each epoch, and only whole ones, whatever happens.

  log.py TRAINER
"""
import json
import os
import resource
import unittest

from common import Runs, moment, record, run

SMALL = ("--device", "reference", "--threads", 1, "--data", "synthetic", "--samples", 60, "--batch-size", 20, "--quiet")


class Log(Runs):
    def setUp(self):
        super().setUp()
        self.log = self.path("log")

    def lines(self):
        with open(self.log, encoding="utf-8") as file:
            text = file.read()
        self.assertTrue(text.endswith("\n"))
        return [json.loads(line) for line in text.splitlines()]

    def test_lines(self):
        found = record(*SMALL, "--epochs", 3, "--validation", 20, "--schedule", "linear", "--log", self.log)
        lines = self.lines()
        self.assertEqual([line["epoch"] for line in lines], [1, 2, 3])
        for line, epoch in zip(lines, found["epochs"]):
            self.assertEqual({key: line[key] for key in epoch}, epoch)
            self.assertEqual((line["schema"], line["time"], line["device"], line["epochs"]),
                             (1, found["time"], "reference", 3))
        self.assertEqual([line["learning_rate"] for line in lines], [float(f"{0.01 * (6 - step) / 6:.9g}") for step in (1, 3, 5)])
        self.assertGreaterEqual(found["seconds"]["checkpoint"], 0)
        record(*SMALL, "--epochs", 1, "--log", self.log)
        self.assertEqual(self.lines()[:3], lines)
        self.assertEqual([line["epoch"] for line in self.lines()], [1, 2, 3, 1])
        self.assertIsNone(self.lines()[3]["validation"])

    def test_as_it_ends(self):
        """Each line is there before the next epoch begins: after the process is killed, too."""
        for epochs in (1, 2):
            run(*SMALL, "--epochs", 5, "--log", self.log, "--format", "json", env=moment(f"write:{epochs}:KILL"))
            self.assertEqual([line["epoch"] for line in self.lines()], [*range(1, epochs + 1)])
            os.remove(self.log)

    def test_resumed(self):
        """--log is not taken over, as other files are not."""
        record(*SMALL, "--epochs", 1, "--checkpoint", self.path("run"), "--log", self.log)
        record("--resume", self.path("run"), "--epochs", 2)
        self.assertEqual(len(self.lines()), 1)
        record("--resume", self.path("run"), "--epochs", 3, "--log", self.log)
        self.assertEqual([line["epoch"] for line in self.lines()], [1, 3])

    def test_unwritten(self):
        """A line that can't be written is a warning, and in the end an error; the run goes on, and its record is
        there. The other lines are."""
        done = run(*SMALL, "--epochs", 3, "--log", self.log, "--format", "json", env=moment("write:2:=ENOSPC"))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(json.loads(done.stdout)["status"], "complete")
        self.assertEqual([line["epoch"] for line in self.lines()], [1, 3])
        warning, error = done.stderr.splitlines()
        self.assertEqual(warning, f"trainer: warning: --log {self.log}: no line of epoch 2: No space left on device")
        self.assertEqual(error, f"trainer: --log {self.log}: lines are missing: No space left on device")

    def test_cut(self):
        """Where there is room for part of a line only, nothing of it stays."""
        record(*SMALL, "--epochs", 1, "--log", self.log)
        room = os.path.getsize(self.log) * 3 // 2
        os.remove(self.log)
        done = run(*SMALL, "--epochs", 3, "--log", self.log, "--format", "json",
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)))
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"trainer: --log {self.log}: lines are missing: File too large", done.stderr)
        self.assertEqual([line["epoch"] for line in self.lines()], [1])

    def test_refused(self):
        """Before anything is trained, and what is there stays."""
        with open(self.log, "w", encoding="utf-8") as file:
            file.write('{"epoch": 1')
        done = run(*SMALL, "--log", self.log)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("its last line is not whole", done.stderr)
        self.assertEqual(self.bytes_of("log"), b'{"epoch": 1')
        for path, reason in ((self.path("no/log"), "No such file or directory"), (self.folder, "Is a directory")):
            done = run(*SMALL, "--log", path)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(f"trainer: --log {path}: {reason}", done.stderr)

    def test_nothing_to_tell(self):
        """A run that is refused, or has no epoch, leaves no file behind; one that was there stays."""
        for refused in (("--save", self.path("no/weights")), ("--data", self.path("none")), ("--epochs", 0)):
            run(*SMALL, "--epochs", 1, *refused, "--log", self.log)
            self.assertEqual(os.listdir(self.folder), [], refused)
        with open(self.log, "w", encoding="utf-8"):
            pass
        run(*SMALL, "--epochs", 0, "--log", self.log)
        self.assertEqual(self.bytes_of("log"), b"")

    def test_pipe(self):
        """One that nobody reads is an error, and not waited for; one that somebody does has whole lines."""
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        self.fails(1, f"--log {pipe}: ", *SMALL, "--epochs", 1, "--log", pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.assertEqual(run(*SMALL, "--epochs", 2, "--log", pipe).returncode, 0)
        lines = os.read(reader, 1 << 16).decode().splitlines()
        self.assertEqual([json.loads(line)["epoch"] for line in lines], [1, 2])

    def test_not_a_file(self):
        """A pipe or a terminal."""
        done = run(*SMALL, "--epochs", 2, "--log", "/dev/stderr", "--format", "json")
        self.assertEqual([json.loads(line)["epoch"] for line in done.stderr.splitlines()], [1, 2])

    def test_planned(self):
        self.assertEqual(run(*SMALL, "--dry-run", "--log", self.log).returncode, 0)
        self.assertFalse(os.path.exists(self.log))


if __name__ == "__main__":
    unittest.main()
