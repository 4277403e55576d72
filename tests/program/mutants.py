"""tests/mutants/run, with a project of its own that has a few lines.

  mutants.py SCRIPT
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from fixtures.patience import PATIENCE

SCRIPT = sys.argv.pop(1)

PROJECT = {
    "CMakeLists.txt": """cmake_minimum_required(VERSION 3.21)
project(small C)
enable_testing()
add_executable(check check.c)
add_test(NAME sum COMMAND check sum)
add_test(NAME product COMMAND check product)
add_test(NAME skipped COMMAND check skipped)
set_tests_properties(skipped PROPERTIES SKIP_RETURN_CODE 77)
add_test(NAME broken COMMAND check broken)
""",
    "CMakePresets.json": json.dumps({"version": 3, "configurePresets": [
        {"name": "ci", "binaryDir": "${sourceDir}/build/ci", "generator": "Unix Makefiles"}]}),
    "check.c": """#include <string.h>
int main(int count, char **words) {
    volatile int sum = 2 + 3, product = 2 * 3, unseen = 7;
    if (strcmp(words[count - 1], "sum") == 0)
        return sum != 5;
    if (strcmp(words[count - 1], "product") == 0)
        return product != 6;
    if (strcmp(words[count - 1], "skipped") == 0)
        return 77;
    return 1;
}
"""}

FAULTS = """# Of a small project.

seen check.c ^(sum|product)$
  A sum is a difference.
- sum = 2 + 3,
+ sum = 2 - 3,

in_two_places check.c ^product$
  The wrong product, and nobody the wiser about another.
- 2 * 3,
+ 3 * 3,
- unseen = 7;
+ unseen = 8;

unseen check.c ^sum$
  What nobody looks at.
- unseen = 7;
+ unseen = 8;

fine check.c ^sum$
  The same of what nobody needs.
  accepted: nobody needs it
- unseen = 7;
+ unseen = 9;

old check.c ^sum$
  Of a text that is no more.
- sum = 1 + 1
+ sum = 1 + 2

ambiguous check.c ^sum$
  Of a text that is there three times.
- strcmp
+ strncmp

no_c check.c ^sum$
  What is no C.
- volatile int
+ volatile integer

unable check.c ^skipped$
  What only another machine can see.
- return 77;
+ return 1;

no_module check.c ^sum$ no_such_module_of_python
  What needs a module.
- sum = 2 + 3
+ sum = 2 - 3
"""
HANGING = """
endless check.c ^sum$
  A test that does not end.
-     if (strcmp(words[count - 1], "sum") == 0)
+     while (strcmp(words[count - 1], "sum") == 0)
+         continue;
+     if (strcmp(words[count - 1], "sum") == 0)
"""
OUTCOMES = {"seen": "caught", "in_two_places": "caught", "unseen": "survived", "fine": "accepted", "old": "stale",
            "ambiguous": "stale", "no_c": "does not build", "unable": "untested", "no_module": "untested"}


class Mutants(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.source, self.temporary = self.path("source"), self.path("temporary")
        os.mkdir(self.source)
        os.mkdir(self.temporary)
        for name, text in PROJECT.items():
            self.write(os.path.join("source", name), text)
        self.git("init", "--quiet")
        self.git("add", ".")
        self.git("-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "--quiet", "-m", "All")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def git(self, *arguments):
        return subprocess.run(["git", "-C", self.source, *arguments], check=True, timeout=PATIENCE, text=True,
                              stdout=subprocess.PIPE).stdout

    def run_list(self, text, *arguments):
        faults = self.write("some.faults", text)
        return subprocess.run([sys.executable, SCRIPT, faults, "--source", self.source, *arguments], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, check=False,
                              env={**os.environ, "TMPDIR": self.temporary})

    def rows(self):
        with open(self.path("out"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def test_outcomes(self):
        done = self.run_list(FAULTS, "--out", self.path("out"))
        self.assertEqual(done.returncode, 1, done.stderr)
        rows = {row["fault"]: row for row in self.rows()}
        self.assertEqual({name: row["outcome"] for name, row in rows.items()}, OUTCOMES, done.stderr)
        self.assertEqual(rows["in_two_places"]["told"], "product")
        self.assertIn("\nsurvived: unseen (check.c, tests ^sum$)\n  What nobody looks at.\n", done.stdout)
        self.assertIn("integer", rows["no_c"]["told"])
        self.assertNotIn("nobody needs", done.stdout)
        self.assertEqual(self.git("status", "--porcelain"), "")
        self.assertEqual(os.listdir(self.temporary), [])
        # Going on, with one more, which alone is tried: its patience is too short for any other.
        refused = self.run_list(FAULTS + HANGING, "--out", self.path("out"))
        self.assertEqual(refused.returncode, 2, refused.stderr)
        done = self.run_list(FAULTS + HANGING, "--out", self.path("out"), "--resume", "--patience", "0.1")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(self.rows()[:-1], list(rows.values()))
        self.assertEqual((self.rows()[-1]["outcome"], self.rows()[-1]["told"]), ("hung", "sum"))
        self.assertEqual(os.listdir(self.temporary), [])

    def test_all_caught(self):
        """By a run of fewer tests first, whose rows are not taken for those of all."""
        more = ("--only", "^(seen|fine)$", "--jobs", "2", "--out", self.path("out"))
        self.assertEqual(self.run_list(FAULTS, *more, "--skip", "^sum$").returncode, 1)
        self.assertEqual({row["fault"]: row["outcome"] for row in self.rows()},
                         {"seen": "survived", "fine": "untested"})
        done = self.run_list(FAULTS, *more, "--resume")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines()[:2],
                         ["faults of     caught  accepted", "some               1         1"])

    def test_broken_without_faults(self):
        done = self.run_list("any check.c .\n  What any test may see.\n- 2 + 3\n+ 2 - 3\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("without a fault these tests fail: broken", done.stderr)
        self.assertEqual(os.listdir(self.temporary), [])

    def test_list(self):
        done = self.run_list(FAULTS, "--list")
        self.assertEqual(done.returncode, 1, done.stderr)
        stale = [line.split()[0] for line in done.stdout.splitlines() if line.endswith("(stale)")]
        self.assertEqual(stale, ["old", "ambiguous"])
        self.assertEqual(self.run_list(FAULTS, "--list", "--only", "^seen$").returncode, 0)

    def test_current(self):
        """No fault of the project's own lists has lost the code that it is about."""
        done = subprocess.run([sys.executable, SCRIPT, "--list"], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PATIENCE, check=False)
        self.assertEqual([line for line in done.stdout.splitlines() if line.endswith("(stale)")], [])
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_wrong_lists(self):
        for text, why in ((FAULTS + "\n" + FAULTS, "two faults have the name"),
                          ("short check.c\n  Why.\n- a\n+ b\n", "some.faults:1: expected NAME FILE TESTS"),
                          ("\nbare check.c .\n- a\n+ b\n", "some.faults:2: bare has no meaning"),
                          ("late check.c .\n  Why.\n+ b\n", "a replacement of nothing")):
            done = self.run_list(text)
            self.assertEqual(done.returncode, 1, why)
            self.assertIn(why, done.stderr)
        self.assertEqual(self.run_list(FAULTS, "--only", "^none$").returncode, 2)
        self.assertEqual(self.run_list(FAULTS, "--resume").returncode, 2)


if __name__ == "__main__":
    unittest.main()
