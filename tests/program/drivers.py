"""Drivers of OpenCL that crash, end the process, hang, print, or take what is not theirs. They are named and
left out; another driver works beside them, and so does what needs none.

  drivers.py TRAINER DRIVER

DRIVER is tests/opencl/driver.c, a driver without hardware whose file's name says what it does, and when."""
import glob
import json
import os
import re
import shutil
import signal
import sys
import unittest

from common import NO_CUDA, Folder, closed_pipe, environment, moment, run
from fixtures.cache_entry import Entry

DRIVER = os.path.abspath(sys.argv.pop(1))
SMALL = ("--data", "synthetic", "--samples", 60, "--epochs", 1, "--batch-size", 20, "--layers", "9,7")
MOMENTS = ("load", "platforms", "devices")
MENDED = {"FAKE_DRIVER_MENDED": "1"}
OWN = sorted(path for folder in [os.environ.get("OCL_ICD_VENDORS") or "/etc/OpenCL/vendors"]
             for path in glob.glob(os.path.join(folder, "*.icd")))

# A sanitizer would end a crash in its own way.
os.environ["ASAN_OPTIONS"] = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "handle_segv=0")))


class Drivers(Folder):
    """In folders of a test's own: drivers, and the cache where it is known how they answer."""

    def setUp(self):
        super().setUp()
        for name in ("vendors", "cache"):
            os.mkdir(self.path(name))
        self.env = {"OCL_ICD_VENDORS": self.path("vendors"), "XDG_CACHE_HOME": self.path("cache"),
                    "FAKE_DRIVER_REPORT": self.path("loads"), **NO_CUDA}

    def add(self, *names):
        """Registers drivers that do what their names say; gives the last one's file."""
        for name in names:
            library, icd = self.path(name + ".so"), self.path(f"vendors/{name}.icd")
            shutil.copy(DRIVER, library)
            with open(icd, "w", encoding="ascii") as file:
                print(library, file=file)
        return icd

    def add_own(self):
        """Registers the drivers that this machine has."""
        for path in OWN:
            shutil.copy(path, self.path("vendors"))

    def trainer(self, *arguments, **more):
        return run(*arguments, env={**self.env, **more.pop("env", {})}, **more)

    def lines(self, **more):
        """Of --list-devices, for opencl."""
        done = self.trainer("--list-devices", **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("\nreference ", done.stdout)
        return re.findall("(?m)^opencl.*", done.stdout)

    def loads(self):
        """The drivers that were loaded since the last look, one for each time."""
        if not os.path.exists(self.path("loads")):
            return []
        with open(self.path("loads"), encoding="ascii") as file:
            names = file.read().split()
        os.remove(self.path("loads"))
        return sorted(name[:-len(".so")] for name in names)

    def left_out(self, icd, how):
        return f"{icd}: its driver {how} when it was asked for its devices, and is left out"


class Chosen(Drivers):
    """Among devices that are there by name only, so that the one that is tried says which was chosen."""

    def tried(self, *devices, device="opencl"):
        done = self.trainer(*SMALL, "--device", device, env={"FAKE_DRIVER_DEVICES": ",".join(devices)})
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        found = re.search(r"clCreateContext \((.*?)\) gave CL_DEVICE_NOT_AVAILABLE", done.stderr)
        return found[1] if found else done.stderr

    def test_best(self):
        self.add("none-load")
        self.assertEqual(self.tried("accelerator:Beta", "gpu:Alpha", "gpu:Gamma"), "Alpha")
        self.assertEqual(self.tried("cpu:Delta", "accelerator:Beta", "accelerator:Epsilon"), "Beta")
        self.assertEqual(self.tried("gpu:llvmpipe (LLVM 15)", "accelerator:Beta"), "Beta")

    def test_automatic(self):
        self.add("none-load")
        self.assertEqual(self.tried("accelerator:Beta", "gpu:Gamma", device="gpu"), "Gamma")
        for device in ("accelerator:Beta", "gpu:llvmpipe (LLVM 15)", "gpu:softpipe", "cpu:Delta"):
            self.assertIn("no GPU", self.tried(device, device="gpu"), device)


class Broken(Drivers):
    ends = {"crash": r"ended with signal 11 \(SIGSEGV\)", "exit": "ended the process with exit status 0",
            # A control character, and what is not UTF-8, are not for a terminal.
            "abort": r"ended with signal 6 \(SIGABRT\), saying 'fake driver: there is no\?kernel module \?',"}

    def check_list(self, icd, how, **more):
        done = self.trainer("--list-devices", **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, f"(?m)^opencl +not here: {self.left_out(re.escape(icd), how)}$")

    def check(self, icd, how, **more):
        """All else that is said of a driver that is the only one."""
        said = self.left_out(re.escape(icd), how)
        done = self.trainer(*SMALL, "--format", "json", **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(json.loads(done.stdout)["device"]["kind"], ("cpu", "reference"))
        self.assertRegex(done.stderr, f"(?m)^trainer: not opencl: {said}$")
        done = self.trainer(*SMALL, "--device", "opencl", **more)
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertRegex(done.stderr, f"^trainer: opencl: no driver is left.*; {said}\n$")

    def test_alone(self):
        for deed, how in self.ends.items():
            for at in MOMENTS:
                with self.subTest(deed=deed, at=at):
                    icd = self.add(f"{deed}-{at}")
                    self.check_list(icd, how)
                    if at == "devices":
                        self.check(icd, how)
                    os.remove(icd)

    def test_quiet(self):
        self.add("crash-load")
        done = self.trainer(*SMALL, "--quiet")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_named_otherwise(self):
        """In each of the ways in which a loader is told of a driver."""
        icd = self.add("crash-devices")
        library = self.path("crash-devices.so")
        for name, value, driver in (("OCL_ICD_VENDORS", icd, icd), ("OCL_ICD_VENDORS", library, library),
                                    ("OPENCL_VENDOR_PATH", self.path("vendors"), icd)):
            with self.subTest(name=name, value=value):
                self.check_list(driver, self.ends["crash"], env={"OCL_ICD_VENDORS": "", name: value})
        self.check_list(icd, self.ends["crash"], env={"OPENCL_VENDOR_PATH": self.path("vendors"),
                                                      "OCL_ICD_VENDORS": os.path.basename(icd)})

    def test_several(self):
        first, second = self.add("abort-load"), self.add("exit-devices")
        self.add("none-load")
        lines = self.lines()
        self.assertEqual(len(lines), 3, lines)
        self.assertIn("not here: 1 driver is registered, but without any hardware for it", lines[0])
        self.assertRegex(lines[1], self.left_out(first, self.ends["abort"]))
        self.assertRegex(lines[2], self.left_out(second, self.ends["exit"]))

    def test_clash(self):
        """Drivers that don't bear each other, of which none fails alone."""
        self.add("clash-devices", "clash-devices2")
        (_, line) = self.lines()
        self.assertRegex(line, r"not here: one of its drivers ended with signal 11 \(SIGSEGV\) when all were asked "
                         "for their devices, which none does alone: they are left out; name one with OCL_ICD_VENDORS")
        self.assertEqual(self.loads(), 2 * ["clash-devices"] + 2 * ["clash-devices2"])
        (line,) = self.lines(env={"OCL_ICD_VENDORS": self.path("vendors/clash-devices.icd")})
        self.assertIn("1 driver is registered", line)

    def test_child_ignored(self):
        """Who starts the program may not have been told of its children."""
        icd = self.add("crash-load")
        done = self.trainer("--list-devices",
                            preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertRegex(done.stdout, self.left_out(icd, self.ends["crash"]))

    def test_no_process(self):
        """What can't be asked is used as it is."""
        self.add("none-load")
        (line,) = self.lines(env=moment("fork:1+:=EAGAIN"))
        self.assertIn("1 driver is registered", line)
        self.assertEqual(self.loads(), ["none-load"])


class Slow(Drivers):
    """Without waiting: the clock runs ahead."""

    late = {"env": moment("clock_gettime:1+:+60000")} if os.environ.get("TRAINER_TEST_MOMENTS") else {}
    how = "gave no answer in 30 s"

    def setUp(self):
        super().setUp()
        moment()

    def test_known_then(self):
        for at in MOMENTS:
            with self.subTest(at=at):
                icd = self.add("hang-" + at)
                (_, line) = self.lines(**self.late)
                self.assertIn(self.left_out(icd, self.how), line)
                # It would be too late now, too, and is not even asked.
                (_, line) = self.lines()
                self.assertIn(self.left_out(icd, self.how), line)
                done = self.trainer(*SMALL)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("trainer: not opencl: " + self.left_out(icd, self.how), done.stderr)
                self.assertEqual(self.loads(), ["hang-" + at])
                os.remove(icd)

    def make_older(self, seconds):
        """All answers that are known."""
        for path in glob.glob(self.path("cache/trainer/programs/*")):
            entry = Entry(path)
            time, how = entry.content.split(b" ", 1)
            entry.replace(str(int(time) - seconds).encode() + b" " + how)

    def test_known_for_a_while(self):
        """Nor for longer because somebody has set the clock."""
        self.add("hang-platforms")
        for seconds, known in ((100, True), (600, False), (-100000, False)):
            with self.subTest(seconds=seconds):
                shutil.rmtree(self.path("cache"))
                self.lines(**self.late)
                self.make_older(seconds)
                self.loads()
                (line, *more) = self.lines(env=MENDED)
                self.assertEqual(len(more), known)
                self.assertEqual(self.loads(), [] if known else 2 * ["hang-platforms"])

    def test_asked_again(self):
        """When it is another one."""
        icd = self.add("hang-load")
        self.lines(**self.late)
        shutil.copy(self.add("none-load"), icd)
        os.remove(self.path("vendors/none-load.icd"))
        (line,) = self.lines()
        self.assertIn("1 driver is registered", line)

    def test_others(self):
        """Those that are known to answer are used."""
        self.add("none-load")
        self.lines()
        icd = self.add("hang-devices")
        lines = self.lines(**self.late)
        self.assertIn("1 driver is registered", lines[0])
        self.assertIn(self.left_out(icd, self.how), lines[1])


class Known(Drivers):
    def test_asked_once(self):
        self.add("none-load")
        self.lines()
        self.assertEqual(self.loads(), 2 * ["none-load"])  # in a process of its own, and in ours
        for _ in range(2):
            self.lines()
            self.assertEqual(self.loads(), ["none-load"])
        self.lines(env={"CUDA_VISIBLE_DEVICES": "7"})  # an environment that it reads
        self.assertEqual(self.loads(), 2 * ["none-load"])
        self.add("none-load")  # another file
        os.utime(self.path("none-load.so"), (1, 1))
        self.lines()
        self.assertEqual(self.loads(), 2 * ["none-load"])

    def test_mended(self):
        """One that failed is asked each time."""
        self.add("crash-load")
        self.assertRegex(self.lines()[1], "SIGSEGV")
        self.assertEqual(len(self.lines(env=MENDED)), 1)


class Beside(Drivers):
    """Other drivers, with hardware."""

    def setUp(self):
        super().setUp()
        self.add_own()
        self.before = self.lines()
        if "not here" in self.before[0]:
            self.skipTest(self.before[0])

    def check(self, name):
        icd = self.add(name)
        said = self.left_out(re.escape(icd), r".*")
        lines = self.lines()
        self.assertEqual(sorted(lines[:-1]), sorted(self.before))
        self.assertRegex(lines[-1], f"^opencl +not here: {said}$")
        done = self.trainer(*SMALL, "--device", "opencl", "--gemm", "own", "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["device"]["kind"], "opencl")
        self.assertRegex(done.stderr, f"(?m)^trainer: warning: .*{said}$")
        done = self.trainer(*SMALL, "--device", "opencl:99")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertRegex(done.stderr, f"no such device; there is: opencl:0:0 .*; {said}\n$")

    def test_one(self):
        self.check("crash-devices")

    def test_several(self):
        self.add("none-load")
        self.check("exit-load")

    def test_no_cache(self):
        """There is no folder to name the others in."""
        self.add("exit-load")
        lines = self.lines(env={"XDG_CACHE_HOME": "/dev/null", "POCL_CACHE_DIR": environment()["POCL_CACHE_DIR"]})
        self.assertEqual(len(lines), 3, lines)
        self.assertRegex(lines[0], "not here: no driver is left")
        self.assertRegex(lines[2], "not here: its other drivers are left out, too, .*XDG_CACHE_HOME")


class Printed(Drivers):
    """Standard output is the record's."""

    def test_record(self):
        for deed in ("print", "noise"):
            for at in MOMENTS:
                with self.subTest(deed=deed, at=at):
                    icd = self.add(f"{deed}-{at}")
                    done = self.trainer(*SMALL, "--format", "json")
                    self.assertEqual((done.returncode, done.stdout.count("\n")), (0, 1))
                    json.loads(done.stdout)
                    self.assertIn("a driver's line on standard output\n", done.stderr)
                    self.assertIn("trainer: not opencl: no driver with hardware\n", done.stderr)
                    os.remove(icd)

    def test_closed(self):
        """And where there is no standard output, none of it goes into a file."""
        self.add("print-load")
        path = self.path("weights")
        done = self.trainer(*SMALL, "--save", path, preexec_fn=lambda: os.close(1))
        self.assertEqual(done.returncode, 1)
        self.assertIn("can't write standard output: ", done.stderr)
        with open(path, "rb") as file:
            self.assertNotIn(b"a driver's line", file.read())


class Unneeded(Drivers):
    """What needs no driver of OpenCL loads none, nor waits for one."""

    def test_not_loaded(self):
        self.add("hang-load")
        for arguments in (("--version",), ("--help",), ("--device", "cpu", *SMALL),
                          ("--device", "reference", *SMALL), ("--device", "cuda", *SMALL),
                          ("--device", "cuda:5", *SMALL), ("--device", "tpu", *SMALL),
                          ("--device", "reference", "--dry-run", *SMALL), ("--device", "", *SMALL),
                          ("--device", "cpu", "--gemm", "clblast", *SMALL)):
            with self.subTest(arguments=arguments):
                done = self.trainer(*arguments)
                self.assertIn(done.returncode, (0, 2, 3))
                self.assertEqual(self.loads(), [])


class Signals(Drivers):
    """They stay the program's."""

    def test_interrupted(self):
        self.add("signals-devices")
        checkpoint = self.path("checkpoint")
        self.lines()  # the answer gets its name, too
        done = self.trainer("--data", "synthetic", "--samples", 60, "--epochs", 1000000, "--device", "auto",
                            "--gemm", "own", "--checkpoint", checkpoint, env=moment("rename:2:INT"))
        self.assertEqual(done.returncode, 130, done.stderr)
        self.assertIn("trainer: interrupted in epoch ", done.stderr)
        self.assertTrue(os.path.exists(checkpoint))

    def test_closed_pipe(self):
        self.add("signals-devices")
        with closed_pipe() as output:
            done = self.trainer(*SMALL, stdout=output)
        self.assertEqual(done.returncode, 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
