"""What the tests of the whole program share: running it, and reading what it writes."""
import atexit
import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import unittest

from fixtures.patience import PATIENCE

TRAINER = sys.argv.pop(1) if len(sys.argv) > 1 else "trainer"

CACHE = tempfile.mkdtemp(prefix="trainer-test-")  # the user's own is neither read nor written
atexit.register(shutil.rmtree, CACHE, ignore_errors=True)


NO_CUDA = {"CUDA_VISIBLE_DEVICES": "-1"}
NO_GPU = {**NO_CUDA, "OCL_ICD_VENDORS": "/nonexistent"}  # nor any other OpenCL device
# The driver's own cache, which it would otherwise have to fill anew in each test.
POCL_CACHE = os.environ.get("POCL_CACHE_DIR") or os.path.expanduser("~/.cache/pocl/kcache")
MOMENTS = os.environ.get("TRAINER_TEST_MOMENTS")  # tests/moments


def environment(**more):
    """That of the tests, with data and caches of the user, and what is kept when it can't be written, out of
    the way."""
    kept = {k: v for k, v in os.environ.items() if k not in ("TRAINER_DATA_DIR", "NO_COLOR")}
    return {**kept, "XDG_CACHE_HOME": CACHE, "TMPDIR": CACHE, "POCL_CACHE_DIR": POCL_CACHE, **more}


def run(*arguments, env=None, **more):
    """Runs the program with its data and cache folders out of the way; gives its
    CompletedProcess."""
    return subprocess.run([TRAINER, *map(str, arguments)], env=environment(**(env or {})), text=True,
                          stdout=more.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
                          timeout=PATIENCE, **more)


def said_to_terminal(*arguments, columns=80, env=None):
    """What the program writes to a terminal, in bytes, and its exit status; skips the test where there are
    none."""
    try:
        master, slave = os.openpty()
    except (AttributeError, OSError) as problem:
        raise unittest.SkipTest(f"there are no terminals here: {problem}") from None
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    wanted = environment(**{"TERM": "xterm", **(env or {})})
    with subprocess.Popen([TRAINER, *map(str, arguments)], stdout=slave, stderr=slave,
                          env={name: value for name, value in wanted.items() if value is not None}) as process:
        os.close(slave)
        text = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                part = b""
            if not part:
                break
            text += part
    os.close(master)
    return text, process.returncode


def moment(text=None, clock=None, report=None, log=None):
    """The environment in which something happens at a call of the program, or with a clock of its own
    (tests/moments/moments.c); skips the test where that can't be had."""
    if not MOMENTS:
        raise unittest.SkipTest("needs tests/moments, which is for Linux")
    wanted = {"LD_PRELOAD": MOMENTS, "TRAINER_MOMENT": text, "TRAINER_MOMENT_CLOCK": clock,
              "TRAINER_MOMENT_REPORT": report, "TRAINER_MOMENT_LOG": log,
              # A sanitizer wants to be loaded first.
              "ASAN_OPTIONS": ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"),
                                                     "verify_asan_link_order=0")))}
    return {name: value for name, value in wanted.items() if value}


class Folder(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)


class Runs(Folder):
    """A test that looks at what runs leave in its folder."""

    def bytes_of(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def fails(self, code, text, *arguments, **more):
        done = run(*arguments, **more)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stderr}")
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stdout, "")
        return done

    @staticmethod
    def begin(*arguments, **more):
        """A run in the background, which prints a table."""
        return subprocess.Popen([TRAINER, *map(str, arguments)], stdout=subprocess.PIPE, text=True,
                                env=environment(**more.pop("env", {})), stderr=subprocess.PIPE, **more)

    @staticmethod
    def wait_for_epoch(process, epoch):
        for line in process.stdout:
            if line.split()[:1] == [str(epoch)]:
                return
        raise AssertionError(process.stderr.read())


def closed_pipe():
    """What a reader that has seen enough leaves to write to."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "wb")


# What may be no reason to skip anything (tests/CMakeLists.txt adds what opens wherever it was built).
REQUIRED = set(os.environ.get("TRAINER_REQUIRE_DEVICES", "").split(","))


def kind_of(spec):
    return spec.split(":")[0]


def devices():
    """The devices that are here. Ends the test, as failed, where TRAINER_REQUIRE_DEVICES names another."""
    done = run("--list-devices")
    if done.returncode != 0:  # the emulated CUDA can't be had, and says why
        print(done.stderr)
        sys.exit(done.returncode)
    lines = done.stdout.splitlines()
    here = [line.split()[0] for line in lines if "not here: " not in line]
    lacking = [line for line in lines if kind_of(line.split()[0]) in REQUIRED - set(map(kind_of, here))]
    if lacking:
        sys.exit("required: " + "\n".join(lacking))
    return here


def skip_unless_here(kind):
    """Ends the test, as skipped, when there is no device of this kind."""
    if kind not in map(kind_of, devices()):
        print(f"skipped: there is no {kind}\n{run('--list-devices').stdout}")
        sys.exit(77)


def record(*arguments, **more):
    """The record of a run that must succeed."""
    done = run("--format", "json", *arguments, **more)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1, done.stdout
    return json.loads(done.stdout, parse_constant=lambda name: 1 / 0)  # no NaN in JSON


def read_safetensors(path):
    """{name: (shape, tuple of floats)}, by the format's definition."""
    with open(path, "rb") as file:
        blob = file.read()
    (length,) = struct.unpack("<Q", blob[:8])
    header = json.loads(blob[8:8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            size, code = {"F32": (4, "f"), "F64": (8, "d")}[entry["dtype"]]
            begin, end = entry["data_offsets"]
            values = struct.unpack(f"<{(end - begin) // size}{code}", blob[8 + length:][begin:end])
            tensors[name] = (entry["shape"], values)
    return tensors


def texts(path):
    """The metadata of a safetensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length))["__metadata__"]


PHASES = ("setup", "load", "open", "batching", "warm_up", "unfinished", "validate", "meet", "checkpoint", "release")  # and others


def outside_phases(found):
    """Seconds of a record's wall time that no phase has."""
    seconds, resumed = found["seconds"], found["resumed"]
    return (seconds["wall"] - sum(seconds[name] for name in PHASES) - sum(seconds["epochs"])
            - (seconds["evaluate"] or 0) + (resumed["seconds"] if resumed else 0))


def phases_add_up(once):
    """Whether all but 2 % of the wall time is of some phase, in a record that `once` gives. Its run has the
    processor's clock; as that of a virtual machine is no better than its host, several may be tried."""
    return any(abs(outside_phases(found)) <= 0.02 * found["seconds"]["wall"]
               for found in (once() for _ in range(10)))
