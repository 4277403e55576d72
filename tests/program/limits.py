"""What libraries and the system allow. Threads are as many as a library says that may call it, as OpenMP and
the system give, and as the record says; memory is no more than the system has for this process. Whoever
asks for more is told why not.

  limits.py TRAINER [FAKE]

FAKE is tests/openblas/fake.c, in a file of OpenBLAS's name: what kind of build it is, a test chooses.
"""
import json
import os
import resource
import sys
import unittest
import unittest.mock

from common import NO_GPU, Folder, devices, moment, record, run

FAKE = sys.argv.pop(1) if len(sys.argv) > 1 and os.sep in sys.argv[1] else None  # else it names a test
SMALL = ("--data", "synthetic", "--samples", 60, "--batch-size", 30, "--epochs", 2)
CPU = ("--device", "cpu", *SMALL)
BLAS = (*CPU, "--gemm", "openblas")
HAS_CPU = "cpu" in devices()


class Limits(Folder):
    def fails(self, code, text, *arguments, **more):
        done = run(*arguments, **more)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        self.assertRegex(done.stderr.splitlines()[-1], text)


@unittest.skipUnless(FAKE and HAS_CPU, "needs OpenBLAS from a folder that the loader searches")
class Builds(Limits):
    """Of OpenBLAS."""

    def build(self, parallel=1, config="OpenBLAS 0.0.1 NO_AFFINITY Fake MAX_THREADS=64"):
        return {"LD_LIBRARY_PATH": os.path.dirname(FAKE), "FAKE_OPENBLAS_PARALLEL": str(parallel),
                "FAKE_OPENBLAS_CONFIG": config, "FAKE_OPENBLAS_REPORT": self.path("callers")}

    def callers(self):
        """How many threads have called it in a run; it is opened more than once."""
        with open(self.path("callers"), encoding="ascii") as file:
            counts = list(map(int, file))
        os.remove(self.path("callers"))
        return max(counts)

    def test_with_threads(self):
        for parallel in (1, 2):
            found = record(*BLAS, "--threads", 3, env=self.build(parallel))
            self.assertEqual((found["device"]["threads"], found["device"]["library"]), (3, "OpenBLAS 0.0.1 Fake"))
            self.assertEqual(self.callers(), 3)

    def test_serial(self):
        """One thread, and a word on it where there could be more."""
        several = record(*BLAS, env=self.build(1))["device"]["threads"] > 1
        self.callers()
        done = run(*BLAS, env=self.build(0))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual("is a serial build" in done.stderr, several)
        self.assertEqual(self.callers(), 1)
        self.assertEqual(record(*BLAS, env=self.build(0))["device"]["threads"], 1)
        self.fails(3, "cpu: 2 threads are too many, 1 at most: its OpenBLAS is a serial build.*libopenblas0-pthread",
                   *BLAS, "--threads", 2, env=self.build(0))

    def test_serial_beside_own(self):
        """It is no reason to compute with one thread, where our own can take its place; and is taken with one."""
        done = run(*CPU, "--threads", 2, "--format", "json", env=self.build(0))
        self.assertRegex(done.stderr, "warning: cpu computes without OpenBLAS: there are 2 threads, and its OpenBLAS "
                         "is a serial build.*libopenblas0-pthread")
        device = json.loads(done.stdout)["device"]
        self.assertEqual((device["threads"], device["library"]), (2, None))
        self.assertRegex(device["gemm"], "^own-[^,]*(, own-[^,]*)*$")
        self.assertEqual(self.callers(), 0)
        done = run(*CPU, "--threads", 1, "--format", "json", env=self.build(0))
        self.assertNotIn("warning", done.stderr)
        self.assertEqual(json.loads(done.stdout)["device"]["library"], "OpenBLAS 0.0.1 Fake")
        self.assertEqual(self.callers(), 1)

    def test_serial_with_locks(self):
        config = "OpenBLAS 0.3.21 USE_LOCKING SINGLE_THREADED"
        self.assertEqual(record(*BLAS, "--threads", 2, env=self.build(0, config))["device"]["threads"], 2)
        self.assertEqual(self.callers(), 2)

    def test_built_for_few(self):
        few = self.build(1, "OpenBLAS 0.3.21 Fake MAX_THREADS=2")
        self.fails(3, "cpu: 3 threads are too many, 2 at most: its OpenBLAS was built for no more",
                   *BLAS, "--threads", 3, env=few)
        self.assertLessEqual(record(*BLAS, env=few)["device"]["threads"], 2)
        self.assertLessEqual(self.callers(), 2)
        device = record(*CPU, "--threads", 3, env=few)["device"]  # of our own
        self.assertEqual((device["threads"], device["library"]), (3, None))

    def test_wrong(self):
        """It is not trained with, nor said that it could be."""
        for more in ((), ("--dry-run",)):
            self.fails(3, "cpu .* fails its self-check: forward product", *BLAS, *more,
                       env={**self.build(), "FAKE_OPENBLAS_WRONG": "1"})

    def test_auto(self):
        """Hardware that is not there is passed over, and no option that can't be met."""
        serial = {**NO_GPU, **self.build(0)}
        self.assertEqual(record(*SMALL, env=serial)["device"]["kind"], "cpu")
        self.fails(3, "cpu: 2 threads are too many", *SMALL, "--gemm", "openblas", "--threads", 2, env=serial)

    def test_core(self):
        """Where it takes a new CPU for an old one it is told better; a record has what the user told it."""
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            if " avx2 " not in file.read():
                self.skipTest("OpenBLAS's Prescott is not told from this CPU")
        unset = {key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"}
        with unittest.mock.patch.dict(os.environ, unset, clear=True):
            mistaken = {**self.build(), "FAKE_OPENBLAS_CORE": "Prescott"}
            device = record(*CPU, env=mistaken)["device"]
            self.assertRegex(device["library"], "^OpenBLAS 0.0.1 (Haswell|SkylakeX)$")
            self.assertIsNone(device["environment"])
            told = {"OPENBLAS_CORETYPE": "Zen"}
            device = record(*CPU, env={**mistaken, **told})["device"]
            self.assertEqual((device["library"], device["environment"]), ("OpenBLAS 0.0.1 Zen", told))

    def test_foreign_name(self):
        """What a library calls itself is one cell of a Markdown table, and says nothing in Markdown."""
        done = run(*CPU, "--format", "markdown", env=self.build(1, "OpenBLAS a|b`<i>_c MAX_THREADS=64"))
        head, _, row = done.stdout.splitlines()
        self.assertIn("(OpenBLAS a\\|b\\`\\<i\\>\\_c Fake) ", row)
        self.assertEqual(row.replace("\\|", "").count("|"), head.count("|"))

    def test_not_to_be_loaded(self):
        """What needs none of it works, and that is all but itself; whoever would have it is told."""
        name = os.path.join(self.folder, os.path.basename(FAKE))
        with open(name, "wb"):
            pass
        without = {**NO_GPU, "LD_LIBRARY_PATH": self.folder}
        for option in ("--help", "--version"):
            self.assertEqual(run(option, env=without).returncode, 0)
        self.assertRegex(run("--list-devices", env=without).stdout, "(?m)^cpu .*; no library; ")
        self.fails(3, "cpu: OpenBLAS can't be opened: .*file too short; install it", *BLAS, env=without)
        done = run(*SMALL, "--format", "json", env=without)
        self.assertRegex(done.stderr, "warning: cpu computes without OpenBLAS: OpenBLAS can't be opened: .*file too "
                         "short; install it")
        device = json.loads(done.stdout)["device"]
        self.assertEqual((device["kind"], device["library"]), ("cpu", None))
        self.assertNotIn("openblas", device["gemm"])
        done = run(*CPU, "--gemm", "own", env=without)
        self.assertEqual((done.returncode, "OpenBLAS" in done.stderr), (0, False), done.stderr)


class Threads(Limits):
    @unittest.skipUnless(HAS_CPU, "needs the cpu device")
    def test_few_asked_for(self):
        """Who asks for fewer threads than there could be needn't be told."""
        done = run(*CPU, "--threads", 1)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("computes with", done.stderr)

    @unittest.skipUnless(FAKE and HAS_CPU and hasattr(os, "sched_setaffinity"), "needs FAKE on Linux")
    def test_dynamic_teams(self):
        """OMP_DYNAMIC lets OpenMP take threads away; on one processor it leaves one."""
        environment = {"OMP_DYNAMIC": "true", "LD_LIBRARY_PATH": os.path.dirname(FAKE),
                       "FAKE_OPENBLAS_REPORT": self.path("callers")}
        one = min(os.sched_getaffinity(0))
        found = record(*BLAS, "--threads", 3, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, {one}))
        self.assertEqual(found["device"]["threads"], 3)
        with open(self.path("callers"), encoding="ascii") as file:
            self.assertEqual(max(map(int, file)), 3)

    def test_limit_of_openmp(self):
        few = {"OMP_THREAD_LIMIT": "2"}
        for device in ("cpu", "reference") if HAS_CPU else ("reference",):
            self.fails(3, f"{device}: OpenMP gives only 2 of 3 threads: see OMP_THREAD_LIMIT",
                       "--device", device, *SMALL, "--threads", 3, env=few)
            self.assertLessEqual(record("--device", device, *SMALL, env=few)["device"]["threads"], 2)

    def test_no_more_threads(self):
        """Whatever a library does when it is loaded, what needs no threads has none."""
        none = moment("pthread_create:1+:=EAGAIN")
        for option in ("--help", "--version", "--list-devices"):
            done = run(option, env=none)
            self.assertEqual(done.returncode, 0, done.stderr)
        for device in ("cpu", "reference") if HAS_CPU else ("reference",):
            with self.subTest(device=device):
                self.fails(3, f"{device}: OpenMP gives only 1 of 4 threads: .*ulimit -u",
                           "--device", device, *SMALL, "--threads", 4, env=none)
                for more in ((), ("--threads", 1)):
                    found = record("--device", device, *SMALL, *more, env=none)
                    self.assertEqual(found["device"]["threads"], 1)


