"""tools/gpu-check: what it fails on, with a program and peers that only pretend to train; and a rehearsal on the
emulated GPU. It runs as a whole once; then, in this process, with no more shapes and seconds than a test needs.

  gpu_check.py GPU_CHECK [EMULATED]
"""
import contextlib
import fcntl
import importlib.machinery
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import textwrap
import types
import unittest
from unittest import mock

sys.argv.insert(1, "")  # there is no program that all of the tests run
from common import PATIENCE, POCL_CACHE, Folder  # noqa: E402 pylint: disable=wrong-import-position
from fixtures import pretended  # noqa: E402 pylint: disable=wrong-import-position

GPU_CHECK = os.path.abspath(sys.argv.pop(1))
EMULATED = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else None
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(GPU_CHECK))
from checking import benchmark, commands  # noqa: E402 pylint: disable=wrong-import-position

SHAPES = benchmark.SHAPES

# A trainer in a few lines: LIE is what it does wrong.
PRETENDER = """\
    #!{python} -IS
    import fcntl, json, os, sys, time
    lie = os.environ.get("LIE")
    words = [word for word in sys.argv[1:] if word != "--quiet"]
    if words[0] in ("--version", "--help"):
        print("trainer 0 (commit 0123456789ab)")
        sys.exit()
    if words[0] == "--peak":
        print(json.dumps({{"commit": "0123456789ab", "peak": {{}}}}))
        sys.exit()
    if words == ["--list-devices"]:
        print("cuda        not here: it is hidden" if lie == "absent" else "cuda:0      A GPU; memory: 1 GiB")
        sys.exit(f"reference   A CPU" if lie == "list" else 0)
    options = dict(zip(words[::2], words[1::2]))
    stream = options.get("--submission") == "stream"
    if lie == "old" and (options.get("--submission") == "overlapped" or "tf32" in words):
        print("trainer: cuda: it is too old", file=sys.stderr)
        sys.exit(2)
    if lie == "crash" and stream:
        sys.exit("trainer: cuda: it gave cudaErrorWrong")
    if lie == "slow" and os.fork() == 0:  # whose child outlives it, unless that is ended, too
        trace = open(os.environ["TRACE"], "a")
        fcntl.flock(trace, fcntl.LOCK_SH)  # for as long as it lives
        print("begun", file=trace, flush=True)
        time.sleep(86400)
    if lie == "slow":
        time.sleep(86400)
    count = int(options["--epochs"])
    loss = float("nan") if lie == "nan" else 2.3 if lie == "losses" and stream else 2.2
    epochs = [{{"seconds": 0.01, "loss": None if loss != loss else loss - 0.001 * e}} for e in range(count)]
    for e in range({{"late": 4, "drift": 5}}.get(lie, count), count):
        epochs[e]["loss"] += 0.1 if stream else 0.0
    print(json.dumps({{
        "commit": "ba9876543210" if lie == "rebuilt" and stream else "0123456789ab",
        "device": {{"name": "A GPU", "type": "gpu", "gemm": "own", "library": None, "precision": "fp32",
                   "submission": "stream" if stream or lie == "graph" else "graph"}},
        "config": {{"batch_size": int(options["--batch-size"])}}, "dataset": {{"name": "CIFAR-10"}},
        "seconds": {{"mean_epoch": 0.01}}, "epochs": epochs, "samples_per_second": 1, "gflops": 1,
        "status": "complete"}}))
"""


def load(path):
    """The tool as a module; its name has no ending."""
    loader = importlib.machinery.SourceFileLoader("tool", path)
    tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("tool", loader))
    loader.exec_module(tool)
    return tool


