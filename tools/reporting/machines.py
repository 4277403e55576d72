"""Records by machine and configuration: which of them count."""
import collections
import json
import os
import statistics

from . import records
from .rows import PEERS, Row, Target, configuration, is_aimed, is_gpu, subject, usual_images, variant_of, where_of
from .words import clean, plural, unique_texts

Refused = collections.namedtuple("Refused", "where reason")
Unmeasured = collections.namedtuple("Unmeasured", "where what status error")
Peak = collections.namedtuple(
    "Peak", "kind name threads precision library gpu where gflops side bytes_per_second bytes runs "
    "arithmetic")  # {instruction set: GFLOP/s}, the best of all runs; empty where it was not measured


def of_any_images(record):
    """As a record from before the fingerprint was written."""
    return {**record, "dataset": {**records.part(record, "dataset"), "fingerprint": None}}


class Machine:
    """A file of records; `where(line)` names a place in it."""

    def __init__(self, path, where):
        self.path, self.where = path, where
        self.name = clean(os.path.splitext(os.path.basename(path))[0]) or "?"
        self.refused, self.warnings = [], collections.Counter()
        self.superseded = 0
        usable = self.read()
        current = self.newest(usable)
        self.commits = collections.Counter(record["commit"] for record in current).most_common()
        runs = [record for record in current if not records.is_peak(record)]
        usual = usual_images(runs)
        alone = [run for run in runs if not records.ranks_of(run)]
        self.rows = sorted(Row(same, usual) for same in grouped(
            [run for run in alone if not is_aimed(run)], configuration))
        self.targets = sorted(Target(same, usual) for same in grouped(filter(is_aimed, alone), variant_of))
        # Of these other questions are asked. Nothing that is measured of a process alone is compared with them.
        self.ranked = sorted(((Target if is_aimed(same[0]) else Row)(same, usual) for same in grouped(
            filter(records.ranks_of, runs), variant_of)), key=lambda row: (row.epoch[0], configuration(row.runs[0])))
        peaks = [record for record in current if records.is_peak(record)]
        self.peaks = sorted(map(make_peak, grouped(peaks, configuration)),
                            key=lambda peak: -peak.gflops[0])
        # A peer knows less of its host than the program does.
        everything = self.rows + self.targets + self.ranked
        self.hosts = unique_hosts([row for row in everything if row.own] or everything)
        for row in self.rows + self.targets:
            row.share_of_peak, row.of_peak = self.share_of_peak(row)
        for row in everything:
            row.hardware = self.hardware(row.hardware, row.gpu, row.kind)
        for alike in grouped(everything, lambda row: (row.workload, row.backend, row.threads, row.hardware,
                                                      row.ranks, row.hosts, row.mpi)):
            tell_apart(alike)
        self.name_series(everything)

    def read(self):
        """The runs and peaks that nothing is wrong with, oldest first."""
        usable, unmeasured, seen = [], [], {}
        for line, record, problem in records.read(self.path):
            if record is not None and records.is_unmeasured(record):
                unmeasured.append((line, record))
                continue
            text = json.dumps(record, sort_keys=True)
            reason = problem or records.refusal(record) or (
                f"a copy of line {seen[text]}" if text in seen else None)
            if reason:
                self.refused.append(Refused(self.where(line), reason))
                continue
            seen[text] = line
            usable.append(record)
            self.keep_warnings(record)
        self.unmeasured = [Unmeasured(self.where(line), what_of(one), one["status"], one["error"])
                           for line, one in unmeasured if not any(later_success(one, run) for run in usable)]
        return sorted(usable, key=lambda record: record["time"])

    def keep_warnings(self, record):
        sweep = record.get("sweep")
        warnings = sweep.get("warnings") if isinstance(sweep, dict) else None
        self.warnings.update(warning for warning in (warnings if isinstance(warnings, list) else ())
                             if isinstance(warning, str))

    def newest(self, usable):
        """Those of each subject's newest commit."""
        newest = {subject(one): record["commit"] for record in usable  # they are in order
                  for one in (record, of_any_images(record))}
        current = [record for record in usable if record["commit"] == newest[subject(record)]]
        self.superseded = len(usable) - len(current)
        return current

    def share_of_peak(self, row):
        """(share, of what): of the arithmetic that the processor allows, where that was measured with the same
        threads; else of the device's own large product."""
        for of_peak, gflops in (("arithmetic", self.arithmetic(row)), ("product", self.product(row))):
            if gflops:
                return row.gflops / gflops, of_peak
        return None, None

    def arithmetic(self, row):
        """The GFLOP/s of the best instruction set, the best of all runs: what else a machine does can only make
        it less. It is the same for all that compute on a host's CPU, peers too. None where it is not known."""
        if row.gpu or row.device["precision"] != "fp32":
            return None
        return max((gflops for peak in self.peaks if (peak.where, peak.threads) == (row.where, row.threads)
                    for gflops in peak.arithmetic.values()), default=None)

    def product(self, row):
        """The median of the peaks of the same hardware, with the same threads and precision; None where there is
        none."""
        kind = row.kind if row.own else row.device["spec"].split(":")[0]
        fitting = [peak for peak in self.peaks
                   if (peak.kind, peak.precision, peak.where) == (kind, row.device["precision"], row.where)
                   and (peak.threads == row.threads or (row.gpu and not row.own))]
        named = [peak for peak in fitting if peak.name == row.device["name"]]
        if row.own or len({peak.name for peak in fitting}) > 1:
            fitting = named  # a peer has its own name for hardware; where there is a choice, it decides
        if not fitting:
            return None
        return statistics.median(run for peak in fitting for run in peak.runs)

    def hardware(self, name, gpu, kind):
        """What a device is, in the host's words where it is the host's CPU: peers have no name for that, and
        PoCL puts its own before it."""
        cpus = unique_texts(host.get("cpu") for host in self.hosts)
        is_cpu = len(cpus) == 1 and not gpu and (name.lower() in ("cpu", kind) or cpus[0] in clean(name))
        return cpus[0] if is_cpu else name

    def name_series(self, everything):
        """A series is what a plot draws as one: a device or a peer on one sort of hardware."""
        names = {}
        for row in everything:
            plain = row.name + (" on a CPU" if row.kind == "opencl" and not row.gpu else "")
            names.setdefault(plain, []).append(row)
        several = len({row.where for row in everything}) > 1
        for plain, rows in names.items():
            hardware = unique((row.hardware, row.where) for row in rows)
            short = [clean(name + several * f" of {json.loads(where)[0]}", 24) for name, where in hardware]
            for row in rows:
                index = hardware.index((row.hardware, row.where))
                which = f" {index + 1}" if short.count(short[index]) > 1 else ""
                row.series = clean(plain, 40) + (f"{which}, {short[index]}" if len(hardware) > 1 else "")

    def of(self, workload):
        return [row for row in self.rows if row.workload == workload]

    def best_of_each(self, rows):
        """The fastest row of each series, in the precision that all devices share where there is one."""
        best = {}
        for row in sorted(rows, key=lambda row: (row.device["precision"] != "fp32", row)):
            best.setdefault(row.series, row)
        return sorted(best.values())

    def best_peer(self, row):
        """The fastest peer, whatever it runs on, that did the same; None where there is none."""
        return next((other for other in self.rows if not other.own
                     and (other.workload, other.where) == (row.workload, row.where)
                     and other.device["precision"] == row.device["precision"]), None)

    @property
    def has_gpu(self):
        return any(row.gpu for row in self.rows)

    @property
    def gpus(self):
        return unique(row.device["name"] for row in self.rows + self.targets + self.ranked if row.gpu)


