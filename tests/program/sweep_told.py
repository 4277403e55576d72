"""What tools/sweep says of its runs and of the machine: each figure by hand, with programs, a clock and a system
that the test makes up.

  sweep_told.py TRAINER SWEEP
"""
import contextlib
import errno
import io
import json
import os
import shutil
import sys
import tempfile
import types
import unittest
from unittest import mock

del sys.argv[1]  # the program, which is not needed here
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv.pop(1))))
from fixtures import fake_records as fake  # noqa: E402
from sweeping import machine, programs, runs, store  # noqa: E402
from sweeping.plan import Configuration  # noqa: E402


class Trainer:
    """One that is never started."""

    commit, files = fake.COMMIT, []

    def host(self):
        return fake.run()["host"]

    def missing(self, device):
        return None

    def command(self, options, epochs=None):
        return [*options, *([] if epochs is None else ["--epochs", str(epochs)])]


class Store:
    path = "rows.jsonl"

    def __init__(self):
        self.rows = []

    def append(self, row):
        self.rows.append(row)


class Rows(unittest.TestCase):
    """Of a file, on a disk that the test makes up."""

    def setUp(self):
        self.path = os.path.join(tempfile.mkdtemp(), "rows.jsonl")
        self.addCleanup(shutil.rmtree, os.path.dirname(self.path))
        self.store = store.Store(self.path)
        self.addCleanup(os.close, self.store.file)
        self.store.append({"schema": 1, "row": "first"})

    def content(self):
        with open(self.path, encoding="utf-8") as file:
            return file.read()

    def test_on_disk(self):
        """A row is whole there before the next run begins."""
        seen = []
        with mock.patch("os.fsync", lambda file: seen.append((file == self.store.file, self.content()))):
            self.store.append({"schema": 1, "row": "second"})
        self.assertEqual(seen, [(True, '{"schema": 1, "row": "first"}\n{"schema": 1, "row": "second"}\n')])
        self.assertEqual([row["row"] for row in self.store.rows], ["first", "second"])

    def test_full_disk(self):
        """Which has room for half a row, or gives it to nobody: no part of it stays."""
        write = os.write

        def write_half(file, text):
            if len(text) < 20:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(file, text[:len(text) - 10])

        for name, does in (("os.write", write_half), ("os.fsync", mock.Mock(side_effect=OSError(errno.EIO, "")))):
            with mock.patch(name, does), self.assertRaises(OSError):
                self.store.append({"schema": 1, "row": "second"})
            self.assertEqual(self.content(), '{"schema": 1, "row": "first"}\n')
            self.assertEqual(len(self.store.rows), 1)


