"""The tables of a report, and their Markdown; page_parts.html has their HTML. A table knows nothing of records
once it is made."""
import itertools
import re

from . import published, ranks
from .rows import BENCHMARK
from .words import clean, markdown, number, percent, plural, spread

LONG = 22  # characters of a cell: with more, it may be broken into lines


class Table:
    """`columns` are names; those in `left` are text, the others figures. Cells of the columns in
    `heads` say what their row is about. A column in `common` whose cells are all the same is told in the
    caption instead. On a page, rows that are the same in the first `grouped` columns stand below one
    heading. Cells are plain text, foreign or not."""

    def __init__(self, caption, columns, rows, left=(), heads=(), common=(), grouped=0, note=None):
        told = {name: row[at] for at, name in enumerate(columns) for row in rows[:1]
                if name in common and all(other[at] == row[at] for other in rows)}
        kept = [at for at, name in enumerate(columns) if name not in told]
        self.caption = "; ".join((caption, *(f"{name}: {value}" for name, value in told.items())))
        self.columns = [columns[at] for at in kept]
        self.rows = [[row[at] for at in kept] for row in rows]
        self.left, self.heads, self.grouped, self.note = left, heads or columns[:1], grouped, note

    def markdown(self):
        rule = ["---" if name in self.left else "---:" for name in self.columns]
        lines = [f"**{markdown(self.caption)}**", ""]
        for cells in ([markdown(name) for name in self.columns], rule,
                      *([markdown(cell) for cell in row] for row in self.rows)):
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines + (["", markdown(self.note)] if self.note else []))

    def groups(self):
        """Those rows that stand below one heading, which is empty where the table has none, as (heading, rows);
        each row without what the heading says, as [(column, cell), ...]."""
        for heads, rows in itertools.groupby(self.rows, lambda row: row[:self.grouped]):
            heading = ", ".join(f"{name} {cell}" for name, cell in zip(self.columns, heads))
            yield heading, [list(zip(self.columns, row))[self.grouped:] for row in rows]

    def look(self, name, text=""):
        """The classes of a column's name or of a cell in it."""
        return ["text"] * (name in self.left) + ["long"] * (len(text) > LONG)

    def figure_and_spread(self, name, text):
        """(the figure, its spread) of a cell; all of it and nothing where it has no spread."""
        found = None if name in self.left else re.match(r"([^()]+) (\([^()]+\))$", clean(text, None))
        return found.groups() if found else (text, "")


# --- Workloads in words ---

def layers_text(workload):
    """The hidden ones, as --layers takes them."""
    return ",".join(map(str, workload.layers[1:-1])) or "none"


def differences(workload):
    """What is not as in the benchmark, but for the layers and the batch."""
    color = {3072: "rgb", 1024: "grey"}.get(workload.layers[0])
    return [text for text, same in (
        (f"rate {workload.rate:g}", workload.rate == BENCHMARK.rate),
        (workload.activation, workload.activation == BENCHMARK.activation),
        (workload.color, workload.color == BENCHMARK.color),
        (f"{workload.layers[0]} inputs", color == workload.color),
        (f"{workload.layers[-1]} classes", workload.layers[-1] == BENCHMARK.layers[-1]),
        (f"tail: {workload.tail}", workload.tail == BENCHMARK.tail),
        (f"{workload.dataset}, {workload.train:,} images",
         (workload.dataset, workload.train) == (BENCHMARK.dataset, BENCHMARK.train)),
        (f"fingerprint {workload.images}", workload.images == BENCHMARK.images),
        ("shuffled", not workload.shuffle)) if not same] + [recipe_text(key, value) for key, value in workload.recipe]


# Parts of a recipe in words; another is its name and its value.
RECIPE_TEXTS = {
    "optimizer": str, "schedule": "schedule {}".format, "initial": "initial {}".format,
    "nesterov": lambda _: "Nesterov's", "normalize": lambda _: "normalized", "flip": lambda _: "flipped",
    "keep_best": lambda _: "best kept", "warmup_epochs": lambda count: f"rising in {plural(count, 'epoch')}",
    "validation": lambda count: f"{number_of(count)} held back",
    "target_accuracy": lambda accuracy: f"to {target_text(accuracy)}"}


