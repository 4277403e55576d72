"""The questions that the plots of a machine answer: for each the figures to draw, what they say in
words, and the same as a table; or, where they have not been measured, how to measure them."""
import collections
import itertools
import math
import shlex

from . import published, ranks, records
from .rows import BENCHMARK
from .tables import Table, layers_text, scaled, speed_up, target_text, workload_text
from .words import clean, listed, number, percent, plural

# `figures` is for the plot of that `key`, and None where `missing` tells what has not been measured;
# `command` would measure it. `reading` is all that the plot shows, `headline` the most of it.
Answer = collections.namedtuple("Answer", "key title headline reading table figures missing command",
                                defaults=(None,) * 6)
PANELS = 6  # of a plot at most


def command(machine, *options):
    return shlex.join(["tools/sweep", *options, "--out", f"results/{machine.name}.jsonl"])


def command_for_shapes(machine, devices):
    """At a rate that wide layers and large batches learn at, too."""
    return command(machine, "--device", devices, "--batch-size", "30-30000*10", "--layers", "64,32",
                   "--layers", "1024,1024", "--learning-rate", "0.0001")


def thread_counts(machine):
    """One thread to one for each core, as tools/sweep takes it."""
    cores = max((host["cores"] for host in machine.hosts if records.is_count(host.get("cores"))), default=4)
    return f"1-{max(2, cores)}" + ("*2" if cores > 4 else "")


def at_best(row):
    """With what a row was as fast as it is."""
    threads = [] if row.threads is None else [plural(row.threads, "thread")]
    return ", ".join(row.details + threads)


def nothing(machine, key, title):
    return Answer(key, title, missing=f"The benchmark itself has not been measured on {machine.name}.",
                  command=command(machine, "--device", "cpu"))


# --- 1: which is fastest? ---

def epochs(machine):
    title = "Epoch time of each device and peer"
    rows = machine.best_of_each(machine.of(BENCHMARK))
    if not rows:
        return nothing(machine, "epochs", title)
    first, last = (published.fastest_first()[i] for i in (0, -1))
    reading = (f"Mean epoch of the benchmark on {machine.name}, fastest first: "
               + listed(f"{row.series} {number(row.epoch[0])} s" for row in rows)
               + f". Published in {published.YEAR}, on other machines: from {first[5]} s ({first[1]}, "
               f"{first[0]}) to {last[5]} s ({last[1]}, {last[0]}).")
    table = Table(f"Mean epoch in seconds on {machine.name}, each at its best",
                  ("device", "median", "least", "greatest", "runs", "at its best"),
                  [(row.series, *map(number, row.epoch), str(len(row.runs)), at_best(row) or "-")
                   for row in rows], left=("device", "at its best"))
    headline = f"{rows[0].series} is fastest, with {number(rows[0].epoch[0])} s an epoch."
    return Answer("epochs", title, headline, reading, table, rows)


# --- 2: where does a GPU overtake the CPU? ---

# `lines` is {series: [(batch, row), ...]}; `crossing` (batch, GPU's series, CPU's series) or None.
Panel = collections.namedtuple("Panel", "layers lines crossing remark")


def weights_of(layers):
    return sum(before * after for before, after in zip(layers, layers[1:]))