class Comparison(unittest.TestCase):
    """Of losses: of one and the same training."""

    def test_first_weights(self):
        """A file for each net, seed and distribution, made once."""
        made, trainer = [], object.__new__(programs.Trainer)
        trainer.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, trainer.folder)

        def output(*words):
            at = words.index("--epochs") + 2
            made.append(dict(zip(words[at:-3:2], words[at + 1:-3:2])))
            with open(words[-1], "w", encoding="utf-8"):
                pass

        trainer.output = output
        wanted = [{"layers": "8", "seed": "1"}, {"layers": "8", "seed": "2"}, {"layers": "9"},
                  {"layers": "8", "seed": "1", "color": "rgb"}, {"layers": "8", "seed": "1", "initial": "he"}, {},
                  {"layers": "8", "seed": "1", "batch-size": "7"}]
        paths = [trainer.first_weights(one) for one in wanted]
        self.assertEqual(made, [{f"--{name}": value for name, value in one.items()} for one in wanted[:-1]])
        self.assertEqual((len(set(paths)), paths[0]), (6, paths[-1]))

    def test_other_training(self):
        """Other losses are those of another training wherever that has another option."""
        one, sweep = types.SimpleNamespace(peer=None, options={}), types.SimpleNamespace(losses={})
        first = fake.run()
        other = fake.run()
        other["epochs"] = [{**epoch, "loss": epoch["loss"] * 2} for epoch in other["epochs"]]
        self.assertIsNone(runs.Sweep.disagreement(sweep, one, first))
        self.assertRegex(runs.Sweep.disagreement(sweep, one, other), "^the loss of epoch 1 is ")
        for path, value in (("config.batch_size", 7), ("config.layers", [1024, 7, 10]), ("config.activation", "relu"),
                            ("config.learning_rate", 0.5), ("config.color", "rgb"), ("config.tail", "short"),
                            ("config.shuffle", True), ("dataset.name", "x"), ("dataset.train", 7),
                            ("dataset.fingerprint", "00000000000000aa"), ("config.optimizer", "adamw"),
                            ("config.dropout", 0.5), ("config.flip", True), ("config.validation", 9)):
            with self.subTest(path=path):
                self.assertIsNone(runs.Sweep.disagreement(sweep, one, fake.changed(other, path, value)))
        with self.subTest(path="a schedule of other epochs"):
            other["config"]["schedule"] = first["config"]["schedule"] = "cosine"
            self.assertIsNone(runs.Sweep.disagreement(sweep, one, first))
            self.assertIsNone(runs.Sweep.disagreement(sweep, one, fake.changed(other, "config.epochs", 7)))
            del other["config"]["schedule"]
        for path, value in (("config.epochs", 7), ("config.target_accuracy", 0.5), ("config.patience", 7)):
            with self.subTest(path=path):
                self.assertIsNotNone(runs.Sweep.disagreement(sweep, one, fake.changed(other, path, value)))

    def test_own_draws(self):
        """With dropout a peer's losses are its own; so are the losses after a recipe's first epoch."""
        sweep = types.SimpleNamespace(losses={})
        own, peer = (types.SimpleNamespace(peer=name, options={}) for name in (None, "jax"))
        first = fake.changed(fake.run(), "config.optimizer", "adamw")
        self.assertIsNone(runs.Sweep.disagreement(sweep, own, first))
        later = json.loads(json.dumps(first))
        for number, epoch in enumerate(later["epochs"]):
            epoch["loss"] *= 1.004 if number < 1 else 2
        self.assertIsNone(runs.Sweep.disagreement(sweep, peer, later))
        later["epochs"][0]["loss"] *= 1.004
        self.assertRegex(runs.Sweep.disagreement(sweep, peer, later), "^the loss of epoch 1 is ")
        self.assertRegex(runs.Sweep.disagreement(sweep, peer, fake.changed(later, "config.dropout", 0.5)), "no run of")
        self.assertIsNone(runs.Sweep.disagreement(sweep, own, fake.changed(first, "config.dropout", 0.5)))
        self.assertIsNone(runs.Sweep.disagreement(sweep, peer, fake.changed(later, "config.dropout", 0.5)))


