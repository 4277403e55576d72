"""tools/report: what it refuses, the form of its page and of its README.md, and how it ends.

  report.py TOOL
"""
import collections
import json
import os
import re
import resource
import shutil
import unittest

from fixtures import fake_records as fake
from fixtures.markup import Parsed, light
from fixtures.refused import NEVER, refused_lines
from fixtures.reports import Case, alpha, rows_of
from reporting import answers, page, records, words

HOSTILE = "<script>alert(1)</script> | `x` $a_b$ \n# [h](http://e.example) & \"q\" \x00\u202e"


class Refused(Case):
    def test_reasons(self):
        bad = list(refused_lines(records.OPTIONS))
        good = alpha()
        lines = good + [line for line, _ in bad] + [good[-1]]
        text = self.markdown(self.write("alpha", lines))
        rows = rows_of(text, "Refused rows")[2:]
        self.assertEqual(len(rows), len(bad) + 1)
        self.assertEqual([row[0] for row in rows],
                         [f"alpha.jsonl:{len(good) + 1 + index}" for index in range(len(rows))])
        for (_, reason), row in zip([*bad, (None, f"a copy of line {len(good)}")], rows):
            self.assertIn(words.markdown(reason), row[1])
        counted, refused = text.split("## Published")
        self.assertNotIn(str(NEVER), counted)
        self.assertEqual(self.markdown(self.write("alpha", good)).split("## Published")[0],
                         counted.replace(f"; {len(rows)} rows refused", ""))

    def test_not_measured(self):
        """Listed with the reason, but for what was measured later."""
        lines = alpha() + [
            fake.unmeasured("absent", "no module named jax", ["--device", "cuda"], "jax"),
            fake.unmeasured("failed", HOSTILE, ["--device", "opencl", "--batch-size", "30000"]),
            fake.unmeasured("absent", "it was not installed then", ["--device", "cpu"], "pytorch"),
            fake.run("pytorch", 0.2)]
        lines[-1]["sweep"] = {"options": ["--device", "cpu", "--epochs", "5"], "peer": "pytorch",
                              "mode": "eager"}
        text = self.markdown(self.write("alpha", lines))
        rows = rows_of(text, "Not measured")[2:]
        self.assertEqual(rows[0], ["JAX --device cuda", "absent", "no module named jax",
                                   f"alpha.jsonl:{len(alpha()) + 1}"])
        self.assertEqual([row[:2] for row in rows[1:]], [["--device opencl --batch-size 30000", "failed"]])
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
        path = self.write("alpha", lines)
        self.page(path)
        self.assertGreater(len(rows_of(self.markdown(path), "Refused rows")), 300)


