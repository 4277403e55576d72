"""tools/fetch-cifar10, on archives made here.

  fetch.py TRAINER TOOL
"""
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

from common import record

TOOL = sys.argv.pop(1)
NAMES = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]


class Fetch(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.dir = os.path.join(self.folder, "cache", "cifar-10-batches-bin")

    def archive(self, change=None):
        """An archive of six files of zeros; change(tar) adds what it likes. Gives path and sum."""
        path = os.path.join(self.folder, "archive.tar.gz")
        with tarfile.open(path, "w:gz", compresslevel=1) as tar:
            for name in NAMES + ["readme.html"]:
                member = tarfile.TarInfo("cifar-10-batches-bin/" + name)
                member.size = 30730000 if name in NAMES else 10
                tar.addfile(member, io.BytesIO(bytes(member.size)))
            if change:
                change(tar)
        with open(path, "rb") as file:
            return path, hashlib.sha256(file.read()).hexdigest()

    def fetch(self, *arguments):
        return subprocess.run([TOOL, "--dir", self.dir, *arguments], text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def refused(self, text, *arguments, code=1):
        done = self.fetch(*arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertFalse(os.path.exists(self.dir))
        self.assertEqual(os.listdir(os.path.dirname(self.dir)), [])

    def test_good(self):
        path, digest = self.archive()
        for source in (["--file", path], ["--url", "file://" + path]):
            done = self.fetch(*source, "--sha256", digest)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, f"CIFAR-10 is in {self.dir}\n")
            self.assertEqual(os.listdir(os.path.dirname(self.dir)), ["cifar-10-batches-bin"])
            found = record("--samples", 100, "--epochs", 1,
                           env={"XDG_CACHE_HOME": "", "TRAINER_DATA_DIR": self.dir})
            self.assertEqual(found["dataset"]["source"], "files")
            again = self.fetch("--file", "/nonexistent")  # whole: nothing is fetched
            self.assertEqual(again.returncode, 0, again.stderr)
            shutil.rmtree(self.dir)

    def test_wrong_checksum(self):
        path, _ = self.archive()
        self.refused("refused", "--file", path)
        self.refused("expected c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                     "--url", "file://" + path)

    def test_missing(self):
        self.refused("is not a file", "--file", "/nonexistent")
        self.refused("can't fetch file:///nonexistent", "--url", "file:///nonexistent", code=4)

    def test_interrupted(self):
        """What an earlier run left is swept away, and does not count as the data set."""
        path, digest = self.archive()
        left = self.dir + ".partial/files/cifar-10-batches-bin"
        os.makedirs(left)
        with open(os.path.join(left, "stray.bin"), "wb") as file:
            file.write(b"half a file")
        done = self.fetch("--file", path, "--sha256", digest)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(os.listdir(self.dir)), sorted(NAMES + ["readme.html"]))
        shutil.rmtree(self.dir)
        with open(path, "rb") as file:
            half = file.read()[:20000]
        with open(path + ".half", "wb") as file:
            file.write(half)
        self.refused("refused", "--file", path + ".half", "--sha256", digest)
        self.refused("", "--file", path + ".half", "--sha256", hashlib.sha256(half).hexdigest())
        done = self.fetch("--file", path, "--sha256", digest)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_what_is_there(self):
        """An empty folder is filled, and links to the files are as good as files."""
        path, digest = self.archive()
        os.makedirs(self.dir)
        done = self.fetch("--file", path, "--sha256", digest)
        self.assertEqual(done.returncode, 0, done.stderr)
        os.rename(self.dir, self.dir + ".real")
        os.mkdir(self.dir)
        for name in NAMES:
            os.symlink(os.path.join(self.dir + ".real", name), os.path.join(self.dir, name))
        done = self.fetch()
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_half_a_data_set(self):
        os.makedirs(self.dir)
        with open(os.path.join(self.dir, NAMES[0]), "wb") as file:
            file.write(b"kept")
        done = self.fetch()
        self.assertEqual(done.returncode, 1)
        self.assertIn("has 4 bytes, expected 30730000: move", done.stderr)
        self.assertEqual(os.listdir(self.dir), [NAMES[0]])

    def test_hostile(self):
        def add(name, **fields):
            def change(tar):
                member = tarfile.TarInfo(name)
                for key, value in fields.items():
                    setattr(member, key, value)
                tar.addfile(member)
            return change
        outside = os.path.join(self.folder, "outside")
        for change in (add(outside), add("../outside"), add("cifar-10-batches-bin/../../outside"),
                       add("cifar-10-batches-bin/sub/file"), add("other/file")):
            path, digest = self.archive(change)
            self.refused("not part of CIFAR-10", "--file", path, "--sha256", digest)
            self.assertFalse(os.path.exists(outside))
        path, digest = self.archive(
            add("cifar-10-batches-bin/test_batch.bin", type=tarfile.SYMTYPE, linkname=outside))
        self.refused("", "--file", path, "--sha256", digest)

    def test_usage(self):
        for arguments in (["--nonsense", "x"], ["--url"], ["--file", ""]):
            done = self.fetch(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--sha256 SUM", done.stderr)


if __name__ == "__main__":
    unittest.main()
