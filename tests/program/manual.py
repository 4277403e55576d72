"""The READMEs and the program say the same: options, phases, exit statuses, the record's keys, the transcript; and what
the READMEs name or lead to is there.

  manual.py TRAINER
"""
import glob
import json
import os
import re
import subprocess
import sys
import unittest

from common import Folder, record, run
from fixtures import documented
from fixtures.documented import SOURCE

SMALL = ("--device", "reference", "--data", "synthetic", "--samples", 60, "--batch-size", 20)
# Of paths in READMEs: what a build makes, what is in the user's cache.
ELSEWHERE = ("build/", "trainer/")
MADE = "results/README.md"  # by tools/report
EXAMPLES = ("device_square",)  # names that a README supposes
BLOCK = r"(?ms)^ *```.*?$\n(.*?)^ *```$"
# "src/device", "tools/sweep", ".ci/run", "recording.c"; with a * in it, some file must be meant
PATH = r"\.?[a-z_][\w.*-]*(/[\w.*-]+)+/?|[a-z_]+/|[a-z_][\w.*-]*\.(c|h|cl|py|cmake|faults|jsonl)"


def code(markdown):
    """(what stands in backquotes, what stands in blocks) of a README."""
    return re.findall(r"`([^`\n]+)`", re.sub(BLOCK, "", markdown)), re.findall(BLOCK, markdown)


def written():
    """READMEs that are written by hand, and their texts."""
    return [(path, documented.text(path)) for path in documented.readmes() if path != MADE]


def sources():
    """The text of all that is no README."""
    texts = []
    for top in ("include", "src", "kernels", "tests", "tools", "CMakeLists.txt", "CMakePresets.json"):
        top = os.path.join(SOURCE, top)
        names = [top] if os.path.isfile(top) else glob.glob(os.path.join(top, "**", "*"), recursive=True)
        for name in names:
            if os.path.isfile(name) and not name.endswith((".md", ".pyc")) and "corpus" not in name:
                with open(name, encoding="utf-8", errors="replace") as file:
                    texts.append(file.read())
    return "\n".join(texts)


