"""A configuration with all of its runs: what its figures are, and what it is called."""
import collections
import json
import re
import statistics

from . import records

PEERS = {"numpy": "NumPy", "pytorch": "PyTorch", "jax": "JAX", "tinygrad": "tinygrad"}

Workload = collections.namedtuple(
    "Workload", "layers batch rate activation color tail dataset train shuffle images "  # images: see images_of
    "recipe")  # records.recipe
BENCHMARK = Workload((1024, 64, 32, 10), 300, 0.01, "sigmoid", "grey", "wrap", "CIFAR-10", 50000, False, None, ())

def configuration(record):
    """All that a run's or a peak's time depends on, as text: those that share it are runs of the same thing."""
    device = record["device"]
    config = {**records.USUAL, **record["config"]} if "config" in record else None
    return json.dumps([records.identity(record), config, records.is_warm(record), device.get("step"),
                       device.get("submission"),
                       device.get("gemm") if device["kind"] in records.OWN_KINDS else None], sort_keys=True)


def subject(record):
    """The configuration as its user asked for it: another version of a library, a driver or the system, or
    another outcome where multiplications were timed ("own 3, clblast 2"), is news of the same thing."""
    device = {**without_counts(record["device"]), "library": None, "driver": None}
    ranks = records.part(record, "ranks")
    ranks = {**ranks, "library": mpi_of(record)} if ranks else None
    return variant_of({**record, "device": device, "ranks": ranks, "host": {**record["host"], "os": None}})


def mpi_of(record):
    """The MPI by which ranks met, without its version: "Open MPI"; and NCCL, if they exchange by that."""
    return re.sub(r"\s+v?\d[^,]*", "", library_of_ranks(record) or "")


def library_of_ranks(record):
    """"Open MPI 4.1.4", or "Open MPI 4.1.4, NCCL 2.28.9"; None of a process alone."""
    ranks = records.part(record, "ranks")
    transport = ranks.get("transport") or ""
    return f"{ranks['library']}, {transport}" if "NCCL" in transport else ranks.get("library")


def without_counts(device):
    """With the algorithms that were fastest, and not with how many shapes each was it at."""
    gemm = device.get("gemm")
    return {**device, "gemm": re.sub(r" \d+", "", gemm)} if isinstance(gemm, str) else device


def is_aimed(record):
    """Whether it is a run that ends at an accuracy."""
    return records.part(record, "config").get("target_accuracy") is not None


def variant_of(record):
    """The configuration, but for what may be another with each seed where runs of many seeds are to be one."""
    if not is_aimed(record):
        return configuration(record)
    return configuration({**record, "device": without_counts(record["device"]),
                          "config": {**record["config"], "seed": None}})


def where_of(record):
    """What tells a host from others, as text, whatever system runs on it."""
    return json.dumps([record["host"].get(name) for name in ("name", "cpu", "cores")])


def what_of_data(dataset):
    return dataset["name"], dataset["train"]


def usual_images(runs):
    """{name and size of a data set: its usual fingerprint}, that of most of these runs: what such a name stands
    for here."""
    counts = {}
    for dataset in (record["dataset"] for record in runs):
        if dataset.get("fingerprint"):
            counts.setdefault(what_of_data(dataset), collections.Counter())[dataset["fingerprint"]] += 1
    return {what: count.most_common(1)[0][0] for what, count in counts.items()}


def images_of(dataset, usual):
    """Their fingerprint, where it is another than the usual one; None where it is not, or unknown."""
    fingerprint = dataset.get("fingerprint")
    return None if fingerprint == usual.get(what_of_data(dataset)) else fingerprint


def is_gpu(device):
    kind = device.get("type")
    return kind in ("gpu", "accelerator") if kind else device["spec"].startswith("cuda")


