"""tools/test, quickstart, setup and format, among commands that only write down how they were called.

  scripts.py TOOLS_FOLDER
"""
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

from fixtures.patience import PATIENCE

TOOLS = os.path.abspath(sys.argv.pop(1))
REAL = ("bash", "cat", "dirname", "grep", "head", "mktemp", "rm", "sed", "sort")
ODD = "it's $HOME"  # a folder's name


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = os.path.join(tempfile.mkdtemp(), ODD)
        self.addCleanup(shutil.rmtree, os.path.dirname(self.folder))
        self.tools, self.bin = os.path.join(self.folder, "tools"), os.path.join(self.folder, "bin")
        os.makedirs(self.bin)
        os.makedirs(self.tools)
        for name in REAL:
            os.symlink(shutil.which(name), os.path.join(self.bin, name))
        self.log = os.path.join(self.folder, "log")
        self.command("getconf", "echo 3")

    def command(self, name, script="true", folder=None):
        """One that writes its name and arguments down, and then does what `script` says."""
        path = os.path.join(folder or self.bin, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!{shutil.which('bash')}\necho \"${{0##*/}}${{*+ $*}}\" >>{shlex.quote(self.log)}\n"
                       + textwrap.dedent(script) + "\n")
        os.chmod(path, 0o755)

    def start(self, name, *arguments, expected=0, **environment):
        """The tool, copied to where its neighbours are pretended; gives how those were called."""
        tool = shutil.copy(os.path.join(TOOLS, name), self.tools)
        if os.path.exists(self.log):
            os.remove(self.log)
        self.done = subprocess.run([tool, *arguments], encoding="utf-8", timeout=PATIENCE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env={"PATH": self.bin, **environment})
        self.assertEqual(self.done.returncode, expected, self.done.stdout + self.done.stderr)
        if not os.path.exists(self.log):
            return []
        with open(self.log, encoding="utf-8") as file:
            return file.read().splitlines()


class Test(Case):
    def setUp(self):
        super().setUp()
        self.command("setup", folder=self.tools)
        self.command("cmake")
        self.command("setarch", 'shift; "$@"')
        os.symlink(shutil.which("env"), os.path.join(self.bin, "env"))
        seen = ("TEST_LONG", "FUZZ_RUNS", "REQUIRE_DEVICES")
        self.command("ctest", f'echo "{" ".join(f"${{TRAINER_{name}-none}}" for name in seen)}" >>"${{0%/*}}/../log"')

    def test_as_it_is(self):
        self.assertEqual(self.start("test"), [
            "setup tests", "getconf _NPROCESSORS_ONLN", "cmake --preset release",
            "cmake --build --preset release --parallel 3", "ctest --preset release --parallel 3", "none none "])

    def test_long(self):
        """All that is left out otherwise, under each of the sanitizers."""
        called = self.start("test", "--long", TRAINER_REQUIRE_DEVICES="cpu")
        self.assertEqual(called[0], "setup tests sanitizers")
        for preset, suite in (("ci", "ci"), ("asan", "asan"), ("tsan", "tsan-long"), ("fuzz", "fuzz")):
            index = called.index(f"ctest --preset {suite} --parallel 3")
            self.assertIn(f"cmake --build --preset {preset} --parallel 3", called[:index])
            self.assertEqual(called[index + 1], "1 10000000 cpu")
            self.assertEqual(called[index - 1].startswith("setarch -R env "), preset in ("tsan", "fuzz"))
        self.assertIn("1 5 ", self.start("test", "--long", "fuzz", TRAINER_FUZZ_RUNS="5"))
        self.assertIn("ctest --preset tsan --parallel 3", self.start("test", "tsan"))

    def test_emulated(self):
        """What was built with the emulated CUDA can't skip its tests."""
        self.command("trainer_emulated", folder=os.path.join(self.folder, "build", "ci"))
        self.assertEqual([line for line in self.start("test", "release", "ci", TRAINER_REQUIRE_DEVICES="cpu")
                          if line.startswith("none")], ["none none cpu", "none none cpu,emulated"])

    def test_aarch64(self):
        """The compiler and the libraries are there before it is configured; and it lacks other machines' devices."""
        self.command("libraries", folder=os.path.join(self.folder, "tests", "aarch64"))
        called = self.start("test", "aarch64", TRAINER_REQUIRE_DEVICES="opencl")
        self.assertEqual(called[0], "setup tests aarch64")
        self.assertEqual(called[2:4], ["libraries", "cmake --preset aarch64"])
        self.assertEqual(called[-1], "none none ")

    def test_failures(self):
        """End it with what failed."""
        self.command("ctest", "exit 8")
        self.assertEqual(self.start("test", "ci", "asan", expected=8)[-1], "ctest --preset ci --parallel 3")
        self.assertEqual(self.start("test", "other", expected=2), [])
        self.assertIn("tools/test [--long] [PRESET...]", self.done.stderr)


