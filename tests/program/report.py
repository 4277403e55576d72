"""tools/report: what it counts and what it refuses, and that its page and its tables are well-formed.

  report.py TRAINER TOOL
"""
import collections
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from fixtures import fake_records as fake
from fixtures.markup import Parsed, light
from fixtures.interpreters import skip_without_matplotlib
from fixtures.patience import PATIENCE
from fixtures.refused import NEVER, refused_lines

del sys.argv[1]  # the program, which is not needed here
TOOL = sys.argv.pop(1)
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(TOOL)))
from reporting import answers, machines, records, tables, words  # noqa: E402

HOSTILE = "<script>alert(1)</script> | `x` $a_b$ \n# [h](http://e.example) & \"q\" \x00\u202e"


def alpha():
    """A machine of which every figure is worked out in the tests."""
    old = [fake.run("cpu", 9.9, commit=fake.OLD_COMMIT) for _ in range(2)]
    new = [fake.run("cpu", epoch) for epoch in (0.17, 0.10, 0.12)]
    new += [fake.run("jax", epoch, threads=4, phases={"load": 1.25}) for epoch in (0.25, 0.24, 0.23)]
    new += [fake.run("cpu", 1.5, layers=(1024, 1024), rate=0.0001), fake.run("cpu", 0.2, threads=1)]
    new += [fake.peak("cpu", gflops) for gflops in (230.0, 250.0, 231.0)]
    new[0]["sweep"] = {"options": [], "run": 1, "of": 3, "warnings": ["other processes took 0.5 cores"]}
    return old + new


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.out = os.path.join(self.folder, "out")

    def write(self, name, lines):
        path = os.path.join(self.folder, name + ".jsonl")
        with open(path, "wb") as file:
            file.write(fake.lines_of(lines).encode("utf-8", "surrogateescape"))
        return path

    def tool(self, *arguments, **environment):
        done = subprocess.run([PYTHON, TOOL, *arguments], encoding="utf-8", errors="surrogateescape",
                              timeout=PATIENCE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, **environment})
        self.assertNotIn("Traceback", done.stderr)
        return done

    def report(self, *paths):
        """(README.md, report.html) of these files."""
        done = self.tool(*paths, "--out", self.out)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.made()

    def made(self):
        texts = []
        for name in ("README.md", "report.html"):
            with open(os.path.join(self.out, name), encoding="utf-8", newline="") as file:
                texts.append(file.read())
        self.assertEqual(sorted(os.listdir(self.out)), ["README.md", "report.html"])
        return texts

    def machine(self, lines):
        """What is read of them, for tests that need no page."""
        (machine,) = machines.gather([self.write("alpha", lines)])
        return machine

    def rows(self, text, caption):
        """The cells of a table in README.md, whose caption begins so."""
        lines = iter(text.split(f"**{caption}", 1)[1].split("**", 1)[1].strip().splitlines())
        return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                for line in itertools.takewhile(lambda line: line.startswith("|"), lines)]