GIB = 1 << 30


def limited(**limits):
    """How a run is started with limits of its own: of "data" or "addresses", in bytes."""
    def limit():
        for name, bytes_ in limits.items():
            resource.setrlimit({"data": resource.RLIMIT_DATA, "addresses": resource.RLIMIT_AS}[name],
                               (bytes_, bytes_))
    return {"preexec_fn": limit}


@unittest.skipUnless(sys.platform == "linux", "needs limits that are kept")
class Memory(Limits):
    """Libraries have some hundred MB of their own, so that limits are far from what is needed."""

    large = ("--layers", "24000,24000", "--data", "synthetic", "--samples", 60, "--batch-size", 30)  # 2.4 GB
    middle = ("--layers", "18000,18000", *large[2:])  # 1.4 GB, of which a device has a part of its own

    def test_refused(self):
        """Before anything is made, and when it is only planned."""
        for device in ("cpu", "reference") if HAS_CPU else ("reference",):
            for limit, words in (("data", "the limit of data, ulimit -d"),
                                 ("addresses", "the limit of addresses, ulimit -v")):
                for more in (self.large, (*self.large, "--dry-run"), (*self.middle, "--dry-run")):
                    with self.subTest(device=device, limit=limit, more=more):
                        self.fails(3, f"out of memory: .*, by {words}", "--device", device, *more,
                                   **limited(**{limit: 2 * GIB}))

    def test_images(self):
        """As many as there are are counted: the test set has its own number."""
        for samples, images in ((60, 120), (20000, 30000), (50000, 60000)):
            self.fails(3, f"out of memory: [0-9]+ bytes for {images} images and ", "--device", "reference",
                       *self.large, "--samples", samples, **limited(data=2 * GIB))

    def test_auto(self):
        self.fails(3, "out of memory: ", *self.large, env=NO_GPU, **limited(data=2 * GIB))

    def test_enough(self):
        """What fits is trained; its images are streamed where only a batch of them fits."""
        rgb = ("--device", "reference", "--threads", 1, "--data", "synthetic", "--color", "rgb", "--layers", "4",
               "--epochs", 1)
        self.assertEqual(record(*rgb, "--samples", 600)["config"]["batches"], "resident")
        plan = ("--dry-run", *rgb, "--batch-size", 30)
        needed = sum(record(*plan, "--batches", "streamed")["memory"].values())
        self.assertEqual(record(*plan, **limited(data=4 * GIB))["config"]["batches"], "resident")
        found = record(*plan, **limited(data=needed + 400 * 10**6))
        self.assertEqual(found["config"]["batches"], "streamed")


if __name__ == "__main__":
    unittest.main()
