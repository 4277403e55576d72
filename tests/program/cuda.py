"""The cuda device as a whole, on an emulated GPU; and what is said where there is none.

  cuda.py EMULATED TRAINER NVML

EMULATED is the program with the test double of tests/emulated_cuda, TRAINER the one with CUDA's own
libraries, NVML a folder with a library that is taken for NVIDIA's."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from common import NO_CUDA, PATIENCE, record, run, skip_unless_here
from fixtures import documented
from fixtures.cache_entry import Entry

TRAINER, NVML = sys.argv.pop(1), sys.argv.pop(1)

SMALL = ("--data", "synthetic", "--samples", 60, "--epochs", 2, "--batch-size", 20, "--layers", "9,7")


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def fails(self, code, text, *arguments, **more):
        done = run(*arguments, **more)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stderr}")
        self.assertRegex(done.stderr, text)
        return done


class Without(unittest.TestCase):
    """The program with CUDA's own libraries, without a GPU: there is none, or it is hidden."""

    @staticmethod
    def trainer(*arguments):
        return subprocess.run([TRAINER, *map(str, arguments)], text=True, capture_output=True,
                              timeout=PATIENCE, check=False, env={**os.environ, **NO_CUDA})

    def test_list(self):
        done = self.trainer("--list-devices")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"(?m)^cuda +not here: cudaGetDeviceCount gave cudaError"
                         r"(InsufficientDriver|NoDevice) \(\d+\): .*; NVIDIA's driver: (none|for CUDA "
                         r"\d+\.\d+), CUDA runtime: \d+\.\d+; CUDA_VISIBLE_DEVICES is '-1'")
        self.assertRegex(done.stdout, "(?m)^reference ")

    def test_asked_for(self):
        for spec in ("cuda", "cuda:0", "cuda:3"):
            done = self.trainer("--device", spec, *SMALL)
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertRegex(done.stderr, "cudaErrorInsufficientDriver|cudaErrorNoDevice")
            self.assertRegex(done.stderr, "other devices of this build: .*reference")

    def test_others(self):
        self.assertEqual(self.trainer(*SMALL, "--device", "reference", "--quiet").returncode, 0)
        done = self.trainer(*SMALL)
        self.assertEqual(done.returncode, 0)
        self.assertIn("trainer: not cuda: no driver of NVIDIA's\n", done.stderr)
        self.assertRegex(done.stderr, "auto takes .*; --list-devices says more of the others\n")


class Clocks(unittest.TestCase):
    """What NVML says of them; the GPU that it knows is the second."""

    def read(self, said, *more, device="cuda:1"):
        return record(*SMALL, "--device", device, *more, env={"LD_LIBRARY_PATH": NVML, "EMULATED_NVML": said})["clocks"]

    def test_range(self):
        """Before the first epoch and after the last; and all that held them down."""
        self.assertEqual(self.read("1980 2619 0/1755 2619 4"), {
            "processor_mhz": [1755, 1980], "memory_mhz": [2619, 2619], "limits": ["power"]})
        self.assertEqual([key for key in documented.record_keys() if key.startswith("clocks.")],
                         [f"clocks.{key}" for key in self.read("1 2 0")])
        self.assertEqual(self.read("345 405 1/1980 2619 22"), {
            "processor_mhz": [345, 1980], "memory_mhz": [405, 2619], "limits": ["temperature", "setting"]})

    def test_limits(self):
        for reasons, limits in (("1", []), ("8", ["hardware"]), ("48", ["temperature"]), ("88", ["power"]),
                                ("10", ["setting"]), ("100", ["setting"]), ("20", ["temperature"]), ("ffe00", [])):
            self.assertEqual(self.read(f"1000 2000 {reasons}")["limits"], limits, reasons)

    def test_unknown(self):
        """Another GPU, one that can't tell, and no library: all else is as usual."""
        self.assertIsNone(self.read("1980 2619 0", device="cuda:0"))
        self.assertIsNone(self.read("lost"))
        self.assertIsNone(record(*SMALL, "--device", "cuda:1", env={"LD_LIBRARY_PATH": NVML})["clocks"])
        self.assertIsNone(record(*SMALL, "--device", "cuda:1")["clocks"])
        self.assertIsNone(record(*SMALL, "--device", "reference")["clocks"])

    def test_table(self):
        env = {"LD_LIBRARY_PATH": NVML, "EMULATED_NVML": "1980 2619 0/1755 2619 24"}
        self.assertIn("\nclocks    1755 to 1980 MHz, memory 2619 MHz; held down by: power, temperature\n",
                      run(*SMALL, "--device", "cuda:1", env=env).stdout)