class Form(Case):
    def machines(self):
        hostile = fake.gpu_machine() + [
            fake.run("cuda", 0.005, name=HOSTILE, library=HOSTILE, gemm=HOSTILE),
            fake.run("jax", 0.1, name=HOSTILE), fake.run(HOSTILE, 0.3),
            fake.unmeasured("failed", HOSTILE, [HOSTILE], HOSTILE), HOSTILE.split("\n")[0]]
        hostile[0]["host"]["os"] = HOSTILE
        return self.write("alpha", fake.cpu_machine()), self.write("<b>|$x$", hostile)

    def test_well_formed(self):
        text, shown = self.report(*self.machines())
        parsed = Parsed(shown)
        self.assertEqual(parsed.wrong, [])
        ids = [attributes["id"] for _, attributes, _ in parsed.elements if "id" in attributes]
        self.assertEqual([one for one, count in collections.Counter(ids).items() if count > 1], [])
        refers = re.findall(r"url\(#([^)]*)\)", shown)
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
        self.assertNotIn("@import", shown)
        self.assertNotRegex(shown, r"url\((?!#)")
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
        self.assertEqual(len(plots), 2 * 2 * 6)
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
            self.assertGreater(len(colors), 8)
            behind = light(colors.pop("page"))
            for name in colors.keys() - {"grid", "band"}:
                there = light(colors[name])
                self.assertGreaterEqual((max(behind, there) + 0.05) / (min(behind, there) + 0.05), 4.5, name)

    def test_reproducible(self):
        beta = [fake.run("cuda", 0.01), fake.run("x", 2)]
        paths = [self.write("alpha", alpha()), self.write("beta", beta)]
        first = self.report(*paths)
        done = self.tool(*reversed(paths), paths[0], "--out", self.out, PYTHONHASHSEED="1", TZ="Asia/Tokyo",
                         LC_ALL="C", SOURCE_DATE_EPOCH="1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.made(), first)

    def test_what_is_missing(self):
        """Said, with the command that measures it, instead of an empty plot."""
        parsed = self.page(self.write("it's", [fake.run("cpu", 0.1)]))
        self.assertEqual(len(parsed.of("svg")), 2 * 3)
        said = [parsed.texts[index] for index, attributes in parsed.of("p")
                if attributes.get("class") == "missing"]
        self.assertEqual(len(said), 3)
        for words_said, option in zip(said, ("--batch-size '30-30000*10'", "--target-accuracy 0.4", "--threads '1-8*2'")):
            self.assertIn("tools/sweep --device cpu", words_said)
            self.assertIn(option, words_said)
            self.assertIn("--out 'results/it'\"'\"'s.jsonl'", words_said)
        parsed = self.page(self.write("alpha", [fake.run("cpu", 0.1, layers=(8,))]))
        self.assertEqual(len(parsed.of("svg")), 0)
        self.assertEqual(parsed.texts[0].count("The benchmark itself has not been measured on alpha."), 3)


class Endings(Case):
    def test_whole_or_nothing(self):
        os.makedirs(os.path.join(self.out, "README.md"))
        before = page.MARK + "of another time"
        with open(os.path.join(self.out, "report.html"), "w", encoding="utf-8") as file:
            file.write(before)
        done = self.tool(self.write("alpha", alpha()[:5]), "--out", self.out)
        self.assertEqual(done.returncode, 1)
        self.assertIn("README.md is a folder", done.stderr)
        self.assertEqual(sorted(os.listdir(self.out)), ["README.md", "report.html"])
        with open(os.path.join(self.out, "report.html"), encoding="utf-8", newline="") as file:
            self.assertEqual(file.read(), before)

    def test_no_room(self):
        """What can't be written whole leaves what was there."""
        path = self.write("alpha", alpha()[:5])
        before = self.report(path)
        done = self.tool(path, "--out", self.out, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (1000, 1000)))
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("File too large", done.stderr)
        self.assertEqual(sorted(os.listdir(self.out)), ["README.md", "report.html"])
        self.assertEqual(self.made(), before)

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
        kept, folder = os.path.join(self.folder, "kept.md"), os.path.join(os.fsencode(self.folder), b"\xe9 [x]")
        names = [os.path.join(folder, name) for name in (b"README.md", b"report.html")]
        os.mkdir(folder)
        os.symlink(kept, names[0])
        for name in (kept, names[1]):
            with open(name, "wb"):
                pass
        path, found = os.path.join(folder, b"caf\xe9.jsonl"), []
        shutil.copy(self.write("alpha", [fake.run("cpu", 0.1)]), path)
        for _ in range(2):
            done = self.tool(path, "--out", folder, LC_ALL="C")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(os.path.islink(names[0]))
            for name in (kept, names[1]):
                with open(name, encoding="utf-8", newline="") as file:
                    found.append(file.read())
        self.assertIn("## caf?\n", found[0])
        self.assertEqual(found[:2], found[2:])

    def test_modes(self):
        """They are those of what is replaced; and its owner, where that may be."""
        self.report(self.write("alpha", alpha()))
        paths = [os.path.join(self.out, name) for name in ("README.md", "report.html")]
        for path, mode in zip(paths, (0o600, 0o664)):
            os.chmod(path, mode)
            if os.geteuid() == 0:
                os.chown(path, 12345, 23456)
        old = [os.stat(path) for path in paths]
        self.report(self.write("alpha", alpha()[:5]))
        for path, before in zip(paths, old):
            after = os.stat(path)
            self.assertEqual((after.st_mode, after.st_uid, after.st_gid), (before.st_mode, before.st_uid, before.st_gid))
            self.assertNotEqual(after.st_ino, before.st_ino)

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

    def test_without_libraries(self):
        for name in ("matplotlib", "jinja2"):
            folder = os.path.join(self.folder, f"no {name}")
            os.mkdir(folder)
            with open(os.path.join(folder, name + ".py"), "w", encoding="utf-8") as file:
                file.write(f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')\n")
            done = self.tool(self.write("alpha", alpha()), "--out", self.out, PYTHONPATH=folder)
            self.assertEqual(done.returncode, 1)
            for part in (f"report: No module named '{name}': apt install python3-matplotlib python3-jinja2, or ",
                         "-m pip install matplotlib Jinja2"):
                self.assertIn(part, done.stderr)
            self.assertFalse(os.path.exists(self.out))


if __name__ == "__main__":
    unittest.main()
