"""A run of two steps in which calls fail, one after another, once and for good: it must end well.

  faults.py TRAINER [EMULATED]

TRAINER is the program with tests/faults/calls.c, which makes chosen calls fail; EMULATED the same with
the test double of CUDA. Each allocation, and each call about files and folders, is to end in one of two
ways: the run does without it, and all its results are those of a run without faults; or it ends with
the right exit code and one message that says what failed and why. Either way there is no signal, no
complaint or leak that a sanitizer sees, no half a record, no temporary file, and the file that was to be
replaced is the old one or the new one, to the byte; a new one that could not be put there is kept elsewhere,
unless no call does any more.

What libraries do by themselves is not ours to fail: OpenBLAS's, PoCL's, CLBlast's and libgomp's own
allocations, and libgomp ends the process when it gets no threads. jansson's allocations do fail.

Some runs of each kind are tried, spread evenly, with $TRAINER_TEST_SEED; every one of them with
TRAINER_TEST_LONG=1.
"""
import collections
import concurrent.futures
import errno
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import common
from common import PATIENCE, POCL_CACHE, REQUIRED, read_safetensors, texts

TRAINER = os.path.abspath(common.TRAINER)
EMULATED = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 and os.sep in sys.argv[1] else None
LONG = os.environ.get("TRAINER_TEST_LONG", "") not in ("", "0")
SEED = int(os.environ.get("TRAINER_TEST_SEED", "1"))
SAMPLE = 12  # runs of each set of faults

LEAKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "opencl", "leaks.supp")

PRINTING = ("--quiet", "--format", "json")
TRAINING = ("--layers", "5", "--samples", "64", "--batch-size", "32", "--epochs", "1", *PRINTING)
SYNTHETIC = ("--data", "synthetic")
TENSORS = {"0.weight": [5, 1024], "0.bias": [5], "2.weight": [10, 5], "2.bias": [10]}

# What a call that fails is told, and the exit codes that it may lead to. 0 is for what a run can do
# without: descriptions of the machine, caches, what is closed after reading.
Kind = collections.namedtuple("Kind", "reason codes")
KINDS = {
    "memory": Kind(errno.ENOMEM, (0, 1, 3)),
    "open": Kind(errno.EMFILE, (0, 1, 2, 4, 6)),  # 2: what it is to replace can't be read
    "read": Kind(errno.EIO, (0, 2, 4, 6)),
    "write": Kind(errno.ENOSPC, (0, 1)),
    "flush": Kind(errno.ENOSPC, (1,)),
    "fsync": Kind(errno.EIO, (0, 1)),
    "close": Kind(errno.EIO, (0, 1)),
    "rename": Kind(errno.EACCES, (0, 1)),
    "stat": Kind(errno.EIO, (0, 2, 3, 4, 6)),  # 3: of the folder that PoCL needs
    "unlink": Kind(errno.EACCES, (0,)),
    "folder": Kind(errno.EACCES, (0,)),
    "system": Kind(errno.ENOSYS, (0,)),
}
MUST_FAIL = ("write", "fsync", "rename")  # where no cache is written, nor a checkpoint, which is tried again
WARNING = r"(?m)^trainer: warning: no checkpoint after epoch 2: (.*)\n"

NAMES = r"weights|checkpoint|PoCL|\w+\.bin|standard output|record"

# What must not matter at all.
TOLERATED = (("read", "", "=EINTR"), ("write", "", "=EINTR"), ("read", "", "=short"),
             ("write", "", "=short"), ("read", "+", "=short"), ("write", "+", "=short"))


def bytes_of(path):
    with open(path, "rb") as file:
        return file.read()


