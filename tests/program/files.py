"""What the program leaves in files: whole lines, however many programs append to one; nobody else's file
replaced; weights on every file system, or a word before the training.

  files.py TRAINER
"""
import csv
import io
import json
import os
import subprocess
import sys
import unittest

from common import PATIENCE, TRAINER, Folder, environment, moment, read_safetensors, record, run

SMALL = ("--device", "reference", "--threads", 1, "--data", "synthetic", "--samples", 30, "--batch-size", 30,
         "--layers", "none", "--quiet")
MANY = (*SMALL, "--epochs", 300)


class Writing(Folder):
    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)
        return self.path(name)

    def content(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()


class Lines(Writing):
    """Of 300 epochs, a record is longer than what a C library writes at once."""

    def append(self, form):
        """The text that ten runs at once have appended to one file."""
        with open(self.path(form), "ab") as file:
            runs = [subprocess.Popen([TRAINER, *map(str, MANY), "--format", form], stdout=file,
                                     stderr=subprocess.PIPE, env=environment()) for _ in range(10)]
            for one in runs:
                _, errors = one.communicate(timeout=PATIENCE)
                self.assertEqual((one.returncode, errors), (0, b""))
        return self.content(form).decode("utf-8")

    def test_json(self):
        records = [json.loads(line) for line in self.append("json").splitlines()]
        self.assertEqual([len(one["epochs"]) for one in records], [300] * 10)

    def test_csv(self):
        rows = list(csv.reader(io.StringIO(self.append("csv"))))
        self.assertEqual(len(rows), 20)  # a head, and a row, by turns
        self.assertEqual(rows[::2], rows[:1] * 10)
        self.assertEqual({len(row) for row in rows}, {len(rows[0])})

    def test_markdown(self):
        lines = self.append("markdown").splitlines()
        self.assertEqual(lines[::3] + lines[1::3], lines[:1] * 10 + lines[1:2] * 10)
        self.assertEqual({line.count("|") for line in lines}, {lines[0].count("|")})

    def test_one_write(self):
        """Of the system's; of a table, one for each line that stands while the next is awaited."""
        for form, most in (("json", 1), ("csv", 1), ("markdown", 1), ("table", 1 + 300 + 1)):
            done = run(*MANY, "--format", form, env=moment(report=self.path("calls")))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(json.loads(self.content("calls"))["write"], most, form)

    @unittest.skipUnless(sys.platform == "linux", "needs file names of any bytes")
    def test_foreign_names(self):
        """Of a folder, in CSV: one cell of UTF-8, whatever is in it."""
        for name, shown in ((b"a, \"b\" | c", 'a, "b" | c'), (b"caf\xe9 \xc3\xbc", "caf? \xfc"), (b"two\nlines", "two\nlines")):
            folder = os.path.join(os.fsencode(self.folder), name)
            os.mkdir(folder)
            for file in [f"data_batch_{n}.bin" for n in range(1, 6)] + ["test_batch.bin"]:
                with open(os.path.join(folder, os.fsencode(file)), "wb") as made:
                    made.truncate(30730000)
            words = [os.fsencode(str(word)) for word in (*SMALL, "--epochs", 1, "--format", "csv")]
            words[words.index(b"synthetic")] = folder
            done = subprocess.run([TRAINER, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=PATIENCE, env=environment())
            self.assertEqual(done.returncode, 0, done.stderr)
            (row,) = csv.DictReader(io.StringIO(done.stdout.decode("utf-8"), newline=""))
            self.assertEqual(os.path.basename(row["path"]), shown)
            self.assertEqual(row["status"], "complete")


class Replaced(Writing):
    def test_not_its_own(self):
        """Weights replace weights, and a run a run that has ended; nothing else."""
        whole = record(*SMALL, "--epochs", 1, "--save", self.path("weights"), "--checkpoint", self.path("run"))
        self.assertEqual(whole["status"], "complete")
        header = b'{"model.0.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        others = {"notes.txt": b"precious", "foreign.safetensors": len(header).to_bytes(8, "little") + header + b"1234",
                  "zeros": bytes(100), "weights.json": b'{"a": 1}\n'}
        for name, content in others.items():
            path = self.write(name, content)
            for option in ("--save", "--checkpoint"):
                with self.subTest(name=name, option=option):
                    done = run(*SMALL, "--epochs", 1, option, path)
                    self.assertEqual((done.returncode, done.stdout), (2, ""))
                    self.assertRegex(done.stderr, rf"^trainer: {option}\b.* another")
                    self.assertIn(path, done.stderr)
                    self.assertEqual(self.content(name), content)
        for name in ("notes.txt", "weights"):
            os.symlink(name, self.path("link-" + name))
            done = run(*SMALL, "--epochs", 1, "--save", self.path("link-" + name))
            self.assertEqual(done.returncode, 1)
            self.assertIn("it is a symbolic link; name the file itself", done.stderr)
        self.assertEqual(self.content("notes.txt"), b"precious")

    def test_its_own(self):
        """What has nothing in it is nobody's: mktemp makes such files."""
        for name in ("weights", "empty"):
            if name == "empty":
                self.write(name, b"")
            for _ in range(2):
                record(*SMALL, "--epochs", 1, "--save", self.path(name))
                self.assertIn("0.weight", read_safetensors(self.path(name)))


class Syncing(Writing):
    def test_without(self):
        """Some file systems can't be told to put a file on the disk, which is no reason to have no weights."""
        for reason in ("EINVAL", "ENOSYS"):
            name = "weights-" + reason
            found = record(*SMALL, "--epochs", 1, "--save", self.path(name), "--checkpoint", self.path("run"),
                           env=moment(f"fsync:1+:={reason}"))
            self.assertEqual(found["status"], "complete")
            self.assertIn("0.weight", read_safetensors(self.path(name)))
            os.remove(self.path("run"))

    def test_no_place(self):
        """It is found out before the training, and nothing is left behind."""
        for call in ("fsync:1+:=EIO", "fsync:1+:=ENOSPC"):
            done = run(*SMALL, "--epochs", 1, "--save", self.path("weights"), env=moment(call))
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(done.stderr, "trainer: can't write .*weights.*: (Input/output error|No space left)")
            self.assertEqual(os.listdir(self.folder), [])

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_no_permission(self):
        os.chmod(self.folder, 0o500)
        self.addCleanup(os.chmod, self.folder, 0o700)
        done = run(*SMALL, "--epochs", 1, "--save", self.path("weights"))
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("Permission denied", done.stderr)


if __name__ == "__main__":
    unittest.main()
