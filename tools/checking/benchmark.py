"""How fast the devices are, and their peers."""
import json
import os
import statistics
import sys

from reporting import lines, records
from reporting.words import markdown, markdown_item

from .commands import last_line

# The most telling first: (batch, layers, learning rate). With more samples to a step, or wide layers,
# the benchmark's own rate of 0.01 diverges.
SHAPES = [(300, "64,32", "0.01"), (300, "1024,1024", "0.0001"), (3000, "64,32", "0.0001"),
          (30000, "64,32", "0.0001"), (3000, "1024,1024", "0.0001"), (30000, "1024,1024", "0.00001")]
WARM_UP = 1.0  # seconds
START = 20.0  # seconds that a program may take to load its libraries, compile and time kernels
# The ways of a device to do the same, by what sets them apart from its own choice: at the first shape, the
# second, and at all others.
WAYS = {
    "cuda": (("fused", "--step", "fused"), ("separate", "--step", "separate"), ("graph", "--submission", "graph"),
             ("overlapped", "--step", "fused", "--submission", "overlapped"),
             ("persistent", "--step", "fused", "--submission", "persistent"), ("stream", "--submission", "stream"),
             ("streamed", "--batches", "streamed"), ("own", "--gemm", "own"), ("cublas", "--gemm", "cublas"),
             ("tf32", "--gemm", "cublas", "--precision", "tf32")),
    "opencl": (("fused", "--step", "fused"), ("separate", "--step", "separate")),
}
NOT_OF_EVERY_GPU = ("cuda overlapped", "cuda tf32")  # older ones refuse them, as a usage that is wrong
GRAPHS = ("graph", "overlapped", "persistent")  # what an epoch of cuda is, unless it is asked for another
AT_SECOND, AT_OTHERS = ("stream", "own", "cublas", "tf32"), ("stream",)


def records_in(text):
    """The records among what a peer has printed: a library may print as well, and a peer that is ended
    leaves half a line."""
    for line in text.split("\n"):  # alone: names may have other ends of lines in them
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def clock_words(clocks):
    """Those of a GPU that it ran at, and what held them down."""
    if clocks:
        yield f"{'-'.join(map(str, dict.fromkeys(clocks['processor_mhz'])))} MHz"
        yield from (f"held down by {limit}" for limit in clocks["limits"])


