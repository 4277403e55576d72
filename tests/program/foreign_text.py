"""Names that come from outside (of hardware, of the host, of files, on the command line): whatever is in them,
they command no terminal, turn no text around, and pass for nothing of the program's own.

  foreign_text.py PACED_TRAINER
"""
import csv
import io
import json
import os
import unittest

from common import Folder, record, run

SMALL = ("--device", "reference", "--threads", 1, "--data", "synthetic", "--samples", 100, "--batch-size", 50,
         "--epochs", 1)
# A title, an end of line and a message, text from right to left, ends of line and paragraph, a control of C1,
# and what means something to Markdown and to HTML.
HOSTILE = "A\x1b]0;x\x07\ntrainer: fine\u202e\u2028\u2066\u061c\x9b1m|<b>"
SHOWN = "A?]0;x??trainer: fine?????1m|<b>"
LINES = "A?]0;x?\n  trainer: fine?????1m|<b>"  # of a message, which may have several
COMMANDS = set("\x1b\x07\x9b\u202e\u2028\u2066\u061c")
NAMED = {"TRAINER_PACE_NAME": HOSTILE}


class ForeignText(Folder):
    def harmless(self, text):
        self.assertFalse(COMMANDS & set(text), text)
        self.assertNotRegex(text, "(?m)^trainer: fine")

    def message(self, code, *arguments, **more):
        """What is said on standard error by a run that fails with this exit status."""
        done = run(*arguments, **more)
        self.assertEqual(done.returncode, code, done.stderr)
        self.harmless(done.stdout + done.stderr)
        return done.stderr

    def test_hardware(self):
        done = run(*SMALL, env=NAMED)
        self.harmless(done.stdout + done.stderr)
        self.assertIn(f"device    reference: {SHOWN} (cpu), ", done.stdout)
        done = run("--list-devices", env=NAMED)
        self.harmless(done.stdout)
        self.assertIn(f"\nreference   {SHOWN} (cpu); no library", done.stdout)
        done = run(*SMALL, "--format", "markdown", env=NAMED)
        self.harmless(done.stdout)
        self.assertEqual(len(done.stdout.splitlines()), 3)
        self.assertIn(r"| A?\]0;x??trainer: fine?????1m\|\<b\> | reference |", done.stdout)

    def test_records(self):
        """Are exact."""
        found = record(*SMALL, env=NAMED)
        self.assertEqual((found["device"]["name"], found["host"]["name"]), (HOSTILE, HOSTILE))
        done = run(*SMALL, "--format", "csv", env=NAMED)
        header, row = csv.reader(io.StringIO(done.stdout))
        found = dict(zip(header, row))
        self.assertEqual((found["device_name"], found["host"]), (HOSTILE, HOSTILE))

    def test_files(self):
        """In errors, in warnings, and in the table."""
        folder = self.path(HOSTILE)
        self.assertIn(f"/{LINES}/data_batch_1.bin: No such file", self.message(4, "--data", folder))
        self.assertIn(LINES, self.message(6, *SMALL, "--init", folder))
        self.assertIn(LINES, self.message(6, "--resume", folder))
        os.mkdir(folder)
        for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
            with open(os.path.join(folder, f"{name}.bin"), "wb") as file:
                file.truncate(30730000)
        for name in ("save", "checkpoint"):
            self.assertIn(LINES, self.message(1, *SMALL, f"--{name}", folder))
        done = run(*SMALL, "--data", folder)
        self.harmless(done.stdout)
        self.assertIn(f"/{SHOWN}: 100 training, ", done.stdout)
        self.assertEqual(record(*SMALL, "--data", folder)["dataset"]["path"], folder)

    def test_interrupted(self):
        """The command that goes on, and a checkpoint's own words."""
        checkpoint = self.path(HOSTILE)
        said = self.message(143, *SMALL, "--checkpoint", checkpoint, env={"TRAINER_PACE_TERM": "1"})
        self.assertIn("go on with --resume '", said)
        self.assertIn(LINES, self.message(2, *SMALL, "--checkpoint", checkpoint))
        self.assertIn(LINES, self.message(2, "--resume", checkpoint, "--batch-size", 7))

    def test_words(self):
        """Of the command line."""
        for arguments in ((f"--{HOSTILE}",), (HOSTILE,), ("--epochs", HOSTILE), (f"--quiet={HOSTILE}",),
                          ("--gemm", HOSTILE), ("--activation", HOSTILE)):
            self.assertIn(LINES, self.message(2, *arguments))
        self.assertIn("fine", self.message(3, "--device", HOSTILE))
        # A second line of a message is indented.
        self.assertEqual(self.message(2, "a\nb\n\nc"), "trainer: 'a\n  b\n  \n  c' is not an option; all settings "
                         "are options: see --help\n")

    def test_not_utf8(self):
        said = self.message(2, os.fsdecode(b"caf\xe9 \xc3\xbc"))
        self.assertIn("'caf? \u00fc' is not an option", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
