"""The installed program, library, headers and CMake package, used by a project of their own.

  install.py TRAINER CMAKE BUILD
"""
import os
import subprocess
import sys
import tempfile
import unittest

from fixtures.patience import PATIENCE

CMAKE, BUILD = sys.argv[2:4]
del sys.argv[1:]
CONSUMER = os.path.join(os.path.dirname(__file__), "..", "consumer")


class Install(unittest.TestCase):
    def run_command(self, *arguments):
        done = subprocess.run(arguments, text=True, timeout=PATIENCE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_install(self):
        with tempfile.TemporaryDirectory() as folder:
            prefix, consumer = os.path.join(folder, "prefix"), os.path.join(folder, "consumer")
            self.run_command(CMAKE, "--install", BUILD, "--prefix", prefix)
            self.assertIn("Usage: trainer", self.run_command(f"{prefix}/bin/trainer", "--help"))
            self.run_command(CMAKE, "-S", CONSUMER, "-B", consumer, f"-DCMAKE_PREFIX_PATH={prefix}")
            self.run_command(CMAKE, "--build", consumer)
            self.assertIn("reference", self.run_command(f"{consumer}/consumer"))


if __name__ == "__main__":
    unittest.main()