class Figures(Case):
    made_once = None

    def report_alpha(self):
        """That of alpha(), made once for several tests."""
        if Figures.made_once is None:
            Figures.made_once = self.report(self.write("alpha", alpha()))
        return Figures.made_once

    def test_medians(self):
        text, page = self.report_alpha()
        head, _, cpu, jax = self.rows(text, "The benchmark on alpha, fastest first")
        self.assertEqual(head, ["backend", "threads", "mean epoch, s", "load dataset, s",
                                "to batched input, s", "runs × epochs", "samples/s", "GFLOP/s", "of peak",
                                "× best peer"])
        # 50,100 samples of 276,352 operations in 0.12 s; 115.4 of the 231 GFLOP/s; 0.24 s to 0.12 s.
        self.assertEqual(cpu, ["cpu: FakeBLAS 1.0", "2", "0.120 (0.100–0.170)", "0.0300", "0.0200",
                               "3 × 5", "417,500", "115", "50 %", "2.00"])
        # Of the peaks none has four threads.
        self.assertEqual(jax, ["JAX 0.8.1, scan", "4", "0.240 (0.230–0.250)", "1.25", "0.0200",
                               "3 × 5", "208,750", "57.7", "-", "best peer"])
        (shape,) = self.rows(text, "Other shapes on alpha")[2:]
        self.assertEqual(shape[:2] + shape[4:5] + shape[7:8] + shape[-1:],
                         ["1024,1024 (rate 0.0001)", "300", "1.50", "1 × 5", "-"])
        one, two = self.rows(text, "Threads on alpha")[2:]
        self.assertEqual(one[3:], ["1", "0.200", "1 × 5", "1.00", "100 %"])
        self.assertEqual(two[3:], ["2", "0.120 (0.100–0.170)", "3 × 5", "1.67", "83 %"])
        (peak,) = self.rows(text, "What the hardware of alpha can do; precision: fp32; hardware: ")[2:]
        self.assertEqual(peak[2:5] + peak[-1:], ["231 (230–250)", "2,048", "20.0", "3"])
        self.assertIn("8 runs of 4 configurations; commit 0123456789ab; 2 rows of older commits superseded",
                      text)
        self.assertIn("On alpha, cpu takes 0.120 s an epoch, 2.0 times as fast as the best peer (JAX, scan, "
                      "0.240 s).", text)
        self.assertIn("other processes took 0.5 cores (1 run)", text)
        self.assertIn("`tools/sweep` measures, and appends a record of each run to `results/NAME.jsonl`",
                      text)
        for part in ("9.90", fake.OLD_COMMIT):
            self.assertNotIn(part, text + page)

    def test_page_has_the_same_tables(self):
        text, page = self.report_alpha()
        parsed = Parsed(page)
        tables = {parsed.texts[caption]: table for table, _ in parsed.of("table")
                  for caption, _ in parsed.within(table, "caption")}
        for caption in re.findall(r"^\*\*(.*)\*\*$", text, re.M):
            cells = [parsed.texts[index].replace("\xa0", " ") for index in sorted(
                index for tag in ("th", "td") for index, _ in parsed.within(tables[caption], tag))]
            head, _, *rows = ([re.sub(r"\\(.)", r"\1", cell) for cell in row]
                              for row in self.rows(text, caption))
            grouped = head.index(cells[0])  # on the page, these are headings of their rows
            expected = head[grouped:]
            for heads, same in itertools.groupby(rows, lambda row: row[:grouped]):
                expected += [", ".join(map(" ".join, zip(head, heads)))] * bool(heads)
                expected += [cell for row in same for cell in row[grouped:]]
            self.assertEqual(cells, expected)

    def test_hardware(self):
        """In the caption where it is the same in every row, whatever a driver or a peer calls it."""
        same = [fake.run("cpu", 0.1), fake.run("jax", 0.2, name="cpu"),
                fake.run("opencl", 0.3, type="cpu", name="pthread-haswell-" + fake.CPU, threads=2)]
        table = tables.benchmark_table(self.machine(same))
        self.assertEqual(table.caption, f"The benchmark on alpha, fastest first; hardware: {fake.CPU}")
        self.assertNotIn("hardware", table.columns)
        table = tables.benchmark_table(self.machine(same + [fake.run("cuda", 0.05)]))
        self.assertEqual(table.caption, "The benchmark on alpha, fastest first")
        self.assertEqual([row[table.columns.index("hardware")] for row in table.rows],
                         ["Fake GPU X"] + [fake.CPU] * 3)

    def test_published(self):
        text, page = self.report_alpha()
        counted, after = text.split("## Published in 2021, not measured by us")
        rows = self.rows("**x**" + after.split("**Published in 2021, not measured by us**")[1], "x")[2:]
        self.assertEqual(len(rows), 17)
        self.assertIn(["LibTorch GPU, OTP 24", "0.564", "1.630", "0.652", "RTX 3090, Ryzen 9 3900XT", "cuda"],
                      rows)
        self.assertIn(["pure Elixir, OTP 25", "27336.010", "194.427", "11.917", "Raspberry Pi 4",
                       "reference, 1 thread"], rows)
        self.assertNotRegex(counted, "Elixir, OTP|LibTorch")
        parsed = Parsed(page)
        for index, _ in parsed.of("table"):
            text = parsed.texts[index]
            self.assertEqual("LibTorch" in text, text.strip().startswith("Published in 2021"))

    def test_newest_commit_of_each_configuration(self):
        """By time, not by place; what the newer code was not measured with still counts."""
        old = [fake.run("cpu", 0.5, commit=fake.OLD_COMMIT),
               fake.run("reference", 2.5, commit=fake.OLD_COMMIT),
               fake.run("opencl", 0.75, commit=fake.OLD_COMMIT, gemm="own 3, clblast 1")]
        new = [fake.run("cpu", 0.25), fake.run("opencl", 0.5, gemm="own 2, clblast 2", library="CLBlast 2.0")]
        text, _ = self.report(self.write("alpha", new + old))
        rows = self.rows(text, "The benchmark on alpha, fastest first")[2:]
        self.assertEqual([row[2] for row in rows], ["0.250", "0.500", "2.50"])
        self.assertIn("2 rows of older commits superseded", text)

    def test_peers_of_the_same_precision(self):
        """To be faster in TF32 than a peer in fp32 is nothing to be compared."""
        machine = self.machine([
            fake.run("jax", 0.3), fake.run("cuda", 0.2), fake.run("cuda", 0.1, precision="tf32")])
        rows = tables.benchmark_table(machine).rows
        self.assertEqual([row[-2] for row in rows], ["-", "1.50", "best peer"])
        self.assertEqual(answers.epochs(machine).figures[0].device["precision"], "fp32")

    def test_names(self):
        """A library's name stands for its peer's where it is the same."""
        machine = self.machine([
            fake.run("pytorch", 0.1, spec="cuda"), fake.run("mine", 0.2, library="BLAS 1", submission=None),
            fake.run("numpy", 0.3, library=None), fake.run("opencl", 0.4, gemm="own 3, clblast 1")])
        self.assertEqual([row.backend for row in machine.rows], [
            "PyTorch 2.9.0 on cuda, compile", "mine: BLAS 1", "NumPy, blas",
            "opencl: CLBlast 1.6.3, own 3, clblast 1"])

    def test_alike(self):
        """Hardware whose names begin alike is not the same, in plots either."""
        rows = [fake.run("cuda", 0.01 * (1 + step), name="A name that is far too long " + str(step))
                for step in range(3)]
        machine = self.machine(rows + [fake.run("cpu", 1.0)])
        self.assertEqual([row.series for row in answers.epochs(machine).figures], [
            *(f"cuda {step}, A name that is far too …" for step in (1, 2, 3)), "cpu"])

    def test_what_is_not_supported_is_not_said(self):
        def said(cpu, jax):
            return " ".join(answers.sentences(self.machine(
                [fake.run("cpu", time) for time in cpu] + [fake.run("jax", time) for time in jax])))

        self.assertEqual(said((0.1, 0.1), (0.2,) * 3), "")
        self.assertEqual(said((0.1,) * 3, (0.2,) * 2), "On alpha, cpu takes 0.100 s an epoch.")
        self.assertIn("3.0 times as long as the best peer", said((0.3,) * 3, (0.1,) * 3))
        self.assertIn("as the best peer does within the spread of runs",
                      said((0.1, 0.11, 0.14), (0.13, 0.15, 0.16)))

    def test_two_machines(self):
        """Nothing of one machine is in another's figures: no peer, and no peak."""
        beta = [fake.run("cpu", 0.3), fake.run("cuda", 0.01), fake.run("cuda", 0.008, precision="tf32"),
                fake.run("cuda", 0.02, layers=(1024, 1024))]
        text, page = self.report(self.write("alpha", alpha()), self.write("beta", beta))
        tf32, cuda, cpu = self.rows(text, "The benchmark on beta, fastest first")[2:]
        self.assertEqual(tf32[0], "cuda: cuBLAS 13.0, own-small 4, cublas 2, graph, tf32")
        self.assertEqual([row[-3:-1] for row in (tf32, cuda, cpu)], [["-", "-"]] * 3)
        self.assertIn("cuda 0.0100 s and cpu 0.300 s", page)
        self.assertIn("Fake CPU 9000; 8 cores; 16.0 GiB; Linux 6.1.0 x86\\_64; Fake GPU X", text)
        self.assertIn("No GPU has been measured on alpha.", page)
        self.assertNotIn("No GPU has been measured on beta.", page)

    def test_where_a_gpu_overtakes(self):
        """On logarithmic axes the lines cross where cpu's lead has gone: by hand, for 0.09 to 0.12 s at 10
        and 0.05 to 0.04 at 30, at 10 × 3^(ln(4/3) / ln(4/3 × 5/4)) = 18.6."""
        reading = answers.shapes(self.machine(fake.gpu_machine())).reading
        self.assertIn("Layers 16: cuda overtakes cpu with batches of about 19.", reading)
        self.assertIn("Layers 64,32: cuda is ahead of cpu at every batch, from 30", reading)

    def test_peers_and_peaks_of_the_same_hardware(self):
        """A peer on a GPU has no threads of its own, one on a CPU those of the peak."""
        machine = self.machine([
            fake.peak("cuda", 1000.0), fake.peak("cpu", 100.0), fake.peak("cpu", 50.0, threads=1),
            fake.run("pytorch", 0.1, spec="cuda", type="gpu", name="Fake GPU X", threads=None),
            fake.run("pytorch", 0.2), fake.run("pytorch", 0.3, threads=8)])
        shares = [words.percent(row.share_of_peak) for row in machine.rows]  # of 138, 69.2 and 46.1 GFLOP/s
        self.assertEqual(shares, ["14 %", "69 %", "-"])


