"""The opencl device as a whole: which one is taken, what is said of it, its cache and its memory.

  opencl.py TRAINER
"""
import glob
import os
import re
import shutil
import sys
import tempfile
import unittest

from common import NO_CUDA, moment, record, run, skip_unless_here
from fixtures.cache_entry import Entry

SMALL = ("--data", "synthetic", "--samples", 60, "--epochs", 2, "--batch-size", 20, "--layers", "9,7")
TINY = ("--data", "synthetic", "--samples", 1, "--epochs", 0, "--batch-size", 1, "--layers", "none")
SIMULATORS = [path for place in ("/usr/lib/oclgrind", "/usr/lib/*/oclgrind", "/usr/local/lib")
              for path in glob.glob(os.path.join(place, "liboclgrind-rt-icd.so"))]


def devices(**more):
    return [line for line in run("--list-devices", **more).stdout.splitlines()
            if line.startswith("opencl")]


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def fails(self, code, text, *arguments, **more):
        done = run(*arguments, **more)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stderr}")
        self.assertIn(text, done.stderr)


class Choosing(Folder):
    def test_list(self):
        for line in devices():
            self.assertRegex(line, r"^opencl:\d+:\d+ +.* \((cpu|gpu|accelerator)(, .*)?\); CLBlast \d+\."
                             r"\d+\.\d+; kernels: OpenCL C \d\.\d.*; driver: .*; memory: [\d.]+ GiB; "
                             r"\d+ compute units?")
            memory = record("--dry-run", *SMALL, "--device", line.split()[0])["device"]["memory_bytes"]
            self.assertIn(f"; memory: {memory / 2**30:.1f} GiB; ", line)

    def test_by_numbers(self):
        spec = devices()[0].split()[0]
        for name in (spec, spec.rsplit(":", 1)[0]):
            found = record(*SMALL, "--device", name)
            self.assertEqual(found["device"]["spec"], name)
        self.fails(3, "opencl: no such device; there is: opencl:0:0 ", *SMALL, "--device", "opencl:99")
        self.fails(3, "no such device", *SMALL, "--device", "opencl:0:99")

    def test_by_name(self):
        name = record(*SMALL, "--device", "opencl")["device"]["name"]
        self.assertEqual(record(*SMALL, "--device", "opencl:" + name)["device"]["name"], name)
        self.assertEqual(record(*SMALL, "--device", "opencl:" + name.upper())["device"]["name"], name)
        for text in ("opencl:no such name", "opencl:0:0:0", "opencl:-1", "opencl:0x"):
            self.fails(3, "is part of no device's name; there is: opencl:0:0 ", *SMALL, "--device", text)

    def test_none(self):
        without = {"OCL_ICD_VENDORS": self.folder}
        for spec in ("opencl", "opencl:0", "opencl:0:0", "opencl:name"):
            self.fails(3, "no driver works here (CL_PLATFORM_NOT_FOUND_KHR)", *SMALL,
                       "--device", spec, env=without)
        self.fails(3, "pocl-opencl-icd", *SMALL, "--device", "opencl", env=without)
        self.assertRegex(devices(env=without)[0], "^opencl +not here: no driver works here")
        done = run(*SMALL, env={**NO_CUDA, **without})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("trainer: not opencl: no driver with hardware\n", done.stderr)

    def test_cpu(self):
        """It is for comparing, and never what auto takes."""
        if not all("(cpu" in line for line in devices()):
            self.skipTest("there is an OpenCL GPU")
        done = run(*SMALL, "--device", "opencl")
        self.assertIn("trainer: warning: there is no OpenCL GPU in use", done.stderr)
        self.assertNotIn("warning", run(*SMALL, "--device", "opencl", "--quiet").stderr)
        done = run(*SMALL, env=NO_CUDA)
        self.assertIn("trainer: not opencl: no GPU\n", done.stderr)
        self.assertRegex(done.stderr, "auto takes (cpu|reference); --list-devices says more of the others\n")

    @unittest.skipUnless(SIMULATORS, "needs oclgrind, which says that it is a GPU")
    def test_gpu_before_cpu(self):
        for vendor in glob.glob("/etc/OpenCL/vendors/*.icd"):
            shutil.copy(vendor, self.folder)
        with open(os.path.join(self.folder, "simulator.icd"), "w") as file:
            print(SIMULATORS[0], file=file)
        both = {"OCL_ICD_VENDORS": self.folder, **NO_CUDA}
        self.assertGreater(len(devices(env=both)), 1)
        for spec in ("opencl", "auto", "opencl:SIMULATOR"):
            device = record(*TINY, "--device", spec, "--gemm", "own-small", env=both)["device"]
            self.assertEqual((device["kind"], device["type"], device["threads"]), ("opencl", "gpu", 0))
        cpu = [line.split()[0] for line in devices(env=both) if "(cpu" in line][0]
        found = record(*TINY, "--device", cpu, "--gemm", "own", env=both)
        self.assertEqual(found["device"]["type"], "cpu")
        self.fails(3, "is part of several devices' names", *TINY, "--device", "opencl:l", env=both)

    def test_threads(self):
        """Of a CPU a part can be taken."""
        device = record(*SMALL, "--device", "opencl")["device"]
        if device["type"] != "cpu":
            self.skipTest("not a CPU")
        one = record(*SMALL, "--device", "opencl", "--threads", 1)["device"]
        self.assertEqual((one["threads"], one["compute_units"]), (1, 1))
        self.fails(3, f"has {device['compute_units']} compute units, not 1024: lower --threads", *SMALL,
                   "--device", "opencl", "--threads", 1024)