def shapes(machine):
    title = "Epoch time by batch and width"
    found = {}
    for row in machine.rows:
        if row.workload._replace(layers=BENCHMARK.layers, batch=300, rate=0.01) == BENCHMARK:
            found.setdefault(row.workload.layers, []).append(row)
    if len({row.workload[:2] for rows in found.values() for row in rows}) < 2:
        kinds = [kind for kind in ("cpu", "opencl", "cuda") if any(row.kind == kind for row in machine.rows)]
        return Answer("shapes", title, missing="No two batch sizes or widths have been measured.",
                      command=command_for_shapes(machine, ",".join(kinds) or "cpu"))
    panels = [make_panel(machine, layers, found[layers]) for layers in
              sorted(found, key=lambda layers: (weights_of(layers), layers))]
    lines = [(layers_text(row.workload), series, f"{batch:,}", *map(number, row.epoch), str(len(row.runs)),
              at_best(row) or "-")
             for panel in panels for series, points in panel.lines.items() for batch, row in points]
    table = Table(f"Mean epoch in seconds on {machine.name}, by layers and batch",
                  ("layers", "device", "batch", "median", "least", "greatest", "runs", "at its best"), lines,
                  left=("layers", "device", "at its best"), heads=("layers", "device", "batch"), grouped=2)
    reading = " ".join(f"Layers {hidden(panel.layers)}: {panel.remark}." for panel in panels)
    headline = f"Drawn are the first {PANELS} of {len(panels)} nets." if len(panels) > PANELS else ""
    if machine.has_gpu:
        return Answer("shapes", title, headline, reading, table, panels[:PANELS])
    return Answer("shapes", title, headline, reading, table, panels[:PANELS],
                  f"No GPU has been measured on {machine.name}.", command_for_shapes(machine, "cpu,cuda"))


def hidden(layers):
    return layers_text(BENCHMARK._replace(layers=layers))


def make_panel(machine, layers, rows):
    lines = {}
    for batch in sorted({row.workload.batch for row in rows}):
        for row in machine.best_of_each([row for row in rows if row.workload.batch == batch]):
            lines.setdefault(row.series, []).append((batch, row))
    gpu, cpu = fastest_at(lines, True), fastest_at(lines, False)
    shared = sorted(set(gpu) & set(cpu))
    if not shared:
        return Panel(layers, lines, None, fastest_remark(lines))
    return Panel(layers, lines, *find_crossing(shared, gpu, cpu))


def fastest_at(lines, gpu):
    """{batch: the fastest row there of our own devices that are GPUs, or that are none}."""
    fastest = {}
    for batch, row in itertools.chain(*lines.values()):
        if row.own and row.gpu == gpu and (batch not in fastest or row < fastest[batch]):
            fastest[batch] = row
    return fastest


def fastest_remark(lines):
    """Of the least and of the greatest batch."""
    batches = sorted({batch for points in lines.values() for batch, _ in points})
    first, last = (min(row for points in lines.values() for at, row in points if at == batch)
                   for batch in (batches[0], batches[-1]))
    said = f"{first.series} is fastest with batches of {batches[0]:,} ({number(first.epoch[0])} s)"
    if len(batches) == 1:
        return said
    again = "also " if first.series == last.series else f"{last.series} "
    return f"{said}, {again}with those of {batches[-1]:,} ({number(last.epoch[0])} s)"


def find_crossing(shared, gpu, cpu):
    """(crossing or None, remark). Between two batches times are taken to be straight on the plot's
    logarithmic axes."""
    behind = [math.log(gpu[batch].epoch[0] / cpu[batch].epoch[0]) for batch in shared]
    for i, batch in enumerate(shared[1:], 1):
        if behind[i - 1] > 0 >= behind[i]:
            before = shared[i - 1]
            part = behind[i - 1] / (behind[i - 1] - behind[i])
            at = math.exp(math.log(before) + part * math.log(batch / before))
            return (at, gpu[batch], cpu[batch]), (
                f"{gpu[batch].series} overtakes {cpu[batch].series} with batches of about {number(at, 2)}")
    first, last = shared[0], shared[-1]
    if all(one <= 0 for one in behind):
        times = math.exp(-behind[0])
        return None, (f"{gpu[first].series} is ahead of {cpu[first].series} at every batch, from {first:,} "
                      f"({number(times, 2)} times as fast) on")
    if all(one > 0 for one in behind):
        return None, f"{cpu[last].series} is ahead of {gpu[last].series} at every batch, up to {last:,}"
    return None, f"{cpu[last].series} is ahead of {gpu[last].series} with batches of {last:,}"


# --- 3: what do more threads give? ---

Scaling = collections.namedtuple("Scaling", "workload lines")  # lines: {series: [(threads, speed-up), ...]}