class Refused(Case):
    def test_reasons(self):
        bad = list(refused_lines(records.OPTIONS))
        good = alpha()
        lines = good + [line for line, _ in bad] + [good[-1]]
        text, page = self.report(self.write("alpha", lines))
        rows = self.rows(text, "Refused rows")[2:]
        self.assertEqual(len(rows), len(bad) + 1)
        self.assertEqual([row[0] for row in rows],
                         [f"alpha.jsonl:{len(good) + 1 + index}" for index in range(len(rows))])
        for (_, reason), row in zip([*bad, (None, f"a copy of line {len(good)}")], rows):
            self.assertIn(words.markdown(reason), row[1])
        counted, refused = text.split("## Published")
        self.assertNotIn(str(NEVER), counted)
        self.assertEqual(self.report(self.write("alpha", good))[0].split("## Published")[0],
                         counted.replace(f"; {len(rows)} rows refused", ""))
        self.assertEqual(Parsed(page).wrong, [])

    def test_not_measured(self):
        """Listed with the reason, but for what was measured later."""
        lines = alpha() + [
            fake.unmeasured("absent", "no module named jax", ["--device", "cuda"], "jax"),
            fake.unmeasured("failed", HOSTILE, ["--device", "opencl", "--batch-size", "30000"]),
            fake.unmeasured("absent", "it was not installed then", ["--device", "cpu"], "pytorch"),
            fake.run("pytorch", 0.2)]
        lines[-1]["sweep"] = {"options": ["--device", "cpu", "--epochs", "5"], "peer": "pytorch",
                              "mode": "eager"}
        text, page = self.report(self.write("alpha", lines))
        rows = self.rows(text, "Not measured")[2:]
        self.assertEqual(rows[0], ["JAX --device cuda", "absent", "no module named jax",
                                   f"alpha.jsonl:{len(alpha()) + 1}"])
        self.assertEqual([row[:2] for row in rows[1:]], [["--device opencl --batch-size 30000", "failed"]])
        self.assertIn("no module named jax", page)
        self.assertNotIn("rows refused", text)

    def test_anything(self):
        """Whatever a field is, it is refused or reported."""
        odd = (None, True, [], {}, "", "x", HOSTILE, 0, -1, 7, 1e-300, 1e300, 10**400, [None], "\ud800")
        lines = alpha()
        bases = fake.run("cpu", 0.1), fake.peak(), fake.unmeasured("failed", "why", ["--device", "cpu"])
        for base in bases:
            paths = [name for name in base] + [f"{name}.{inner}" for name, value in base.items()
                                               if isinstance(value, dict) for inner in value]
            lines += [json.dumps(fake.changed(base, path, value)) for path in paths for value in odd]
        text, page = self.report(self.write("alpha", lines))
        self.assertEqual(Parsed(page).wrong, [])
        self.assertGreater(len(self.rows(text, "Refused rows")), 300)


