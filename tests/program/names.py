"""Names come from outside: what hosts, devices, files and libraries are called, and what they say, goes through
tools/report, table, sweep and gpu-check without ruling a terminal, a page or Markdown.

  names.py TOOLS/report
"""
import json
import math
import os
import re
import subprocess
import sys
import textwrap
import unittest
import warnings
from unittest import mock

from fixtures import fake_records as fake, hostile
from fixtures.patience import PATIENCE
from fixtures.reports import TOOL, Case, rows_of, tables_of
from reporting import answers, lines, plots, words

TOOLS = os.path.dirname(TOOL)
SHOWN = " ".join(hostile.TEXT.translate({ord(one): "?" for one in [*hostile.FORBIDDEN, *"\n\ud800\udfff\ufffe"]}
                                        ).split())

# A trainer in a few lines, whose records and whose last words are hostile.
PRETENDER = """\
    #!{python}
    import json, os, sys
    if "--version" in sys.argv:
        print("trainer 0 (commit 0123456789ab)")
    elif "--help" in sys.argv:
        print("  --device SPEC\\n  --layers N,N,...|none\\n  --data DIR|synthetic\\n  --epochs N\\n  --save FILE")
    elif "--list-devices" in sys.argv:
        print("cpu         A CPU; 2 threads\\ncuda        not here: it is " + {last!r})
    elif "none" in sys.argv:
        sys.exit("trainer: it is called " + {last!r})
    else:
        sys.stdout.buffer.write({record!r})
"""


class Words(unittest.TestCase):
    def test_clean(self):
        """One "?" for each that can't be shown, of all characters; spaces are one."""
        wrong = {*hostile.FORBIDDEN, "\n", *map(chr, range(0xd800, 0xe000)), *map(chr, range(0xfdd0, 0xfdf0))}
        for plane in range(0, 0x110000, 0x10000):
            wrong |= {chr(plane + 0xfffe), chr(plane + 0xffff)}
        self.assertEqual(set(words.UNSHOWN.findall("".join(map(chr, range(0x110000))))), wrong)
        self.assertEqual(words.clean(hostile.TEXT), SHOWN)
        self.assertEqual(words.clean("  Größe \u00a0 €\u3000 👩\u200d💻 "), "Größe € 👩\u200d💻")
        self.assertEqual([words.clean("abcdef", longest) for longest in (None, 6, 5)], ["abcdef", "abcdef", "abcd…"])

    def test_markdown(self):
        for text, escaped in (("a|b", "a\\|b"), ("<b>", "\\<b\\>"), ("`x`", "\\`x\\`"), ("**y**", "\\*\\*y\\*\\*"),
                              ("a_b", "a\\_b"), ("$x$", "\\$x\\$"), ("~z~", "\\~z\\~"), ("&amp;", "\\&amp;"),
                              ("[h](x)", "\\[h\\](x)"), ("#1", "\\#1"), ("\\", "\\\\"), ("a@b", "a@<!-- -->b"), (":x:", ":<!-- -->x:"), ("a: b:1", "a: b:1"),
                              ("HTTPS://x", "HTTPS\\://x"), ("www.x", "www&#46;x"), ("{x}", "\\{x\\}"),
                              ("a\n\n# b", "a??\\# b"), ("plain - 1. text", "plain - 1. text")):
            self.assertEqual(words.markdown(text), escaped)
            self.assertEqual(words.markdown_item(text), f"- {escaped}")
        for text, item in (("- x", "- \\- x"), ("1. x", "- 1\\. x"), ("2) x", "- 2\\) x"), ("+ x", "- \\+ x"),
                           ("===", "- \\==="), ("12 x", "- 12 x"), ("1.5", "- 1\\.5")):
            self.assertEqual(words.markdown_item(text), item)

    def test_html(self):
        self.assertEqual(words.html("<b a=\"1\" c='2'>&amp;\x1b"), "&lt;b a=&quot;1&quot; c=&#x27;2&#x27;&gt;&amp;amp;?")

    def test_records(self):
        """They keep what they are given; halves of characters, which UTF-8 can't have, become U+FFFD."""
        line = lines.line_of({"name": hostile.TEXT, "path": "caf\udce9"}).decode("utf-8")
        self.assertEqual(json.loads(line), {"path": "caf\\xe9", "name": hostile.TEXT.replace(
            "\ud800", "\ufffd").replace("\udfff", "\ufffd")})
        self.assertEqual(line.count("\n"), 1)

    def test_no_number(self):
        """JSON has none for it."""
        for value in (math.nan, math.inf, -math.inf):
            self.assertRaises(ValueError, lines.line_of, {"loss": [value]})

    def test_written_in_parts(self):
        """A system may take less than it was given."""
        taken = []
        with mock.patch("os.write", lambda descriptor, part: taken.append((descriptor, part[:3])) or len(part[:3])):
            lines.write(7, b"one record\n")
        self.assertEqual(taken, [(7, part) for part in (b"one", b" re", b"cor", b"d\n")])


