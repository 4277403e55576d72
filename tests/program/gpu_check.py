"""tools/gpu-check: what it fails on, with a program that only pretends to train; and a rehearsal on the
emulated GPU.

  gpu_check.py GPU_CHECK [EMULATED]
"""
import fcntl
import importlib.machinery
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

sys.argv.insert(1, "")  # there is no program that all of the tests run
from common import PATIENCE, POCL_CACHE  # noqa: E402 pylint: disable=wrong-import-position

GPU_CHECK = sys.argv.pop(1)
EMULATED = sys.argv.pop(1) if len(sys.argv) > 1 else None

# A trainer in a few lines: LIE is what it does wrong.
PRETENDER = """\
    #!{python}
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
        "commit": "0123456789ab",
        "device": {{"name": "A GPU", "type": "gpu", "gemm": "own", "library": None, "precision": "fp32",
                   "submission": "stream" if stream or lie == "graph" else "graph"}},
        "config": {{"batch_size": int(options["--batch-size"])}}, "dataset": {{"name": "CIFAR-10"}},
        "seconds": {{"mean_epoch": 0.01}}, "epochs": epochs, "samples_per_second": 1, "gflops": 1,
        "status": "complete"}}))
"""


class GpuCheck(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.out = os.path.join(self.folder, "out")
        self.pretender = os.path.join(self.folder, "trainer")
        with open(self.pretender, "w") as file:
            file.write(textwrap.dedent(PRETENDER.format(python=sys.executable)))
        os.chmod(self.pretender, 0o755)

    def run_check(self, trainer, *more, devices="cuda", minutes=30, **environment):
        return subprocess.run(
            [sys.executable, "-B", GPU_CHECK, "--out", self.out, "--trainer", trainer, "--no-tests",
             "--no-peers", "--devices", devices, "--data", "synthetic", "--minutes", str(minutes), *more],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE,
            env={**os.environ, "PATH": "/usr/bin:/bin", **environment})

    def pretend(self, lie="", **more):
        return self.run_check(self.pretender, LIE=lie, **more)

    def path(self, name):
        return os.path.join(self.out, name)

    def test_fine(self):
        done = self.pretend()
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("table.md")) as file:
            self.assertEqual(file.read(), done.stdout)
        rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| ")]
        self.assertEqual(len(rows), 2 + 2 * 5 + 4 * 2)  # with the head
        self.assertEqual([cell.strip() for cell in rows[2][1:8]],
                         ["64,32", "300", "cuda graph", "10.000", "10.000", "0", "20"])
        with open(self.path("records.jsonl")) as file:
            records = [json.loads(line) for line in file]
        self.assertEqual(len(records), 1 + len(rows) - 2)  # with the peak
        self.assertEqual({record["commit"] for record in records}, {"0123456789ab"})
        self.assertEqual(len(records[0]["epochs"]), 120)  # of which the first second is a warm-up
        with open(self.path("environment.json")) as file:
            self.assertIn("gpus_after", json.load(file))

    def test_lies(self):
        for lie, text in (
                ("losses", "failed: cuda stream, 64,32, 300; "),
                ("losses", r"the loss of epoch 1 is 2.3, that of cuda graph 2.2"),
                ("late", r"the loss of epoch 5 is 2.296"),
                ("graph", "cuda graph, 64,32, 300: it was no graph"),
                ("crash", r"cuda stream, 64,32, 300: exit status 1: trainer: cuda: it gave cudaErrorWrong"),
                ("absent", r"cuda: cuda +not here: it is hidden"),
                ("list", "--list-devices: exit status 1")):
            shutil.rmtree(self.out, ignore_errors=True)
            with self.subTest(lie=lie):
                done = self.pretend(lie)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stderr, text)
                self.assertTrue(os.path.exists(self.path("table.md")))
        shutil.rmtree(self.out)
        self.assertIn("LOSSES DIFFER", self.pretend("losses").stdout)
        shutil.rmtree(self.out)
        done = self.pretend("nan")  # which is no number, but the same on both
        self.assertIn("| - | - |", done.stdout)
        shutil.rmtree(self.out)
        self.assertEqual(self.pretend("drift").returncode, 0)  # by rounding alone, after long

    def test_slow(self):
        """What takes too long ends, with all that it has started; time is kept."""
        trace, minutes = os.path.join(self.folder, "trace"), 0.2
        while not os.path.exists(trace):  # on a machine that needs longer to begin, more
            minutes *= 2
            done = self.pretend("slow", minutes=minutes, TRACE=trace)
            self.assertEqual(done.returncode, 0, done.stderr)
            shutil.rmtree(self.out)
        self.assertIn("cuda graph, 64,32, 300: too slow", done.stdout)
        self.assertRegex(done.stdout, "no time was left for cuda ")
        with open(trace) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # at once: it was killed

    def test_records(self):
        """Of what a peer prints: not what its library says, nor half a line."""
        sys.path.insert(0, os.path.dirname(GPU_CHECK))
        loader = importlib.machinery.SourceFileLoader("tool", GPU_CHECK)  # its name has no ending
        check = importlib.util.module_from_spec(importlib.util.spec_from_loader("tool", loader))
        loader.exec_module(check)
        text = 'autotuning\n{"a": 1}\n3\n\nNaN\n{"b": 2}\n{"c": '
        self.assertEqual(list(check.records_in(text)), [{"a": 1}, {"b": 2}])

    def test_usage(self):
        for more in (["--devices", "tpu"], ["--runs", "2"], ["--minutes", "0"], ["--samples", "0"],
                     ["--bogus"], ["--runs", "x"]):
            self.assertEqual(self.run_check(self.pretender, *more).returncode, 2, more)
        os.makedirs(self.out, exist_ok=True)
        with open(self.path("something"), "w"):
            pass
        done = self.pretend()
        self.assertEqual(done.returncode, 2)
        self.assertIn("there is something in it", done.stderr)

    @unittest.skipUnless(EMULATED, "needs the emulated CUDA")
    def test_rehearsal(self):
        """Everything but a GPU, as far as the time goes; the driver's cache is filled before."""
        cache = {"POCL_CACHE_DIR": POCL_CACHE}
        first = subprocess.run(
            [EMULATED, "--device", "cuda", "--data", "synthetic", "--samples", "200", "--epochs", "1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=PATIENCE,
            env={**os.environ, **cache, "XDG_CACHE_HOME": self.folder})
        if first.returncode == 77:
            self.skipTest(first.stderr)
        done = self.run_check(EMULATED, "--samples", "200", "--runs", "3", devices="cuda,reference",
                              minutes=0.3, **cache)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [line for line in done.stdout.splitlines() if line.startswith("| 64,32 | 200 | ")]
        if not rows:  # on a machine that is too slow for that
            self.assertRegex(done.stdout, "cuda graph, 64,32, 300: too slow|no time was left for cuda graph")
        for number, row in enumerate(rows):
            self.assertIn("| cuda graph |" if number == 0 else "|", row)
            self.assertRegex(row, r"EMULATED: no result|\| reference \|")


if __name__ == "__main__":
    unittest.main()
