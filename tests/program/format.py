"""tools/format, in a repository of its own, and what it says of this one.

  format.py TOOL
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from fixtures.interpreters import skip
from fixtures.patience import PATIENCE

TOOL = os.path.abspath(sys.argv.pop(1))
ROOT = os.path.dirname(os.path.dirname(TOOL))
UNTIDY, TIDY = "int  sum( int a,int b ){return a+b;}\n", "int sum(int a, int b) {\n    return a + b;\n}\n"


def run(tool, *arguments, cwd=None):
    return subprocess.run([tool, *arguments], cwd=cwd, text=True, timeout=PATIENCE, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Format(unittest.TestCase):
    def setUp(self):
        self.folder = os.path.join(tempfile.mkdtemp(), "a folder")
        self.addCleanup(shutil.rmtree, os.path.dirname(self.folder))
        os.makedirs(os.path.join(self.folder, "tools"))
        self.tool = shutil.copy(TOOL, os.path.join(self.folder, "tools"))
        shutil.copy(os.path.join(ROOT, ".clang-format"), self.folder)
        self.git("init", "--quiet")

    def git(self, *arguments):
        subprocess.run(["git", "-C", self.folder, *arguments], check=True, timeout=PATIENCE)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, text, *names):
        for name in names:
            with open(self.path(name), "w", encoding="utf-8") as file:
                file.write(text)

    def read(self, *names):
        texts = []
        for name in names:
            with open(self.path(name), encoding="utf-8") as file:
                texts.append(file.read())
        return texts

    def test_all_files(self):
        """Those that are not committed yet, too, but none that git ignores or that is no more."""
        names = ("a.c", "a b.h", "ignored.c", "other.cl")
        self.write(UNTIDY, "deleted.c", *names)
        self.write("ignored.c\n", ".gitignore")
        self.git("add", "a.c", "deleted.c")
        os.unlink(self.path("deleted.c"))
        done = run(self.tool, "--check", cwd="/")
        self.assertEqual(done.returncode, 1)
        self.assertIn("a.c:1:", done.stderr)
        self.assertIn("a b.h:1:", done.stderr)
        self.assertEqual(self.read(*names), [UNTIDY] * 4)
        self.assertEqual(run(self.tool, cwd="/").returncode, 0)
        self.assertEqual(self.read(*names), [TIDY, TIDY, UNTIDY, UNTIDY])
        self.assertEqual(run(self.tool, "--check", cwd="/").returncode, 0)

    def test_named_files(self):
        self.write(UNTIDY, "a.c", "b.c")
        self.assertEqual(run(self.tool, "a.c", cwd=self.folder).returncode, 0)
        self.assertEqual(self.read("a.c", "b.c"), [TIDY, UNTIDY])

    @unittest.skipUnless(os.path.exists(os.path.join(ROOT, ".git")), "this is no checkout")
    def test_this_repository(self):
        done = run(TOOL, "--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    if "is needed" in run(TOOL, "--check", os.devnull).stderr:
        skip("format", "there is no clang-format 19: tools/setup format")
    unittest.main()
