"""tools/peers: from the trainer's first weights, on random images, each of them comes to the trainer's
losses and test score, and its record is one like the trainer's own.

  peers.py TRAINER PEERS_FOLDER

A peer that is not here is skipped, by name; with none at all the exit status is 77.
"""
import calendar
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from common import CACHE, MOMENTS, PATIENCE, environment, moment, record, run
from fixtures.cifar import RECORD_BYTES, make_folder
from fixtures.interpreters import python_with

PEERS = sys.argv.pop(1)
PYTHON = python_with("numpy") or sys.executable
SEED = 20261124  # of the images
TRAINING = ("--samples", "600", "--batch-size", "250", "--epochs", "3", "--layers", "64,32")
SCRIPTS = ("numpy_blas.py", "pytorch.py", "jax_scan.py", "tinygrad_jit.py")
FOLDER = tempfile.mkdtemp(prefix="trainer-peers-")
SHORT, TEN, WEIGHTS, OTHER_WEIGHTS, WIDE_WEIGHTS, RECIPE_WEIGHTS = (os.path.join(FOLDER, name)
                                                    for name in ("short", "ten", "first", "other", "wide", "recipe"))
# Of losses; those of nine steps differ by less than 1e-6. Of accuracies: a hit or two may hang on rounding.
CLOSE, CLOSE_HITS = 1e-5, 2 / 600
PHASES = ("setup", "load", "open", "batching", "warm_up", "validate", "release", "evaluate")
RECIPES = (
    ("--shuffle", "--flip", "--normalize", "--color", "rgb", "--activation", "tanh", "--seed", "7"),
    ("--momentum", "0.9", "--nesterov", "--weight-decay", "0.001", "--schedule", "cosine", "--warmup-epochs", "1"),
    ("--optimizer", "adamw", "--learning-rate", "0.001", "--weight-decay", "0.01", "--schedule", "linear", "--shuffle",
     "--beta1", "0.8", "--beta2", "0.99", "--epsilon", "1e-6"),
    ("--label-smoothing", "0.1", "--clip-norm", "5", "--schedule", "step"),
    ("--validation", "100", "--target-accuracy", "0.02", "--normalize"),
)


def make_images():
    """Random images; and a folder with the beginning of a file, and one with a label that is none."""
    print(f"seed {SEED}", file=sys.stderr)
    images = bytearray(make_folder(FOLDER, SEED))
    os.mkdir(SHORT)
    with open(os.path.join(SHORT, "data_batch_1.bin"), "wb") as file:
        file.write(images[:-1])
    os.mkdir(TEN)
    images[RECORD_BYTES] = 10
    with open(os.path.join(TEN, "data_batch_1.bin"), "wb") as file:
        file.write(images)


def make_weights(path, layers, seed, *more):
    done = run("--device", "reference", "--data", "synthetic", "--samples", 1, "--batch-size", 1, "--epochs",
               0, "--layers", layers, "--seed", seed, *more, "--quiet", "--save", path)
    assert done.returncode == 0, done.stderr


def setUpModule():
    make_images()
    make_weights(WEIGHTS, "64,32", 1)
    make_weights(OTHER_WEIGHTS, "64,32", 2)
    make_weights(WIDE_WEIGHTS, "65,32", 1)


def tearDownModule():
    shutil.rmtree(FOLDER, ignore_errors=True)


def run_peer(script, *arguments, **more):
    """Its caches are out of the user's way, as the trainer's are."""
    return subprocess.run(
        [PYTHON, "-B", os.path.join(PEERS, script), *arguments], text=True, timeout=PATIENCE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(**{"TORCHINDUCTOR_CACHE_DIR": os.path.join(CACHE, "inductor"), **more}))


def records_of(done):
    """One on each line, and in none a NaN, which is not JSON."""
    return [json.loads(line, parse_constant=lambda name: 1 / 0) for line in done.stdout.splitlines()]


def phases_of(one):
    seconds = one["seconds"]
    return sum(seconds[phase] for phase in PHASES) + sum(seconds["epochs"])


def close(one, other, tolerance):
    """Whether both are numbers, and near; no NaN is near anything."""
    return one is not None and other is not None and abs(one - other) <= tolerance


