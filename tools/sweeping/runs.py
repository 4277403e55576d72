"""The runs of a sweep: which are in the file already, which are left, and what is said of them."""
import collections
import json
import platform
import shlex
import statistics
import sys
import time

from reporting import records
from reporting.rows import mean_and_deviation
from reporting.words import clean

from . import machine
from .plan import thread_counts
from .process import Files, execute

ABSENT = 77  # the exit status of a peer that is not here
DIVERGED = 5  # and of a run that has a record none the less
TUNING_EPOCHS = 3
# What makes no difference to the first losses, or stands beside them in a key of what was trained.
SAME_LOSSES = ("seed", "batches", "target_accuracy", "patience", "keep_best")


def say(text):
    print(f"sweep: {clean(text, None)}", file=sys.stderr, flush=True)


class Changed(Exception):
    """What is measured is no longer what it was when the sweep began; says what."""


def parse(line):
    """The record on a line; None where it is something else, as libraries print it."""
    value, _ = records.parse_line(line.encode())
    return value if value and "schema" in value else None


class Sweep:
    def __init__(self, settings, trainer, store, peaks, configurations):
        self.settings, self.trainer, self.store = settings, trainer, store
        self.peaks, self.configurations = peaks, configurations
        self.files = Files({path for one in self.all() for path in one.files(trainer)})
        self.losses = {}  # (name, losses) by what was trained
        self.warm = set()  # what has had a run that is not counted, but for its seed
        self.fastest = {}  # numbers of threads of peers, by what was asked but for its seed
        self.failed = []
        self.absent = {}  # why, by what is not here
        self.not_counted = collections.Counter()  # rows of the file, by what they differ in
        self.glances = {}  # identities, by command
        self.found = self.find_done()

    def all(self):
        return self.peaks + self.configurations

    # What the file has already

    def find_done(self):
        """{configuration: rows of the file} that are of this very program, and of this host."""
        known = {json.dumps(one.asked()): one for one in self.all()}
        here = records.identity({"host": self.trainer.host()})
        found = {}
        for row in self.store.rows:
            about = row.get("sweep")
            if row.get("commit") != self.trainer.commit or not isinstance(about, dict):
                continue
            asked = {name: about[name] for name in ("options", "peer", "mode", "peak", "ranks", "launcher")
                     if name in about}
            one = known.get(json.dumps(asked))
            if one is None or records.is_unmeasured(row):
                continue
            host = [change for change in records.changes(records.identity(row), here) if change.startswith("host ")]
            if about.get("program") != self.program(one):
                self.not_counted["the program was another one of the same commit"] += 1
            elif host:
                self.not_counted[host[0]] += 1
            else:
                found.setdefault(one, []).append(row)
        return found

    def program(self, one):
        return self.files.digest(one.files(self.trainer))

    def resume(self):
        """Takes those rows of the file that are as what would be measured now."""
        for one, rows in self.found.items():
            self.drop_missing(one)
            if one.wants_threads():
                one.threads = rows[-1]["device"]["threads"]
            now = None if one.dropped else self.glance(one)
            one.threads = None  # that of the newest row that counts
            for row in reversed(rows) if now else ():
                was = records.identity(row)
                if one.wants_threads():
                    now["device threads"] = one.threads or was["device threads"]
                changes = records.changes(was, now)
                if changes:
                    self.not_counted[changes[0]] += 1
                    continue
                self.take(one, row, row["sweep"].get("run"))
                if not one.peak and row["status"] == "complete":
                    self.disagreement(one, row)  # for the losses that others are compared with
        for change, count in self.not_counted.items():
            say(f"{self.store.path}: {count} of its rows are no runs of the same: {change}")

    def glance(self, one):
        """The identity of what would be measured; None where that can't be had."""
        command = one.glance(self.trainer)
        key = json.dumps(command)
        if key not in self.glances:
            record = self.run_command(one, command, 0)
            self.glances[key] = record and records.identity({**record, "dataset": {}} if one.peak else record)
        return self.glances[key] and dict(self.glances[key])

    def take(self, one, row, run):
        """A row of the file, new or old, as one of the runs of this sweep."""
        one.runs.add(run)
        if one.wants_threads():
            one.threads = self.fastest[json.dumps(one.asked(but="seed"))] = row["device"]["threads"]
        if row["status"] == "complete" and not one.peak:
            one.epochs.append(row["seconds"]["mean_epoch"])
            if row.get("target"):
                one.targets.append(records.part(row, "target").get("seconds"))
        one.dropped = row["status"] != "complete"
        if one.dropped:
            self.failed.append(f"{one.label()}: {row.get('error', row['status'])}")

    def done(self):
        return sum(len(one.runs) for one in self.all())

    def left(self, one):
        if one.dropped:
            return []
        return [run for run in range(1, 2 if one.peak else self.settings.repeat + 1) if run not in one.runs]

    def run_all(self):
        for one in self.all():
            self.drop_missing(one)
        for one in self.peaks:
            for run in self.left(one):
                self.measure(one, run)
        for one in self.configurations:
            if self.left(one):
                self.warm_up(one)
        for run in range(1, self.settings.repeat + 1):
            for one in self.configurations:
                if run in self.left(one):
                    self.measure(one, run)

    # What can't be run

    def drop_missing(self, one):
        device = one.options["device"]
        reason = None if one.peer else self.trainer.missing(device)
        if reason:
            self.drop_absent(one, {"options": ["--device", device]}, f"{device}: {reason}")

    def drop_absent(self, one, what, reason):
        one.dropped = True
        key = json.dumps(what)
        if key not in self.absent:
            self.absent[key] = reason
            say(f"not here: {reason}")
            self.append_unmeasured({**what, "run": 0}, "absent", reason, None)

    def fail(self, one, status, message, run):
        one.dropped = True
        self.failed.append(f"{one.label()}: {message}")
        say(f"{one.label()}: failed: {message}")
        self.append_unmeasured({**one.asked(), "run": run}, "failed", message, status)

    def append_unmeasured(self, about, status, error, exit_status):
        row = {"schema": records.SCHEMA, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
               "commit": self.trainer.commit, "host": {"name": platform.node()}, "status": status,
               "error": error, "exit": exit_status, "sweep": about}
        same = ("commit", "status", "error", "sweep")
        if not any(all(old.get(name) == row[name] for name in same) for old in self.store.rows):
            self.store.append(row)

    # What is run

    def run_command(self, one, command, run):
        """The record, as its program gives it but for a peer's commit; None when there is none, which is then
        dealt with."""
        watch = machine.Watch(one.on_gpu())
        status, output, message, seconds = execute(command, bool(one.ranks))
        others, warnings = watch.stop()
        replaced = self.files.replaced(one.files(self.trainer))
        if replaced:
            raise Changed(f"{replaced} is another program now")
        if status == ABSENT and one.peer:
            what = {"options": ["--device", one.options["device"]], "peer": one.peer}
            reason = message.partition("absent: ")[2] or message
            self.drop_absent(one, what, f"{one.peer} on {one.options['device']}: {reason}")
            return None
        record = next((value for value in map(parse, output.split("\n")) if value), None)
        none = status not in (0, DIVERGED) or record is None
        problem = f"exit status {status}: {message}" if none else records.check_schema(record)
        if not problem and one.ranks and records.ranks_of(record) != one.ranks:
            # They were so many runs, each of all the work, that have nothing to do with each other.
            problem = f"{shlex.join(one.launcher)} started no ranks that found each other"
        if problem:
            self.fail(one, status, problem, run)
            return None
        if one.peer:  # it has none: its first weights and the losses that it must have are the trainer's
            record["commit"] = self.trainer.commit
        if record["commit"] != self.trainer.commit:
            raise Changed(f"the program's commit is {record['commit']} now, was {self.trainer.commit}")
        record["sweep"] = {**one.asked(), "run": run, "of": 1 if one.peak else self.settings.repeat,
                           "process_seconds": round(seconds, 3),
                           "busy_cores": None if others is None else round(others, 3), "warnings": warnings,
                           "program": self.program(one)}
        return record

    def run_once(self, one, run, epochs=None):
        """The same of a configuration whose number of threads is settled."""
        record = self.run_command(one, one.command(self.trainer, epochs), run)
        if record:
            now = records.identity(record)
            changes = one.identity and records.changes(one.identity, now)
            if changes:
                raise Changed(f"{one.label()}: {changes[0]}")
            one.identity = now
        return record

    def warm_up(self, one):
        """A run that is not counted: of a peer on a CPU, with each number of threads that may be best; and of those
        that differ in their seed, of one."""
        alike = json.dumps(one.asked(but="seed"))
        one.threads = self.fastest.get(alike, one.threads)
        if alike in self.warm:
            return
        self.warm.add(alike)
        say(f"warm-up: {one.label()}")
        if not one.wants_threads() or one.threads:
            self.run_once(one, 0, one.least_epochs())
            return
        times = {}
        for threads in thread_counts():
            record = self.run_command(one, one.command(self.trainer, max(TUNING_EPOCHS, one.least_epochs()), threads), 0)
            if record is None:
                return
            times[threads] = min(record["seconds"]["epochs"])
        one.threads = self.fastest[alike] = min(times, key=times.get)

    def measure(self, one, run):
        time.sleep(self.settings.cool_down)
        record = self.run_once(one, run)
        if record is None:
            return
        difference = None if one.peak or record["status"] != "complete" else self.disagreement(one, record)
        if difference:
            record["status"], record["error"] = "refused", difference
        self.store.append(record)
        self.take(one, record, run)
        one.seconds.append(record["sweep"]["process_seconds"])
        self.tell(one, record)

    def disagreement(self, one, record):
        """None when the losses are those of the first record with the same training; else what is not
        the same, in words."""
        config, dataset = record["config"], record["dataset"]
        if record["device"]["precision"] != "fp32":
            return None
        other = SAME_LOSSES + (("epochs",) if config.get("schedule", "constant") == "constant" else ())
        key = json.dumps([{name: value for name, value in config.items() if name not in other},
                          dataset["name"], dataset["train"], dataset.get("fingerprint"), one.options.get("seed"),
                          one.options.get("init")], sort_keys=True)
        if one.peer and key not in self.losses:
            return "there is no run of the trainer to compare its losses with"
        if one.peer and config.get("dropout"):
            return None  # what a library drops is its own to draw
        epochs, tolerance = records.compared(record)
        losses = records.losses_of(record)[:epochs]
        name, first = self.losses.setdefault(key, (record["device"]["kind"], losses))
        difference = records.first_difference(losses, first, tolerance)
        return difference and (f"the loss of epoch {difference[0] + 1} is {difference[1]}, that of {name} "
                               f"{difference[2]}")

    # What is said of it

    def tell(self, one, record):
        total = sum(len(self.left(other)) for other in self.all())
        done = self.done()
        words = [f"{done} of {done + total}", f"{self.remaining()} left", one.label()]
        if one.peak:
            peak = record["peak"]
            words.append(f"{peak['gflops']:.1f} GFLOP/s, {peak['bytes_per_second'] / 1e9:.1f} GB/s" + "".join(
                f", {name} {gflops:.1f} GFLOP/s" for name, gflops in (peak.get("arithmetic") or {}).items()))
        elif record["seconds"]["mean_epoch"] is not None:
            words.append(f"{record['seconds']['mean_epoch']:.4f} s an epoch")
        if record["status"] != "complete":
            words.append(record["status"] + (f": {record['error']}" if record.get("error") else ""))
        say(": ".join(words))
        for warning in record["sweep"]["warnings"]:
            say(f"warning: {warning}")

    def remaining(self):
        known = [seconds for one in self.configurations for seconds in one.seconds]
        usual = statistics.mean(known) if known else None
        total = 0.0
        for one in self.all():
            runs = len(self.left(one))
            each = statistics.mean(one.seconds) if one.seconds else usual
            if runs and each is None:
                return "?"
            total += runs * ((each or 0.0) + self.settings.cool_down)
        return f"{total:.0f} s" if total < 100 else f"{total / 60:.0f} min"

    def summarise(self):
        for one in self.configurations:
            if not one.epochs:
                continue
            median, least, most = records.median_and_spread(one.epochs)
            threads = f" --threads {one.threads}" if one.threads else ""
            print(f"{median:10.4f} s  {least:.4f} - {most:.4f}  {len(one.epochs)} runs  "
                  f"{clean(one.label(), None)}{threads}")
            for index in records.outliers(one.epochs):
                say(f"warning: outlier: {one.label()}: {one.epochs[index]:.4f} s, median {median:.4f} s: "
                    "was the machine busy?")
        for name, ends in self.targets().items():
            seconds = [end for end in ends if end is not None]
            mean, deviation = mean_and_deviation(seconds)
            came = f"{mean:10.2f} s" + (f" +- {deviation:.2f}" if deviation else "") if seconds else "         -"
            print(f"{came}  to the target, {len(seconds)} of {len(ends)} runs  {clean(name, None)}")

    def targets(self):
        """{what was run, but for its seed: seconds to the target of each run, None where it did not get there}."""
        found = {}
        for one in self.configurations:
            if one.targets:
                found.setdefault(one.label(but="seed"), []).extend(one.targets)
        return found