def unique(values):
    """In the order of their first appearance."""
    return list(dict.fromkeys(values))


def grouped(items, key):
    groups = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups.values()


def make_peak(same):
    """A Peak, from its runs; its figures are (median, least, greatest)."""
    device, peaks = same[0]["device"], [record["peak"] for record in same]
    arithmetic = {}
    for name, gflops in (pair for peak in peaks for pair in (peak.get("arithmetic") or {}).items()):
        arithmetic[name] = max(gflops, arithmetic.get(name, gflops))
    figures = {name: records.median_and_spread([peak[name] for peak in peaks])
               for name in ("gflops", "side", "bytes_per_second", "bytes")}
    return Peak(device["kind"], device["name"], device.get("threads"), device["precision"],
                device.get("library"), is_gpu(device), where_of(same[0]),
                runs=[peak["gflops"] for peak in peaks], arithmetic=arithmetic, **figures)


def tell_apart(rows):
    """Of rows that would look the same: what there is in their identities that is not, and their warm-up."""
    identities = [records.identity(row.runs[0]) for row in rows]
    for what in identities[0]:
        if any(identity[what] != identities[0][what] for identity in identities):
            for row, identity in zip(rows, identities):
                row.apart.append(f"{what} {clean(identity[what], 40)}")
    if len({records.is_warm(row.runs[0]) for row in rows}) > 1:
        for row in rows:
            row.apart.append("after a warm-up" if records.is_warm(row.runs[0]) else "without a warm-up")


def unique_hosts(rows):
    texts = unique(json.dumps(run["host"], sort_keys=True) for row in rows for run in row.runs)
    return [json.loads(text) for text in texts]


def asked(record):
    """(peer, mode, [option, value, ...], number of ranks or None) of what tools/sweep was to measure, as far as it
    is known."""
    sweep = record.get("sweep")
    sweep = sweep if isinstance(sweep, dict) else {}
    peer, mode = (sweep[name] if isinstance(sweep.get(name), str) else None for name in ("peer", "mode"))
    options = sweep.get("options")
    ranks = sweep.get("ranks")
    return (peer, mode, [str(word) for word in options] if isinstance(options, list) else [],
            ranks if records.is_count(ranks) else None)


def what_of(record):
    """What could not be measured, in words."""
    peer, mode, options, ranks = asked(record)
    words = [PEERS.get(peer, peer)] * bool(peer) + [mode] * bool(mode)
    if ranks:
        words.append(f"{plural(ranks, 'rank')} of")
    return " ".join(words + options) or "-"


def later_success(unmeasured, record):
    """Whether the record is of what had not been measured before."""
    peer, mode, options, ranks = asked(unmeasured)
    peer_then, mode_then, options_then, ranks_then = asked(record)
    pairs, pairs_then = (set(zip(one[::2], one[1::2])) for one in (options, options_then))
    # A device that was not here was so for any number of ranks.
    return (peer == peer_then and mode in (None, mode_then) and bool(pairs) and pairs <= pairs_then
            and (ranks == ranks_then or unmeasured["status"] == "absent")
            and str(unmeasured.get("time")) < record["time"])


def gather(paths):
    """The machines of these files, by name. Raises OSError."""
    paths = sorted({os.path.realpath(path): path for path in paths}.values(),
                   key=lambda path: (os.path.basename(path), path))
    names = collections.Counter(map(os.path.basename, paths))

    def make(path):
        shown = clean(os.path.basename(path) if names[os.path.basename(path)] == 1 else path)
        return Machine(path, lambda line: f"{shown}:{line}")
    return [make(path) for path in paths]