def threads(machine):
    title = "Speed-up by threads"
    found = {}
    for workload, rows in scaled(machine):
        if speed_up(rows, rows[0]):
            found.setdefault(workload, {}).setdefault(rows[0].series, []).append(rows)
    if not found:
        return Answer("threads", title, missing="One thread and several of the same have not been measured.",
                      command=command(machine, "--device", "cpu,reference", "--threads",
                                      thread_counts(machine)))
    panels = [Scaling(workload, {series: best_scaling(variants) for series, variants in lines.items()})
              for workload, lines in found.items()]
    said, headline = [], ""
    for panel in panels:
        ends = sorted(((points[-1], series) for series, points in panel.lines.items()),
                      key=lambda end: -end[0][1])
        said.append(f"Layers {workload_text(panel.workload)}, batches of {panel.workload.batch:,}: "
                    + listed(gain(*end) for end in ends) + ".")
        headline = headline or f"{gain(*ends[0])}" + (f", {gain(*ends[-1])}." if len(ends) > 1 else ".")
    lines = [(workload_text(panel.workload), f"{panel.workload.batch:,}", series, str(count), number(times),
              percent(times / count))
             for panel in panels for series, points in panel.lines.items() for count, times in points]
    table = Table(f"Speed-up against one thread on {machine.name}",
                  ("layers", "batch", "device", "threads", "speed-up", "of the straight line"), lines,
                  left=("layers", "device"), heads=("layers", "batch", "device", "threads"), grouped=3)
    return Answer("threads", title, headline, " ".join(said), table, panels[:PANELS])


def gain(end, series):
    count, times = end
    return f"{series} is {number(times)} times as fast on {count} threads as on one"


def best_scaling(variants):
    """Of the variants of a series the one with most numbers of threads, then the fastest."""
    rows = min(variants, key=lambda rows: (-len(rows), min(row.epoch[0] for row in rows)))
    return [(row.threads, speed_up(rows, row)) for row in rows]


# --- 4: what do more ranks give? ---

# `weak`: whether the scaling is. `lines`: {label: [Gain, ...]}
RanksPanel = collections.namedtuple("RanksPanel", "workload batch weak lines remark")


def ranks_of(machine):
    title = "Speed-up by ranks"
    panels = []
    for weak, batch_of in ((False, ranks.of_all), (True, ranks.of_each)):
        found = {}
        for scaling in ranks.scalings(machine, batch_of):
            found.setdefault(scaling[:2], {}).setdefault(scaling.label, []).append(scaling)
        for (workload, batch), lines in found.items():
            best = {label: min(same, key=lambda one: (-len(one.gains), min(gain.row.epoch[0] for gain in one.gains)))
                    for label, same in lines.items()}
            panels.append(RanksPanel(workload, batch, weak, {label: one.gains for label, one in best.items()},
                                     f"Layers {workload_text(workload)}. Exchange: "
                                     + "; ".join(map(ranks.exchange_words, best.values()))))
    if not panels:
        return Answer("ranks", title, missing="One rank and several with as many threads each have not been measured."
                      + exchange_bound(machine),
                      command=command(machine, "--device", "cpu", "--ranks", "1,2,4", "--threads", "1"))
    said = [f"{ranks_head(panel)}. " + "; ".join(ranks_gain(panel, *line) for line in panel.lines.items())
            + f". {panel.remark}." for panel in panels]
    drawn = f" Drawn are the first {PANELS} of {len(panels)} sorts of batches." if len(panels) > PANELS else ""
    lines = [(workload_text(panel.workload), ranks_batch(panel), label, str(one.row.ranks), number(one.times),
              percent(one.efficiency), ranks.exchange_share(one.row))
             for panel in panels for label, gains in panel.lines.items() for one in gains]
    table = Table(f"Speed-up against one rank on {machine.name}",
                  ("layers", "batch", "device", "ranks", "speed-up", "efficiency", "exchange"), lines,
                  left=("layers", "batch", "device"), heads=("layers", "batch", "device", "ranks"), grouped=3)
    headline = f"{ranks_gain(panels[0], *next(iter(panels[0].lines.items())))}.{drawn}"
    return Answer("ranks", title, headline, " ".join(said) + exchange_bound(machine), table, panels[:PANELS])


