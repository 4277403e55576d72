"""What more ranks give: which rows are compared with which, and where it is nothing."""
import collections

from .rows import BENCHMARK, configuration, mpi_of, variant_of
from .words import listed, percent, plural

# `row` against `base`, which is one rank: how many times as fast it is, and which part that is of what it could be.
Gain = collections.namedtuple("Gain", "row base times efficiency")
# Rows that differ in their number of ranks alone: `gains` by that, one of each; `batch` is that of all ranks with
# strong scaling, that of each with weak. `workload` is without it.
Scaling = collections.namedtuple("Scaling", "workload batch label gains")


def gemm_asked(row):
    """What was asked to multiply matrices; what did so may be another for each number of ranks, whose shares of a
    batch have other shapes."""
    sweep = row.runs[0].get("sweep")
    options = sweep.get("options") if isinstance(sweep, dict) else None
    options = options if isinstance(options, list) else []
    return options[options.index("--gemm") + 1:][:1] if "--gemm" in options else []


def likeness(row, batch):
    """What rows have to share to be compared: all but ranks, hosts and threads, and what follows from there being
    several; `batch` takes the place of theirs."""
    run = row.runs[0]
    device = {**run["device"], **dict.fromkeys(("threads", "gemm", "library", "step", "submission"))}
    return (batch, gemm_asked(row), variant_of({
        **run, "device": device, "config": {**run["config"], "batch_size": None},
        "ranks": {**run["ranks"], **dict.fromkeys(("count", "hosts", "transport"))}}))


def of_all(row):
    """Strong scaling: all ranks together have so many samples for a step, however many they are."""
    return row.workload.batch


def of_each(row):
    """Weak scaling: each has so many samples for a step, however many ranks there are."""
    return row.workload.batch / row.ranks


def threads_in_all(row):
    return row.ranks * (row.threads or 1)


def gains(machine, batch_of):
    """[Gain, ...], with a base or without, of rows that share their batch by `batch_of`. The base has as many threads
    as each of the ranks; where that was not measured, as they have in all, which then is no more than before."""
    alike = {}
    for row in machine.ranked:
        alike.setdefault(repr(likeness(row, batch_of(row))), []).append(row)
    return sorted((gain(row, rows) for rows in alike.values() for row in rows), key=lambda one: in_order(one.row))


def in_order(row):
    """The benchmark first."""
    workload = row.workload
    return (workload._replace(batch=BENCHMARK.batch) != BENCHMARK, workload.layers, str(workload[2:]), workload.batch,
            row.series, gemm_asked(row), row.mpi, row.threads or 0, row.ranks, row.hosts, configuration(row.runs[0]))


def gain(row, rows):
    ones = [one for one in rows if one.ranks == 1]
    base = next((one for threads in (row.threads, row.threads and threads_in_all(row))
                 for one in ones if one.threads == threads), None)  # the fastest: machine.ranked is in order
    if base is None:
        return Gain(row, None, None, None)
    times = row.samples_per_second / base.samples_per_second
    return Gain(row, base, times, times * threads_in_all(base) / threads_in_all(row))


def scalings(machine, batch_of):
    """[Scaling, ...]: of all that was measured with one rank and with more that have as many threads each, the fastest
    of each number."""
    found = {}
    for one in gains(machine, batch_of):
        if one.base is not None and one.base.threads == one.row.threads:
            key = repr((likeness(one.row, batch_of(one.row)), one.row.threads))
            best = found.setdefault(key, {})
            if one.row.ranks not in best or one.times > best[one.row.ranks].times:
                best[one.row.ranks] = one
    found = [[best[count] for count in sorted(best)] for best in found.values() if len(best) > 1]
    shapes, mpis = {}, {}
    for same in found:
        row = same[0].row
        shape = row.workload._replace(batch=None), batch_of(row)
        shapes.setdefault(shape, []).append(same)
        mpis.setdefault(shape, set()).add(mpi_of(row.runs[0]))
    return [Scaling(*shape, label(same[0].row, len(mpis[shape]) > 1), same)
            for shape, scaled in shapes.items() for same in scaled]


def label(row, several):
    """Of a line; with the MPI, where there are several."""
    words = [row.series] + ([] if row.threads is None else [plural(row.threads, "thread")])
    return ", ".join(words + [mpi_of(row.runs[0])] * several)


def exchange_words(scaling):
    """How much of the epochs is exchange, by number of ranks."""
    return f"{scaling.label}, " + listed(f"{exchange_share(one.row)} with {plural(one.row.ranks, 'rank')}"
                                         for one in scaling.gains if one.row.ranks > 1)


def exchange_share(row):
    """The median of its runs, in words."""
    return percent(row.exchange[0]) if row.exchange else "an unknown share"


def unpaid(machine):
    """[(row, row of more ranks), ...]: for each batch and sort of rank the first number with which an epoch takes
    longer than with the number before: the exchange takes more time than it saves. Where that is half as many, such a
    doubling has an efficiency of less than 0.5."""
    lines = {}
    for one in gains(machine, of_all):
        if one.base is not None:
            is_same = one.base.threads == one.row.threads
            best = lines.setdefault(repr((likeness(one.row, of_all(one.row)), one.base.threads, is_same)),
                                    {1: one.base})
            best[one.row.ranks] = min(best.get(one.row.ranks, one.row), one.row, key=lambda row: row.epoch[0])
    found = []
    for best in lines.values():
        rows = [best[count] for count in sorted(best)]
        found += [pair for pair in zip(rows, rows[1:]) if pair[1].epoch[0] > pair[0].epoch[0]][:1]
    return found
