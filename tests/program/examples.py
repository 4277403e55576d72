"""tests/README.md and tools/README.md: what they list is all that there is, and their commands can be given.

  examples.py TRAINER BUILD_FOLDER
"""
import glob
import json
import os
import re
import shlex
import subprocess
import sys
import unittest

from common import TRAINER, environment, run
from fixtures.patience import PATIENCE

BUILD = os.path.abspath(sys.argv.pop(1))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
README = {folder: os.path.join(folder, "README.md") for folder in ("tests", "tools")}


def text(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def blocks(readme, language=""):
    return [block for of_what, block in re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", text(readme))
            if of_what == language]


def commands():
    """All of both, in words."""
    lines = [line for readme in README.values() for block in blocks(readme, "sh")
             for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line.split(" | ")[0], comments=True) for line in lines]


def of(*start):
    """What follows this beginning of commands, of which there is one at least."""
    found = [words[len(start):] for words in commands() if tuple(words[:len(start)]) == start]
    assert found, start
    return found


def option(words, name):
    """The value that a command has for it; None where it has none."""
    return words[words.index(name) + 1] if name in words else None


def given(command, **more):
    return subprocess.run(command, cwd=ROOT, env=environment(), encoding="utf-8", timeout=PATIENCE, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


class Lists(unittest.TestCase):
    @staticmethod
    def first_cells(readme):
        return {name.rstrip("/") for line in text(readme).splitlines() if line.startswith("| `")
                for name in re.findall("`(.*?)`", line.split(" | ")[0])}

    def test_folders_of_tests(self):
        there = {name for name in os.listdir(os.path.join(ROOT, "tests")) if "." not in name and name != "__pycache__"}
        self.assertEqual(self.first_cells(README["tests"]), there)

    def test_tools(self):
        there = {path[len(ROOT) + 1:] for path in glob.glob(os.path.join(glob.escape(ROOT), "tools", "*"))
                 if os.access(path, os.X_OK) and not os.path.isdir(path)}
        self.assertEqual(self.first_cells(README["tools"]), {*there, "tools/peers", "tools/recipes"})

    def test_what_may_be_required(self):
        section = text(README["tests"]).split("\n## What may be skipped\n")[1].split("\n## ")[0]
        required = re.search(r"TRAINER_REQUIRE_DEVICES=(\S+)", text(".ci", "run")).group(1).split(",")
        self.assertLessEqual(set(required), set(re.findall(r"`(\w+)`", section)))
        groups = re.search(r"(?m)^timed set-up (tools/setup .*)$", text(".ci", "run")).group(1)
        self.assertIn(f"`{groups}`", section)

    def test_fault(self):
        """The example is one of the lists."""
        example, = blocks(README["tests"])
        self.assertIn(f"\n{example}\n", text("tests", "mutants", "tools.faults"))


class Commands(unittest.TestCase):
    def test_programs(self):
        """Each is there, and has the options that it is given."""
        help_text = run("--help").stdout
        for words in commands():
            if not words or not words[0].startswith(("tools/", "tests/", ".ci/")):
                continue
            self.assertTrue(os.access(os.path.join(ROOT, words[0]), os.X_OK), words[0])
            known = text(words[0]) + (help_text if words[0] == "tools/sweep" else "")
            for name in (word for word in words if word.startswith("--")):
                self.assertRegex(known, rf"{name}(?![\w-])", words)

    def test_presets(self):
        presets = {preset["name"] for preset in json.loads(text("CMakePresets.json"))["testPresets"]}
        for words in of("tools/test"):
            self.assertLessEqual({word for word in words if word != "--long"}, presets)
        groups = set(re.findall(r"\[(\w+)\]", text("tools", "setup").split("\n\n")[0]))
        for words in of("tools/setup"):
            self.assertLessEqual(set(words), groups)

    def test_single_tests(self):
        told = json.loads(given(["ctest", "--test-dir", BUILD, "--show-only=json-v1"]).stdout)
        names = [test["name"] for test in told["tests"]]
        wanted = [option(words, "-R") for words in of("ctest")]
        for regex in filter(None, wanted):
            self.assertTrue([name for name in names if re.search(regex, name)], regex)
        programs = [words[0] for words in commands() if words and words[0].startswith("build/ci/tests/")]
        self.assertTrue(programs)
        for program in programs:
            self.assertTrue(os.access(os.path.join(BUILD, "tests", os.path.basename(program)), os.X_OK), program)
        for script, _, test in of("python3", "-B"):
            name, method = test.split(".")
            self.assertRegex(text(script), rf"(?ms)^class {name}\(.*^    def {method}\(")

    def test_faults(self):
        """Those that are to be tried are in a list."""
        for words in of("tests/mutants/run"):
            chosen = [word for word in words if word.endswith(".faults")]
            only = ["--only", option(words, "--only")] if "--only" in words else []
            done = given([os.path.join(ROOT, "tests/mutants/run"), *chosen, *only, "--list"])
            self.assertNotEqual(done.returncode, 2, done.stderr)
            self.assertIn(only[-1] if only else "\n", done.stdout)

    def test_inputs(self):
        for target, *_ in of("tests/fuzz/inputs", "add"):
            self.assertTrue(os.path.exists(os.path.join(ROOT, "tests", "fuzz", "corpus", target + ".txt")), target)

    def test_sweeps(self):
        """Of no peers, which want their libraries and CIFAR-10."""
        for words in of("tools/sweep"):
            at = words.index("--peers") if "--peers" in words else len(words)
            done = given([os.path.join(ROOT, "tools/sweep"), *words[:at], *words[at + 2:], "--data", "synthetic",
                          "--dry-run", "--trainer", TRAINER])
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("--batch-size" if "--batch-size" in words else "--device", done.stdout)

    def test_table(self):
        """Of the record of a run, as another example makes it."""
        (*options, into, path), = of("build/release/trainer")
        self.assertEqual((into, [path]), (">>", *of("tools/table")))
        options = ["reference" if word == "cpu" else word for word in options]  # which every build has
        record = given([TRAINER, *options, "--data", "synthetic", "--samples", "300"]).stdout
        table = given([os.path.join(ROOT, "tools/table")], input=record)
        self.assertEqual((table.returncode, table.stderr), (0, ""))
        self.assertEqual(len(table.stdout.splitlines()), 2)


if __name__ == "__main__":
    unittest.main()
