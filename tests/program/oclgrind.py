"""Every kernel under oclgrind, a simulator that checks each access: outside a buffer or an array,
or of the same place by two items without a barrier between.

  oclgrind.py TEST_DEVICE
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from fixtures.patience import PATIENCE

TEST_DEVICE = sys.argv.pop(1)

# So many compute units that gemms are split, too; CLBlast's own kernels are none of
# ours, but their epilogues are. Every operation once, and what multiplies matrices in each way.
RUNS = (("own-host", "small", 16), ("own-small", "gemms", 64), ("own-medium", "gemms", 64), ("clblast", "gemms", 1))
if os.environ.get("TRAINER_TEST_LONG") == "1":
    RUNS += tuple((gemm, "small", units) for gemm in ("own-host", "own-small", "own-medium") for units in (1, 64))


class Oclgrind(unittest.TestCase):
    def check(self, gemm, tests, units):
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "log")
            done = subprocess.run(
                ["oclgrind", "--data-races", "--check-api", "--log", log, "--local-mem-size", "65536",
                 "--compute-units", str(units), TEST_DEVICE, "opencl", gemm, tests],
                env={**os.environ, "XDG_CACHE_HOME": folder, "TRAINER_REQUIRE_DEVICES": "opencl"},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
            report = ""
            if os.path.exists(log):
                with open(log) as file:
                    report = file.read()
            self.assertEqual(done.returncode, 0, done.stdout[-3000:] + report[:3000])
            self.assertEqual(report, "")

    def test_kernels(self):
        for gemm, tests, units in RUNS:
            with self.subTest(gemm=gemm, tests=tests, units=units):
                self.check(gemm, tests, units)


if __name__ == "__main__":
    if not shutil.which("oclgrind"):
        print("skipped: no oclgrind here (Debian: oclgrind)")
        sys.exit(77)
    unittest.main()