class Choosing(Folder):
    def test_list(self):
        lines = [line for line in run("--list-devices").stdout.splitlines() if line.startswith("cuda")]
        self.assertEqual(len(lines), 2)
        for number, line in enumerate(lines):
            self.assertRegex(line, rf"^cuda:{number} +Emulated GPU {number} .*\(gpu, NVIDIA\); cuBLAS .*; "
                             r"kernels: CUDA C\+\+ sm_90, NVRTC .*; driver: NVIDIA .*CUDA .*; memory: 1.0 GiB; "
                             r"8 compute units$")

    def test_driver(self):
        """It is named by the newest CUDA that it is for."""
        for version, text in ((12080, "12.8"), (12000, "12.0"), (13010, "13.1")):
            device = record(*SMALL, "--device", "cuda", env={"EMULATED_CUDA_DRIVER": str(version)})["device"]
            self.assertRegex(device["driver"], rf"(^|, )CUDA {text} \(runtime \d+\.\d+\)$")

    def test_spec(self):
        for spec, name in (("cuda", "0"), ("cuda:0", "0"), ("cuda:1", "1"), ("auto", "0")):
            device = record(*SMALL, "--device", spec)["device"]
            self.assertEqual((device["kind"], device["type"], device["vendor"]), ("cuda", "gpu", "NVIDIA"))
            self.assertTrue(device["name"].startswith("Emulated GPU " + name))
        for spec in ("cuda:2", "cuda:", "cuda:-1", "cuda:0x", "cuda:1:0", "cuda:99999999999999999999"):
            self.fails(3, "is not the number of a GPU; there is: cuda:0 Emulated GPU 0.*, cuda:1 ", *SMALL,
                       "--device", spec)

    def test_none(self):
        for hidden in ({}, {"CUDA_VISIBLE_DEVICES": "7"}):
            done = self.fails(3, r"cudaErrorNoDevice \(100\): .*NVIDIA's driver: for CUDA \d+\.\d+, CUDA "
                              r"runtime: \d+\.\d+.*reference", *SMALL, "--device", "cuda",
                              env={"EMULATED_CUDA_GPUS": "0", **hidden})
            self.assertEqual("CUDA_VISIBLE_DEVICES is '7'" in done.stderr, bool(hidden))

    def test_precision(self):
        device = record(*SMALL, "--device", "cuda", "--precision", "tf32", "--gemm", "cublas")["device"]
        self.assertEqual(device["precision"], "tf32")
        record(*SMALL, "--device", "cuda", "--precision", "tf32", env={"EMULATED_CUDA_CAPABILITY": "80"})
        self.assertEqual(record(*SMALL, "--device", "cuda")["device"]["precision"], "fp32")
        self.fails(2, "has no TF32: its compute capability is 7.5", *SMALL, "--device", "cuda",
                   "--precision", "tf32", env={"EMULATED_CUDA_CAPABILITY": "75"})
        self.fails(2, "there are: fp32, tf32", *SMALL, "--device", "cuda", "--precision", "fp16")
        self.fails(2, "there are: auto, cublas, own, own-small, own-medium", *SMALL, "--device", "cuda",
                   "--gemm", "own-host")

    def test_environment(self):
        """What would turn one precision into another is refused, and no reason to take another device."""
        override = {"NVIDIA_TF32_OVERRIDE": "1"}
        for device in ("cuda", "auto", "gpu"):
            self.fails(2, "cuda: --precision fp32, but NVIDIA_TF32_OVERRIDE=1 in the environment makes cuBLAS "
                       "compute in TF32", "--data", "/nonexistent", "--device", device, env=override)
        device = record(*SMALL, "--device", "cuda", "--precision", "tf32", "--gemm", "cublas", env=override)["device"]
        self.assertEqual(device["environment"], override)

    def test_submission(self):
        old, none = {"EMULATED_CUDA_CAPABILITY": "89"}, {"EMULATED_CUDA_NO_GRAPHS": "1"}
        large = {"EMULATED_CUDA_UNITS": "25", "EMULATED_CUDA_GROUPS": "1"}  # which has room for all groups at once
        for submission, more, *expected in ((None, {}, "graph", "overlapped"), ("graph", {}, "graph"),
                                            ("persistent", {}, "graph"), ("persistent", large, "persistent"),
                                            ("overlapped", {}, "overlapped"), ("stream", {}, "stream"),
                                            (None, old, "graph"), (None, none, "stream")):
            asked = ("--submission", submission) if submission else ()
            found = record(*SMALL, "--device", "cuda", "--step", "fused", *asked, env=more)
            self.assertIn(found["device"]["submission"], expected)
        self.fails(2, r"cuda: launches on .* can't overlap: its compute capability is 8.9, 9.0 is the first with that; "
                   "take --submission graph", *SMALL, "--device", "cuda", "--submission", "overlapped", env=old)