class Quickstart(Case):
    DEVICES = "cuda       not here: no driver\nopencl     not here: no driver\ncpu        A CPU\nreference  Plain C"

    def setUp(self):
        super().setUp()
        self.command("setup", folder=self.tools)
        self.command("cmake")
        self.command("table", 'cat "$1"', folder=self.tools)
        self.trainer()

    def trainer(self, status=0):
        """Every training ends with `status`."""
        self.command("trainer", f"""\
            [[ $1 != --list-devices ]] || {{ echo "{self.DEVICES}"; exit; }}
            echo "{{a record of $2}}"
            exit {status}""", folder=os.path.join(self.folder, "build", "release"))

    def trained(self, fetched, expected=0):
        self.command("fetch-cifar10", f"exit {fetched}", folder=self.tools)
        called = self.start("quickstart", expected=expected)
        self.assertIn("cmake --build --preset release --target trainer_program --parallel 3", called)
        return [line[8:] for line in called if line.startswith("trainer --device ")]

    def test_devices(self):
        """Each that opens, one row each."""
        self.assertEqual(self.trained(0), ["--device cpu --epochs 5 --format json",
                                           "--device reference --epochs 1 --format json"])
        self.assertIn(self.DEVICES + "\n\n{a record of cpu}\n{a record of reference}\nA row of opencl needs a driver",
                      self.done.stdout)

    def test_images(self):
        """The synthetic set takes their place where there is no network, and never where something is wrong."""
        self.assertEqual(self.trained(4), ["--device cpu --epochs 5 --format json --data synthetic",
                                           "--device reference --epochs 1 --format json --data synthetic"])
        self.assertIn("CIFAR-10 can't be fetched", self.done.stderr)
        for status in (1, 2):
            self.assertEqual(self.trained(status, expected=status), [])

    def test_failures(self):
        """The other devices are tried, and the exit status says it."""
        self.trainer(3)
        self.assertEqual(len(self.trained(0, expected=1)), 2)
        self.assertIn("{a record of reference}", self.done.stdout)

    def test_usage(self):
        self.assertEqual(self.start("quickstart", "--help", expected=2), [])
        self.assertIn("tools/quickstart", self.done.stderr)


class Format(Case):
    def test_version(self):
        """Another version changes nothing."""
        self.command("clang-format", "echo Debian clang-format version 14.0.6")
        for environment in ({}, {"CLANG_FORMAT": "clang-format"}):
            called = self.start("format", expected=1, **environment)
            self.assertEqual(called, ["clang-format --version"])
            self.assertEqual(self.done.stderr, "format: clang-format 19 is needed; clang-format here is: Debian "
                             "clang-format version 14.0.6. apt install clang-format-19, or python3 -m pip install "
                             "'clang-format==19.*'\n")
        self.command("clang-format-19", "echo Debian clang-format version 19.1.7")
        self.command("git", r"printf 'tools/format\0gone.c\0'")
        self.assertEqual(self.start("format", "--check")[-1], "clang-format-19 --dry-run -Werror -- tools/format")
        self.assertEqual(self.start("format", "a.c")[-1], "clang-format-19 -i -- a.c")

    def test_usage(self):
        self.assertEqual(self.start("format", "--nonsense", expected=2), [])
        self.assertIn("tools/format [--check] [FILE...]", self.done.stderr)


class Setup(Case):
    """On a machine that lacks most."""

    def setUp(self):
        super().setUp()
        self.command("uname", "echo Linux")
        self.command("cmake", "echo cmake version 3.25.1")
        self.command("id", "echo 1000")
        self.command("apt-get")
        self.absent("no-such-package")

    def absent(self, *packages):
        """What the distribution does not have."""
        self.command("apt-cache", f"""\
            [[ " {' '.join(packages)} " != *" $2 "* ]] || {{ echo "Candidate: (none)"; exit; }}
            echo "Candidate: 1.0" """)

    def advised(self):
        return self.done.stderr.splitlines()[-1].split("run this first: ")[1]

    def test_plain_user(self):
        """Is told a command, which a shell takes as it was meant, whatever the folder is called."""
        self.start("setup", "tests", expected=1)
        self.assertRegex(self.done.stderr, r"Missing here: .*\bgcc\b.*\blibcmocka-dev\b")
        own = os.path.join(self.tools, "setup")
        su, option, command = shlex.split(self.advised())
        self.assertEqual((su, option, shlex.split(command)), ("su", "-c", [own, "tests"]))
        self.command("sudo", "exit 1")  # asks for a password
        self.start("setup", expected=1)
        self.assertEqual(shlex.split(self.advised()), ["sudo", own])

    def test_installed(self):
        for who, prefix in ((0, ""), (1000, "sudo ")):
            self.command("id", f"echo {who}")
            self.command("sudo", '[[ $1 != -n ]] || shift; "$@"')
            self.command("env", "true")
            called = self.start("setup", "tests", "aarch64", "format", "browser")
            installed = [line for line in called if line.startswith(f"{prefix}env ") and " install " in line]
            self.assertEqual(len(installed), 1, called)
            self.assertRegex(installed[0], "DEBIAN_FRONTEND=noninteractive apt-get install -y .* gcc .*chromium .*"
                             "gcc-aarch64-linux-gnu .*qemu-user .*clang-format-19")
            self.assertNotIn(" clang ", installed[0])

    def test_absent(self):
        """Of what the distribution has not, what can be done without is told, and what can't is an error."""
        self.command("id", "echo 0")
        self.command("env", "true")
        self.absent("oclgrind", "libclblast-dev")
        called = self.start("setup", "tests")
        for package, loss in (("oclgrind", "no check of the kernels' accesses"), ("libclblast-dev", "no opencl device")):
            self.assertIn(f"no {package} in this distribution, so: {loss}\n", self.done.stderr)
            self.assertEqual([line for line in called if " install " in line and package in line], [])
        self.absent("libjansson-dev")
        self.assertEqual([line for line in self.start("setup", expected=1) if " install " in line], [])
        self.assertIn("no libjansson-dev, and nothing can be done without it", self.done.stderr)

    def test_old_cmake(self):
        self.command("id", "echo 0")
        self.command("env", "true")
        for version, status in (("3.24.9", 1), ("3.25.0", 0), ("3.100.1", 0), ("4.0.0", 0)):
            self.command("cmake", f"echo cmake version {version}")
            self.start("setup", expected=status)
            self.assertEqual(f"CMake {version[:4]} is too old, 3.25 is needed" in self.done.stderr, status == 1)


if __name__ == "__main__":
    unittest.main()
