"""tests/fuzz/inputs: any bytes come back from the text as they were, and none is lost.

  fuzz_inputs.py SCRIPT
"""
import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

from fixtures.patience import PATIENCE

SCRIPT = pathlib.Path(sys.argv.pop(1))


class Inputs(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.script = shutil.copy(SCRIPT, self.folder)
        self.text = self.folder / "corpus" / "some.txt"
        self.text.parent.mkdir()
        self.text.write_text("# A comment.\n")
        self.unpacked = self.folder / "unpacked"

    def inputs(self, *words, status=0):
        done = subprocess.run([sys.executable, "-B", self.script, *map(str, words)], text=True, timeout=PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done.stdout + done.stderr

    def add(self, data, *name, status=0):
        file = self.folder / "crash"
        file.write_bytes(data)
        return self.inputs("add", "some", file, *name, status=status)

    def unpack(self, status=0):
        """{name: bytes}; what is said, where it fails."""
        said = self.inputs("unpack", self.text, self.unpacked, status=status)
        return said if status else {path.name: path.read_bytes() for path in self.unpacked.glob("[!.]*")}

    def test_round_trip(self):
        source = random.Random(1)
        cases = [b"", b"\n", b"\n\n", b" ", b"  two \n  and more  ", b"# no comment\n", b"\\", b"\\n", b"\\\n",
                 b"\\x41", b"\r\n\t\0", bytes(range(256)), b" " * 300, b"\\" * 300, "für".encode(),
                 bytes(source.choice(b"\\nx0 \n#\xff") for _ in range(10000))]
        for index, data in enumerate(cases):
            self.add(data, f"case_{index}")
        self.assertEqual(self.unpack(), {f"case_{index}": data for index, data in enumerate(cases)})
        lines = self.text.read_text(encoding="ascii").splitlines()
        self.assertLessEqual(max(map(len, lines)), 117)
        self.assertEqual([line for line in lines if line != line.rstrip()], [])

    def test_name(self):
        """Without one it is that of libFuzzer's; a name and an input are there once."""
        self.text.write_text("first\n  abc")  # whose last line has no end
        name = "found_" + hashlib.sha1(b"xyz").hexdigest()[:8]
        self.assertIn(f"{name}, 3 bytes", self.add(b"xyz"))
        before = self.text.read_bytes()
        self.assertIn("has these 3 bytes already: first", self.add(b"abc", "other"))
        self.assertIn("has another input called first", self.add(b"other", "first", status=1))
        for wrong in ("../a", "a b", ".inputs", "#a"):
            self.assertIn("is no name", self.add(b"other", wrong, status=1))
        self.assertEqual(self.text.read_bytes(), before)
        self.assertEqual(self.unpack(), {"first": b"abc", name: b"xyz"})

    def test_folder(self):
        """One that is unpacked to again has no more than the text; another's is left as it is."""
        self.add(b"1", "one")
        self.add(b"2", "two")
        self.assertEqual(sorted(self.unpack()), ["one", "two"])
        self.text.write_text("two\n  3\n")
        self.assertEqual(self.unpack(), {"two": b"3"})
        self.unpacked = self.folder / "mine"
        self.unpacked.mkdir()
        (self.unpacked / "letter").write_text("dear")
        self.assertIn("has files that are not from here", self.unpack(status=1))
        self.assertEqual(os.listdir(self.unpacked), ["letter"])

    def test_wrong_texts(self):
        for text, said in (("  abc\n", ":1: neither the name"), ("a\nb c\n", ":2: neither the name"),
                           ("a\n\n  1\na\n", ":4: there are two inputs called a"), ("a\n abc\n", ":2: neither"),
                           ("a\n  b\\q\n", r":2: '\\q' is neither"), ("a\n  \\x4\n", r":2: '\\x4' is neither"),
                           ("a\n  \t\n", r":2: '\t' is neither"), ("a\n  ü\n", r":2: '\xfc' is neither")):
            self.text.write_text(text, encoding="utf-8")
            self.assertIn(f"{self.text}{said}", self.unpack(status=1))
            self.assertFalse(self.unpacked.exists())

    def test_usage(self):
        self.assertIn("there is no target other, but some", self.inputs("add", "other", self.text, status=1))
        self.assertIn("No such file", self.inputs("add", "some", self.folder / "none", status=1))
        for words in ((), ("add",), ("add", "some"), ("unpack", "a"), ("pack", "a", "b")):
            self.assertIn("tests/fuzz/inputs add TARGET FILE [NAME]", self.inputs(*words, status=2))
        self.assertIn("tests/fuzz/inputs add TARGET FILE [NAME]", self.inputs("--help"))


if __name__ == "__main__":
    unittest.main()