class Report(Case):
    def hostile_machine(self):
        """Hostile wherever a record may have text."""
        text = hostile.TEXT
        runs = [fake.run(kind, 0.1 / threads, name=text, library=text, gemm=text, submission=text, precision=text,
                         threads=threads, environment={text: text},
                         host={"name": text, "os": text, "cpu": text})
                for kind in (text, "cpu") for threads in (1, 2)]
        runs += [fake.run("cuda", 0.01, name=text, layers=(width,)) for width in (8, 9)]
        for run in runs[:4]:
            for name in ("activation", "color", "tail", "batches"):
                run["config"][name] = text
            run["dataset"]["name"] = text
            run["sweep"] = {"warnings": [text]}
        return runs + [fake.run("cpu", 0.1, name=text, library=text), fake.peak("cpu", name=text, library=text, arithmetic={text: 5.0}),
                       fake.unmeasured("failed", text, [text], text), fake.changed(fake.run(), "status", text)]

    def test_markdown(self):
        """Each cell shows the text as it was, but for what can't be shown."""
        path = self.write("a|b <i> \u202e", self.hostile_machine())
        text = self.markdown(path)
        self.assertEqual(hostile.found_in(text), [])
        self.assertIn("## a\\|b \\<i\\> ?\n", text)
        self.assertIn(f"; {words.markdown(SHOWN)}; 8 cores;", text)
        self.assertIn(f"\n- {words.markdown(SHOWN)} (4 runs)\n", text)
        row = rows_of(text, "Not measured")[2]
        self.assertEqual((row[0], row[2]), (words.markdown(f"{SHOWN} {SHOWN}"),) + (words.markdown(SHOWN),))
        (row,) = rows_of(text, "Refused rows")[2:]
        self.assertIn("\\|b \\<script\\>", row[1])

    def test_page(self):
        """No tag, no code and no direction of text is of a record's making, in plots either."""
        path = self.write("a|b <i> \u202e", self.hostile_machine())
        parsed = self.page(path)
        self.assertEqual(hostile.found_in(parsed.texts[0]), [])
        self.assertEqual({tag for tag, _, _ in parsed.elements} & {"script", "b", "i", "a|b"}, set())
        self.assertEqual([parsed.texts[index] for index, _ in parsed.of("h2")][0], "a|b <i> ?")
        self.assertIn([f"{SHOWN} {SHOWN}", "failed", SHOWN, f"{os.path.basename(path)[:8]}?.jsonl:9"],
                      [[cell for cell in row] for row in tables_of(parsed)["Not measured; machine: a|b <i> ?"]])
        self.assertTrue([index for index, _ in parsed.of("p") if f"; {SHOWN}; 8 cores" in parsed.texts[index]])
        code = [parsed.texts[index] for index, _ in parsed.of("code")]
        self.assertEqual([one for one in code if one.strip("x") == ""], [])  # of foreign text in backticks
        drawn = [parsed.texts[index] for index, _ in parsed.of("text")]
        self.assertTrue([one for one in drawn if one.startswith("Layers 64,32 (a|b <script>alert(1)</script>")])
        for _, attributes, _ in parsed.elements:
            self.assertEqual(hostile.found_in("".join(attributes.values())), [])

    def test_command(self):
        """What would measure what is missing names the file as it is."""
        parsed = self.page(self.write("a<b>c", [fake.run("cpu", 0.1)]))
        code = [parsed.texts[index] for index, _ in parsed.of("code")]
        self.assertEqual([one[-21:] for one in code if one.startswith("tools/sweep ")], ["'results/a<b>c.jsonl'"] * 3)

    def test_terminal(self):
        """Of the file's name as well; a line of it is one line."""
        refused = {**fake.run(), "status": "refused", "error": hostile.TEXT}
        path = self.write("x\n\x1b[31m\u202e", [refused, "nonsense"])
        done = self.tool(path, "--out", self.out)
        self.assertEqual(done.returncode, 1)
        first, *others = done.stderr.splitlines()
        self.assertEqual(first, "report: x??[31m?.jsonl:1: refused: " + words.clean(
            f"its status is 'refused', not complete: {hostile.TEXT}"))
        self.assertEqual(len(others), 2)
        self.assertEqual(hostile.found_in(done.stderr), [])

    def test_letters(self):
        """That a font here lacks are no one's problem: the reader's browser has its own."""
        machine = self.machine([fake.run("cuda", 0.1, name="計算機 \U000103ff"), fake.run("cuda", 0.2)])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            wide, _ = plots.drawn(answers.losses(machine), machine, "m1")
        self.assertEqual(said, [])
        self.assertIn(">cuda, 計算機 \U000103ff, ", wide)