def recipe_text(key, value):
    in_words = RECIPE_TEXTS.get(key)
    return in_words(value) if in_words else f"{key.replace('_', ' ')} {number_of(value)}"


def number_of(value):
    return f"{value:,.6g}" if 1e-4 <= abs(value) < 1e6 else str(value)


def target_text(accuracy):
    return f"{100 * accuracy:.6g} %"


def workload_text(workload):
    more = differences(workload)
    return layers_text(workload) + (f" ({', '.join(more)})" if more else "")


# --- The tables of a machine ---

# What is quoted comes first: a narrow screen shows no more.
FIGURES = ("mean epoch, s", "load dataset, s", "to batched input, s", "runs × epochs", "samples/s",
           "GFLOP/s", "of peak", "× best peer")


def runs_text(row):
    counts = sorted({len(run["epochs"]) for run in row.runs})
    text = f"{len(row.runs)} × {counts[0]}" + (f"–{counts[-1]}" if len(counts) > 1 else "")
    return text + (f" ({row.far_off} far off)" if row.far_off else "")


def times_best_peer(machine, row):
    peer = machine.best_peer(row)
    if peer is None:
        return "-"
    if not row.own:
        return "best peer" if row is peer else "-"
    return number(peer.epoch[0] / row.epoch[0])


def threads_text(row):
    return "-" if row.threads is None else str(row.threads)


def share_text(row):
    return percent(row.share_of_peak) + (f" ({row.of_peak})" if row.of_peak else "")


def figures(machine, row):
    return (spread(row.epoch), spread(row.load), spread(row.batching), runs_text(row),
            f"{row.samples_per_second:,.0f}", number(row.gflops), share_text(row),
            times_best_peer(machine, row))


def best_threads(rows):
    """Of each variant the fastest number of threads; of `reference`, one thread as well, which is what
    the language does by itself."""
    best = {}
    for row in rows:  # fastest first
        best.setdefault(row.variant, row)
    return [row for row in rows
            if row is best[row.variant] or (row.kind == "reference" and row.threads == 1)]


def benchmark_table(machine):
    rows = best_threads(machine.of(BENCHMARK))
    if not rows:
        return None
    return Table(
        f"The benchmark on {machine.name}, fastest first", ("backend", "threads", *FIGURES, "hardware"),
        [(row.backend, threads_text(row), *figures(machine, row), row.hardware) for row in rows],
        left=("hardware", "backend"), common=("hardware",),
        note="Medians of runs, with the least and the greatest in brackets; each at its fastest number of "
             "threads. Of peak: arithmetic, where it was measured, is what the processor's multiply-adds reach "
             "in registers; product is what the device itself reaches on one large product. × best peer: the "
             "epoch of the fastest peer over the row's own; more than 1 is faster than any peer.")


def shapes_table(machine):
    rows = best_threads([row for row in machine.rows if row.workload != BENCHMARK])
    if not rows:
        return None
    rows.sort(key=lambda row: (row.workload.layers, row.workload.batch, str(row.workload[2:]), row.epoch[0]))
    return Table(
        f"Other shapes on {machine.name}",
        ("layers", "batch", "backend", "threads", *FIGURES, "hardware"),
        [(workload_text(row.workload), f"{row.workload.batch:,}", row.backend, threads_text(row),
          *figures(machine, row), row.hardware) for row in rows],
        left=("layers", "hardware", "backend"), heads=("layers", "batch", "backend"), common=("hardware",),
        grouped=2,
        note="In brackets after the layers: what is not as in the benchmark.")


def mean_text(pair):
    """A mean with its deviation."""
    mean, deviation = pair
    return number(mean) + (f" (±{number(deviation, 2)})" if deviation else "")


