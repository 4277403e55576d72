"""The source builds where it is put, as CMake is asked to, and says which commit it is; or it says why not.

  build.py TRAINER CMAKE SOURCE
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from fixtures.patience import PATIENCE

CMAKE, SOURCE = sys.argv[2:4]
del sys.argv[1:]
ODD = "[br] (c++) & {x} $y 'ü"  # a folder's name, in which many a language has meanings


class Build(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.source = os.path.join(self.folder, ODD)
        shutil.copytree(SOURCE, self.source, symlinks=True,
                        ignore=shutil.ignore_patterns("build*", ".*", "__pycache__"))

    def start(self, *command, **environment):
        return subprocess.run(command, encoding="utf-8", errors="replace", timeout=PATIENCE, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder,
                              env={**os.environ, **environment})

    def must(self, *command, **environment):
        done = self.start(*command, **environment)
        self.assertEqual(done.returncode, 0, done.stdout[-4000:])
        return done.stdout

    def configure(self, *more, **environment):
        """Gives the folder of the build, which has nothing but the program."""
        build = os.path.join(self.source, "build")
        self.must(CMAKE, "-S", self.source, "-B", build, "-DTRAINER_TESTS=OFF", *more, **environment)
        return build

    def check_program(self, trainer, commit):
        self.assertRegex(self.must(trainer, "--version"), commit)
        self.must(trainer, "--device", "reference", "--data", "synthetic", "--samples", "60", "--batch-size",
                  "30", "--epochs", "1")

    @unittest.skipUnless(shutil.which("git"), "needs git")
    def test_odd_folder(self):
        """In the tree of another repository, whose commit is not ours."""
        git = ("git", "-c", "user.name=a", "-c", "user.email=b", "-C", self.folder)
        self.must(*git, "init", "--quiet")
        self.must(*git, "commit", "--quiet", "--allow-empty", "--message", "another's")
        build = self.configure("-DCMAKE_BUILD_TYPE=Release", CFLAGS="-DTEXT='\"a b\"'")
        self.must(CMAKE, "--build", build, "--parallel", "2")
        trainer = os.path.join(build, "trainer")
        around = re.escape(os.path.realpath(self.folder))
        self.check_program(trainer, rf"\(commit unknown: the repository around it, {around}, is not its own\)")
        self.must(*git, "init", "--quiet", self.source)
        self.must(CMAKE, "--build", build)
        self.check_program(trainer, r"\(commit unknown: fatal: .*\)")  # it has none yet
        self.must(*git[:-2], "-C", self.source, "add", "src", "results")
        self.must(*git[:-2], "-C", self.source, "commit", "--quiet", "--message", "ours")
        results = os.path.join(self.source, "results")
        for path, commit in ((("results", "README.md"), r"\(commit [0-9a-f]{12}\)"),  # no change of the program
                             (("src", "program", "main.c"), r"\(commit [0-9a-f]{12}-dirty\)")):
            with open(os.path.join(self.source, *path), "a") as file:
                file.write("\n")
            self.must(CMAKE, "--build", build)
            self.check_program(trainer, commit)
        self.must(os.path.join(self.source, "tools", "table"), *(
            os.path.join(results, name) for name in os.listdir(results) if name.endswith(".jsonl")))

    @unittest.skipUnless(shutil.which("ninja"), "needs ninja")
    def test_several_configurations(self):
        """Of one build folder, all files of a folder compiled as one."""
        build = self.configure("-G", "Ninja Multi-Config", "-DCMAKE_UNITY_BUILD=ON")
        for name in ("Debug", "Release"):
            self.must(CMAKE, "--build", build, "--config", name, "--target", "trainer_program")
            self.check_program(os.path.join(build, name, "trainer"), "trainer ")
            self.assertIn(name, self.must(os.path.join(build, name, "trainer"), "--version"))

    def test_without_devices(self):
        """What the build lacks is listed, with the reason, and no other device stands in for it."""
        kinds = ("cuda", "opencl", "cpu")
        build = self.configure("-DCMAKE_BUILD_TYPE=Debug", *(f"-DTRAINER_DEVICE_{kind.upper()}=OFF"
                                                             for kind in kinds))
        self.must(CMAKE, "--build", build, "--parallel", "2")
        trainer = os.path.join(build, "trainer")
        for option in ("--list-devices", "--version"):
            said = self.must(trainer, option)
            for kind in kinds:
                self.assertRegex(said, rf"(?m)^{kind} +not here: switched off .*=OFF\)$")
            self.assertRegex(said, "(?m)^reference  ")
        for kind in kinds:
            done = self.start(trainer, "--device", kind)
            self.assertEqual(done.returncode, 3)
            self.assertIn(f"device '{kind}' is not here: switched off ", done.stdout)
        self.check_program(trainer, "trainer ")

    def test_without_openblas(self):
        """The cpu device has its own gemm; who asks for OpenBLAS is told why there is none."""
        missing = ("-DOPENBLAS_INCLUDE_DIR=", "-DTRAINER_DEVICE_CUDA=OFF", "-DTRAINER_DEVICE_OPENCL=OFF")
        done = self.start(CMAKE, "-S", self.source, "-B", os.path.join(self.folder, "insisting"),
                          "-DTRAINER_OPENBLAS=ON", *missing)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"TRAINER_OPENBLAS=ON, but OpenBLAS is missing: install\s+libopenblas-dev")
        build = self.configure("-DCMAKE_BUILD_TYPE=Debug", "-DTRAINER_DEVICE_CPU=ON", *missing)
        self.must(CMAKE, "--build", build, "--parallel", "2")
        trainer = os.path.join(build, "trainer")
        for option in ("--list-devices", "--version"):
            self.assertRegex(self.must(trainer, option), "(?m)^cpu  .*no library")
        train = (trainer, "--device", "cpu", "--data", "synthetic", "--samples", "60", "--batch-size", "30",
                 "--epochs", "1")
        home = {"XDG_CACHE_HOME": self.folder}
        self.assertRegex(self.must(*train, **home), "(?m)^device +cpu: [^\n]*own-")
        done = self.start(*train, "--gemm", "openblas", **home)
        self.assertEqual(done.returncode, 2)
        self.assertIn("cpu: this build has no 'openblas': OpenBLAS was missing when this was built: install "
                      "libopenblas-dev", done.stdout)
        done = self.start(*train, "--gemm", "open", **home)
        self.assertEqual(done.returncode, 2)
        self.assertNotIn("openblas", done.stdout)

    def test_fast_math(self):
        """Without NaN, what has diverged would pass for a success."""
        for flag, said in (("-ffast-math", "needs NaN and infinity: take -ffast-math"),
                           ("-ffinite-math-only", "needs NaN and infinity: take -ffast-math"),
                           ("-fassociative-math -fno-signed-zeros -fno-trapping-math",
                            "needs sums in their order: take -ffast-math or -fassociative-math")):
            with self.subTest(flag=flag):
                build = self.configure(CFLAGS=flag)
                done = self.start(CMAKE, "--build", build)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(said, done.stdout)
                shutil.rmtree(build)


if __name__ == "__main__":
    unittest.main()