class Terminal(Case):
    def run_tool(self, name, *arguments, **more):
        done = subprocess.run([sys.executable, os.path.join(TOOLS, name), *arguments], encoding="utf-8",
                              timeout=PATIENCE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        self.assertNotIn("Traceback", done.stderr)
        self.assertEqual(hostile.found_in(done.stdout + done.stderr), [])
        return done

    def pretender(self):
        path = os.path.join(self.folder, "trainer")
        record = json.dumps(fake.run("cpu", 0.1, name=hostile.TEXT, library=hostile.TEXT)) + "\n"
        for letter in "\x85\u2028\u2029":  # which end no line of JSON
            record = record.replace(f"\\u{ord(letter):04x}", letter)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(PRETENDER).format(
                python=sys.executable, record=record.encode("utf-8"),
                last=hostile.TEXT.replace("\n", "").encode("utf-8", "replace").decode()))
        os.chmod(path, 0o755)
        return path

    def test_table(self):
        """A row is a line; a record's text is in its own cell."""
        record = fake.run("cpu", 0.1, name=hostile.TEXT, library=hostile.TEXT)
        done = self.run_tool("table", input=json.dumps(record))
        self.assertEqual(done.returncode, 0, done.stderr)
        head, row = done.stdout.splitlines()
        self.assertEqual(row[head.index("hardware"):].count(SHOWN), 2)
        path = os.path.join(self.folder, "x\n\x1b[31m\u202e")
        with open(path, "w", encoding="utf-8") as file:
            file.write("nonsense\n")
        done = self.run_tool("table", path)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1))
        self.assertIn("/x??[31m?:1: not a record", done.stderr)
        done = self.run_tool("table", os.path.join(self.folder, "\x1b[31m"))
        self.assertIn("No such file", done.stderr)

    def test_sweep(self):
        """The file has the name as it was; the terminal does not."""
        out = os.path.join(self.folder, "out\x1b[31m.jsonl")
        done = self.run_tool("sweep", "--trainer", self.pretender(), "--device", "cpu,cuda,a\nb", "--layers", "8",
                             "--layers", "none", "--repeat", "1", "--no-peak", "--data", "\x1b[31m\u202e", "--out", out)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"failed: exit status 1: trainer: it is called a\|b <script>.*\?end\n")
        self.assertRegex(done.stderr, r"not here: cuda: it is a\|b <script>.*\?end\n")
        for line in done.stderr.splitlines():
            self.assertTrue(line.startswith("sweep: "), line)
        with open(out, encoding="utf-8") as file:
            names = [one["device"]["name"] for one in map(json.loads, file) if "device" in one]
        self.assertEqual(names, [re.sub("[\ud800\udfff]", "\ufffd", hostile.TEXT)] * 2)

    def test_usage(self):
        for name, *more in (("report",), ("sweep", "--trainer", self.pretender()), ("gpu-check",)):
            done = self.run_tool(name, "--out", self.folder, *more, "--\x1b[31m\u202e")
            self.assertEqual(done.returncode, 2)
            self.assertIn("[31m?", done.stderr)


if __name__ == "__main__":
    unittest.main()
