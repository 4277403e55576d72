"""The command line: every exit code, every format, saving and continuing.

  command_line.py TRAINER
"""
import csv
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import unittest
import unittest.mock

from common import (NO_GPU, PATIENCE, TRAINER, Folder, devices, environment, moment, outside_phases, phases_add_up,
                    read_safetensors, record, run, said_to_terminal, texts)
from fixtures import documented

SMALL = ("--data", "synthetic", "--samples", 200, "--epochs", 2, "--batch-size", 64)
REFERENCE = (*SMALL, "--device", "reference")  # where it is not about the device
LISTED = run("--list-devices")
DEVICES = devices()
HELP = run("--help")


class Command(Folder):
    def fails(self, code, text, *arguments, **more):
        done = run(*arguments, **more)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stderr}")
        self.assertIn(text, done.stderr)
        self.assertRegex(done.stderr, "(?m)^trainer: ")  # an OpenMP may have something to say, too
        return done


class Usage(Command):
    def test_refused(self):
        """What is refused, and how, is known from the unit test of the options."""
        for text, *arguments in (("--epochs '1x': expected a whole number from 0 to 1000000", "--epochs", "1x"),
                                 ("--nonsense is not an option", "--nonsense"),
                                 ("batches of 300 leave none of 100 samples", "--samples", 100, "--tail", "drop")):
            self.assertEqual(self.fails(2, text, *arguments).stdout, "")

    def test_help(self):
        self.assertEqual((HELP.returncode, HELP.stderr), (0, ""))
        self.assertIn("\n  --epochs N\n      passes over the training set (default: 5)\n", HELP.stdout)

    def test_readme_has_all_options(self):
        readme = documented.text("README.md")
        options = [line.strip() for line in HELP.stdout.splitlines() if line.startswith("  --")]
        self.assertGreater(len(options), 25)
        for option in options:
            self.assertIn("| `{}` |".format(option.replace("|", "\\|")), readme)

    def test_version(self):
        done = run("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"trainer \d+\.\d+\.\d+ \(commit ")
        for device in DEVICES:
            self.assertRegex(done.stdout, rf"(?m)^{device.split(':')[0]} ")


class Devices(Command):
    def test_list(self):
        self.assertEqual((LISTED.returncode, LISTED.stderr), (0, ""))
        self.assertIn("reference", LISTED.stdout)
        self.assertIn("cpu", LISTED.stdout)  # there, or with the reason why not

    def test_absent(self):
        self.fails(3, "device 'tpu' is not here; there are: ", "--device", "tpu", *SMALL)
        self.fails(3, "reference", "--device", "tpu", "--data", "/nonexistent")  # before the data
        self.fails(3, "':1' is too much", "--device", "reference:1", *SMALL)

    def test_threads(self):
        for device in ("cpu", "reference"):
            if device in DEVICES:
                self.assertEqual(
                    record("--device", device, "--threads", 3, *SMALL)["device"]["threads"], 3)

    def test_gemm(self):
        self.fails(2, "reference: 'own' does not multiply matrices there; it has one way only: auto",
                   "--device", "reference", "--gemm", "own", "--data", "/nonexistent")
        self.fails(2, "no device of this build has all of --gemm bogus", "--gemm", "bogus", "--data",
                   "/nonexistent")
        self.assertIsNone(record("--device", "reference", "--gemm", "auto", *SMALL)["device"]["gemm"])

    def test_precision_and_submission(self):
        self.fails(2, "reference: 'tf32' is not a precision of its products; it has one way only: fp32",
                   "--device", "reference", "--precision", "tf32", "--data", "/nonexistent")
        self.fails(2, "reference: 'graph' is not how work is submitted there; it has one way only: auto",
                   "--device", "reference", "--submission", "graph", "--data", "/nonexistent")
        found = record("--device", "reference", "--precision", "fp32", "--submission", "auto", *SMALL)
        self.assertEqual((found["device"]["precision"], found["device"]["submission"]), ("fp32", None))

    @unittest.skipUnless(shutil.which("taskset") and "cpu" in DEVICES, "needs taskset and the cpu")
    def test_affinity(self):
        first = min(os.sched_getaffinity(0))
        out = subprocess.run(["taskset", "-c", str(first), TRAINER, "--device", "cpu", "--format",
                              "json", *map(str, SMALL)], stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(json.loads(out)["device"]["threads"], 1)

    @unittest.skipUnless("cpu" in DEVICES, "needs the cpu device")
    def test_fewer_threads_than_asked(self):
        self.fails(3, "OpenMP gives only 1 of 2 threads", "--device", "cpu", "--threads", 2, *SMALL,
                   env={"OMP_THREAD_LIMIT": "1"})

    @unittest.skipUnless("cpu" in DEVICES, "needs the cpu device")
    def test_too_many_threads(self):
        blas = ("--gemm", "openblas", "--threads", 1024, *SMALL)
        done = run("--device", "cpu", *blas)
        self.assertIn(done.returncode, (0, 3))  # as many as OpenBLAS was built for
        if done.returncode == 3:  # which is no reason to take another device
            self.fails(3, "--device auto comes to cpu, which can't do what is asked of it: cpu: 1024 threads "
                       "are too many", *blas, env=NO_GPU)
        self.fails(3, "OpenMP gives only 1 of 2", "--device", "reference", "--threads", 2, *SMALL,
                   env={"OMP_THREAD_LIMIT": "1"})
        done = self.fails(3, "--device auto comes to cpu", "--threads", 2, *SMALL,
                          env={"OMP_THREAD_LIMIT": "1", **NO_GPU})
        self.assertIn("cpu: OpenMP gives", done.stderr)

    @unittest.skipUnless("cpu" in DEVICES, "needs the cpu device")
    def test_bound_threads(self):
        """OpenMP's own binding is not taken for a smaller machine."""
        for env in ({"OMP_PROC_BIND": "close"}, {"OMP_PLACES": "cores"}):
            self.assertEqual(run("--list-devices", env=env).stdout, LISTED.stdout)

    def test_auto_says_which(self):
        """And a line for each kind that it passed over; the whole reasons are in the list."""
        done = run("--device", "auto", *SMALL, env=NO_GPU)
        *others, last = done.stderr.splitlines()
        self.assertRegex(last, "^trainer: --device auto takes (cpu|reference)(; --list-devices says more.*)?$")
        built = [line.split()[0] for line in run("--version").stdout.splitlines()
                 if line.startswith(("cuda ", "opencl ")) and "not here: " not in line]
        self.assertEqual([line.split(": ")[1] for line in others], [f"not {kind}" for kind in built])
        for line in others:
            self.assertRegex(line, "^trainer: not (cuda|opencl): .{1,40}$")

    def test_names(self):
        """In upper and lower case; what is mistyped is guessed."""
        self.assertEqual(record("--device", "ReferencE", *SMALL)["device"]["spec"], "reference")
        for spec, meant in (("refrence", "reference"), ("Gup", "gpu")):
            self.fails(3, f"did you mean '{meant}'?", "--device", spec, "--data", "/nonexistent")
        self.assertNotIn("did you mean", self.fails(3, "is not here", "--device", "x" * 100).stderr)
        self.fails(2, "expected a device of --list-devices", "--device", "x" * 200)

    def test_gpu(self):
        """The best GPU, and nothing else in its place; that is told before the data are read."""
        self.fails(3, "--device gpu: there is none: ", "--device", "GPU", "--data", "/nonexistent", env=NO_GPU)
        if any(device.startswith("cuda") for device in DEVICES):
            self.assertEqual(record("--device", "gpu", *SMALL)["device"]["kind"], "cuda")

    def test_absent_hardware(self):
        """What is not there is told before the data are read."""
        for device in ("cuda", "opencl"):
            self.fails(3, device, "--device", device, "--data", "/nonexistent", env=NO_GPU)

    def test_unmet(self):
        """`auto` passes over hardware that is not there, never an option that can't be met."""
        known = any(device.startswith("opencl") for device in DEVICES)  # else no device has it
        text = ("--device auto comes to cpu, which can't do what is asked of it" if known
                else "no device of this build")
        if "cpu" in DEVICES:
            self.fails(2, text, "--gemm", "clblast", "--data", "/nonexistent", env=NO_GPU)


class Data(Command):
    def test_bad(self):
        self.fails(4, "data_batch_1.bin: No such file or directory; expected a CIFAR-10 file of "
                   "30730000 bytes", "--data", self.folder)
        self.fails(4, "data_batch_1.bin", env={"TRAINER_DATA_DIR": self.folder})

    def test_synthetic_is_said(self):
        done = run("--samples", 100, "--epochs", 1)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("SYNTHETIC", done.stdout)
        self.assertIn("built-in synthetic set", done.stderr)
        found = record(*REFERENCE)["dataset"]
        self.assertEqual((found["source"], found["name"], found["path"]), ("synthetic", "synthetic", None))


def little_memory():
    """Of this process: the program takes a quarter of what it may have."""
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, resource.RLIM_INFINITY))


class Formats(Command):
    def check(self, found):
        self.assertEqual(found["schema"], 1)
        self.assertRegex(found["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(found["config"], {
            "epochs": 2, "batch_size": 64, "layers": [1024, 64, 32, 10], "activation": "sigmoid",
            "learning_rate": 0.01, "color": "grey", "tail": "wrap", "batches": "resident", "seed": 1,
            "shuffle": False, "optimizer": "sgd", "momentum": 0, "nesterov": False, "weight_decay": 0,
            "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "schedule": "constant", "warmup_epochs": 0,
            "validation": 0, "target_accuracy": None, "patience": 0, "keep_best": False, "initial": "normal",
            "label_smoothing": 0, "dropout": 0, "clip_norm": None, "normalize": False, "flip": False})
        self.assertEqual((found["dataset"]["train"], found["dataset"]["test"]), (200, 200))
        self.assertEqual(found["status"], "complete")
        self.assertEqual(len(found["epochs"]), 2)
        seconds = found["seconds"]
        self.assertEqual(seconds["epochs"], [epoch["seconds"] for epoch in found["epochs"]])
        self.assertAlmostEqual(seconds["mean_epoch"], sum(seconds["epochs"]) / 2, places=6)
        phases = ("setup", "load", "open", "batching", "release", "evaluate")
        for name in phases:
            self.assertGreater(seconds[name], 0)
        self.assertEqual((seconds["warm_up"], seconds["unfinished"], seconds["checkpoint"], found["resumed"]),
                         (0, 0, 0, None))
        self.assertGreaterEqual(outside_phases(found), -1e-6)
        self.assertGreater(min(found["memory"].values()), 200 * 3073)
        samples = 4 * 64
        self.assertAlmostEqual(found["samples_per_second"] * seconds["mean_epoch"] / samples, 1,
                               places=3)
        self.assertAlmostEqual(found["gflops"] / found["samples_per_second"] * 1e9, 276352, delta=50)
        self.assertTrue(0 < found["test"]["accuracy"] < 1)

    def test_json(self):
        for device in DEVICES:
            done = run("--device", device, *SMALL, "--format", "json", "--quiet")
            self.assertEqual((done.returncode, done.stderr, done.stdout.count("\n")), (0, "", 1))
            found = json.loads(done.stdout)
            self.check(found)
            self.assertEqual((found["device"]["spec"], found["device"]["kind"]),
                             (device, device.split(":")[0]))

    def test_variables(self):
        """What the user has set of what a device's libraries read, and not what the program sets itself."""
        shape = ("--device", "reference", *SMALL)
        before = record(*shape)["device"]["environment"]  # of whoever runs the tests
        self.assertNotEqual(before, {})
        given = {"OMP_WAIT_POLICY": "passive", "OMP_PROC_BIND": "false", "OMP_PLACES": "", "POCL_AFFINITY": "1"}
        told = {**(before or {}), "OMP_WAIT_POLICY": "passive", "OMP_PROC_BIND": "false"}
        self.assertEqual(record(*shape, env=given)["device"]["environment"], told)
        header, row = csv.reader(io.StringIO(run("--format", "csv", *shape, env=given).stdout))
        self.assertEqual(dict(zip(header, row))["environment"],
                         " ".join(sorted(f"{name}={value}" for name, value in told.items())))

    def test_phases_add_up(self):
        for device in DEVICES:
            self.assertTrue(phases_add_up(
                lambda: record("--device", device, *SMALL, env=moment(clock="processor"))), device)

    @unittest.skipUnless(sys.platform == "linux", "needs file names of any bytes")
    def test_json_of_any_path(self):
        """A path that is not UTF-8 is shown, though not to the byte."""
        path = os.fsencode(self.folder) + b"/caf\xe9"
        os.mkdir(path)
        for number in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
            with open(path + b"/" + number.encode() + b".bin", "wb") as file:
                file.truncate(30730000)
        found = record("--data", os.fsdecode(path), "--samples", 100, "--epochs", 1, "--device", "reference")
        self.assertEqual(found["dataset"]["path"], self.folder + "/caf?")

    def test_csv(self):
        done = run("--format", "csv", *SMALL, "--device", DEVICES[0])
        header, row = csv.reader(io.StringIO(done.stdout))
        self.assertEqual(len(header), len(row))
        self.assertEqual(header, (
            "time commit host os cpu cores spec device type device_name vendor library gemm kernels platform "
            "driver threads precision step submission environment epochs batch_size layers activation "
            "learning_rate color tail batches seed shuffle initial label_smoothing dropout clip_norm normalize "
            "flip optimizer momentum nesterov weight_decay beta1 beta2 epsilon schedule warmup_epochs source "
            "path train test fingerprint host_bytes device_bytes resumed resumed_seconds ranks hosts ranks_library "
            "ranks_transport computing_seconds exchanging_seconds min_processor_mhz max_processor_mhz min_memory_mhz max_memory_mhz "
            "clock_limits setup load open batching warm_up mean_epoch min_epoch max_epoch unfinished validate meet "
            "checkpoint release evaluate wall loss accuracy "
            "test_loss test_accuracy samples_per_second gflops validation target_accuracy patience keep_best "
            "validation_loss validation_accuracy best_epoch best_accuracy target_epoch target_epochs_seconds "
            "target_seconds ended status").split())
        found = dict(zip(header, row))
        self.assertEqual(found["spec"], DEVICES[0])
        self.assertEqual(found["layers"], "1024-64-32-10")
        self.assertEqual(found["status"], "complete")
        for name in ("load", "open", "batching", "mean_epoch", "evaluate", "loss", "test_accuracy"):
            self.assertGreater(float(found[name]), 0, name)

    def test_markdown(self):
        lines = run("--format", "markdown", *REFERENCE).stdout.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertEqual(len({line.count("|") for line in lines}), 1)
        self.assertIn("Mean epoch", lines[0])

    def test_table(self):
        done = run(*SMALL, "--device", DEVICES[0])
        lines = done.stdout.splitlines()
        rows = [line.split() for line in lines if line.strip()[:1].isdigit()]
        self.assertEqual([row[0] for row in rows], ["1", "2"])
        for name in ("device", "data", "network", "training", "load", "open", "batching", "epoch",
                     "speed", "evaluate", "test", "in"):
            self.assertTrue(any(line.split()[:1] == [name] for line in lines), name)
        self.assertNotIn("\033", done.stdout)

    @unittest.skipIf("-fsanitize" in run("--version").stdout, "it is about speed")
    def test_peak(self):
        """By a clock on which every product takes long enough, and in little memory: soon done, and known to the
        last digit. (What a peak is of is known from its unit test.)"""
        def peak(*arguments):
            return run("--peak", "--device", "reference", *arguments, preexec_fn=little_memory,
                       env=moment("clock_gettime:1+:+199", clock="steps"))  # and 1/512 s a step

        seconds = 0.199 + 1 / 512
        found = json.loads(peak("--format", "json").stdout)
        self.assertEqual(list(found), ["schema", "time", "commit", "host", "device", "peak", "status"])
        self.assertEqual(list(found["device"]), list(record(*REFERENCE)["device"]))
        self.assertEqual((found["device"]["spec"], found["status"]), ("reference", "complete"))
        measured = found["peak"]
        self.assertEqual([key for key in documented.record_keys() if key.startswith("peak.")],
                         [f"peak.{key}" for key in measured])
        self.assertEqual((measured["side"], measured["gflops"]), (256, float(f"{2 * 256**3 / seconds / 1e9:.9g}")))
        self.assertAlmostEqual(measured["bytes_per_second"] * seconds / (2 * measured["bytes"]), 1, places=8)
        rates = measured["arithmetic"]
        for name, rate in rates.items():
            values = rate * 1e9 * seconds / 2 / 21  # of the registers, in 21 rounds
            self.assertAlmostEqual(values, round(values), places=4, msg=name)
        if "cpu" in DEVICES:  # which takes the kernels of the first
            kernels = record(*SMALL, "--device", "cpu")["device"]["kernels"]
            self.assertEqual(list(rates)[0], kernels)
        lines = peak().stdout.splitlines()
        self.assertRegex(lines[1], r"^limit +\d+\.\d GFLOP/s with .*: multiply-adds in registers$")
        self.assertEqual([part.split(" with ")[1] for part in lines[1].split(":")[0].split(", ")], list(rates))
        self.assertEqual(lines[2], "product   0.2 GFLOP/s, of 256 x 256 matrices")
        self.assertEqual(lines[3], f"copy      {measured['bytes'] / 1e8:.1f} GB/s read and written, of "
                         f"{measured['bytes'] >> 20} MiB")
        self.fails(3, "nonsense", "--peak", "--device", "nonsense")

    @unittest.skipUnless("cpu" in DEVICES and sys.platform == "linux", "needs the cpu device")
    def test_environment(self):
        """Where OpenBLAS does not know the CPU, the program starts again and tells it; what the user
        says stands."""
        unset = {key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"}
        with open("/proc/cpuinfo") as file:
            if " avx2 " not in file.read():
                self.skipTest("OpenBLAS's Prescott is not told from this CPU")
        with unittest.mock.patch.dict(os.environ, unset, clear=True):
            for device in ("cpu", "auto"):
                done = run("--device", device, *SMALL, env=NO_GPU)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn("Prescott", done.stderr + done.stdout)
            self.assertNotIn("Prescott", run("--list-devices", env=NO_GPU).stdout)
            done = run("--device", "cpu", "--gemm", "openblas", *SMALL, env={"OPENBLAS_CORETYPE": "Prescott"})
            self.assertIn("Prescott, at a fraction of its speed; set OPENBLAS_CORETYPE=", done.stderr)
            self.assertIn("Prescott", done.stdout)
            for given, told in (({}, None), ({"OPENBLAS_CORETYPE": "Haswell"},) * 2):
                device = record("--device", "cpu", *SMALL, env=given)["device"]
                self.assertEqual(device["environment"], told)

    @unittest.skipUnless(shutil.which("localedef"), "needs localedef")
    def test_locale(self):
        """In one with a comma in numbers, which a system may lack."""
        subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", self.path("de_DE.UTF-8")],
                       stderr=subprocess.DEVNULL, check=False)
        if not os.path.exists(self.path("de_DE.UTF-8")):
            self.skipTest("no sources of locales (Debian: locales)")
        german = {"LC_ALL": "de_DE.UTF-8", "LOCPATH": self.folder}
        self.check(record(*REFERENCE, env=german))
        self.assertIn("0.01", run(*REFERENCE, env=german).stdout)
        # A driver may take it for the whole process, in mid-run.
        kept = (*REFERENCE, "--checkpoint", self.path("run"))
        for look in (1, 4):
            taken = {**german, **moment(f"clock_gettime:{look}+:LOCALE")}
            self.assertIn("learning rate 0.01,", run(*kept, env=taken).stdout)
            self.assertEqual(texts(self.path("run"))["--learning-rate"], "0.01")
            self.assertEqual(record("--resume", self.path("run"), env=taken)["config"]["learning_rate"], 0.01)
            os.remove(self.path("run"))
            self.assertNotRegex(run("--list-devices", env=taken).stdout, r"memory: \d+,")

    def test_streamed(self):
        for more in ((), ("--shuffle",)):
            resident, streamed = (record(*SMALL, "--device", "reference", *more, "--batches", batches)
                                  for batches in ("resident", "streamed"))
            self.assertEqual(streamed["config"]["batches"], "streamed")
            self.assertEqual(resident["config"]["batches"], "resident")
            self.assertEqual([epoch["loss"] for epoch in resident["epochs"]],
                             [epoch["loss"] for epoch in streamed["epochs"]])

    def test_no_epochs(self):
        found = record(*REFERENCE, "--epochs", 0)
        self.assertEqual((found["epochs"], found["seconds"]["mean_epoch"]), ([], None))

    def test_quiet(self):
        """Nor that it is the synthetic set; for a device, that is tested with its record."""
        self.assertEqual(run("--samples", 100, "--epochs", 1, "--quiet", env=NO_GPU).stderr, "")

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            self.fails(1, "can't write standard output", *REFERENCE, stdout=full)

    def said(self, *arguments, columns=80, **env):
        """What it writes to a terminal, where there are any."""
        return said_to_terminal(*REFERENCE, *arguments, columns=columns, env=env)[0]

    def test_terminal(self):
        """Bold and progress on a terminal; NO_COLOR and --quiet take them away."""
        said = self.said()
        self.assertIn(b"\033[1m", said)
        self.assertIn(b"epoch 1 of 2", said)
        self.assertNotIn(b"\033[1m", self.said(NO_COLOR="1"))
        self.assertNotIn(b"epoch 1 of 2", self.said("--quiet"))

    def test_simple_terminal(self):
        """One that says it knows no codes, or says nothing, gets none."""
        for kind in ("dumb", "", None):
            self.assertNotIn(b"\033", self.said(TERM=kind))

    def test_narrow_terminal(self):
        """A line that can be taken away again has to fit into one of the terminal's."""
        for columns in (40, 0):  # others are in the unit test
            shown = [part for part in self.said(columns=columns).split(b"\r\033[K")[1:] if b"\n" not in part]
            self.assertTrue(shown)
            for part in shown:
                self.assertLess(len(part), columns or 80)
                self.assertTrue(part.startswith(b"["), part)


class Weights(Command):
    def bytes_of(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def test_first_weights_are_the_same_everywhere(self):
        for device in DEVICES:
            run("--device", device, *SMALL, "--epochs", 0, "--save", self.path(device))
            tensors = read_safetensors(self.path(device))
            self.assertEqual({name: shape for name, (shape, _) in tensors.items()},
                             {"0.weight": [64, 1024], "0.bias": [64], "2.weight": [32, 64],
                              "2.bias": [32], "4.weight": [10, 32], "4.bias": [10]})
            self.assertEqual(self.bytes_of(device), self.bytes_of(DEVICES[0]))

    def test_continuing(self):
        """Two epochs are one epoch, saved, and one more: to the bit."""
        for device in DEVICES:
            one = ("--device", device, *SMALL, "--epochs", 1)
            record("--device", device, *SMALL, "--epochs", 2, "--save", self.path("both"))
            record(*one, "--save", self.path("first"))
            record(*one, "--init", self.path("first"), "--save", self.path("second"))
            self.assertEqual(self.bytes_of("both"), self.bytes_of("second"))
            self.assertNotEqual(self.bytes_of("both"), self.bytes_of("first"))

    def test_same_bits(self):
        for device in DEVICES:
            for name in ("a", "b"):
                record("--device", device, *SMALL, "--shuffle", "--save", self.path(name))
            self.assertEqual(self.bytes_of("a"), self.bytes_of("b"))

    def test_bad_init(self):
        with open(self.path("bad"), "wb") as file:
            file.write(b"not weights")
        self.fails(6, "bad: offset 0", *REFERENCE, "--init", self.path("bad"))
        self.fails(6, "No such file", *REFERENCE, "--init", self.path("absent"))
        record(*REFERENCE, "--epochs", 0, "--layers", "5", "--save", self.path("other"))
        self.fails(6, '"0.weight": is F32 [5, 1024]; expected F32 [64, 1024]', *REFERENCE,
                   "--init", self.path("other"))

    def test_save_to_a_link(self):
        os.symlink("target", self.path("link"))
        self.fails(1, "it is a symbolic link", *REFERENCE, "--save", self.path("link"))
        self.assertTrue(os.path.islink(self.path("link")))

    def test_bad_save(self):
        """Refused before anything is loaded or trained."""
        done = self.fails(1, "can't write", "--data", "/nonexistent", "--save", "/nonexistent/w")
        self.assertEqual(done.stdout, "")
        self.fails(1, "not a regular file", *REFERENCE, "--save", self.folder)

    def test_divergence(self):
        for device in DEVICES:
            done = self.fails(5, "epoch 1, batch ", "--device", device, *SMALL, "--learning-rate",
                              1e6, "--activation", "relu", "--save", self.path("w"), "--format",
                              "csv")
            self.assertIn("diverged", done.stdout.splitlines()[1])
            self.assertFalse(os.path.exists(self.path("w")))


if __name__ == "__main__":
    print("devices:", ", ".join(DEVICES), file=sys.stderr)
    unittest.main()