class Results(Folder):
    def test_like_cpu(self):
        """Two devices, one net: the same losses."""
        options = ("--data", "synthetic", "--samples", 700, "--epochs", 2)
        for more in ((), ("--shuffle",), ("--tail", "short"), ("--color", "rgb"), ("--layers", "none"),
                     ("--batches", "streamed"), ("--activation", "relu", "--layers", "100,50,20")):
            expected = record(*options, *more, "--device", "reference", "--learning-rate", 0.001)
            for gemm in ("cublas", "own"):
                found = record(*options, *more, "--device", "cuda", "--gemm", gemm, "--learning-rate",
                               0.001)
                for one, other in zip(found["epochs"], expected["epochs"]):
                    self.assertLessEqual(abs(one["loss"] - other["loss"]), 1e-6 * other["loss"])

    def test_same_bits(self):
        first, second = (os.path.join(self.folder, name) for name in "ab")
        for path in (first, second):
            record(*SMALL, "--device", "cuda", "--gemm", "own", "--save", path)
        with open(first, "rb") as one, open(second, "rb") as other:
            self.assertEqual(one.read(), other.read())

    def test_peak(self):
        """In the memory that there is; none is printed when the GPU is lost on the way."""
        peak = ("--peak", "--device", "cuda", "--gemm", "own-small")
        memory = {"EMULATED_CUDA_MEMORY": str(24 << 20)}
        found = record(*peak, env=memory)["peak"]
        self.assertTrue(1 << 20 <= found["bytes"] <= 3 << 20, found)
        self.assertIn(found["side"], (256, 512))
        for call in (1, 20, 60, 100, 200):
            done = self.fails(3, r"cuda: \w+.* gave .*\(\d+\)", *peak,
                              env={**memory, "EMULATED_CUDA_LOSE": str(call)})
            self.assertEqual(done.stdout, "")


class Cache(Folder):
    def files(self):
        return sorted(glob.glob(os.path.join(self.folder, "trainer", "programs", "*")))

    def train(self, **more):
        found = record(*SMALL, "--device", "cuda", "--gemm", "own-small",
                       env={"XDG_CACHE_HOME": self.folder, **more})
        return [epoch["loss"] for epoch in found["epochs"]]

    def test_damage(self):
        """Compiled once; what is damaged is made again; another GPU has its own."""
        first = self.train()
        made = self.files()
        nodes = [os.stat(path).st_ino for path in made]
        self.assertGreaterEqual(len(made), 3)
        self.train()
        self.assertEqual([os.stat(path).st_ino for path in self.files()], nodes)
        for path in made:
            with open(path, "r+b") as file:
                file.seek(-9, os.SEEK_END)
                file.write(b"damaged!!")
        self.assertEqual(self.train(), first)
        self.assertEqual(self.files(), made)
        self.train(EMULATED_CUDA_CAPABILITY="80")
        self.assertEqual(len(self.files()), 2 * len(made))
        self.train(CUDA_FORCE_PTX_JIT="1")
        self.assertEqual(len(self.files()), 3 * len(made))

    def test_refused_content(self):
        """Entries that are whole, and whose content the driver does not take for a program: made again."""
        first = self.train()
        made = {path: Entry(path).content for path in self.files()}
        self.assertGreaterEqual(len(made), 3)
        for path in made:
            Entry(path).replace(b"nonsense")
        self.assertEqual(self.train(), first)
        self.assertEqual({path: Entry(path).content for path in self.files()}, made)


class Faults(Folder):
    def test_lost(self):
        """The GPU is lost in mid-run: what is there stays whole, and no record is printed."""
        path = os.path.join(self.folder, "weights")
        record(*SMALL, "--device", "cuda", "--save", path)
        with open(path, "rb") as file:
            before = file.read()
        for call in (1, 30, 150, 200, 250, 300, 350):
            done = self.fails(3, r"cuda: \w+.* gave .*\(\d+\)", *SMALL, "--device", "cuda", "--gemm",
                              "cublas", "--save", path, "--format", "json", "--quiet",
                              env={"EMULATED_CUDA_LOSE": str(call)})
            self.assertEqual((done.stdout, done.stderr.count("\n")), ("", 1))
            with open(path, "rb") as file:
                self.assertEqual(file.read(), before)
            self.assertEqual(os.listdir(self.folder), ["weights"])

    def test_memory(self):
        small = {"EMULATED_CUDA_MEMORY": str(96 << 20)}
        wide = ("--data", "synthetic", "--samples", 60, "--epochs", 1, "--layers", "1000", "--device",
                "cuda", "--gemm", "cublas", "--batch-size")
        self.fails(3, "out of memory: this network with batches of 20000 needs .* the largest "
                   r"--batch-size that fits is \d+", *wide, 20000, env=small)
        found = record("--device", "cuda", "--gemm", "cublas", "--data", "synthetic", "--samples", 20000,
                       "--epochs", 1, "--layers", "4", env=small)
        self.assertEqual(found["config"]["batches"], "streamed")
        self.assertEqual(found["device"]["submission"], "graph")  # of each step
        self.fails(3, "out of memory: a buffer of .*cudaErrorMemoryAllocation", "--device", "cuda", "--gemm",
                   "cublas", "--data", "synthetic", "--samples", 20000, "--batches", "resident", env=small)


if __name__ == "__main__":
    skip_unless_here("cuda")
    unittest.main()