def targets_table(machine):
    if not machine.targets:
        return None
    rows = sorted(machine.targets, key=lambda row: (row.workload.layers, row.workload.batch, str(row.workload[2:])))
    return Table(
        f"Seconds to a target on {machine.name}, the surest and soonest first",
        ("layers", "batch", "backend", "threads", "to the target, s", "epochs alone, s", "epochs", "reached",
         "test accuracy", "hardware"),
        [(workload_text(row.workload), f"{row.workload.batch:,}", row.backend, threads_text(row), mean_text(row.seconds),
          mean_text(row.epochs_seconds), mean_text(row.epochs), f"{len(row.reached)} of {len(row.runs)}",
          accuracy_text(row.tested), row.hardware) for row in rows],
        left=("layers", "hardware", "backend"), heads=("layers", "batch", "backend"), common=("hardware", "batch"),
        grouped=1,
        note="Means over seeds, and the deviation from seed to seed: of the runs that came to the accuracy on images "
             "that are held back; the test accuracy is of all runs. The seconds are those of load, open, to batched "
             "input and epochs. Scoring what is held back is no part of them, nor is, of peers, making the order and "
             "turning images by chance.")


def accuracy_text(pair):
    mean, deviation = pair
    return "-" if mean is None else f"{100 * mean:.1f} %" + (f" (±{100 * deviation:.1f})" if deviation else "")


def scaled(machine):
    """[(workload, [rows of one variant, by threads], ...)]: the variants with several numbers of
    threads, the benchmark's first."""
    found = {}
    for row in machine.rows:
        if row.threads is not None:
            found.setdefault(row.workload, {}).setdefault(row.variant, []).append(row)
    scaling = []
    for workload in sorted(found, key=lambda one: (one != BENCHMARK, str(one))):
        for rows in found[workload].values():
            if len({row.threads for row in rows}) > 1:
                scaling.append((workload, sorted(rows, key=lambda row: row.threads)))
    return scaling


def speed_up(rows, row):
    """Against one thread of the same; None where that was not measured."""
    return rows[0].epoch[0] / row.epoch[0] if rows[0].threads == 1 else None


def threads_table(machine):
    lines = []
    for workload, rows in scaled(machine):
        for row in rows:
            times = speed_up(rows, row)
            lines.append((workload_text(workload), f"{workload.batch:,}", row.backend, str(row.threads),
                          spread(row.epoch), runs_text(row), number(times),
                          percent(times and times / row.threads), row.hardware))
    if not lines:
        return None
    return Table(f"Threads on {machine.name}",
                 ("layers", "batch", "backend", "threads", "mean epoch, s", "runs × epochs", "speed-up",
                  "of the straight line", "hardware"), lines,
                 left=("layers", "hardware", "backend"), heads=("layers", "batch", "backend", "threads"),
                 common=("hardware",), grouped=3)


def gain_text(one):
    """Speed-up and efficiency."""
    return number(one.times), percent(one.efficiency)


def strong_scaling_table(machine):
    """All rows of ranks: with the same batch, however many share it."""
    lines = []
    for one in ranks.gains(machine, ranks.of_all):
        row = one.row
        lines.append((workload_text(row.workload), f"{row.workload.batch:,}", row.series, threads_text(row),
                      str(row.ranks), str(row.hosts), spread(row.epoch), *gain_text(one), exchange_text(row),
                      runs_text(row), f"{row.samples_per_second:,.0f}", row.mpi, row.backend, row.hardware))
    if not lines:
        return None
    return Table(
        f"Ranks on {machine.name}, strong scaling",
        ("layers", "batch", "device", "threads", "ranks", "hosts", "mean epoch, s", "speed-up", "efficiency",
         "exchange", "runs × epochs", "samples/s", "MPI", "backend", "hardware"), lines,
        left=("layers", "device", "MPI", "backend", "hardware"),
        heads=("layers", "batch", "device", "threads", "ranks"), common=("hosts", "MPI", "hardware"), grouped=2,
        note="The batch is that of all ranks together, the threads are those of each. Speed-up: the epoch of one rank "
             "with as many threads over the row's own; where that was not measured, of one with as many as the ranks "
             "have in all. Efficiency: the speed-up over how many times as many threads there are, or ranks where "
             "threads don't compute. Exchange: the share of its epochs in which the median rank exchanged gradients, "
             "or waited for others.")