def exchange_bound(machine):
    """What an exchange may take with the benchmark's net, by the times of processes alone: a second rank saves half a
    step at most."""
    best = {}
    for row in machine.of(BENCHMARK):
        if row.own and row.kind != "reference":
            best[row.name] = min(best.get(row.name, row), row, key=lambda one: one.epoch[0])
    steps = {name: 1e6 * row.epoch[0] / (records.samples_of(row.config, row.dataset["train"])
                                        / row.config["batch_size"]) for name, row in best.items()}
    return "".join(f" A step of {name} alone takes {number(step)} µs: two ranks can only pay where they exchange in less "
                   f"than {number(step / 2)} µs." for name, step in steps.items())


def ranks_batch(panel):
    return f"{panel.batch:,.6g}" + " for each rank" * panel.weak


def ranks_head(panel):
    return f"Batches of {ranks_batch(panel)}: {'weak' if panel.weak else 'strong'} scaling"


def ranks_gain(panel, label, gains):
    last = gains[-1]
    what = "times the samples/s" if panel.weak else "times as fast"
    return f"{label}: {number(last.times)} {what} with {plural(last.row.ranks, 'rank')} as with one"


def unpaid(machine):
    """Sentences: where more ranks don't pay."""
    return [f"{more.series} with layers {workload_text(more.workload)} and batches of {more.workload.batch:,}: "
            f"{ranks_text(more)} don't pay, as an epoch takes {number(more.epoch[0])} s, and with {ranks_text(fewer)} "
            f"{number(fewer.epoch[0])} s. {ranks.exchange_share(more).capitalize()} of it is exchange."
            for fewer, more in ranks.unpaid(machine)]


def ranks_text(row):
    return plural(row.ranks, "rank") + ("" if row.threads is None else f" of {plural(row.threads, 'thread')}")


# --- 5: what is the time spent on? ---

Share = collections.namedtuple("Share", "row wall shares")  # shares: {phase: 0 to 1}


def phases(machine):
    title = "What the time of a run is spent on"
    rows = machine.best_of_each(machine.of(BENCHMARK))
    if not rows:
        return nothing(machine, "phases", title)
    shares = []
    for row in rows:
        medians = {name: row.phase(name)[0] for name in records.PHASES}
        total = sum(medians.values())
        shares.append(Share(row, total, {name: value / total for name, value in medians.items()}))
    shares.sort(key=lambda share: share.wall)
    reading = (f"Share of the epochs in a run on {machine.name}: " + listed(
        f"{share.row.series} {percent(share.shares['epochs'])} of {number(share.wall)} s" for share in shares)
        + ".")
    table = Table(f"Shares of a run on {machine.name}", ("device", "epochs run", "seconds", *records.PHASES),
                  [(share.row.series, str(share.row.config["epochs"]), number(share.wall),
                    *(f"{100 * share.shares[name]:.1f} %" for name in records.PHASES)) for share in shares],
                  left=("device",), note="Medians of each phase's seconds; their sum is 100 %.")
    most, least = (pick(shares, key=lambda share: share.shares["epochs"]) for pick in (max, min))
    headline = (f"Of a run, epochs are {percent(most.shares['epochs'])} with {most.row.series}"
                + (f", {percent(least.shares['epochs'])} with {least.row.series}." if least != most else "."))
    return Answer("phases", title, headline, reading, table, shares)


# --- 6: how soon is what learnt? ---

Curve = collections.namedtuple("Curve", "row points")  # points: [(seconds since the first epoch, loss), ...]


