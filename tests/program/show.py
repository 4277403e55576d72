"""tools/show: its page says of a net what the program says, and shows its weights and the images that it means.

  show.py TRAINER TOOL

Without NumPy, matplotlib and Jinja2 the exit status is 77.
"""
import base64
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

from fixtures.interpreters import need_report

need_report()
import matplotlib.image  # noqa: E402
import numpy  # noqa: E402

from common import PATIENCE, Runs, environment, read_safetensors, record, texts  # noqa: E402
from fixtures.cifar import RECORD_BYTES, make_folder  # noqa: E402
from fixtures.markup import Parsed  # noqa: E402

TOOL = sys.argv.pop(1)
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(TOOL)))
from showing import net  # noqa: E402

SEED = 20261130
DATA = tempfile.mkdtemp(prefix="trainer-show-")
CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
ROUNDING = 6  # images of 10,000 that may be taken for something else by another order of sums
NETS = {  # what a run is given
    "grey": ("--layers", "8"),
    "rgb": ("--layers", "12,9", "--color", "rgb", "--activation", "tanh", "--normalize"),
    "flat": ("--layers", "none", "--normalize"),
}


def setUpModule():
    print(f"seed {SEED}", file=sys.stderr)
    make_folder(DATA, SEED)


def tearDownModule():
    shutil.rmtree(DATA, ignore_errors=True)


def pixels_of(address):
    """The PNG of an <img>, [32, 32, 3] bytes."""
    kind, data = address.split(",", 1)
    assert kind == "data:image/png;base64", kind
    rows = matplotlib.image.imread(io.BytesIO(base64.b64decode(data)), format="png")
    return numpy.rint(rows[:, :, :3] * 255).astype(int)