class Benchmark:
    """Measures shape after shape. `folder` is for what it keeps meanwhile, among that what devices choose by
    time: here and now, on a machine that does nothing else."""

    def __init__(self, commands, options, trainer, devices, folder):
        self.commands, self.options, self.trainer, self.devices = commands, options, trainer, devices
        self.rows, self.losses, self.commit = [], {}, None
        self.measured = set()  # (name, shape) of the trainer's
        self.peers = ["pytorch.py", "jax_scan.py"] if options.peers else []
        self.cap = 2 * options.minutes  # seconds for a configuration
        self.folder = folder

    def ways(self, shape):
        """(name, options) of each way in which the trainer does it."""
        for device in self.devices:
            yield device, ("--device", device)
            for way, *more in WAYS.get(device, ()):
                if shape == SHAPES[0] or way in (AT_SECOND if shape in SHAPES[:2] else AT_OTHERS):
                    yield f"{device} {way}", ("--device", device, *more)

    def training(self, shape):
        batch, layers, rate = shape
        return ["--batch-size", str(min(batch, self.options.samples)), "--layers", layers,
                "--learning-rate", rate, "--data", self.options.data, "--samples", str(self.options.samples)]

    def measure_first(self):
        """What people ask for: the best of the machine's devices, with the default net; and its peak."""
        device = self.devices[0]
        self.measure_trainer(device, SHAPES[0], ("--device", device))
        self.write()
        print(self.table(), file=sys.stderr, flush=True)
        self.measure_peak(device)

    def measure(self, shapes):
        for shape in shapes:
            for name, more in self.ways(shape):
                if (name, shape) not in self.measured:
                    self.measure_trainer(name, shape, more)
            for script in list(self.peers):
                self.measure_peer(script, shape)
            self.write()

    def measure_least_steps(self):
        """What two launches cost, or two waits of all groups for one another: steps with next to nothing to do."""
        for submission in GRAPHS:
            if self.commands.left() < 10:
                self.commands.note(f"no time was left for least steps, {submission}")
                continue
            status, output, errors = self.commands.run(
                [self.trainer, "--device", "cuda", "--step", "fused", "--submission", submission, "--data", "synthetic",
                 "--samples", "1000", "--batch-size", "1", "--layers", "none", "--warm-up", str(WARM_UP), "--epochs",
                 "10", "--format", "json"], seconds=START + WARM_UP)
            if status != 0:
                self.commands.note(f"least steps, {submission}: " + (
                    "not all of it was done in time" if status is None else last_line(errors)))
                continue
            record = json.loads(output)
            seconds = statistics.median(epoch["seconds"] for epoch in record["epochs"])
            self.commands.note(f"least steps (1 sample, 1024-10), {record['device']['submission']}: "
                               f"{1e6 * seconds / 1000:.2f} us each")

    def measure_peaks(self):
        """Of the other devices."""
        for device in self.devices[1:]:
            self.measure_peak(device)

    def measure_peak(self, device):
        if self.commands.left() < 10:
            self.commands.note(f"no time was left for the peak of {device}")
            return
        self.commands.say(f"peak of {device}")
        status, output, errors = self.commands.run(
            [self.trainer, "--peak", "--device", device, "--format", "json"], seconds=3 * START)
        if status == 0:
            self.append(json.loads(output))
        else:
            self.commands.note(f"peak of {device}: " + ("too slow for the time that it has" if status is None
                                                       else f"exit status {status}: {last_line(errors)}"))

    def append(self, record):
        """For tools/report, which wants to know what code it was: a peer's is that of the trainer."""
        commit = record["commit"] = record.get("commit") or self.commit
        if self.commit not in (None, commit):
            self.commands.fail("records.jsonl", f"the program's commit is {commit} now, was {self.commit}")
        self.commit = commit
        with open(self.commands.path("records.jsonl"), "ab", buffering=0) as file:
            lines.write(file.fileno(), lines.line_of(record))

    def no_time(self, name, shape):
        if self.commands.left() >= 10:
            return False
        self.commands.note(f"no time was left for {name}, {shape[1]}, {shape[0]}")
        return True

    def measure_trainer(self, name, shape, more):
        what = f"{name}, {shape[1]}, {shape[0]}"
        if self.no_time(name, shape):
            return
        self.measured.add((name, shape))
        self.commands.say(f"{name}, {shape[1]}, batches of {shape[0]}")
        command = [self.trainer, *more, *self.training(shape), "--format", "json", "--epochs"]
        limit = START + 3 * self.cap
        # Two first, which tell how many there is time for; and what is compiled or timed is kept.
        status, output, errors = self.commands.run([*command, "2"], seconds=limit)
        if status == 0:
            second = json.loads(output)["epochs"][1]["seconds"]
            runs = max(3, min(self.options.runs, int(self.cap / second)))
            status, output, errors = self.commands.run([*command, str(runs), "--warm-up", str(WARM_UP)],
                                                       seconds=limit + WARM_UP)
        if status is None:
            self.commands.note(f"{what}: too slow for the time that it has")
        elif status == 2 and name in NOT_OF_EVERY_GPU:
            self.commands.note(f"{what}: {last_line(errors)}")
        elif status != 0:
            self.commands.fail(what, f"exit status {status}: {last_line(errors)}")
        else:
            record = json.loads(output)
            self.keep(name, shape, record)
            for line in errors.splitlines():
                if "warning: " in line and (note := line.split("warning: ")[1]) not in self.commands.notes:
                    self.commands.note(note)
            if name == "cuda" and record["device"]["submission"] not in GRAPHS:
                self.commands.fail(what, "it was no graph")

    def measure_peer(self, script, shape):
        """From the trainer's first weights, in one process for all of its modes."""
        peer = script.split(".")[0].split("_")[0]
        if self.no_time(peer, shape):
            return
        self.commands.say(f"{peer}, {shape[1]}, batches of {shape[0]}")
        weights = os.path.join(self.folder, shape[1])
        if not os.path.exists(weights):
            self.commands.run([self.trainer, "--device", "reference", "--data", "synthetic", "--samples",
                               "1", "--batch-size", "1", "--epochs", "0", "--layers", shape[1], "--quiet",
                               "--save", weights], seconds=60)
        status, output, errors = self.commands.run([
            sys.executable, os.path.join(self.commands.root, "tools", "peers", script), "--weights", weights, "--device",
            "cuda" if "cuda" in self.devices else "cpu", "--epochs", str(self.options.runs), "--warm-up",
            str(WARM_UP), "--seconds", str(0.5 * self.cap), *self.training(shape)],
            seconds=START + 4 * self.cap)
        for record in records_in(output):
            self.keep(f"{peer} {record['device']['submission']}", shape, record)
        if status == 77:
            self.commands.note(last_line(errors))
            self.peers.remove(script)
        elif status != 0:
            self.commands.note(f"{peer}, {shape[1]}, {shape[0]}: " + (
                "not all of it was done in time" if status is None
                else f"exit status {status}: {last_line(errors)}"))

    def agree(self, name, shape, record):
        """Whether its losses are those of the first one with the same data."""
        losses = records.losses_of(record)
        key = shape, record["dataset"]["name"]
        first_name, first = self.losses.setdefault(key, (name, losses))
        difference = records.first_difference(losses, first)
        if difference:
            epoch, one, other = difference
            self.commands.fail(f"{name}, {shape[1]}, {shape[0]}",
                               f"the loss of epoch {epoch + 1} is {one}, that of {first_name} {other}")
        return difference is None

    def keep(self, name, shape, record):
        """A row of the table: its epochs are the runs."""
        self.append(record)
        device, epochs = record["device"], record["epochs"]
        times = sorted(epoch["seconds"] for epoch in epochs)
        median = statistics.median(times)
        mean, second = record["seconds"]["mean_epoch"], epochs[min(1, len(epochs) - 1)]
        words = [device["gemm"], device.get("step"), device["library"], device["submission"], device["precision"],
                 *clock_words(record.get("clocks")),
                 record["dataset"]["name"], None if record["status"] == "complete" else record["status"],
                 None if self.agree(name, shape, record) else "LOSSES DIFFER",
                 "on a CPU" if name.startswith("opencl") and device["type"] == "cpu" else None,
                 "EMULATED: no result" if "no hardware" in device["name"] else None]
        self.rows.append((
            shape[1], str(record["config"]["batch_size"]), name, f"{1e3 * median:.3f}",
            f"{1e3 * times[0]:.3f}",
            f"{100 * (times[-1] - times[0]) / median:.0f}", str(len(times)),
            f"{record['samples_per_second'] * mean / median:.0f}",
            f"{record['gflops'] * mean / median:.0f}",
            *("-" if one["loss"] is None else f"{one['loss']:.6f}" for one in (epochs[0], second)),
            ", ".join(word for word in words if word)))

    def table(self):
        head = ("layers", "batch", "device", "median ms", "min ms", "spread %", "runs", "samples/s",
                "GFLOP/s", "loss 1", "loss 2", "remarks")
        rule = ("---", "---:", "---", *["---:"] * 8, "---")
        table = ["| " + " | ".join(row) + " |"
                 for row in (head, rule, *([markdown(cell) for cell in row] for row in self.rows))]
        return "\n".join((
            f"Milliseconds are of an epoch of {self.options.samples:,} samples; a run is an epoch, after a "
            f"warm-up of {WARM_UP:g} s.\nThe spread is of all runs, in percent of the median; the losses "
            "are those of the first two epochs.\n", *table))

    def write(self):
        """table.md, of all that is known by now; gives its text."""
        text = "\n".join((self.table(), "", *map(markdown_item, self.commands.notes)))
        with open(self.commands.path("table.md"), "w", encoding="utf-8") as file:
            print(text, file=file)
        return text