class Record(Folder):
    def test_device(self):
        for gemm in ("own", "clblast", "auto"):
            device = record(*SMALL, "--device", "opencl", "--gemm", gemm)["device"]
            self.assertEqual((device["kind"], device["precision"]), ("opencl", "fp32"))
            if gemm == "own":
                self.assertIsNone(device["library"])
            else:
                self.assertRegex(device["library"], r"^CLBlast \d+\.\d+\.\d+$")
            self.assertRegex(device["gemm"], {"own": "^own-", "clblast": "^clblast$", "auto": "."}[gemm])
            for name in ("name", "vendor", "platform", "driver", "kernels"):
                self.assertTrue(device[name], name)
            self.assertNotRegex(device["driver"], "^OpenCL ")  # which is what it implements, not what it is
            self.assertIn(device["type"], ("cpu", "gpu", "accelerator"))
            self.assertGreater(device["memory_bytes"], 0)
            self.assertGreater(device["compute_units"], 0)

    def test_gemm(self):
        for spec in ("opencl", "opencl:0:0"):
            self.fails(2, "opencl: 'cublas' does not multiply matrices there; there are: auto, clblast, "
                       "own, own-host", "--device", spec, "--gemm", "cublas", "--data", "/nonexistent")


class Cache(Folder):
    def files(self):
        return sorted(glob.glob(os.path.join(self.folder, "trainer", "programs", "*")))

    def losses(self):
        found = record(*SMALL, "--device", "opencl", env={"XDG_CACHE_HOME": self.folder})
        return [epoch["loss"] for epoch in found["epochs"]], found["device"]["gemm"]

    def test_damage(self):
        """Programs and choices are kept; what is damaged is made again."""
        first = self.losses()
        files = self.files()
        self.assertGreaterEqual(len(files), 3)
        nodes = [os.stat(path).st_ino for path in files]
        self.assertEqual(self.losses(), first)
        self.assertEqual(nodes, [os.stat(path).st_ino for path in files])  # nothing was made
        for path in files:
            with open(path, "r+b") as file:
                file.seek(-9, os.SEEK_END)
                file.write(b"damaged!!")
        # A choice that is made anew may be another, which sums in another order.
        for loss, other in zip(self.losses()[0], first[0]):
            self.assertLessEqual(abs(loss - other), 1e-5 * other)
        self.assertLessEqual(set(files), set(self.files()))
        for path in files:
            with open(path, "rb") as file:
                self.assertNotIn(b"damaged!!", file.read())

    def test_refused_content(self):
        """Entries that are whole, and whose content is no program, or no algorithm: made again."""
        first = self.losses()
        self.assertGreaterEqual(len(self.files()), 3)
        for content in (b"nonsense", b""):
            for path in self.files():
                Entry(path).replace(content)
            for loss, other in zip(self.losses()[0], first[0]):
                self.assertLessEqual(abs(loss - other), 1e-5 * other)
            for path in self.files():
                with open(path, "rb") as file:
                    self.assertNotIn(b"nonsense", file.read()[-20:])

    def test_every_tile_has_its_own(self):
        for gemm in ("own-host", "own-small", "own-host"):
            found = record(*SMALL, "--device", "opencl", "--gemm", gemm,
                           env={"XDG_CACHE_HOME": self.folder})
            self.assertEqual(found["device"]["gemm"], gemm)

    def test_no_cache(self):
        for place in ("/proc/nowhere", "/dev/null"):
            found = record(*SMALL, "--device", "opencl", env={"XDG_CACHE_HOME": place})
            self.assertEqual(found["status"], "complete")


    def test_environment(self):
        """What makes a driver compile or schedule otherwise has programs and choices of its own."""
        train = (*SMALL, "--device", "opencl", "--gemm", "own")
        place = {"XDG_CACHE_HOME": self.folder}
        usual = record(*train)["device"]["environment"] or {}  # of whoever runs the tests
        for more in ({}, {"POCL_AFFINITY": "1"}):
            before = self.files()
            found = record(*train, env={**place, **more})
            self.assertEqual(found["device"]["environment"] or {}, {**usual, **more})
            made = self.files()
            self.assertGreaterEqual(len(made), len(before) + 3)
            record(*train, env={**place, **more, "OMP_PROC_BIND": "true"})  # which is the host's
            self.assertEqual(self.files(), made)

    def test_refused_environment(self):
        """A record must not say fp32 of what is computed otherwise; that is known before anything is read."""
        for name in ("POCL_EXTRA_BUILD_FLAGS", "CLOVER_EXTRA_BUILD_OPTIONS", "CLBLAST_BUILD_OPTIONS"):
            fast = {name: "-cl-fast-relaxed-math"}
            for mode in ((), ("--peak",), ("--dry-run",)):
                self.fails(2, f"opencl: --precision fp32, but {name}=-cl-fast-relaxed-math in the environment adds "
                           "options", "--device", "opencl", "--data", "/nonexistent", *mode, env=fast)
            self.assertEqual(run(*SMALL, "--device", "reference", env=fast).returncode, 0)
        found = record(*SMALL, "--device", "opencl", "--gemm", "own", env=fast)  # CLBlast compiles nothing
        self.assertLessEqual(fast.items(), found["device"]["environment"].items())


