"""What the program leaves in files: whole lines, however many programs append to one; nobody else's file
replaced.

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


class Fingerprint(Writing):
    """What tells one data set from another, of the images that a run has: FNV-1a of each label and every 4093rd
    byte of the pixels."""

    def make(self, name, **changed):
        """A folder of zeros, but for some bytes, {file: {offset: value}}."""
        os.mkdir(self.path(name))
        for file in [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]:
            with open(os.path.join(self.path(name), file + ".bin"), "wb") as made:
                made.truncate(30730000)
                for offset, value in changed.get(file, {}).items():
                    made.seek(offset)
                    made.write(bytes([value]))
        return self.path(name)

    def expected(self, folder, samples):
        result = 0xCBF29CE484222325
        for file in ("data_batch_1", "test_batch"):
            with open(os.path.join(folder, file + ".bin"), "rb") as source:
                images = source.read(samples * 3073)
            pixels = b"".join(images[at + 1:at + 3073] for at in range(0, len(images), 3073))
            for byte in images[::3073] + pixels[::4093]:
                result = (result ^ byte) * 0x100000001B3 % 2**64
        return f"{result:016x}"

    def test_of_the_data(self):
        made = self.make("made", data_batch_1={0: 3, 3073: 9, 1: 200, 4095: 7}, test_batch={0: 5, 4095: 77})
        found = record(*SMALL, "--epochs", 1, "--data", made)
        self.assertEqual(found["dataset"]["fingerprint"], self.expected(made, 30))
        again = record(*SMALL, "--epochs", 0, "--data", made, "--seed", 2, "--batch-size", 7, "--color", "rgb")
        self.assertEqual(again["dataset"]["fingerprint"], found["dataset"]["fingerprint"])
        row = run(*SMALL, "--epochs", 0, "--data", made, "--format", "csv").stdout
        (row,) = csv.DictReader(io.StringIO(row))
        self.assertEqual(row["fingerprint"], found["dataset"]["fingerprint"])
        others = [record(*SMALL, "--epochs", 0, *more)["dataset"]["fingerprint"] for more in (
            ("--data", made, "--samples", 29), ("--data", self.make("label", test_batch={3073: 1})),
            (), ("--seed", 2))]
        self.assertEqual(len({found["dataset"]["fingerprint"], *others}), 5)

    def test_unread(self):
        """Nothing is known of images that are not read."""
        plan = record(*SMALL, "--dry-run")
        self.assertIsNone(plan["dataset"]["fingerprint"])


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


if __name__ == "__main__":
    unittest.main()