class Sweep(unittest.TestCase):
    def setUp(self):
        self.watched, self.slept, self.said = [], [], []
        self.seconds, self.epochs = [3.0], {}  # of a process, by turns; mean epochs by device, by turns
        self.others, self.warnings = 0.12345, ["it was hot"]
        test = self

        class Watch:
            def __init__(self, gpu):
                test.watched.append(gpu)

            def stop(self):
                return test.others, test.warnings

        for name, value in (("execute", self.execute), ("say", self.said.append)):
            patch = mock.patch.object(runs, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        for owner, name, value in ((runs.machine, "Watch", Watch), (runs.time, "sleep", self.slept.append)):
            patch = mock.patch.object(owner, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def execute(self, command, _):
        options = dict(zip(command[::2], command[1::2]))
        device = options["--device"]
        if "--peak" in command:
            record = fake.peak(device, 12.34, 5.67e9, arithmetic={"AVX2": 23.45, "baseline": 6.0})
        else:
            epochs = self.epochs.setdefault(device, [0.1])
            record = fake.run(device, epochs[0], epochs=int(options.get("--epochs", 5)))
            if "--epochs" not in options:
                self.epochs[device] = epochs[1:] + epochs[:1]
        seconds, self.seconds = self.seconds[0], self.seconds[1:] + self.seconds[:1]
        return 0, json.dumps(record) + "\n", "", seconds

    def sweep(self, devices, repeat=2, cool_down=0.0, peaks=()):
        settings = types.SimpleNamespace(repeat=repeat, cool_down=cool_down)
        one = runs.Sweep(settings, Trainer(), Store(),
                         [Configuration({"device": device}, peak=True) for device in peaks],
                         [Configuration({"device": device}) for device in devices])
        one.resume()
        return one

    def test_row(self):
        self.seconds, self.others = [9.0, 1.23456, 2.5, 4.0], 0.12345
        sweep = self.sweep(["cpu"], 3)
        sweep.run_all()
        abouts = [row["sweep"] for row in sweep.store.rows]
        self.assertEqual([about["process_seconds"] for about in abouts], [1.235, 2.5, 4.0])  # 9 to warm up
        self.assertEqual([(about["run"], about["of"]) for about in abouts], [(1, 3), (2, 3), (3, 3)])
        self.assertEqual([about["busy_cores"] for about in abouts], [0.123] * 3)
        self.assertEqual([about["warnings"] for about in abouts], [["it was hot"]] * 3)
        self.assertEqual(self.said.count("warning: it was hot"), 3)
        self.others = None  # where the system does not tell
        sweep = self.sweep(["cpu"], 1)
        sweep.run_all()
        self.assertIsNone(sweep.store.rows[0]["sweep"]["busy_cores"])

    def test_peak(self):
        sweep = self.sweep([], peaks=["cpu"])
        sweep.run_all()
        ((row,), about) = sweep.store.rows, sweep.store.rows[0]["sweep"]
        self.assertEqual((row["peak"]["gflops"], about["run"], about["of"]), (12.34, 1, 1))
        self.assertIn("1 of 1: 0 s left: peak of --device cpu: 12.3 GFLOP/s, 5.7 GB/s, "
                      "AVX2 23.4 GFLOP/s, baseline 6.0 GFLOP/s", self.said)

    def test_cool_down(self):
        """Before each run that counts."""
        self.sweep(["cpu", "reference"], 2, 1.5, ["cpu"]).run_all()
        self.assertEqual(self.slept, [1.5] * 5)

    def test_gpu_is_watched(self):
        for device, gpu in (("cpu", False), ("reference", False), ("cuda:1", True), ("opencl:0:0", True),
                            ("gpu", True), ("auto", True)):
            self.watched.clear()
            sweep = self.sweep([device], 1)
            with mock.patch.object(sweep, "disagreement", lambda *_: None):
                sweep.run_all()
            self.assertEqual(self.watched, [gpu] * 2, device)

    def test_left(self):
        """Runs of each at the mean of its own, else of all; with what is waited before each."""
        self.seconds = [1.0, 1.0, 10.0, 20.0, 40.0, 30.0]
        sweep = self.sweep(["cpu", "reference"], 3, 2.0)
        self.assertEqual(sweep.remaining(), "?")
        sweep.run_all()
        progress = [text.split(": --device")[0] for text in self.said if " of 6: " in text]
        # 2 runs of cpu and 3 of reference at 10 + 2 s; 2 and 2, at 10 + 2 and 20 + 2 s; 1 and 2, at 25 + 2 (of 10
        # and 40) and 20 + 2; 1 and 1, at 25 + 2 both. Then the seconds begin again.
        self.assertEqual(progress[:4], ["1 of 6: 60 s left", "2 of 6: 68 s left", "3 of 6: 71 s left",
                                        "4 of 6: 54 s left"])
        self.assertEqual(progress[5], "6 of 6: 0 s left")
        self.seconds, self.said[:] = [1.0, 200.0], []
        self.sweep(["cpu"], 4).run_all()
        self.assertIn("1 of 4: 10 min left: --device cpu: 0.1000 s an epoch", self.said)

    def summary(self, sweep):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            sweep.summarise()
        return output.getvalue()

    def test_summary(self):
        self.epochs = {"cpu": [0.3, 0.1, 0.12], "reference": [2.0, 4.0, 3.0]}
        sweep = self.sweep(["cpu", "reference"], 3)
        sweep.run_all()
        self.assertEqual(self.summary(sweep), "    0.1200 s  0.1000 - 0.3000  3 runs  --device cpu\n"
                                              "    3.0000 s  2.0000 - 4.0000  3 runs  --device reference\n")

    def test_outliers(self):
        """More than three standard deviations, and 5 %, from the median; of at least four."""
        for epochs, far in (([1.0, 1.01, 1.02, 1.01, 2.0], ["2.0000"]), ([1.0, 1.0, 1.0, 1.049], []),
                            ([1.0, 1.0, 1.0, 1.051], ["1.0510"]), ([1.0, 1.0, 2.0], []),
                            ([1.0, 1.2, 0.8, 1.3, 0.7, 1.4], []),
                            ([1.0, 1.0, 0.5, 1.0, 1.6], ["0.5000", "1.6000"]),
                            # A deviation of 0.0222 around 1.005, and one of 0.222 around 1.05
                            ([1.0, 1.02, 0.98, 1.01, 0.99, 1.1], ["1.1000"]), ([1.0, 1.2, 0.8, 1.1, 0.9, 1.53], [])):
            self.epochs, self.said[:] = {"cpu": list(epochs)}, []
            sweep = self.sweep(["cpu"], len(epochs))
            sweep.run_all()
            self.summary(sweep)
            found = [text.split(": ")[3].split(" s,")[0] for text in self.said if "outlier" in text]
            self.assertEqual(found, far, epochs)

    def test_another_precision(self):
        """Losses in TF32 are not those of fp32, and none that others are compared with."""
        def execute(command, _):
            device = command[1]
            record = fake.run(device, precision="tf32" if device == "cuda" else "fp32")
            if device == "cuda":
                record["epochs"] = [{"loss": 5.0}] * 5
            return 0, json.dumps(record), "", 1.0
        with mock.patch.object(runs, "execute", execute):
            sweep = self.sweep(["cuda", "cpu"], 1)
            sweep.run_all()
        self.assertEqual([row["status"] for row in sweep.store.rows], ["complete"] * 2)


class Machine(unittest.TestCase):
    TICKS = os.sysconf("SC_CLK_TCK")

    def patch(self, **values):
        for name, value in values.items():
            patch = mock.patch.object(machine, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def files(self, files):
        self.patch(read=files.get, glob=types.SimpleNamespace(
            glob=lambda pattern: sorted({path for path in (*files, *map(os.path.dirname, files))
                                         if machine_matches(path, pattern)})))

    def test_busy_seconds(self):
        """User, nice, system, interrupts of both sorts and what the host took; not idle, nor waiting."""
        ticks = self.TICKS
        fields = [ticks * seconds for seconds in (1, 2, 4, 1000, 500, 8, 16, 32, 64)]
        self.patch(read={"/proc/stat": "cpu  " + " ".join(map(str, fields)) + "\ncpu0 1 2 3"}.get)
        self.assertEqual(machine.busy_seconds(), 63.0)
        self.patch(read=lambda path: None)
        self.assertIsNone(machine.busy_seconds())

    def watch(self, seconds, busy, own):
        """What is said of so many seconds, in which the system counted so many busy ones, some of them its own."""
        self.patch(busy_seconds=mock.Mock(side_effect=(100.0, None if busy is None else 100.0 + busy)),
                   own_seconds=mock.Mock(side_effect=(7.0, 7.0 + own)), cpu_throttles=lambda: None,
                   time=types.SimpleNamespace(monotonic=mock.Mock(side_effect=(50.0, 50.0 + seconds))))
        return machine.Watch(False).stop()

    def test_others(self):
        busy = ["other processes took processor time"]
        for seconds, total, own, others, warnings in (
                (4.0, 10.0, 8.0, 0.5, busy), (10.0, 1.9, 1.0, 0.09, []), (10.0, 2.1, 1.0, 0.11, busy),
                (0.5, 0.09, 0.0, 0.18, []), (2.0, 1.0, 1.5, 0.0, []), (2.0, None, 1.0, None, [])):
            found, said = self.watch(seconds, total, own)
            self.assertEqual(said, warnings)
            self.assertTrue(found is others is None or abs(found - others) < 1e-9, (found, others))

    def test_own_seconds(self):
        usage = {machine.resource.RUSAGE_SELF: (1.0, 2.0), machine.resource.RUSAGE_CHILDREN: (4.0, 8.0)}
        with mock.patch.object(machine.resource, "getrusage", lambda who: types.SimpleNamespace(
                ru_utime=usage[who][0], ru_stime=usage[who][1])):
            self.assertEqual(machine.own_seconds(), 15.0)

    def test_heat(self):
        counts = ("/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count",
                  "/sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count")
        self.patch(shutil=types.SimpleNamespace(which=lambda name: None))
        self.files({counts[0]: "3", counts[1]: "4"})
        self.assertEqual(machine.cpu_throttles(), 7)
        self.files({})
        self.assertIsNone(machine.cpu_throttles())
        self.patch(shutil=types.SimpleNamespace(which=lambda name: name), output=lambda *_: "throttled=0x50005\n")
        self.assertEqual(machine.cpu_throttles(), 5)  # a Raspberry Pi: just now, not ever since
        hot = ["the CPU was slowed down for its heat"]
        for before, after, warnings in ((7, 7, []), (7, 8, hot), (None, None, [])):
            self.patch(busy_seconds=lambda: None, cpu_throttles=mock.Mock(side_effect=(before, after)))
            self.assertEqual(machine.Watch(False).stop(), (None, warnings))

    def test_gpu(self):
        self.patch(shutil=types.SimpleNamespace(which=lambda name: name), busy_seconds=lambda: None,
                   cpu_throttles=lambda: None,
                   output=lambda *_: "Not Active, Not Active, Active\nActive, Not Active, Not Active\n")
        said = [f"the GPU's clocks were held down by {reason}"
                for reason in ("hardware slowdown", "the power limit")]
        self.assertEqual(machine.Watch(True).stop(), (None, said))
        self.assertEqual(machine.Watch(False).stop(), (None, []))

    def test_slow_clocks(self):
        folder = "/sys/devices/system/cpu/cpu{}/cpufreq/"

        def cpu(number, **files):
            return {folder.format(number) + name: value for name, value in files.items()}
        self.files({**cpu(0, scaling_governor="performance", scaling_driver="acpi-cpufreq",
                          scaling_max_freq="1200000", cpuinfo_max_freq="3400000"),
                    **cpu(1, scaling_governor="conservative", scaling_driver="acpi-cpufreq"),
                    **cpu(2, scaling_governor="powersave", scaling_driver="intel_pstate"),
                    **cpu(3, scaling_governor="performance", scaling_max_freq="3400000",
                          cpuinfo_max_freq="3400000")})
        self.assertEqual(machine.slow_clocks(), [
            "the CPU's frequency governor is conservative", "the CPU's frequency is limited to 1.2 of 3.4 GHz"])
        self.files(cpu(0, scaling_governor="powersave", scaling_driver="acpi-cpufreq"))
        self.assertEqual(machine.slow_clocks(), ["the CPU's frequency governor is powersave"])
        self.files({})
        self.assertEqual(machine.slow_clocks(), [])


def machine_matches(path, pattern):
    """As glob: * is within a name."""
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(
        one == other or (other == "cpu*" and one.startswith("cpu")) for one, other in zip(parts, wanted))


if __name__ == "__main__":
    unittest.main()