class Form(Case):
    def machines(self):
        hostile = fake.gpu_machine() + [
            fake.run("cuda", 0.005, name=HOSTILE, library=HOSTILE, gemm=HOSTILE),
            fake.run("jax", 0.1, name=HOSTILE), fake.run(HOSTILE, 0.3),
            fake.unmeasured("failed", HOSTILE, [HOSTILE], HOSTILE), HOSTILE.split("\n")[0]]
        hostile[0]["host"]["os"] = HOSTILE
        return self.write("alpha", fake.cpu_machine()), self.write("<b>|$x$", hostile)

    def test_well_formed(self):
        text, page = self.report(*self.machines())
        parsed = Parsed(page)
        self.assertEqual(parsed.wrong, [])
        ids = [attributes["id"] for _, attributes, _ in parsed.elements if "id" in attributes]
        self.assertEqual([one for one, count in collections.Counter(ids).items() if count > 1], [])
        refers = re.findall(r"url\(#([^)]*)\)", page)
        for tag, attributes, inside in parsed.elements:
            refers += [name for key in ("aria-labelledby", "aria-describedby") if key in attributes
                       for name in attributes[key].split()]
            for key in ("href", "xlink:href", "src"):
                if key in attributes:
                    self.assertRegex(attributes[key], "^#|^data:,$", tag)
                    refers += [attributes[key][1:]] if attributes[key].startswith("#") else []
            self.assertNotIn(tag, ("script", "iframe", "object", "img", "b"))
            self.assertTrue(tag != "style" or "head" in inside, "a style in a plot is one of the whole page")
            self.assertFalse([name for name in attributes if name.startswith("on")], tag)
        self.assertGreater(len(refers), 100)
        self.assertEqual(set(refers) - set(ids), set())
        self.assertNotIn("@import", page)
        self.assertNotRegex(page, r"url\((?!#)")
        self.check_head(parsed)
        self.check_tables(parsed)
        self.check_plots(parsed)
        self.check_markdown(text)

    def check_head(self, parsed):
        self.assertEqual([attributes.get("lang") for _, attributes in parsed.of("html")], ["en"])
        self.assertIn("viewport", [attributes.get("name") for _, attributes in parsed.of("meta")])
        self.assertEqual(len(parsed.of("main")), 1)
        levels = [int(tag[1]) for tag, _, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
        self.assertEqual((levels[0], levels.count(1)), (1, 1))
        self.assertTrue(all(after <= before + 1 for before, after in zip(levels, levels[1:])))

    def check_tables(self, parsed):
        self.assertGreater(len(parsed.of("table")), 10)
        for table, _ in parsed.of("table"):
            (caption, _), = parsed.within(table, "caption")
            self.assertTrue(parsed.texts[caption].strip())
            heads = parsed.within(table, "th")
            scopes = {attributes.get("scope") for _, attributes in heads}
            self.assertLessEqual(scopes, {"col", "row", "rowgroup"})
            head, *rows = parsed.within(table, "tr")
            columns = len(parsed.within(head[0], "th"))
            for row, attributes in rows:
                cells = parsed.within(row, "th") + parsed.within(row, "td")
                self.assertEqual(sum(int(cell.get("colspan", 1)) for _, cell in cells), columns)
                self.assertTrue(parsed.within(row, "th"))
                self.assertEqual("group" in attributes.get("class", ""), cells[0][1].get("scope") == "rowgroup")
        for index, (tag, attributes, _) in enumerate(parsed.elements):
            if attributes.get("class") == "scroll":
                self.assertEqual((attributes["tabindex"], attributes["role"]), ("0", "region"))
                self.assertTrue(attributes["aria-label"])

    def check_plots(self, parsed):
        plots = parsed.of("svg")
        self.assertEqual([attributes["class"] for _, attributes in plots],
                         ["wide", "narrow"] * (len(plots) // 2))
        self.assertEqual(len(plots), 2 * 2 * 5)
        for plot, attributes in plots:
            self.assertEqual(attributes["role"], "img")
            (title, titled), = parsed.within(plot, "title")
            (description, described), = parsed.within(plot, "desc")
            self.assertEqual(attributes["aria-labelledby"], f"{titled['id']} {described['id']}")
            self.assertTrue(parsed.texts[title].strip())
            self.assertRegex(parsed.texts[description], r"\d")
            self.assertIn("figure", parsed.elements[plot][2])
        self.assertEqual(len(parsed.of("figcaption")), len(plots) // 2)

    def check_markdown(self, text):
        """No cell breaks out of its table, and nothing foreign means anything."""
        self.assertNotRegex(re.sub(r"\\.", "", text), r"<(?!!)|https?:")
        width = None
        for line in text.splitlines():
            if not line.startswith("|"):
                width = None
                continue
            cells = len(re.findall(r"(?<!\\)\|", line))
            self.assertEqual(cells, width or cells, line)
            width = cells

    def test_contrast(self):
        """Of each colour of the page against its background, in both schemes."""
        with open(os.path.join(os.path.dirname(answers.__file__), "page.css"), encoding="utf-8") as file:
            schemes = re.findall(r":root \{(.*?)\}", file.read(), re.S)
        self.assertEqual(len(schemes), 2)
        for scheme in schemes:
            colors = dict(re.findall(r"--(\w+): (#\w{6});", scheme))
            page = light(colors.pop("page"))
            for name in colors.keys() - {"grid", "band"}:
                there = light(colors[name])
                self.assertGreaterEqual((max(page, there) + 0.05) / (min(page, there) + 0.05), 4.5, name)

    def test_reproducible(self):
        beta = [fake.run("cuda", 0.01), fake.run("x", 2)]
        paths = [self.write("alpha", alpha()), self.write("beta", beta)]
        first = self.report(*paths)
        for more in ({"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"}, {"LC_ALL": "C", "SOURCE_DATE_EPOCH": "1"}):
            done = self.tool(*reversed(paths), paths[0], "--out", self.out, **more)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.made(), first)

    def test_what_is_missing(self):
        """Said, with the command that measures it, instead of an empty plot."""
        _, page = self.report(self.write("it's", [fake.run("cpu", 0.1)]))
        parsed = Parsed(page)
        self.assertEqual(len(parsed.of("svg")), 2 * 3)
        said = [parsed.texts[index] for index, attributes in parsed.of("p")
                if attributes.get("class") == "missing"]
        self.assertEqual(len(said), 2)
        for words_said, option in zip(said, ("--batch-size '30-30000*10'", "--threads '1-8*2'")):
            self.assertIn("tools/sweep --device cpu", words_said)
            self.assertIn(option, words_said)
            self.assertIn("--out 'results/it'\"'\"'s.jsonl'", words_said)
        _, page = self.report(self.write("alpha", [fake.run("cpu", 0.1, layers=(8,))]))
        self.assertEqual(len(Parsed(page).of("svg")), 0)
        self.assertEqual(page.count("The benchmark itself has not been measured"), 3)


class Endings(Case):
    def test_whole_or_nothing(self):
        before = self.report(self.write("alpha", alpha()))
        os.remove(os.path.join(self.out, "README.md"))
        os.mkdir(os.path.join(self.out, "README.md"))
        done = self.tool(self.write("alpha", alpha()[:5]), "--out", self.out)
        self.assertEqual(done.returncode, 1)
        self.assertIn("README.md is a folder", done.stderr)
        self.assertEqual(sorted(os.listdir(self.out)), ["README.md", "report.html"])
        with open(os.path.join(self.out, "report.html"), encoding="utf-8", newline="") as file:
            self.assertEqual(file.read(), before[1])

    def test_not_its_own(self):
        """A file of somebody else's is left as it is, and so is what would have been written beside it."""
        path = self.write("alpha", alpha())
        for name in ("README.md", "report.html"):
            for content in (b"# My project\n\nHow long a dense net takes to train on CIFAR-10\n", b"\xff\0"):
                shutil.rmtree(self.out, ignore_errors=True)
                os.mkdir(self.out)
                own = os.path.join(self.out, name)
                with open(own, "wb") as file:
                    file.write(content)
                done = self.tool(path, "--out", self.out)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn(f"{own} was not made by this tool: move it away, or name another --out",
                              done.stderr)
                self.assertEqual(os.listdir(self.out), [name])
                with open(own, "rb") as file:
                    self.assertEqual(file.read(), content)

    def test_its_own(self):
        """What is empty, or was made here, is replaced; a link to it stays a link. Names are any bytes."""
        first = self.report(self.write("alpha", alpha()))
        kept, folder = os.path.join(self.folder, "kept.md"), os.path.join(os.fsencode(self.folder), b"\xe9 [x]")
        os.mkdir(folder)
        os.rename(os.path.join(self.out, "README.md"), kept)
        os.symlink(kept, os.path.join(folder, b"README.md"))
        with open(os.path.join(folder, b"report.html"), "wb"):
            pass
        path = os.path.join(folder, b"caf\xe9.jsonl")
        shutil.copy(self.write("alpha", alpha()), path)
        done = self.tool(path, "--out", folder, LC_ALL="C")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(os.path.islink(os.path.join(folder, b"README.md")))
        with open(kept, encoding="utf-8", newline="") as file:
            self.assertIn("caf", file.read())
        self.assertEqual(self.report(self.write("alpha", alpha()))[1], first[1])

    def test_input_and_output(self):
        path = self.write("alpha", alpha())
        self.assertEqual(self.tool(path, "--out", os.path.join(path, "folder")).returncode, 1)
        for arguments, said in ((["/nonexistent.jsonl"], "No such file"), ([self.folder], "Is a directory"),
                                ([self.write("empty", [])], "no usable record"),
                                ([self.write("bad", ["nonsense"])], "bad.jsonl:1: refused: no JSON")):
            done = self.tool(*arguments, "--out", self.out)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(said, done.stderr)
            self.assertFalse(os.path.exists(self.out))

    def test_usage(self):
        for arguments in (["--nonsense"], ["--out"], ["--ou", "x"]):
            done = self.tool(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("report [FILE.jsonl...]", done.stderr)
        self.assertEqual(self.tool("--help").returncode, 0)

    def test_without_matplotlib(self):
        with open(os.path.join(self.folder, "matplotlib.py"), "w", encoding="utf-8") as file:
            file.write("raise ModuleNotFoundError(\"No module named 'matplotlib'\", name='matplotlib')\n")
        done = self.tool(self.write("alpha", alpha()), "--out", self.out, PYTHONPATH=self.folder)
        self.assertEqual(done.returncode, 1)
        for part in ("apt install python3-matplotlib", "-m pip install matplotlib"):
            self.assertIn(part, done.stderr)


class Records(unittest.TestCase):
    def test_first_difference(self):
        nan = math.nan
        for ours, others, expected in (
                ([2.3, 2.2], [2.3, 2.2], None), ([2.3, 2.2022], [2.3, 2.2], None), ([], [], None),
                ([2.3, 2.2023], [2.3, 2.2], (1, 2.2023, 2.2)), ([None], [None], None),
                ([None], [2.3], (0, None, 2.3)), ([2.3], [None], (0, 2.3, None)),
                ([math.inf], [math.inf], (0, math.inf, math.inf)), ([0.0], [0.0], None),
                ([1.0] * 5 + [2.0], [1.0] * 6, None)):
            self.assertEqual(records.first_difference(ours, others), expected)
        for ours, others in (([nan], [nan]), ([nan], [1.0]), ([1.0], [nan]), ([nan], [None])):
            self.assertEqual(records.first_difference(ours, others)[0], 0)
        self.assertEqual(records.COMPARED, 5)

    def test_outliers(self):
        for values, expected in (([1, 1, 9], []), ([1.0, 1.0, 1.0, 1.04], []), ([1.0, 1.0, 1.0, 1.06], [3]),
                                 ([1.0, 1.1, 1.2, 1.3, 1.4], []), ([5.0, 1.0, 1.1, 0.9, 1.0], [0])):
            self.assertEqual(records.outliers(values), expected)
        self.assertEqual(records.median_and_spread([3, 1, 2, 9]), (2.5, 1, 9))

    def test_numbers(self):
        for value, text in ((0.07314, "0.0731"), (0.09999, "0.100"), (27336.01, "27,300"), (1, "1.00"),
                            (0, "0"), (1e-300, "1.00e-300"), (None, "-"), (999.6, "1,000")):
            self.assertEqual(words.number(value), text)


if __name__ == "__main__":
    PYTHON = skip_without_matplotlib()
    unittest.main()