class GpuCheck(Folder):
    def setUp(self):
        super().setUp()
        self.out, self.pretender = self.path("out"), self.path("trainer")
        with open(self.pretender, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(PRETENDER.format(python=sys.executable)))
        os.chmod(self.pretender, 0o755)

    def made(self, name):
        return os.path.join(self.out, name)

    def words(self, trainer, *more, devices="cuda", minutes=30):
        return ["--out", self.out, "--trainer", trainer, "--no-tests", "--devices", devices, "--data", "synthetic",
                "--minutes", str(minutes), *more]

    def check(self, trainer, *more, tool=GPU_CHECK, shapes=1, start=20.0, environment=None, **options):
        """In this process, into a folder made anew; with so many shapes, and so many seconds for a start."""
        shutil.rmtree(self.out, ignore_errors=True)
        tool, status = load(tool), 0
        changed = {"PATH": "/usr/bin:/bin", **(environment or {})}
        with contextlib.redirect_stdout(io.StringIO()) as output, \
                contextlib.redirect_stderr(io.StringIO()) as errors, mock.patch.dict(os.environ, changed), \
                mock.patch.multiple(benchmark, SHAPES=SHAPES[:shapes], WARM_UP=0.05, START=start), \
                mock.patch.object(sys, "argv", ["gpu-check", *self.words(trainer, *more, **options)]):
            try:
                tool.main()
            except SystemExit as end:
                status = 1 if isinstance(end.code, str) else end.code
                print(end.code, file=errors)
        return types.SimpleNamespace(returncode=status, stdout=output.getvalue(), stderr=errors.getvalue())

    def pretend(self, lie="", environment=None, **more):
        return self.check(self.pretender, "--no-peers", environment={"LIE": lie, **(environment or {})}, **more)

    def test_fine(self):
        """The whole of it, as a program."""
        done = subprocess.run([sys.executable, "-B", GPU_CHECK, *self.words(self.pretender, "--no-peers")],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE,
                              check=False, env={**os.environ, "PATH": "/usr/bin:/bin"})
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.made("table.md"), encoding="utf-8") as file:
            self.assertEqual(file.read(), done.stdout)
        rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| ")]
        self.assertEqual(len(rows), 2 + 11 + 5 + 4 * 2)  # with the head
        self.assertEqual([cell.strip() for cell in rows[2][1:8]],
                         ["64,32", "300", "cuda", "10.000", "10.000", "0", "20"])
        with open(self.made("records.jsonl"), encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        self.assertEqual(len(records), 1 + len(rows) - 2)  # with the peak
        self.assertEqual({record["commit"] for record in records}, {"0123456789ab"})
        self.assertEqual(len(records[0]["epochs"]), 20)
        with open(self.made("environment.json"), encoding="utf-8") as file:
            self.assertIn("gpus_after", json.load(file))

    def test_lies(self):
        for lie, text in (
                ("losses", r"failed: cuda stream, 64,32, 300\n"),
                ("losses", r"the loss of epoch 1 is 2.3, that of cuda 2.2"),
                ("late", r"the loss of epoch 5 is 2.296"),
                ("graph", "cuda, 64,32, 300: it was no graph"),
                ("crash", r"cuda stream, 64,32, 300: exit status 1: trainer: cuda: it gave cudaErrorWrong"),
                ("absent", r"cuda: cuda +not here: it is hidden"),
                ("list", "--list-devices: exit status 1")):
            with self.subTest(lie=lie):
                done = self.pretend(lie)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stderr, text)
                self.assertTrue(os.path.exists(self.made("table.md")))
        self.assertIn("LOSSES DIFFER", self.pretend("losses").stdout)
        done = self.pretend("nan")  # which is no number, but the same on both
        self.assertIn("| - | - |", done.stdout)
        self.assertEqual(self.pretend("drift").returncode, 0)  # by rounding alone, after long

    def test_old(self):
        """A GPU that lacks what newer ones have: that is said, and no failure."""
        done = self.pretend("old")
        self.assertEqual(done.returncode, 0, done.stderr)
        for way in ("overlapped", "tf32"):
            self.assertIn(f"- cuda {way}, 64,32, 300: trainer: cuda: it is too old\n", done.stdout)
        self.assertIn("- least steps, overlapped: trainer: cuda: it is too old\n", done.stdout)
        self.assertIn("- least steps (1 sample, 1024-10), graph: 10.00 us each\n", done.stdout)
        self.assertEqual(len([line for line in done.stdout.splitlines() if line.startswith("| 64,32 ")]), 11 - 2)

    def test_slow(self):
        """What takes too long ends, with all that it has started; time is kept."""
        trace, minutes = self.path("trace"), 0.2
        while not os.path.exists(trace):  # on a machine that needs longer to begin, more
            done = self.pretend("slow", minutes=minutes, start=0.5, environment={"TRACE": trace})
            self.assertEqual(done.returncode, 0, done.stderr)
            minutes *= 2
        self.assertIn("cuda, 64,32, 300: too slow", done.stdout)
        self.assertRegex(done.stdout, "no time was left for cuda ")
        with open(trace, encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # at once: it was killed

    def test_figures(self):
        """Of a row, by hand: rates are those of the median, 0.03 s, where the record has those of the mean, 0.06 s."""
        os.mkdir(self.out)
        options = types.SimpleNamespace(peers=False, minutes=1, samples=1000)
        measured = benchmark.Benchmark(commands.Commands(self.out, self.out, 1), options, self.pretender, ["cpu"],
                                       self.out)
        device = {"name": "A CPU", "type": "cpu", "gemm": None, "library": "BLAS 1", "precision": "fp32",
                  "submission": None}
        record = {"commit": "0123456789ab", "device": device,
                  "config": {"batch_size": 250}, "dataset": {"name": "CIFAR-10"}, "seconds": {"mean_epoch": 0.06},
                  "epochs": [{"seconds": seconds, "loss": 2.5 - 0.1 * epoch}
                             for epoch, seconds in enumerate((0.05, 0.02, 0.04, 0.01))],
                  "samples_per_second": 1500.0, "gflops": 30.0, "status": "complete"}
        with contextlib.redirect_stderr(io.StringIO()):
            measured.keep("cpu", (300, "64,32", "0.01"), record)
        self.assertEqual(measured.table().splitlines()[-1],
                         "| 64,32 | 250 | cpu | 30.000 | 10.000 | 133 | 4 | 3000 | 60 | 2.500000 | 2.400000 "
                         "| BLAS 1, fp32, CIFAR-10 |")

    def test_rebuilt(self):
        """Records of two commits are not of one program."""
        done = self.pretend("rebuilt")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("the program's commit is ba9876543210 now, was 0123456789ab", done.stderr)

    def test_peers(self):
        """They have the trainer's options and first weights, and must come to its losses; their commit is its."""
        tools, trainer = self.path("tools"), self.path("other")
        pretended.tools_with_peers(os.path.dirname(GPU_CHECK), tools)
        pretended.trainer(trainer)
        told, what = self.path("trace") + ".peers", {"tool": os.path.join(tools, "gpu-check"), "devices": "cpu"}
        for lie, status, rows in (("", 0, 6), ("losses", 1, 6), ("absent", 0, 2), ("crash", 0, 2)):
            if os.path.exists(told):
                os.remove(told)
            done = self.check(trainer, "--samples", "1000", "--runs", "5", shapes=2, **what,
                              environment={"TRACE": self.path("trace"), "PEER_LIE": lie})
            self.assertEqual(done.returncode, status, done.stderr)
            table = [line for line in done.stdout.splitlines() if line.startswith("| ")][2:]
            self.assertEqual(len(table), rows, done.stdout)
            self.assertEqual(sum("LOSSES DIFFER" in line for line in table), 4 if lie == "losses" else 0)
            with open(told, encoding="utf-8") as file:
                calls = [dict(zip(*[iter(json.loads(line))] * 2)) for line in file]
            self.assertEqual(len(calls), 2 if lie == "absent" else 4)  # which is known after the first shape
            if lie == "":
                self.assertEqual([line.split("|")[3].strip() for line in table],
                                 ["cpu", "pytorch blas", "jax blas"] * 2)
                self.assertTrue(calls[2].pop("--weights").endswith("1024,1024"))
                self.assertEqual(calls[2], {
                    "--device": "cpu", "--epochs": "5", "--warm-up": "0.05", "--seconds": "30.0",
                    "--batch-size": "300", "--layers": "1024,1024", "--learning-rate": "0.0001",
                    "--data": "synthetic", "--samples": "1000"})
                with open(self.made("records.jsonl"), encoding="utf-8") as file:
                    self.assertEqual({json.loads(line)["commit"] for line in file}, {"0123456789ab"})
            if lie == "absent":
                self.assertIn("- absent: no pytorch: python3 -m pip install pytorch", done.stdout)
            if lie == "crash":
                self.assertIn("- jax, 64,32, 300: exit status 1: it has no memory", done.stdout)

    def test_records(self):
        """Of what a peer prints: not what its library says, nor half a line."""
        text = 'autotuning\n{"a": 1}\n3\n\nNaN\n{"b": 2}\n{"c": '
        self.assertEqual(list(benchmark.records_in(text)), [{"a": 1}, {"b": 2}])

    def test_usage(self):
        for more in (["--devices", "tpu"], ["--runs", "2"], ["--minutes", "0"], ["--samples", "0"],
                     ["--bogus"], ["--runs", "x"]):
            self.assertEqual(self.check(self.pretender, *more).returncode, 2, more)
        with mock.patch.object(shutil, "rmtree"):
            os.makedirs(self.out, exist_ok=True)
            with open(self.made("something"), "w", encoding="utf-8"):
                pass
            done = self.pretend()
        self.assertEqual(done.returncode, 2)
        self.assertIn("there is something in it", done.stderr)

    @unittest.skipUnless(EMULATED, "needs the emulated CUDA")
    def test_rehearsal(self):
        """Everything but a GPU, at the first shape; of a peak, which takes long, not more than its beginning."""
        environment = {"POCL_CACHE_DIR": POCL_CACHE}
        first = subprocess.run(
            [EMULATED, "--device", "cuda", "--data", "synthetic", "--samples", "200", "--epochs", "1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
            env={**os.environ, **environment, "XDG_CACHE_HOME": self.folder})
        if first.returncode == 77:
            self.skipTest(first.stderr)
        done = self.check(EMULATED, "--no-peers", "--samples", "200", "--runs", "3", devices="cuda,reference",
                          minutes=120, environment=environment, start=0.3)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| 64,32 | 200 | ")]
        self.assertEqual([row[3].strip() for row in rows], [
            "cuda", "cuda fused", "cuda separate", "cuda graph", "cuda overlapped", "cuda persistent",
            "cuda stream", "cuda streamed", "cuda own", "cuda cublas", "cuda tf32", "reference"])
        self.assertEqual(["EMULATED: no result" in row[-2] for row in rows], [True] * 11 + [False])
        self.assertIn(rows[0][3:5], [line.split("|")[3:5] for line in done.stderr.splitlines()])  # at once


if __name__ == "__main__":
    unittest.main()
