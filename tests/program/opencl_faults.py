"""Every call of OpenCL that a short training makes fails once: it must end well each time.

  opencl_faults.py TRAINER LAYER [--all]

LAYER is tests/opencl/layer.c. With TRAINER_TEST_LONG=1 one call is tried from each place that makes some, a
place being the whole chain of callers, but of CLBlast's own hundreds of places only a quarter; else from a
fifth of those, and from one place for each function. With --all, every single call is.
"""
import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
import unittest

from common import MOMENTS, POCL_CACHE, moment, run, skip_unless_here

LAYER = os.path.abspath(sys.argv.pop(1))
SHARE = 1 if os.environ.get("TRAINER_TEST_LONG") == "1" else 5  # one of so many places is tried
ALL = "--all" in sys.argv
if ALL:
    sys.argv.remove("--all")

TRAINING = ("--device", "opencl", "--data", "synthetic", "--samples", 20, "--batch-size", 10,
            "--epochs", 1, "--layers", "5,3", "--quiet", "--format", "json")

# The run may succeed without these: a wait for nothing; a compiled program that was in the cache;
# putting one there.
IDLE, LOADING, STORING = "clFinish_idle", ("clCreateProgramWithBinary", "clBuildProgram"), (
    "clGetProgramInfo",)


class Faults(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    @classmethod
    def setUpClass(cls):
        """PoCL has a cache of its own, which all runs share: at first a copy of the user's."""
        folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.pocl = os.path.join(folder, "kcache")
        os.mkdir(cls.pocl)
        if os.path.isdir(POCL_CACHE):
            with contextlib.suppress(shutil.Error):  # of what other runs have just removed; the rest is copied
                shutil.copytree(POCL_CACHE, cls.pocl, ignore_dangling_symlinks=True, dirs_exist_ok=True)

    step, more = "auto", ()  # options of a test's runs
    free = False  # they may do without whatever fails

    def train(self, gemm, cache, **layer):
        """Runs with a copy of the folder `cache`; gives the process and the report."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            home, report = os.path.join(folder, "cache"), os.path.join(folder, "report")
            shutil.copytree(cache, home)
            # What is timed takes as long in every run, so that the same algorithms are chosen.
            environment = {**moment(clock="steps"), "POCL_CACHE_DIR": self.pocl, "XDG_CACHE_HOME": home,
                           "OPENCL_LAYERS": LAYER, "LD_PRELOAD": f"{LAYER}:{MOMENTS}",
                           "OPENCL_LAYER_REPORT": report}
            environment.update({f"OPENCL_LAYER_{name}": str(n) for name, n in layer.items()})
            done = run(*TRAINING, *self.more, "--step", self.step, "--gemm", gemm, env=environment)
            self.assertTrue(os.path.exists(report), f"no report: {self.said(done)}")
            with open(report) as file:
                return done, json.load(file)

    @staticmethod
    def said(done):
        return f"exit {done.returncode}: {done.stderr}"

    def check(self, optional, wanted, done, report):
        """That a run ended as it must. Gives whether the wanted call was made, and so failed."""
        held = {kind: count for kind, count in report["outstanding"].items() if count != 0}
        self.assertEqual(held, {}, self.said(done))
        self.assertEqual(report["changed"], 0, "host memory changed before a wait: " + self.said(done))
        self.assertNotRegex(done.stderr, "Sanitizer|runtime error:")
        if not report["failed"]:
            self.assertEqual(done.returncode, 0, self.said(done))
            return False
        function = report["failed"]["function"]
        self.assertIn(wanted, (None, function))
        if done.returncode != 0 or function not in (IDLE, *optional) and not self.free:
            self.assertEqual(done.returncode, 3, self.said(done))
            messages = re.findall("(?m)^trainer: .*", done.stderr)  # CLBlast may say something, too
            self.assertEqual(len(messages), 1, done.stderr)
            self.assertRegex(messages[0], r"\b(CL_[A-Z]{2}[A-Z_]+|CLBlast[A-Z]\w+)\b")
        return True

    def fail_each(self, gemm, cache, optional=(), lost=False, only="", tried=frozenset(), every=1):
        """`lost`: from that call on, all others fail, too. `only`: functions whose names begin so, and
        which the run does without. `tried`: places that are left out. `every`: one of so many places is
        tried, or fewer, and of each function the first. Gives those that were tried."""
        began = time.monotonic()
        done, good = self.train(gemm, cache)
        self.assertFalse(self.check(optional, None, done, good))
        sites, counted, missed = good["sites"], good["counted"], []
        self.assertGreater(len(sites), 50)  # it takes stacks that can be followed to tell them apart
        sites = [site for site in sites if site[1].startswith(only) and site[2] not in tried]
        functions = [function for _, function, _ in sites]
        sites = [site for number, site in enumerate(sites)
                 if number % (every * SHARE) == 0 or functions.index(site[1]) == number]
        if ALL and not only:
            sites = [[number, None, None] for number in range(1, counted + 1)]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(self.train, gemm, cache, **(
                {"FAIL_FROM": number} if lost else {"FAIL_SITE": key} if key else {"FAIL": number}))
                for number, _, key in sites]
            for (number, function, _), ended in zip(sites, runs):
                with self.subTest(call=number, function=function):
                    if not self.check(optional, function, *ended.result()):
                        missed.append([number, function])
                    if only:
                        self.assertEqual(ended.result()[0].returncode, 0)
        print(f"{self.id()}, {gemm}: {len(sites)} failures; the run has "
              f"{len(good['sites'])} places with {counted} calls; {time.monotonic() - began:.1f} s", file=sys.stderr)
        self.assertEqual(missed, [], "calls of the first run that this one did not make")
        return {key for _, _, key in good["sites"]}

    def filled_cache(self, gemm):
        """A cache with what a run leaves there."""
        cache = tempfile.mkdtemp(dir=self.folder)
        done = run(*TRAINING, "--step", self.step, "--gemm", gemm, env={"POCL_CACHE_DIR": self.pocl, "XDG_CACHE_HOME": cache})
        self.assertEqual(done.returncode, 0, done.stderr)
        return cache

    def empty_cache(self):
        return tempfile.mkdtemp(dir=self.folder)

    def test_each_place(self):
        """Every place once, in the shortest of the runs that come by it."""
        self.step = "separate"
        tried = self.fail_each("own", self.filled_cache("own"), LOADING)
        self.more = ("--batches", "streamed", "--shuffle")
        tried |= self.fail_each("own", self.filled_cache("own"), LOADING, tried=tried)
        self.more = ("--samples", 1000, "--batch-size", 1)  # so many commands that some are waited for
        tried |= self.fail_each("own", self.filled_cache("own"), LOADING, tried=tried)
        self.more, self.step = (), "fused"
        tried |= self.fail_each("own", self.filled_cache("own"), LOADING, tried=tried)
        tried |= self.fail_each("own", self.empty_cache(), STORING, tried=tried)
        self.step = "separate"
        self.fail_each("clblast", self.filled_cache("clblast"), LOADING, tried=tried, every=4)

    def test_auto(self):
        """A library that fails while it is timed is just not chosen."""
        names = ("CLBlastSgemmWithTempBuffer", "CLBlastSGemmTempBufferSize")
        self.fail_each("auto", self.empty_cache(), names, only="CLBlast")

    def test_trial(self):
        """Whole steps that fail while they are timed or made are done operation by operation."""
        self.free = True
        self.fail_each("own", self.empty_cache(), every=4)

    def test_lost_device(self):
        """Everything fails from some call on."""
        self.more = ("--warm-up", 0.01)
        self.fail_each("own", self.filled_cache("own"), lost=True)


if __name__ == "__main__":
    skip_unless_here("opencl")
    unittest.main()