class Row:
    """A configuration with all of its runs, of which at least one is there."""

    def __init__(self, runs, usual):
        self.runs = runs
        first = runs[0]
        self.device, self.config, self.host = first["device"], first["config"], first["host"]
        self.dataset, self.where = first["dataset"], where_of(first)
        self.kind, self.threads = self.device["kind"], self.device.get("threads")
        self.own, self.gpu = self.kind in records.OWN_KINDS, is_gpu(self.device)
        config = self.config
        self.workload = Workload(
            tuple(config["layers"]), config["batch_size"], config["learning_rate"], config["activation"],
            config["color"], config["tail"], self.dataset["name"], self.dataset["train"],
            bool(config.get("shuffle")), images_of(self.dataset, usual), records.recipe(config))
        self.ranks = records.ranks_of(first)
        self.hosts = records.part(first, "ranks").get("hosts")  # that they were on
        self.mpi = library_of_ranks(first)
        shares = list(map(records.exchange_of, runs)) if self.ranks else [None]
        self.exchange = None if None in shares else records.median_and_spread(shares)
        self.means = [records.mean_epoch(run) for run in runs]
        self.epoch = records.median_and_spread(self.means)
        self.load = self.phase("load")
        self.batching = self.phase("batching")
        samples = records.samples_of(config, self.dataset["train"])
        self.samples_per_second = samples / self.epoch[0]
        self.gflops = records.work_of(config["layers"], samples) / self.epoch[0] / 1e9
        self.hardware = self.device["name"]
        self.apart = []  # what else sets it apart from others that would look the same
        self.share_of_peak = self.of_peak = self.series = None  # as that, the machine's to know

    def phase(self, name):
        return records.median_and_spread([records.phases_of(run)[name] for run in self.runs])

    @property
    def far_off(self):
        return len(records.outliers(self.means))

    @property
    def typical(self):
        """The run whose mean epoch is nearest to the median."""
        return min(zip(self.means, self.runs), key=lambda pair: abs(pair[0] - self.epoch[0]))[1]

    @property
    def name(self):
        """What is said of it in a sentence."""
        if self.own:
            return self.kind
        where = "" if self.device["spec"] == "cpu" else f" on {self.device['spec']}"
        return PEERS.get(self.kind, self.kind) + where

    @property
    def details(self):
        """What sets it apart from others of the same name."""
        device, config = self.device, self.config
        seed = config.get("seed")
        gemm = device.get("gemm") if self.own else None
        return [word for word in (
            gemm, "fused steps" if device.get("step") == "fused" else None, device.get("submission"),
            None if device["precision"] == "fp32" else device["precision"],
            None if config["batches"] in ("resident", "auto") else config["batches"],
            None if seed in (None, 1) else f"seed {seed}",
            *(f"{name}={value}" for name, value in (device.get("environment") or {}).items()),
            *self.apart) if word]

    @property
    def backend(self):
        library, name, peer = self.device.get("library"), self.name, PEERS.get(self.kind, self.kind)
        if library and not self.own and library.startswith(peer):  # "PyTorch 2.7.0" says it all
            name = library + name[len(peer):]
        elif library:
            name = f"{name}: {library}"
        return ", ".join((name, *self.details))

    @property
    def variant(self):
        """All but the number of threads."""
        return configuration({**self.runs[0], "device": {**self.device, "threads": None}})

    def __lt__(self, other):
        """Fastest first, and always in the same order."""
        return (self.epoch[0], configuration(self.runs[0])) < (other.epoch[0], configuration(other.runs[0]))


class Target(Row):
    """Runs that end at an accuracy, the same but for their seeds: how long each was on its way."""

    def __init__(self, runs, usual):
        super().__init__(runs, usual)
        self.accuracy = self.config["target_accuracy"]
        self.reached = [run for run in runs if run["target"]["epoch"] is not None]
        self.seconds, self.epochs_seconds, self.epochs = (
            of_seeds(self.reached, lambda run, key=key: run["target"][key]) for key in ("seconds", "epochs_seconds", "epoch"))
        tested = [run for run in runs if records.is_number(records.part(run, "test").get("accuracy"))]
        self.tested = of_seeds(tested, lambda run: run["test"]["accuracy"])

    @property
    def share(self):
        """Of the runs that got there."""
        return len(self.reached) / len(self.runs)

    @property
    def details(self):
        several = len({run["config"].get("seed") for run in self.runs}) > 1
        return [word for word in super().details if not (several and word.startswith("seed "))]

    @staticmethod
    def curve(run):
        """[(seconds since its data began to be loaded, accuracy of what is held back), ...] after each epoch."""
        now = sum(records.phases_of(run)[name] for name in ("load", "open", "batching"))
        points = []
        for epoch in run["epochs"]:
            now += epoch["seconds"]
            points.append((now, epoch["validation"]["accuracy"]))
        return points

    @property
    def median_curve(self):
        """The medians after each epoch, as long as half of the runs have it."""
        curves = [self.curve(run) for run in self.runs]
        points = []
        while 2 * len(curves) >= len(self.runs):
            curves = [curve for curve in curves if len(curve) > len(points)]
            if 2 * len(curves) < len(self.runs):
                break
            points.append(tuple(statistics.median(curve[len(points)][axis] for curve in curves) for axis in (0, 1)))
        return points

    def __lt__(self, other):
        """Those of which more runs got there first, and of these the soonest; else as any rows."""
        mine, its = ((-one.share, one.seconds[0] if one.reached else 0.0) for one in (self, other))
        return mine < its or (mine == its and super().__lt__(other))


def of_seeds(runs, value):
    """The mean and the deviation over the seeds, each of which is the mean of its runs."""
    found = {}
    for run in runs:
        found.setdefault(run["config"].get("seed"), []).append(value(run))
    return mean_and_deviation(list(map(statistics.mean, found.values())))


def mean_and_deviation(values):
    """Both None where there is nothing; a single value has no deviation."""
    return (statistics.mean(values) if values else None, statistics.stdev(values) if len(values) > 1 else None)