def exchange_text(row):
    """One rank has none to exchange with."""
    if row.ranks == 1:
        return "-"
    if not row.exchange:
        return "by the GPUs"
    median, least, greatest = map(percent, row.exchange)
    return median if least == greatest else f"{median} ({least}–{greatest})"


def weak_scaling_table(machine):
    """With batches that grow with the ranks, where such have been measured."""
    lines = [(workload_text(scaling.workload), number_of(scaling.batch), one.row.series, threads_text(one.row),
              str(one.row.ranks), str(one.row.hosts), f"{one.row.workload.batch:,}",
              f"{one.row.samples_per_second:,.0f}", *gain_text(one), exchange_text(one.row), one.row.mpi,
              one.row.backend, one.row.hardware)
             for scaling in ranks.scalings(machine, ranks.of_each) for one in scaling.gains]
    if not lines:
        return None
    return Table(
        f"Ranks on {machine.name}, weak scaling",
        ("layers", "batch of each", "device", "threads", "ranks", "hosts", "batch of all", "samples/s",
         "times those of one", "efficiency", "exchange", "MPI", "backend", "hardware"), lines,
        left=("layers", "device", "MPI", "backend", "hardware"),
        heads=("layers", "batch of each", "device", "threads", "ranks"), common=("hosts", "MPI", "hardware"), grouped=2)


def arithmetic_text(peak):
    return ", ".join(f"{name} {number(gflops)}" for name, gflops in peak.arithmetic.items()) or "-"


def peaks_table(machine):
    if not machine.peaks:
        return None
    return Table(
        f"What the hardware of {machine.name} can do",
        ("device", "threads", "precision", "GFLOP/s", "side", "GFLOP/s of arithmetic", "GB/s", "copied MB", "runs",
         "hardware"),
        [(f"{peak.kind}: {peak.library}" if peak.library else peak.kind,
          "-" if peak.threads is None else str(peak.threads), peak.precision, spread(peak.gflops),
          f"{peak.side[0]:,.0f}", arithmetic_text(peak), spread([value / 1e9 for value in peak.bytes_per_second]),
          number(peak.bytes[0] / 1e6), str(len(peak.runs)),
          machine.hardware(peak.name, peak.gpu, peak.kind)) for peak in machine.peaks],
        left=("hardware", "device", "precision", "GFLOP/s of arithmetic"), common=("hardware", "precision"),
        note="GFLOP/s on one product of square matrices of that side, and on multiply-adds in registers with "
             "each instruction set, the best of all runs; GB/s read and written by a large copy.")


# --- The tables of the whole ---

def published_table():
    return Table(
        published.HEADING,
        ("backend", *FIGURES[:3], "hardware", "nearest to it here"),
        [(f"{backend}, OTP {version}", epoch, load, batching, hardware, published.nearest(backend))
         for hardware, backend, version, load, batching, epoch in published.fastest_first()],
        left=("hardware", "backend", "nearest to it here"))


def refused_table(machines):
    rows = [tuple(refused) for machine in machines for refused in machine.refused]
    return Table("Refused rows", ("row", "why"), rows, left=("row", "why")) if rows else None


def unmeasured_table(machines):
    rows = [(machine.name, one.what, one.status, one.error, one.where)
            for machine in machines for one in machine.unmeasured]
    if not rows:
        return None
    columns = ("machine", "what", "status", "why", "row")
    return Table("Not measured", columns, rows, left=columns, heads=("machine", "what"), common=("machine",))