def differences(one, other):
    """Where two records tell of different trainings."""
    found = [] if len(one["epochs"]) == len(other["epochs"]) else ["epochs"]
    scores = [*zip(one["epochs"], other["epochs"]), (one["test"] or {}, other["test"])]
    for i, (mine, theirs) in enumerate(scores):
        if not close(mine.get("loss"), theirs["loss"], CLOSE * theirs["loss"]):
            found.append(f"loss {i}: {mine.get('loss')}, not {theirs['loss']}")
        if not close(mine.get("accuracy"), theirs["accuracy"], CLOSE_HITS):
            found.append(f"accuracy {i}: {mine.get('accuracy')}, not {theirs['accuracy']}")
    return found


def missing(one, other, where=""):
    """The keys of `other` that `one` lacks."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [found for key in other for found in
                (missing(one[key], other[key], f"{where}.{key}") if key in one else [f"{where}.{key}"])]
    return []


class Peers(unittest.TestCase):
    expected = None

    def train(self, script, *arguments, weights=None, **more):
        """What it printed; skips the test where it is not here."""
        done = run_peer(script, "--weights", weights or WEIGHTS, "--data", FOLDER, *TRAINING, *arguments, **more)
        if done.returncode == 77:
            self.assertRegex(done.stderr, r"\Aabsent: .+: python3 -m pip install .+\n\Z")
            self.skipTest(f"{script}: {done.stderr.strip()}")
        self.assertNotIn("Traceback", done.stderr)
        return done

    def trainer(self):
        """The trainer's own run, made once."""
        if Peers.expected is None:
            Peers.expected = record("--device", "reference", "--data", FOLDER, *TRAINING)
        return Peers.expected

    def check_record(self, one, device, threads):
        expected, seconds = self.trainer(), one["seconds"]
        self.assertEqual(differences(one, expected), [])
        self.assertEqual(missing(one, expected), [])
        self.assertEqual(missing(one["epochs"][0], expected["epochs"][0]), [])
        self.assertEqual(one["config"], {**expected["config"], "seed": None})
        for part in ("schema", "host", "dataset", "status"):
            self.assertEqual(one[part], expected[part])
        self.assertLessEqual(phases_of(one), seconds["wall"] + 1e-6)
        self.assertEqual(seconds["epochs"], [epoch["seconds"] for epoch in one["epochs"]])
        self.assertEqual(one["device"]["spec"], device)
        self.assertEqual(one["device"]["threads"], threads if one["device"]["type"] == "cpu" else None)
        if device == "cpu":
            self.assertEqual(one["device"]["name"], expected["host"]["cpu"])

    def check(self, script, modes, device="cpu"):
        for threads in (1, 2):
            with self.subTest(threads=threads):
                start = time.monotonic()
                warm_up = 0.01 if threads == 2 else 0  # which changes no loss
                done = self.train(script, "--device", device, "--threads", str(threads), "--warm-up", str(warm_up))
                elapsed = time.monotonic() - start
                self.assertEqual(done.returncode, 0, done.stderr)
                records = records_of(done)
                self.assertEqual([one["device"]["submission"] for one in records], modes)
                truly = 1 if "computes on a CPU with one thread" in done.stderr else threads
                for one in records:
                    self.check_record(one, device, truly)
                    self.assertLess(one["seconds"]["wall"], elapsed)
                    self.assertEqual(one["seconds"]["warm_up"] >= 0.01, warm_up > 0)
        if MOMENTS:  # in processor time, of which waiting for a processor is no part
            done = self.train(script, "--device", device, "--threads", "1", **moment(clock="processor"))
            for one in records_of(done):
                wall = one["seconds"]["wall"]
                self.assertTrue(close(phases_of(one), wall, 0.02 * wall + 0.01), one["seconds"])

    def check_recipes(self, script):
        """The trainer's own order, turned images, scaling, steps and end, in each mode."""
        for options in RECIPES:
            with self.subTest(options=options):
                more = [word for word in options if word in ("--color", "rgb")]
                seed = int(options[options.index("--seed") + 1]) if "--seed" in options else 1
                make_weights(RECIPE_WEIGHTS, "64,32", seed, *more)
                done = self.train(script, "--device", "cpu", "--threads", "1", *options, weights=RECIPE_WEIGHTS)
                self.assertEqual(done.returncode, 0, done.stderr)
                expected = record("--device", "reference", "--data", FOLDER, *TRAINING, *options)
                for one in records_of(done):
                    self.assertEqual(differences(one, expected), [])
                    self.assertEqual(missing(one, expected), [])
                    self.assertEqual({**one["config"], "seed": one["config"]["seed"] or seed}, expected["config"])
                    self.assertEqual(one["dataset"], expected["dataset"])
                    for key in ("ended", "status"):
                        self.assertEqual(one[key], expected[key])
                    if expected["target"]:
                        self.assertEqual(one["target"]["epoch"], expected["target"]["epoch"])
                        self.assertEqual(one["best"]["epoch"], expected["best"]["epoch"])
                        self.assertGreater(one["target"]["seconds"], one["target"]["epochs_seconds"])
                        self.assertGreater(one["seconds"]["validate"], 0)

    def check_refused(self, script):
        none = os.path.join(FOLDER, "none")
        for arguments, text in ((("--layers", "65,32"), r"--weights .*: no '0.weight' of the shape \[65, "),
                                (("--weights", none), "--weights .*: .*No such file"),
                                (("--data", none), "--data: .*No such file"),
                                (("--data", SHORT), "--data: .*1.bin: not CIFAR-10's binary version"),
                                (("--data", TEN), "--data: .*1.bin: a label over 9")):
            done = self.train(script, "--device", "cpu", *arguments)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(done.stderr, text)

    def test_numpy(self):
        self.check("numpy_blas.py", ["blas"])
        self.check_refused("numpy_blas.py")

    def test_pytorch(self):
        self.check("pytorch.py", ["eager", "compile"])
        self.check_refused("pytorch.py")
        self.check_recipes("pytorch.py")

    def test_jax(self):
        self.check("jax_scan.py", ["scan", "step"])
        self.check_refused("jax_scan.py")
        self.check_recipes("jax_scan.py")

    def test_tinygrad(self):
        self.check("tinygrad_jit.py", ["jit"])
        self.check_refused("tinygrad_jit.py")

    def test_tinygrad_opencl(self):
        self.check("tinygrad_jit.py", ["jit"], "opencl")

    def test_differences(self):
        """Other first weights, and those of another net, are found out."""
        done = self.train("numpy_blas.py", "--device", "cpu", weights=OTHER_WEIGHTS)
        self.assertEqual(done.returncode, 0, done.stderr)
        (one,) = records_of(done)
        self.assertIn("loss 0: ", " ".join(differences(one, self.trainer())))
        done = self.train("numpy_blas.py", "--device", "cpu", weights=WIDE_WEIGHTS)
        self.assertEqual((done.returncode, done.stdout), (1, ""))

    def test_time(self):
        """Is UTC, wherever the machine is."""
        start = int(time.time())
        (one,) = records_of(self.train("numpy_blas.py", "--device", "cpu", TZ="NPT-5:45"))
        written = calendar.timegm(time.strptime(one["time"], "%Y-%m-%dT%H:%M:%SZ"))
        self.assertTrue(start <= written <= time.time(), one["time"])

    def test_threads(self):
        """Whatever a library reads for their number says the same."""
        script = ("import json, os, sys, types; sys.path.insert(0, sys.argv[1]); import common; "
                  "common.set_threads(types.SimpleNamespace(device='cpu', threads=3)); "
                  "print(json.dumps(dict(os.environ)))")
        done = subprocess.run([PYTHON, "-B", "-c", script, PEERS], check=True, text=True, timeout=PATIENCE,
                              stdout=subprocess.PIPE)
        found = json.loads(done.stdout)
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NPROC",
                     "NUM_CPU_THREADS", "CPU_COUNT", "POCL_CPU_MAX_CU_COUNT", "POCL_MAX_PTHREAD_COUNT"):
            self.assertEqual(found.get(name), "3", name)

    def test_environment(self):
        """What a user has set that makes it faster or slower is in its record: no number of threads, which it
        sets itself, and no folder."""
        done = self.train("numpy_blas.py", "--device", "cpu", OPENBLAS_CORETYPE="Haswell", OMP_NUM_THREADS="7",
                          CUDA_VISIBLE_DEVICES="0", POCL_CACHE_DIR=FOLDER, TORCHINDUCTOR_CACHE_DIR=FOLDER)
        (one,) = records_of(done)
        found = one["device"]["environment"]
        self.assertEqual((found["OPENBLAS_CORETYPE"], found["CUDA_VISIBLE_DEVICES"]), ("Haswell", "0"))
        self.assertEqual([name for name in found if name.endswith(("_DIR", "_NUM_THREADS"))], [])

    def test_diverged(self):
        """Its losses are null, and no NaN is near a number."""
        done = self.train("numpy_blas.py", "--device", "cpu", "--learning-rate", "1e38")
        self.assertEqual(done.returncode, 0, done.stderr)
        (one,) = records_of(done)
        self.assertEqual((one["status"], one["epochs"][-1]["loss"], one["test"]), ("diverged", None, None))
        self.assertNotEqual(differences(one, self.trainer()), [])
        for value in (float("nan"), float("inf"), None):
            self.assertFalse(close(value, 2.3, 1e-3))
            self.assertFalse(close(2.3, value, 1e-3))

    def test_generator(self):
        """Its numbers are those of the golden values, which are written apart from it."""
        script = ("import sys, types; sys.path[:0] = sys.argv[1:]; import draws, recipe; "
                  "args = types.SimpleNamespace(seed=2**40 + 9, shuffle=True, training=257, steps=3, batch_size=100); "
                  "order = draws.permutation(args.seed, draws.ORDER, 4, 257); "
                  "assert recipe.order_of(args, 4).ravel().tolist() == order + order[:43]; "
                  "turned = [draws.is_flipped(args.seed, 4, n) for n in range(300)]; "
                  "assert recipe.turned_of(args, 4).ravel().tolist() == turned")
        subprocess.run([PYTHON, "-B", "-c", script, PEERS, os.path.join(os.path.dirname(__file__), "..", "golden")],
                       check=True, timeout=PATIENCE)

    def test_recipe_usage(self):
        """Only some peers have recipes; a value that makes no sense is refused."""
        done = run_peer("numpy_blas.py", "--weights", WEIGHTS, "--device", "cpu", "--optimizer", "adamw")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        for script in ("pytorch.py", "jax_scan.py"):
            for arguments in (("--dropout", "1"), ("--momentum", "nan"), ("--validation", "-1"),
                              ("--samples", "100", "--validation", "100"), ("--target-accuracy", "0.5"),
                              ("--optimizer", "lion"), ("--schedule", "onecycle"), ("--nesterov",), ("--beta1", "0.5"),
                              ("--optimizer", "adamw", "--momentum", "0.9"), ("--label-smoothing", "3"),
                              ("--clip-norm", "-1"), ("--validation", "9", "--target-accuracy", "7"),
                              ("--epochs", "2", "--warmup-epochs", "3"), ("--schedule", "cosine", "--seconds", "1")):
                done = run_peer(script, "--weights", WEIGHTS, *arguments)
                self.assertEqual((done.returncode, done.stdout), (2, ""), (script, arguments, done.stderr))

    def test_all(self):
        """No peer is without a test."""
        self.assertEqual(sorted(name for name in os.listdir(PEERS) if name.endswith(".py")),
                         sorted([*SCRIPTS, "__init__.py", "common.py", "recipe.py"]))

    def test_usage(self):
        fine = ("--weights", WEIGHTS)
        for script in SCRIPTS:
            for arguments in ((), (*fine, "--bogus"), (*fine, "--device", "tpu"),
                              (*fine, "--batch-size", "0"), (*fine, "--samples", "50001"),
                              (*fine, "--layers", "64,x"),
                              (*fine, "--device", "cpu", "--mode", "nonsense"),
                              (*fine, "--device", "cpu", "--threads", "0"),
                              (*fine, "--device", "cuda", "--threads", "1")):
                done = run_peer(script, *arguments)
                self.assertEqual((done.returncode, done.stdout), (2, ""), (script, arguments, done.stderr))
                self.assertIn(f"{script} --weights FILE", done.stderr)

    def test_absent(self):
        """Without NumPy, and without a device, one line says so, in every peer."""
        hidden = os.path.join(FOLDER, "hidden")
        os.mkdir(hidden)
        with open(os.path.join(hidden, "numpy.py"), "w", encoding="ascii") as file:
            file.write("raise ImportError('it is hidden')\n")
        for script in SCRIPTS:
            for device, more in (("cpu", {"PYTHONPATH": hidden}),
                                        ("opencl", {"OCL_ICD_VENDORS": "/nonexistent"})):
                done = run_peer(script, "--weights", WEIGHTS, "--device", device, **more)
                self.assertEqual((done.returncode, done.stdout), (77, ""), (script, device, done.stderr))
                self.assertRegex(done.stderr, r"\Aabsent: .+: python3 -m pip install .+\n\Z")


def main():
    result = unittest.main(exit=False).result
    reasons = sorted({reason for _, reason in result.skipped})
    for reason in reasons:
        print(f"skipped: {reason}", file=sys.stderr)
    here = [script for script in SCRIPTS if not any(reason.startswith(script) for reason in reasons)]
    sys.exit(1 if not result.wasSuccessful() else 0 if here else 77)


if __name__ == "__main__":
    main()
