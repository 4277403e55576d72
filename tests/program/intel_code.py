"""Every kernel, compiled for Intel's GPUs by their own offline compiler: it compiles as for a user with such a GPU,
without a word of warning, such as that an item's arrays do not find room in the registers (it spills).

  intel_code.py LIST_KERNEL_PROGRAMS     the program that lists the kernels with their options

The compiler, ocloc, is that of the system, or the one that tests/intel/compiler unpacks.
"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

LIST = sys.argv.pop(1)
SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
KERNELS = os.path.join(SOURCE, "kernels")
UNPACKED = os.path.join(SOURCE, "build", "intel-compiler", "usr")
GPUS = ("skl", "tgllp", "dg2")  # HD Graphics of 2015, Iris Xe of 2020, Arc of 2022


def find_compiler():
    """(its path, the folders of its libraries)"""
    found = shutil.which("ocloc")
    return (found, []) if found else (next(iter(glob.glob(os.path.join(UNPACKED, "bin", "ocloc*"))), None),
                                      glob.glob(os.path.join(UNPACKED, "lib", "*-linux-gnu")))


COMPILER, LIBRARIES = find_compiler()


def programs():
    """[file, what it is for, options, kernels] of each."""
    listed = subprocess.run([LIST], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [line.split("\t") for line in listed.splitlines()]


class Code(unittest.TestCase):
    def test_kernels(self):
        environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(LIBRARIES)} if LIBRARIES else None
        for file, what, options, _ in programs():
            for gpu in GPUS:
                with self.subTest(gpu=gpu, file=file, what=what), tempfile.TemporaryDirectory() as folder:
                    done = subprocess.run(
                        [COMPILER, "compile", "-file", os.path.join(KERNELS, file), "-device", gpu, "-out_dir", folder,
                         "-options", f"-I {KERNELS} {options}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                        text=True, check=False, cwd=folder, env=environment)
                    self.assertEqual(done.returncode, 0, done.stdout)
                    self.assertNotRegex(done.stdout, "(?i)warning|error|spill")
                    (code,) = glob.glob(os.path.join(folder, "*.bin"))
                    print(f"{gpu} {file} {what}: {os.path.getsize(code)} bytes")


if __name__ == "__main__":
    if not COMPILER:
        print("skipped: no ocloc here: tests/intel/compiler unpacks that of Debian (intel-opencl-icd)")
        sys.exit(77)
    unittest.main()
