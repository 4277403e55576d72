"""Drivers of OpenCL that hang, print, or take what is not theirs.

  drivers.py TRAINER DRIVER

DRIVER is tests/opencl/driver.c, a driver without hardware whose file's name says what it does, and when."""
import json
import os
import shutil
import sys
import unittest

from common import NO_CUDA, Folder, closed_pipe, moment, run

DRIVER = os.path.abspath(sys.argv.pop(1))
SMALL = ("--data", "synthetic", "--samples", 60, "--epochs", 1, "--batch-size", 20, "--layers", "9,7")
MOMENTS = ("load", "platforms", "devices")


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

    def trainer(self, *arguments, **more):
        return run(*arguments, env={**self.env, **more.pop("env", {})}, **more)

    def loads(self):
        """The drivers that were loaded since the last look, one for each time."""
        if not os.path.exists(self.path("loads")):
            return []
        with open(self.path("loads"), encoding="ascii") as file:
            names = file.read().split()
        os.remove(self.path("loads"))
        return sorted(name[:-len(".so")] for name in names)


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
        done = self.trainer("--data", "synthetic", "--samples", 60, "--epochs", 1000000, "--device", "auto",
                            "--checkpoint", checkpoint, env=moment("rename:1:INT"))
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