class Show(Runs):
    def tool(self, *arguments, **more):
        return subprocess.run([sys.executable, "-B", TOOL, *map(str, arguments)], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=PATIENCE, cwd=self.folder, env=environment(**more))

    def save(self, name, *more, wanted="--save"):
        """The record of a run that leaves its first weights."""
        return record("--device", "reference", "--data", DATA, "--epochs", 0, "--quiet", *more, wanted, self.path(name))

    def page(self, weights, *arguments):
        done = self.tool(weights, "--data", DATA, *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with open(self.path(done.stdout.strip()), encoding="utf-8") as file:
            page = Parsed(file.read())
        self.assertEqual(page.wrong, [])
        return page

    def refused(self, message, *arguments, **more):
        before = sorted(os.listdir(self.folder))
        done = self.tool(*arguments, **more)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertRegex(done.stderr, "^show: .*" + message)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def unread(self, message, name):
        """The same of its reader alone, which is quicker."""
        with self.assertRaisesRegex(ValueError, message):
            net.read(self.path(name))

    def write(self, name, tensors, metadata=None):
        """A safetensors file of {name: array}."""
        header, blob = {"__metadata__": metadata} if metadata else {}, b""
        for tensor, values in tensors.items():
            values = numpy.asarray(values, "<f4")
            header[tensor] = {"dtype": "F32", "shape": list(values.shape),
                              "data_offsets": [len(blob), len(blob) + values.nbytes]}
            blob += values.tobytes()
        text = json.dumps(header).encode()
        with open(self.path(name), "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + blob)

    # --- What it says and shows ---

    def test_confusion(self):
        """As the program has it, for weights and for checkpoints."""
        for name, options in NETS.items():
            for wanted in ("--save", "--checkpoint") if options[-1] == "--normalize" else ("--save",):
                with self.subTest(net=name, wanted=wanted):
                    known = self.save(name, *options, wanted=wanted)["test"]
                    page = self.page(name)
                    table = page.of("table")[0][0]
                    cells = [int(page.texts[index]) for index, _ in page.within(table, "td")]
                    found, expected = numpy.reshape(cells, (10, 10)), numpy.array(known["confusion"])
                    self.assertEqual(expected.sum(), 10000)
                    self.assertGreater(numpy.count_nonzero(expected), 10)  # it is no net that says one thing only
                    self.assertLessEqual(abs(found - expected).sum(), 2 * ROUNDING)
                    lead = next(page.texts[i] for i, attributes in page.of("p") if attributes.get("class") == "lead")
                    share = float(re.search(r"takes ([\d.]+) % for what", lead).group(1))
                    self.assertLessEqual(abs(share - 100 * known["accuracy"]), 0.05 + ROUNDING / 100)
                    os.remove(self.path(name))

    def test_weights(self):
        """Each unit of the first layer, where its pixels are; 0 is middle grey, the largest black or white."""
        for name, options in NETS.items():
            with self.subTest(net=name):
                self.save(name, *options)
                shape, values = read_safetensors(self.path(name))["0.weight"]
                weights = numpy.reshape(values, shape)
                page, seen = self.page(name), set()
                for _, attributes in page.of("img"):
                    unit = re.match(r"weights of unit (\d+)$", attributes["alt"])
                    if unit:
                        seen.add(int(unit.group(1)))
                        of = weights[int(unit.group(1)) - 1]
                        expected = (127.5 + 127.5 * of / abs(of).max()).reshape(-1, 32, 32).transpose(1, 2, 0)
                        self.assertLessEqual(abs(pixels_of(attributes["src"]) - expected).max(), 1)
                self.assertEqual(seen, set(range(1, shape[0] + 1)))

    def test_images(self):
        """Those that it is surest of are images of their class, and taken for what is said."""
        self.save("net", *NETS["rgb"])
        with open(os.path.join(DATA, "test_batch.bin"), "rb") as file:
            rows = numpy.frombuffer(file.read(), numpy.uint8).reshape(-1, RECORD_BYTES)
        images = {row[1:].reshape(3, 32, 32).transpose(1, 2, 0).tobytes(): CLASSES[row[0]] for row in rows}
        page = self.page("net")
        sections = {attributes["aria-labelledby"]: index for index, attributes in page.of("section")}
        for name in ("wrong", "right"):
            photos = page.within(sections[name], "figure")
            self.assertGreater(len(photos), 8)
            for photo, _ in photos:
                ((_, image),) = page.within(photo, "img")
                label, taken = image["alt"].split(", taken for ")
                self.assertEqual(label == taken, name == "right")
                self.assertEqual(images[pixels_of(image["src"]).astype(numpy.uint8).tobytes()], label)
                bars = [attributes for _, attributes in page.within(photo, "span") if "style" in attributes]
                shares = [float(attributes["style"].split(":")[1]) for attributes in bars]
                self.assertEqual(shares, sorted(shares, reverse=True))
                self.assertLessEqual(sum(shares), 1.001)
                self.assertTrue(page.texts[photo].strip().startswith(taken), page.texts[photo])

    def test_metadata(self):
        """What is in the file besides the weights is what the run did."""
        self.save("net", *NETS["rgb"])
        found = texts(self.path("net"))
        self.assertEqual((found["trainer.activation"], found["trainer.color"]), ("tanh", "rgb"))
        with open(os.path.join(DATA, "data_batch_1.bin"), "rb") as file:  # all five are the same
            rows = numpy.frombuffer(file.read(), numpy.uint8).reshape(-1, RECORD_BYTES)[:, 1:]
        planes = rows.reshape(-1, 3, 1024).transpose(1, 0, 2).reshape(3, -1) / 255
        for name, expected in (("means", planes.mean(axis=1)), ("deviations", planes.std(axis=1))):
            numbers = [float(word) for word in found["trainer." + name].split()]
            self.assertLessEqual(abs(numpy.array(numbers) - expected).max(), 1e-6)
        self.save("plain")
        self.assertNotIn("trainer.means", texts(self.path("plain")))

    def test_of_pytorch(self):
        """A file without words of ours: what the hidden layers apply must be said."""
        source = numpy.random.default_rng(SEED)
        tensors = {"0.weight": source.normal(size=(5, 1024)), "0.bias": source.normal(size=5),
                   "2.weight": source.normal(size=(10, 5)), "2.bias": source.normal(size=10)}
        self.write("net", tensors, {"format": "pt"})
        self.refused(r"--activation relu\|sigmoid\|tanh|--activation sigmoid\|tanh\|relu", "net", "--data", DATA)
        page = self.page("net", "--activation", "relu")
        self.assertIn("1024-5-10, relu, grey", " ".join(page.texts[page.of("p")[0][0]].split()))

    # --- Files ---

    def test_whole(self):
        """One file, the same each time, and in it all that it needs."""
        self.save("net")
        self.page("net")
        first = self.bytes_of("net.html")
        self.page("net")
        self.assertEqual(self.bytes_of("net.html"), first)
        self.assertEqual(sorted(os.listdir(self.folder)), ["net", "net.html"])
        self.assertNotRegex(first.decode(), r"(src|href)=\"(?!data:)|<script|url\(")
        self.page("net", "--out", "other.html")
        self.assertEqual(self.bytes_of("other.html"), first)

    def test_without_images(self):
        self.save("net")
        done = self.tool("net", HOME=self.folder)
        self.assertEqual((done.returncode, done.stderr, done.stdout), (0, "", "net.html\n"))
        text = self.bytes_of("net.html").decode()
        self.assertIn("CIFAR-10 is not here", text)
        self.assertNotIn("confusion", text.split("</style>")[1])

    def test_other_files(self):
        """What it has not made stays, and what is no net is refused."""
        self.save("net")
        with open(self.path("net.html"), "w", encoding="utf-8") as file:
            file.write("<title>mine")
        self.refused("net.html was not made by this tool", "net", "--data", DATA)
        self.refused("absent", "absent")
        self.refused("there is no such folder", "net", "--data", self.path("absent"))
        whole = self.bytes_of("net")
        with open(self.path("cut"), "wb") as file:
            file.write(whole[:-1])
        self.refused("cut is no weights file", "cut")
        for name, blob in (("empty", b""), ("long", b"\xff" * 20), ("text", struct.pack("<Q", 2) + b"[]"),
                           ("none", struct.pack("<Q", 2) + b"{}")):
            with open(self.path(name), "wb") as file:
                file.write(blob)
            self.unread(name, name)
        zeros = {"0.weight": numpy.zeros((10, 1024)), "0.bias": numpy.zeros(10)}
        for what, message in (({"0.bias": numpy.zeros(9)}, "no layer"), ({"0.weight": numpy.zeros((10, 7))}, "no net of"),
                              ({"0.bias": numpy.full(10, numpy.nan)}, "not finite")):
            self.write("bad", {**zeros, **what})
            self.unread(message, "bad")
        self.write("bad", zeros, {"trainer.means": "0.5 0.5", "trainer.deviations": "1"})
        self.unread("not a number for each of 1 channels", "bad")
        with open(self.path("test_batch.bin"), "wb") as file:
            file.write(b"\x0b" * RECORD_BYTES)
        self.refused("test_batch.bin is no file of CIFAR-10", "net", "--data", self.folder, "--out", "new.html")

    def test_damaged(self):
        """Of any kind: refused in a line of text, and never half believed."""
        zeros = {"0.weight": numpy.zeros((10, 1024)), "0.bias": numpy.zeros(10)}
        self.write("bad", zeros)
        whole = self.bytes_of("bad")
        (length,) = struct.unpack("<Q", whole[:8])
        header, data = json.loads(whole[8:8 + length]), whole[8 + length:]

        def changed(path, value):
            other = json.loads(json.dumps(header))
            inner = other
            for name in path[:-1]:
                inner = inner.setdefault(name, {})
            inner[path[-1]] = value
            return json.dumps(other).encode()

        for text, more in (
                (changed(("0.weight", "data_offsets"), [-100, 40860]), b""),
                (changed(("0.weight", "data_offsets"), [40, 41000]), b""), (changed(("0.bias", "shape"), [-1]), b""),
                (changed(("0.bias", "shape"), [5]), b""), (changed(("0.bias", "shape"), "10"), b""),
                (changed(("0.weight", "shape"), []), b""), (changed(("__metadata__",), ["x"]), b""),
                (changed(("__metadata__",), 7), b""), (changed(("__metadata__", "trainer.activation"), ["relu"]), b""),
                (changed(("__metadata__", "trainer.means"), 7), b""), (b"[" * 200000, b""), (b"{}", data),
                (json.dumps(header).encode(), b"more")):
            with open(self.path("bad"), "wb") as file:
                file.write(struct.pack("<Q", len(text)) + text + data + more)
            self.unread("bad is no weights file: .+; trainer --save writes one", "bad")
        for means, deviations in (("nan", "1"), ("0", "nan"), ("0", "inf"), ("0", "0"), ("\x1b[2J", "1")):
            self.write("bad", zeros, {"trainer.means": means, "trainer.deviations": deviations})
            self.unread("not a number for each", "bad")
        self.assertNotIn("\x1b", self.tool("bad").stderr)
        self.write("bad", {"0.weight": numpy.full((10, 1024), 3e38), "0.bias": numpy.full(10, 3e38)})
        self.refused("is not finite", "bad", "--data", DATA)
        self.write("a\x1b\u202eb<i>", zeros)
        done = self.tool("a\x1b\u202eb<i>", "--data", DATA)
        self.assertEqual((done.returncode, "\x1b" in done.stdout, "\u202e" in done.stdout), (0, False, False))
        text = self.bytes_of("a\x1b\u202eb<i>.html").decode()
        self.assertIn("a??b&lt;i&gt;", text)

    def test_usage(self):
        self.assertEqual(self.tool().returncode, 2)
        self.assertEqual(self.tool("net", "--activation", "gelu").returncode, 2)
        self.assertEqual(self.tool("--help").returncode, 0)


if __name__ == "__main__":
    unittest.main()
