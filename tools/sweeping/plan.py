"""What is to run: every combination of the values, of the trainer and of its peers."""
import itertools
import json
import math
import os
import re
import shlex

from peers.common import physical_cores, usable_cores
from reporting import lines
from reporting.words import plural

from . import programs, values


class Configuration:
    """One combination of values: of the trainer, of a peer, or a device's peak."""

    varied = frozenset()  # the options that have several values, which are shown
    launcher = []  # the words with which ranks are started

    def __init__(self, options, peer=None, mode=None, peak=False, ranks=None):
        self.options, self.peer, self.mode, self.peak = options, peer, mode, peak
        self.ranks = ranks  # None: a process alone, without a launcher
        self.threads = None  # of a peer that is to have its fastest number
        self.identity = None  # that of its records in this sweep
        self.runs = set()  # those that are in the file
        self.seconds, self.epochs = [], []  # of whole runs, and their mean epochs
        self.targets = []  # seconds to the target, where there is one
        self.dropped = False

    def asked(self, but=None):
        """What tells it from others in a file of records."""
        more = {"peer": self.peer, "mode": self.mode} if self.peer else {"peak": True} if self.peak else {}
        if self.ranks:
            more = {"ranks": self.ranks, "launcher": shlex.join(self.launcher)}
        options = {option: value for option, value in self.options.items() if option != but}
        return lines.clean({"options": values.words(options), **more})

    def label(self, but=None):
        name = f"{self.peer} {self.mode} " if self.peer else "peak of " if self.peak else ""
        if self.ranks:
            name = f"{plural(self.ranks, 'rank')} of "
        return name + " ".join(values.words({option: value for option, value in self.options.items()
                                             if option == "device" or option in self.varied - {but}}))

    def wants_threads(self):
        return self.peer and self.options["device"] == "cpu" and "threads" not in self.options

    def command(self, trainer, epochs=None, threads=None):
        if self.peer:
            threads = threads or self.options.get("threads") or self.threads
            return programs.peer_command(trainer, self.peer, self.mode, self.options, threads, epochs)
        launch = [*self.launcher, "-n", str(self.ranks)] if self.ranks else []
        if self.ranks == 1 and self.mpi():
            return launch + trainer.command(values.words(self.options), epochs) + ["--communicator", self.mpi()]
        return launch + trainer.command(values.words(self.options), epochs) + ["--peak"] * self.peak

    def mpi(self):
        """That of Slurm's launcher; only if it is named does a single task of it become a rank."""
        way = re.search(r"--mpi[= ](pmi2|pmix)", " ".join(self.launcher)) or re.match(
            r"(pmi2|pmix)", os.environ.get("SLURM_MPI_TYPE", ""))
        return {"pmi2": "mpich", "pmix": "openmpi"}[way[1]] if way and "srun" in self.launcher[0] else None

    def glance(self, trainer):
        """The command that takes least to tell what its records would be of."""
        if self.peak:
            return trainer.command([*values.words(self.options), "--data", "synthetic", "--samples", "1"], 0)
        return self.command(trainer, self.least_epochs() if self.peer or "warmup-epochs" in self.options else 0)

    def files(self, trainer):
        """All that its figures depend on and a rebuilt program, or another commit, would replace."""
        return trainer.files + (programs.peer_files(self.peer) if self.peer else [])

    def least_epochs(self):
        """With which a run is one that counts for nothing, and yet what it would be."""
        rising = self.options.get("warmup-epochs", "")
        return max(1, int(rising)) if rising.isdecimal() else 1  # anything else the trainer refuses

    def smallest_batch(self):
        """Samples, as far as the options tell: each rank has to have one."""
        sizes = [self.options.get(name, "") for name in ("batch-size", "samples")]
        return min((int(size) for size in sizes if size.isdecimal()), default=math.inf)

    def on_gpu(self):
        return self.options["device"].split(":")[0] in ("cuda", "opencl", "gpu", "auto")


def unique(configurations):
    return list({json.dumps(one.asked()): one for one in configurations}.values())


def plan(lists, peers, trainer, ranks=(None,)):
    """(peaks, what is to be run in turn, notes): the trainer's configurations first, so that there are
    losses to compare with. Each of these is run with each number of ranks; peaks and peers are processes alone."""
    alone = []
    for options in values.product(lists):
        if "threads" in options and not trainer.has_threads(options["device"]):
            options = {name: value for name, value in options.items() if name != "threads"}
        alone.append(Configuration(options))
    alone = unique(alone)
    own, notes = [], []
    for one, count in itertools.product(alone, ranks):
        if count and one.smallest_batch() < count:
            notes.append(f"{plural(count, 'rank')} can't share a batch of {one.smallest_batch()}: {one.label()} is "
                         "left out")
        else:
            own.append(Configuration(one.options, ranks=count))
    ways = ("device", "threads", "gemm", "precision")
    peaks = unique([Configuration({name: value for name, value in one.options.items() if name in ways},
                                  peak=True) for one in alone])
    others = []
    for one in alone:
        kind = one.options["device"].split(":")[0]
        wanted = [(peer, mode) for (peer, device), modes in peers.items() if device == kind for mode in modes]
        unable = []
        for peer, mode in wanted:
            options = programs.peer_options(one.options, peer, mode)
            if options is None:
                unable.append(f"{peer} {mode}")
            else:
                others.append(Configuration(options, peer, mode))
        if unable:
            notes.append(f"{', '.join(unable)} can't do {one.label()}")
    return peaks, own + unique(others), notes


def thread_counts():
    """Numbers of threads of which one may be a peer's best: one, its doubles, all physical cores, and all that
    the system counts as processors."""
    counts, cores = [1], physical_cores()
    while counts[-1] * 2 < cores:
        counts.append(counts[-1] * 2)
    return sorted({*counts, cores, usable_cores()})
