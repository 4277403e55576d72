"""tools/recipes: each is options of the program, which the program and a sweep take as the README says.

  recipes.py TRAINER TOOLS
"""
import glob
import os
import re
import subprocess
import sys
import unittest

from common import TRAINER, run
from fixtures.patience import PATIENCE

TOOLS = sys.argv.pop(1)
RECIPES = sorted(glob.glob(os.path.join(glob.escape(TOOLS), "recipes", "*.txt")))
DATA = ("--device", "reference", "--data", "synthetic", "--dry-run")


def words(path):
    with open(path, encoding="utf-8") as file:
        return file.read().split()


class Recipes(unittest.TestCase):
    def test_list(self):
        """The README names each, and no other."""
        with open(os.path.join(TOOLS, "recipes", "README.md"), encoding="utf-8") as file:
            named = set(re.findall(r"(?m)^\| `(\w+\.txt)`", file.read()))
        self.assertEqual(named, {os.path.basename(path) for path in RECIPES})

    def test_program(self):
        for path in RECIPES:
            done = run(*words(path), *DATA)
            self.assertEqual((done.returncode, path), (0, path), done.stderr)

    def test_sweep(self):
        """Runs of three seeds; and what a recipe says of the epochs is what each run does."""
        for path in RECIPES:
            done = subprocess.run(
                [sys.executable, os.path.join(TOOLS, "sweep"), *words(path), *DATA, "--seed", "1-3",
                 "--trainer", TRAINER], encoding="utf-8", timeout=PATIENCE, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual((done.returncode, path), (0, path), done.stderr)
            epochs = words(path)[words(path).index("--epochs") + 1]
            self.assertGreaterEqual(len(re.findall(rf"--epochs {epochs}\b", done.stdout)), 3, done.stdout)

    def test_benchmark(self):
        """It says the defaults, all that tell one run from another."""
        path, = (path for path in RECIPES if path.endswith("/benchmark.txt"))
        self.assertEqual(run(*words(path), *DATA).stdout, run(*DATA).stdout)


if __name__ == "__main__":
    unittest.main()