class OfPoCL(Folder):
    def setUp(self):
        super().setUp()
        platform = record(*SMALL, "--device", "opencl")["device"]["platform"]
        if platform != "Portable Computing Language":
            self.skipTest("is about PoCL")


class Needs(OfPoCL):
    """What it needs and does not say."""

    def test_cache_folder(self):
        file = os.path.join(self.folder, "file")
        with open(file, "w", encoding="ascii"):
            pass
        for cache in ({"POCL_CACHE_DIR": file}, {"POCL_CACHE_DIR": os.path.join(file, "kcache")},
                      {"POCL_CACHE_DIR": "", "XDG_CACHE_HOME": file}):
            done = run(*SMALL, "--device", "opencl", env=cache)
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertRegex(done.stderr, f"trainer: opencl: PoCL has no device .* without a cache folder .*{file}"
                             ".*: Not a directory: set POCL_CACHE_DIR to another")
            (line,) = devices(env=cache)
            self.assertIn("not here: PoCL has no device (CL_DEVICE_NOT_FOUND) without a cache folder", line)

    def test_threads(self):
        """It ends the process where it gets none."""
        none = moment("pthread_create:1+:=EAGAIN")
        done = run(*SMALL, "--device", "opencl", env=none)
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertRegex(done.stderr, r"opencl: PoCL starts \d+ threads?, and the system gives only 0 more: see .*ulimit -u")
        self.assertEqual(run(*SMALL, env={**NO_CUDA, **none}).returncode, 0)


class Memory(OfPoCL):

    def test_streamed(self):
        """300 x 1024 x 3 floats are too many for a device of 1 GiB when there are 50000 samples."""
        found = record("--device", "opencl", "--gemm", "own", "--data", "synthetic", "--color", "rgb",
                       "--epochs", 1, "--layers", "4", env={"POCL_MEMORY_LIMIT": "1"})
        self.assertEqual(found["config"]["batches"], "streamed")
        self.assertLess(found["device"]["memory_bytes"], 2**30 + 1)
        expected = record("--device", "opencl", "--gemm", "own", "--data", "synthetic", "--color", "rgb",
                          "--epochs", 1, "--layers", "4", "--batches", "resident")
        self.assertEqual(found["epochs"][0]["loss"], expected["epochs"][0]["loss"])

    def test_algorithm_without_room(self):
        """It is none, where there is a choice; here CLBlast's memory for copies is too much."""
        found = record("--device", "opencl", "--data", "synthetic", "--samples", 60, "--color", "rgb",
                       "--batch-size", 21000, "--epochs", 1, "--layers", "4",
                       env={"POCL_MEMORY_LIMIT": "1"})
        self.assertEqual(found["status"], "complete")

    def test_many_commands(self):
        """What waits to be done is bounded: 27000 commands an epoch."""
        found = record("--device", "opencl", "--gemm", "own", "--data", "synthetic", "--samples", 3000,
                       "--batch-size", 1, "--epochs", 1, "--layers", "3,3")
        self.assertEqual(found["status"], "complete")

    def test_too_large(self):
        limit = {"POCL_MEMORY_LIMIT": "1"}
        wide = ("--device", "opencl", "--gemm", "own", "--data", "synthetic", "--samples", 60, "--epochs", 1,
                "--layers", "2500", "--batch-size")
        done = run(*wide, 50000, env=limit)
        self.assertEqual(done.returncode, 3, done.stderr)
        said = re.search(r"out of memory: this network with batches of 50000 needs \d+ bytes.* has \d+ "
                         r"free.*; the largest --batch-size that fits is (\d+)", done.stderr)
        self.assertTrue(said, done.stderr)
        self.fails(3, "out of memory", *wide, int(said[1]) + 1, env=limit)
        done = run(*wide, said[1], env=limit)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.fails(3, "out of memory", "--device", "opencl", "--gemm", "own", "--data", "synthetic",
                   "--color", "rgb", "--batches", "resident", env=limit)


if __name__ == "__main__":
    skip_unless_here("opencl")
    unittest.main()