def slug(heading):
    """The anchor that a page gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


class Led(unittest.TestCase):
    """What a README names or leads to is there."""

    def test_there_are_some(self):
        paths = [path for path, _ in written()]
        for path in ("README.md", "src/README.md", "kernels/README.md"):
            self.assertIn(path, paths)

    def test_links(self):
        broken = []
        for path in documented.readmes():
            for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(BLOCK, "", documented.text(path))):
                to, _, anchor = link.partition("#")
                to = os.path.normpath(os.path.join(os.path.dirname(path), to)) if to else path
                if re.match(r"[a-z]+:", link):
                    continue
                headings = []
                if to.endswith(".md") and os.path.isfile(os.path.join(SOURCE, to)):
                    headings = [slug(heading) for heading in re.findall(r"(?m)^#+ (.*)$", documented.text(to))]
                if not os.path.exists(os.path.join(SOURCE, to)) or (anchor and anchor not in headings):
                    broken.append(f"{path}: {link}")
        self.assertEqual(broken, [])

    def exists(self, readme, path):
        """From the source's top on, from the README's folder on, or the name of a file below that."""
        own = os.path.join(SOURCE, os.path.dirname(readme))
        places = [os.path.join(SOURCE, path), os.path.join(own, path)]
        if "/" not in path:
            places.append(os.path.join(own, "**", path))
        return any(glob.glob(place, recursive=True) for place in places)

    def test_paths(self):
        found, lacking = 0, []
        for readme, markdown in written():
            quoted, blocks = code(markdown)
            words = [text.split()[0] for text in quoted]
            words += [word for block in blocks for word in block.split()
                      if word.startswith(("tools/", "tests/", "kernels/", "src/", "include/"))]
            for word in words:
                if not re.fullmatch(PATH, word) or word.startswith(ELSEWHERE) or re.search("[A-Z]{2}", word):
                    continue  # NAME and its like stand for something
                found += 1
                if not self.exists(readme, word):
                    lacking.append(f"{readme}: {word}")
        self.assertEqual(lacking, [])
        self.assertGreater(found, 20)

    def test_identifiers(self):
        known = set(re.findall(r"\w+", sources()))
        found, lacking = 0, []
        for readme, markdown in written():
            for text in code(markdown)[0]:
                name = re.fullmatch(r"(?:(struct|enum) )?([A-Za-z]\w*[A-Za-z0-9])(?:\(.*\))?", text)
                if name and (name.group(1) or "_" in name.group(2)):
                    found += 1
                    if name.group(2) not in known and name.group(2) not in EXAMPLES:
                        lacking.append(f"{readme}: {text}")
        self.assertEqual(lacking, [])
        self.assertGreater(found, 20)


class Scaling(unittest.TestCase):
    """tools/scaling and the tables of its README."""

    def scaling(self, *arguments):
        return subprocess.run([sys.executable, "-B", os.path.join(SOURCE, "tools", "scaling"), *map(str, arguments)],
                              text=True, capture_output=True)

    def test_tables(self):
        text = documented.text("src/communicator/README.md")
        for options in ((), ("--layers", "1024,1024", "--batch-size", "3000")):
            self.assertIn(self.scaling(*options).stdout, text)

    def test_worked_out(self):
        """68,010 floats between two ranks: 2 messages of 10 us, and 272,040 bytes at 1 GB/s; and half of 300 samples,
        276,352 operations each, at 100 GFLOP/s, of which 8 % are waiting. One alone takes 4 + 829.056 us."""
        done = self.scaling("--latency", 10, "--bandwidth", 1, "--fixed", 4, "--gflops", 100)
        exchange, half = 20 + 272.04, 150 * 276352 / 100e3
        took = 4 + 1.08 * half + exchange
        self.assertIn(f"| 2 | {(4 + 2 * half) / took:.2f} ({100 * (exchange + 0.08 * half) / took:.0f} %) |", done.stdout)

    def test_usage(self):
        for wrong in (("--layers", "x"), ("--layers", "0"), ("--batch-size", 0), ("--latency", 1), ("--gflops", 100),
                      ("--latency", 1, "--bandwidth", -1)):
            done = self.scaling(*wrong)
            self.assertEqual((done.returncode, done.stdout), (2, ""), wrong)


class Facts(Folder):
    def test_options_and_defaults(self):
        """(That all are there is known from command_line.py.)"""
        table = documented.rows(documented.section("README.md", "## Options"))
        said = {option.strip("`").split()[0]: default.strip("`") for option, default, *_ in table
                if option.startswith("`--")}
        help_text = re.split(r"(?m)^  (?=--)", run("--help").stdout)[1:]
        self.assertEqual(list(said), [option.split()[0] for option in help_text])
        for option in help_text:
            default = re.search(r"\(default: (\S+)\)", option)
            if default:
                self.assertEqual(said[option.split()[0]], default.group(1), option)

    def test_commands(self):
        """Of the program, with options that it has."""
        options = set(re.findall(r"(?m)^  (--[a-z-]+)", run("--help").stdout))
        found = 0
        for readme, markdown in written():
            quoted, blocks = code(markdown)
            for command in quoted + [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]:
                given = re.search(r"build/\w+/trainer (.*)", command)
                for option in re.findall(r"--[a-z-]+", given.group(1) if given else ""):
                    found += 1
                    self.assertIn(option, options, f"{readme}: {command}")
        self.assertGreater(found, 5)

    def test_exit_statuses(self):
        table = documented.rows(documented.section("README.md", "## Options"))
        said = [int(number) for first, *_ in table if not first.startswith("`")
                for number in first.split(", ")]
        values = re.findall(r"(?m)^    STATUS_\w+ = (\d+)", documented.text("include", "trainer", "error.h"))
        self.assertEqual(sorted({*said, 130}), sorted({*map(int, values), 129, 143}))

    def test_phases(self):
        table = documented.rows(documented.section("README.md", "## What each second means"))
        said = [first.strip("`") for first, *_ in table]
        seconds = record(*SMALL)["seconds"]
        self.assertEqual(set(said) - {"epoch"}, set(seconds) - {"epochs", "mean_epoch"})

    def test_record(self):
        """Of one run, of another that went on with it, and of one with all that there may be besides."""
        def keys(value, before=""):
            for name, inner in value.items():
                inner = inner[0] if isinstance(inner, list) and inner and isinstance(inner[0], dict) else inner
                if isinstance(inner, dict):
                    yield from keys(inner, f"{before}{name}.")
                else:
                    yield before + name

        path = self.path("run.ckpt")
        first = record(*SMALL, "--epochs", 1, "--checkpoint", path)
        self.assertIsNone(first.pop("resumed"))
        second = record("--resume", path, "--epochs", 2)
        third = record(*SMALL, "--validation", 5, "--target-accuracy", 0.01)
        said = [re.sub(r"^(clocks|ranks)\..*", r"\1", key)  # which are a GPU's, and several processes'
                for key in documented.record_keys()
                if not key.startswith("peak.")]
        said = list(dict.fromkeys(said))
        absent = {"best", "target", "epochs.validation"}  # as a whole, in the first two
        self.assertEqual(sorted(said), sorted(({*keys(first), *keys(second)} - absent) | {*keys(third)} - {"resumed"}))
        example = re.search(r"(?s)```json\n(.*?)```", documented.text("src", "report", "README.md")).group(1)
        first["resumed"] = None
        self.assertEqual(list(keys(json.loads(example))), list(keys({**second, "resumed": None})))

    def test_kernels(self):
        """Each file of the folder with its kernels, the dialect's words, and what comes by -D."""
        said = {first.strip("`"): set(re.findall(r"`(\w+)`", what))
                for first, what, *_ in documented.rows(documented.text("kernels", "README.md")) if "." in first}
        names = [name for name in os.listdir(os.path.join(SOURCE, "kernels")) if name != "README.md"]
        self.assertEqual(sorted(said), sorted(names))
        for name in names:
            kernels = set(re.findall(r"(?m)^KERNEL(?:_OF_GROUPS?)?\((\w+)", documented.text("kernels", name)))
            self.assertLessEqual(kernels, said[name], name)
        words = {word for first, *_ in documented.rows(documented.section("kernels/README.md", "## The dialect"))
                 for word in re.findall(r"`(\w+)", first)}
        dialect = documented.text("kernels", "dialect.h").split("#elif")[0]
        defined = set(re.findall(r"#define (\w+)|^DEVICE \w+ (\w+)", dialect, re.M))
        self.assertEqual(words, {define or function for define, function in defined})
        constants = {name for first, *_ in documented.rows(
            documented.section("kernels/README.md", "## The constants")) for name in re.findall("`(.*?)`", first)}
        given = set()
        for path in glob.glob(os.path.join(SOURCE, "src", "device", "gpu", "*.[ch]")):
            given.update(re.findall(r"-D([A-Z]\w*)", documented.text(path)))
        self.assertEqual(constants, given - {"NAME"})  # a comment's

    def test_transcript(self):
        """A run prints the lines that the README shows, but for the figures and what comes of the machine."""
        def lines(text):
            head, rest = text.split("\n\n", 1)
            return [line.split()[0] for line in head.splitlines()] + re.sub(r"\d[\d.]*", "0", rest).splitlines()

        shown = re.search(r"(?s)\$ build/release/trainer --device cpu\n(.*?)```",
                          documented.section("README.md", "## A run")).group(1)
        printed = run(*SMALL, "--quiet").stdout
        self.assertEqual([re.sub(" +", " ", line) for line in lines(shown)],
                         [re.sub(" +", " ", line) for line in lines(printed)])

    def test_length(self):
        """What README.md can't say in so many lines belongs to the folder that it is about."""
        self.assertLess(len(documented.text("README.md").splitlines()), 221)


if __name__ == "__main__":
    unittest.main()