def sample(population, count, key):
    """`count` of them, one from each of as many stretches; or all."""
    if LONG or len(population) <= count:
        return population
    chance = random.Random(f"{SEED} {key}")
    edges = [len(population) * i // count for i in range(count + 1)]
    return [population[chance.randrange(low, high)] for low, high in zip(edges, edges[1:])]


def results(record):
    """A record without what differs from run to run."""
    kept = json.loads(json.dumps(record))
    for name in ("time", "samples_per_second", "gflops"):
        kept[name] = type(kept[name]).__name__
    kept["seconds"] = {name: len(value) if isinstance(value, list) else type(value).__name__
                       for name, value in kept["seconds"].items()}
    if kept["resumed"]:
        kept["resumed"]["seconds"] = type(kept["resumed"]["seconds"]).__name__
    for epoch in kept["epochs"]:
        epoch["seconds"] = None
    return kept


def essence(path, ended):
    """What a safetensors file holds, without the times of a checkpoint; nor, unless the run has `ended`, that
    it has."""
    tensors, metadata = read_safetensors(path), texts(path)
    metadata.pop("trainer.seconds", None)
    if not ended:
        metadata.pop("trainer.ended", None)
    if "trainer.epochs" in tensors:
        shape, values = tensors["trainer.epochs"]  # rows of seconds, loss, accuracy
        tensors["trainer.epochs"] = shape, [value for v, value in enumerate(values) if v % shape[1]]
    return tensors, metadata


class Case:
    """A command, the files that an earlier one has left for it, and what comes of it without faults."""

    def __init__(self, folder, program, earlier, command, cache="filled", same_bits=True):
        self.folder, self.program, self.command = folder, program, command
        # What is timed takes as long in every run, so that the same methods are chosen, until a call fails.
        self.clock = {"TRAINER_CLOCK": "steps"} if cache == "empty" else {}
        self.same_bits = same_bits  # as another method may be chosen where one fails
        self.files = {}
        self.cache = os.path.join(folder, "cache")
        os.mkdir(self.cache)
        self.files = self.run(command=earlier, keep_cache=cache == "filled").files
        self.good = self.run()
        self.record = json.loads(self.good.stdout)

    def run(self, fault=None, command=None, keep_cache=False, environment=None):
        """One run in a folder of its own; gives its process, with `files`, `kept`, `left_over`,
        `report`."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            work, cache, report, temporary = (os.path.join(folder, name)
                                              for name in ("work", "cache", "report", "temporary"))
            os.mkdir(work)
            os.mkdir(temporary)
            shutil.copytree(self.cache, cache)
            for name, content in self.files.items():
                with open(os.path.join(work, name), "wb") as file:
                    file.write(content)
            environment = {**os.environ, "XDG_CACHE_HOME": cache, "TRAINER_FAULT_REPORT": report, "TMPDIR": temporary,
                           **self.clock, **(environment or {})}
            environment.setdefault("POCL_CACHE_DIR", POCL_CACHE)
            environment.setdefault("LSAN_OPTIONS", f"suppressions={LEAKS}:print_suppressions=0")
            if fault:
                environment["TRAINER_FAULT"] = fault
            done = subprocess.run([self.program, *(command or self.command)], cwd=work, env=environment,
                                  text=True, errors="replace", timeout=PATIENCE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, check=False)
            done.files = {name: bytes_of(os.path.join(work, name)) for name in os.listdir(work)
                          if ".partial-" not in name and ".kept-" not in name}
            done.kept = {name: bytes_of(os.path.join(where, name)) for where in (work, temporary)
                         for name in os.listdir(where) if ".kept-" in name}
            done.left_over = [name for _, _, names in os.walk(folder) for name in names
                              if ".partial-" in name]
            done.report = collections.Counter()
            if os.path.exists(report):  # a process that was killed has none
                done.report.update(json.loads(bytes_of(report)))
            if not fault and done.returncode != 0:
                raise AssertionError(f"without faults: exit {done.returncode}: {done.stderr}")
            if keep_cache:
                shutil.rmtree(self.cache)
                shutil.copytree(cache, self.cache)
            return done


class Faults(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="trainer-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def check_record(self, case, text, kind):
        record, good = results(json.loads(text)), results(case.record)
        if kind in ("open", "read", "system"):  # of what describes the machine
            record["host"] = good["host"]
            record["device"]["name"] = good["device"]["name"]
        if kind == "memory":  # of launches, which are then submitted one by one
            record["device"]["submission"] = good["device"]["submission"]
        if not case.same_bits:
            self.assertEqual(len(good["epochs"]), len(record["epochs"]))
            for wanted, found in zip(good["epochs"] + [good["test"]],
                                     record["epochs"] + [record["test"]]):
                self.assertAlmostEqual(wanted["loss"], found["loss"], places=5)
                found["loss"] = wanted["loss"]
            record["device"]["gemm"] = good["device"]["gemm"]
        self.assertEqual(record, good)

    def check_file(self, name, content, good, same_bits, ended):
        """That it is whole and new."""
        if content == good:
            return
        found, wanted = os.path.join(self.folder, "found"), os.path.join(self.folder, "wanted")
        for path, part in ((found, content), (wanted, good)):
            with open(path, "wb") as file:
                file.write(part)
        if same_bits:
            self.assertNotEqual(name, "weights", "is damaged")
            self.assertEqual(essence(found, ended), essence(wanted, ended))
        else:
            self.assertEqual({key: shape for key, (shape, _) in read_safetensors(found).items()}, TENSORS)
            self.assertEqual(len(content), len(good))

    def check_files(self, case, done):
        self.assertEqual(sorted(done.files), sorted(case.good.files))
        for name, content in done.files.items():
            if done.returncode == 0 or content != case.files[name]:
                self.check_file(name, content, case.good.files[name], case.same_bits, done.returncode == 0)

    def check_kept(self, case, fault, done):
        """What was trained is somewhere, when a single call failed."""
        for name, content in done.kept.items():
            self.assertIn(f"{name} instead", done.stderr)
            self.check_file(name, content, case.good.files[name.partition(".kept-")[0]], case.same_bits, False)
        if done.returncode == 1 and done.stdout and re.fullmatch(r"(write|fsync|rename):\d+", fault):
            lost = [name for name, content in done.files.items() if content == case.files[name]]
            self.assertEqual(len(done.kept), 1, f"{lost}: {done.stderr}")

    def check_message(self, done, kind):
        messages = re.findall("(?m)^trainer: (.*)$", re.sub(WARNING, "", done.stderr))
        self.assertEqual(len(messages), 1, done.stderr)
        reason = os.strerror(KINDS[kind].reason)
        self.assertRegex(messages[0], r"out of memory: \d+ bytes for \w|" + reason
                         if kind == "memory" else rf"\b({NAMES})\b.*: {reason}")

    def check(self, case, fault, codes, done):
        kind = re.match("[a-z]+", fault).group()
        self.assertNotRegex(done.stderr, "Sanitizer|runtime error:")
        self.assertIn(done.returncode, codes, done.stderr)
        if done.returncode == 0:
            self.assertEqual(re.sub(WARNING, "", done.stderr), "")
            self.assertNotEqual(done.stdout, "")
        else:
            self.check_message(done, kind)
        self.assertIn(done.stdout.count("\n"), (0, 1))
        self.assertEqual(done.stdout[-1:], "\n" if done.stdout else "")
        if done.stdout:
            self.check_record(case, done.stdout, kind)
        self.check_files(case, done)
        self.check_kept(case, fault, done)
        if kind != "unlink":
            self.assertEqual(done.left_over, [])

    def fail_each(self, case, name, faults):
        """`faults`: [(TRAINER_FAULT, exit codes)]"""
        began, codes, unmade = time.monotonic(), collections.Counter(), 0
        chosen = sample(faults, SAMPLE, f"{self.id()} {name}")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(case.run, fault) for fault, _ in chosen]
            for (fault, allowed), ended in zip(chosen, runs):
                with self.subTest(fault=fault):
                    done = ended.result()
                    codes[done.returncode] += 1
                    unmade += not done.report["failed"]
                    self.check(case, fault, allowed, done)
        exits = ", ".join(f"{count} with {code}" for code, count in sorted(codes.items()))
        print(f"\n  {name}: {len(chosen)} of {len(faults)} runs ended, {exits}; {unmade} without the call; "
              f"{time.monotonic() - began:.1f} s", end=" ", file=sys.stderr, flush=True)
        self.assertEqual(unmade, 0)

    def fail_all(self, program, *arguments, **more):
        """Weights are read, and written over."""
        training = (*TRAINING, *arguments)
        self.fail_all_of(Case(self.folder, program, (*training, "--seed", "7", "--save", "weights"),
                              (*training, "--init", "weights", "--save", "weights"), **more))

    def resume(self, program, *arguments):
        """A run goes on from a checkpoint, and writes over it."""
        self.fail_all_of(Case(
            self.folder, program,
            (*TRAINING, *arguments, "--checkpoint", "checkpoint", "--save", "weights"),
            ("--resume", "checkpoint", "--epochs", "2", "--save", "weights", *PRINTING)))

    def fail_all_of(self, case):
        counts = {kind: case.good.report[kind] for kind in KINDS}
        print("\n  calls: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()),
              end=" ", file=sys.stderr)
        for kind in ("memory", "open", "read", "write", "flush", "fsync", "close", "rename", "stat"):
            self.assertGreater(counts[kind], 0, f"no call of {kind} comes by")

        def each(kind, lasting, how="", codes=(0,)):
            return [(f"{kind}:{number}{lasting}{how}", codes) for number in range(1, counts[kind] + 1)]
        failures = {}
        for kind, wanted in KINDS.items():
            certain = case.same_bits and "checkpoint" not in case.files and kind in MUST_FAIL
            codes = (1,) if certain else wanted.codes
            failures[kind] = each(kind, "", codes=codes) + each(kind, "+", codes=codes)
        self.fail_each(case, "memory", failures.pop("memory"))
        self.fail_each(case, "others", sum(failures.values(), []) +
                       sum((each(*tolerated) for tolerated in TOLERATED), []))

    def need(self, device):
        """Gives a program that has the device, or ends the test."""
        why = "it was not built"
        # CUDA's own libraries take half of the time of a run like these, and the double spares them.
        for program in filter(None, (EMULATED, TRAINER)):
            done = subprocess.run([program, "--list-devices"], text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
            why = done.stderr or done.stdout
            if re.search(f"(?m)^{device}[ :](?!.*not here: )", done.stdout):
                return program
        if device in REQUIRED or (device == "cuda" and "emulated" in REQUIRED):
            self.fail(f"{device}: {why}")
        return self.skipTest(f"{device}: {why}")

    def test_reference(self):
        self.fail_all(self.need("reference"), "--device", "reference", *SYNTHETIC)

    def test_reference_resumed(self):
        self.resume(self.need("reference"), "--device", "reference", *SYNTHETIC, "--batches", "streamed",
                    "--shuffle")

    def test_clock(self):
        """A clock that stands still has no rates; a time of day that is none is left out."""
        command = ("--device", "reference", *SYNTHETIC, *TRAINING, "--checkpoint", "checkpoint", "--save",
                   "weights")
        case = Case(self.folder, self.need("reference"), command, (*command, "--save", "weights"))
        for clock, time_of_day in (("still", r"2\d{3}-.*Z"), ("-1000000000", r"\d{4}-.*Z"),
                                   ("100000000000", r"5\d{3}-.*Z"), (str(2**62), ""), (str(-2**62), "")):
            with self.subTest(clock=clock):
                done = case.run(environment={"TRAINER_CLOCK": clock})
                found = json.loads(done.stdout, parse_constant=lambda name: self.fail(name))
                self.assertRegex(found["time"], f"^{time_of_day}$")
                self.assertEqual(done.files["weights"], case.good.files["weights"])
                self.assertEqual(found["gflops"] is None, clock == "still")
                self.assertEqual(results(found)["epochs"], results(case.record)["epochs"])

    def test_reference_files(self):
        data = os.path.join(self.folder, "data")
        os.mkdir(data)
        for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
            with open(os.path.join(data, f"{name}.bin"), "wb") as file:
                file.truncate(30730000)
        self.fail_all(self.need("reference"), "--device", "reference", "--threads", "2", "--data", data)

    def test_cpu(self):
        self.resume(self.need("cpu"), "--device", "cpu", "--threads", "2", *SYNTHETIC)

    def test_opencl(self):
        self.resume(self.need("opencl"), "--device", "opencl", "--gemm", "own", *SYNTHETIC)

    def test_opencl_first(self):
        """The first run on a device times and compiles, and keeps what comes of that."""
        self.fail_all(self.need("opencl"), "--device", "opencl", *SYNTHETIC, cache="empty",
                      same_bits=False)

    def test_cuda(self):
        self.resume(self.need("cuda"), "--device", "cuda", "--gemm", "own-small", *SYNTHETIC)

    def test_cuda_first(self):
        self.fail_all(self.need("cuda"), "--device", "cuda", *SYNTHETIC, cache="empty",
                      same_bits=False)


if __name__ == "__main__":
    print(f"seed {SEED} (TRAINER_TEST_SEED)" if not LONG else "every call", file=sys.stderr)
    unittest.main(verbosity=2)