def losses(machine):
    title = "Loss against seconds"
    rows = machine.best_of_each(machine.of(BENCHMARK))
    if not rows:
        return nothing(machine, "losses", title)
    curves = []
    for row in rows:
        run = row.typical
        curves.append(Curve(row, list(zip(itertools.accumulate(run["seconds"]["epochs"]),
                                          records.losses_of(run)))))
    curves.sort(key=lambda curve: curve.points[-1][0])
    reading = "Loss of the last epoch, and the seconds until then: " + listed(
        f"{curve.row.series} {curve.points[-1][1]:.4f} after {number(curve.points[-1][0])} s"
        for curve in curves) + "."
    table = Table(f"Loss after each epoch on {machine.name}", ("device", "epoch", "seconds", "loss"),
                  [(curve.row.series, str(number_), number(seconds), f"{loss:.6f}")
                   for curve in curves for number_, (seconds, loss) in enumerate(curve.points, 1)],
                  left=("device",), heads=("device", "epoch"), grouped=1,
                  note="Of the run whose mean epoch is nearest to the median.")
    seconds, loss = curves[0].points[-1]
    headline = (f"{curves[0].row.series} has done its {plural(len(curves[0].points), 'epoch')} first, after "
                f"{number(seconds)} s, with a loss of {loss:.4f}.")
    return Answer("losses", title, headline, reading, table, curves)


# --- 7: how soon is it good? ---

# `targets` are the soonest of each series, and have the same workload.
Chase = collections.namedtuple("Chase", "workload targets remark")


def targets(machine):
    title = "Accuracy against seconds"
    if not machine.targets:
        return Answer("targets", title, missing="No run has had an accuracy to come to.",
                      command=command(machine, "--device", "cpu", "--seed", "1-10", "--repeat", "1", "--validation",
                                      "5000", "--target-accuracy", "0.4", "--epochs", "100"))
    found = {}
    for row in machine.targets:
        found.setdefault(row.workload, []).append(row)
    chases = [Chase(workload, machine.best_of_each(rows), came_to(rows)) for workload, rows in found.items()]
    lines = [(workload_text(chase.workload), row.series, str(number_), number(seconds), f"{100 * accuracy:.1f} %")
             for chase in chases for row in chase.targets
             for number_, (seconds, accuracy) in enumerate(row.median_curve, 1)]
    table = Table(f"Accuracy of what is held back on {machine.name}, medians of the runs",
                  ("layers", "device", "epoch", "seconds", "accuracy"), lines, left=("layers", "device"),
                  heads=("layers", "device", "epoch"), grouped=2)
    reading = " ".join(f"Layers {workload_text(chase.workload)}: {chase.remark}." for chase in chases)
    return Answer("targets", title, f"{chases[0].remark}.", reading, table, chases[:PANELS])


def came_to(rows):
    """Which came first to the target, in words; and the share of its runs."""
    first = rows[0]
    if not first.reached:
        return f"No run came to {target_text(first.accuracy)}"
    few = "" if first.share == 1 else f", in {len(first.reached)} of {len(first.runs)} runs"
    return f"{first.series} comes first to {target_text(first.accuracy)}, after {number(first.seconds[0])} s on average{few}"


# --- What may be said in a sentence ---

FEW = 3  # runs: with less, a spread is none


def sentences(machine):
    """What the figures of the benchmark support, for the CPU and for a GPU."""
    said = []
    for gpu in (False, True):
        rows = [row for row in machine.of(BENCHMARK) if row.gpu == gpu and len(row.runs) >= FEW
                and row.device["precision"] == "fp32"]
        own = next((row for row in rows if row.own), None)
        peer = next((row for row in rows if not row.own), None)
        if own:
            said.append(f"On {machine.name}, {described(own)} takes {number(own.epoch[0])} s an epoch"
                        + (compared(own, peer) if peer else "") + ".")
    return said


def described(row):
    return f"{row.name} on {clean(row.hardware, 48)}" if row.gpu else row.series


def compared(own, peer):
    words = ", ".join([peer.series, *peer.details, f"{number(peer.epoch[0])} s"])
    if own.epoch[1] <= peer.epoch[2] and peer.epoch[1] <= own.epoch[2]:
        return f", as the best peer does within the spread of runs ({words})"
    times = peer.epoch[0] / own.epoch[0]
    if times > 1:
        return f", {number(times, 2)} times as fast as the best peer ({words})"
    return f", {number(1 / times, 2)} times as long as the best peer ({words})"


QUESTIONS = {"epochs": epochs, "shapes": shapes, "threads": threads, "phases": phases, "losses": losses,
             "targets": targets, "ranks": ranks_of}
