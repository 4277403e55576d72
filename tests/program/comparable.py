"""Which records are runs of the same thing: whatever has another host, device, library, driver, environment or
images is a row of its own, that looks so, and is compared with nothing from elsewhere.

  comparable.py TOOLS_FOLDER
"""
import os
import shutil
import sys
import tempfile
import unittest

from fixtures import fake_records as fake

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.abspath(sys.argv.pop(1)))
from reporting import answers, machines, records, rows, tables  # noqa: E402

OTHERS = {  # of every key of an identity
    "host.name": "other", "host.cpu": "Fake CPU 9001", "host.cores": 9, "host.os": "Linux 6.2.0 x86_64",
    "device.kind": "reference", "device.name": "Another CPU", "device.spec": "cpu:1", "device.threads": 3,
    "device.precision": "tf32", "device.library": "FakeBLAS 1.1", "device.platform": "Fake platform",
    "device.driver": "2.0", "device.environment": {"OMP_WAIT_POLICY": "passive"},
    "dataset.name": "synthetic", "dataset.train": 40000, "dataset.fingerprint": "00000000000000aa"}
OTHER_RANKS = {  # and of one of several ranks
    "ranks.count": 3, "ranks.hosts": 2, "ranks.library": "MPICH 4.0.2",
    "ranks.transport": "shared memory", "sweep.launcher": "mpirun --bind-to none"}


def changed(record, **values):
    for path, value in values.items():
        record = fake.changed(record, path.replace("_", "."), value)
    return record


class Comparable(unittest.TestCase):
    def machine(self, lines):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "alpha.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.write(fake.lines_of(lines))
        (machine,) = machines.gather([path])
        self.assertEqual(machine.refused, [])
        return machine

    def shown(self, machine):
        """The cells of each row that say what it is, of both tables of a machine."""
        lines = []
        for table in (tables.benchmark_table(machine), tables.shapes_table(machine)):
            lines += [(table.caption, *(cell for name, cell in zip(table.columns, row) if name in (
                "layers", "batch", "backend", "threads", "hardware"))) for row in table.rows] if table else []
        return lines

    def test_every_key(self):
        self.assertEqual(sorted(path.replace(".", " ") for path in (*OTHERS, *OTHER_RANKS)),
                         sorted(records.identity(fake.run())))
        for path, value in OTHERS.items():
            with self.subTest(path=path):
                machine = self.machine([fake.run(), changed(fake.run(epoch=0.2), **{path: value}), fake.run()])
                self.assertEqual([len(row.runs) for row in machine.rows], [2, 1])
                if path != "device.threads":  # of which the fastest is shown
                    self.assertEqual(len(set(self.shown(machine))), 2, self.shown(machine))
                (change,) = records.changes(*(records.identity(row.runs[0]) for row in machine.rows))
                self.assertIn(f"{path.replace('.', ' ')} {value!r}, was ", change)

    def test_ranks(self):
        first = {**fake.run(ranks=fake.ranked(2)), "sweep": {"launcher": "mpirun"}}
        for path, value in OTHER_RANKS.items():
            with self.subTest(path=path):
                machine = self.machine([first, fake.changed({**first, "time": fake.stamp()}, path, value),
                                        {**first, "time": fake.stamp()}])
                self.assertEqual(sorted(len(row.runs) for row in machine.ranked), [1, 2])
                self.assertEqual(len(set(map(str, tables.strong_scaling_table(machine).rows))), 2)

    def test_peaks(self):
        for path, value in OTHERS.items():
            if not path.startswith("dataset"):
                machine = self.machine([fake.peak(), changed(fake.peak(), **{path: value}), fake.peak()])
                self.assertEqual(sorted(len(peak.runs) for peak in machine.peaks), [1, 2], path)

    def test_environment_is_told(self):
        environment = {"OMP_WAIT_POLICY": "passive", "BEAM": "2"}
        machine = self.machine([changed(fake.run(), device_environment=environment)])
        self.assertEqual(machine.rows[0].backend, "cpu: FakeBLAS 1.0, OMP_WAIT_POLICY=passive, BEAM=2")

    def test_null_is_absent(self):
        """Records from before a key was there are read, and shown, as they were."""
        old = fake.run()
        new = changed(fake.run(), device_environment=None, dataset_fingerprint=None)
        for path in ("device.driver", "device.platform"):
            old = fake.changed(old, path, ...)
        machine = self.machine([old, new])
        self.assertEqual([len(row.runs) for row in machine.rows], [2])
        self.assertEqual(records.changes(records.identity(old), records.identity(new)), [])

    def test_kernels_found_faster(self):
        """A device that has need of no library names none; another one is a change none the less."""
        one, none, other = (records.identity(fake.run("opencl", library=name)) for name in ("A 1", None, "A 2"))
        self.assertEqual(records.changes(one, none) + records.changes(none, one), [])
        self.assertEqual(records.changes(one, other), ["device library 'A 2', was 'A 1'"])

    def test_newer_ones_of_the_same(self):
        """What a later commit was measured with where it may change; on other images or hosts, or with another
        environment, it is something else."""
        for path, value in OTHERS.items():
            news = path in ("host.os", "device.library", "device.driver")
            if path != "device.threads":
                with self.subTest(path=path):
                    before = changed(fake.run(epoch=0.3, commit=fake.OLD_COMMIT), dataset_fingerprint="ab")
                    later = changed(changed(fake.run(), dataset_fingerprint="ab"), **{path: value})
                    self.assertEqual(len(self.machine([before, later]).rows), 1 if news else 2)
        # One of unknown images gives way to any.
        machine = self.machine([fake.run(epoch=0.3, commit=fake.OLD_COMMIT),
                                changed(fake.run(), dataset_fingerprint="00000000000000aa")])
        self.assertEqual(([row.epoch[0] for row in machine.rows], machine.superseded), ([0.1], 1))

    def test_benchmark(self):
        """It is of the images that most runs are of, and of unknown ones, as far as a record tells."""
        def runs(*fingerprints):
            return [changed(fake.run(epoch=0.1 + number / 10), dataset_fingerprint=fingerprint)
                    for number, fingerprint in enumerate(fingerprints)]

        for fingerprints, expected in ((["aa"], [0.1]), ([None], [0.1]), (["aa", "bb", "bb"], [0.25]),
                                       (["aa", "aa", "bb"], [0.15])):
            with self.subTest(fingerprints=fingerprints):
                machine = self.machine(runs(*fingerprints))
                found = [row.epoch[0] for row in machine.of(rows.BENCHMARK)]
                self.assertEqual(len(found), len(expected))
                for one, other in zip(found, expected):
                    self.assertAlmostEqual(one, other)
        for fingerprint, compared in (("aa", True), (None, True), ("bb", False)):
            machine = self.machine([*runs("aa", "aa"), changed(fake.run("jax", 0.2), dataset_fingerprint=fingerprint)])
            own, jax = (next(row for row in machine.rows if row.own is is_own) for is_own in (True, False))
            self.assertEqual(machine.best_peer(own), jax if compared else None)

    def test_hosts(self):
        """Peers and peaks of another host are none to be compared with; nor is it the same line in a plot."""
        for other in ({"host_name": "other"}, {"host_cpu": "Fake CPU 9001"}, {"host_cores": 9}):
            machine = self.machine([
                fake.peak(gflops=1000.0), changed(fake.peak(gflops=500.0), **other), fake.run(epoch=0.1),
                changed(fake.run(epoch=0.2), **other), changed(fake.run("jax", 0.15), **other)])
            here, peer, there = machine.rows
            self.assertEqual((machine.best_peer(here), machine.best_peer(there)), (None, peer))
            self.assertAlmostEqual(here.share_of_peak, 0.13845, places=4)  # of 138.45 GFLOP/s, by hand
            self.assertAlmostEqual(there.share_of_peak, 0.13845, places=4)
            series = [row.series for row in answers.epochs(machine).figures]
            self.assertEqual((len(series), len(set(series))), (3, 3), series)
        machine = self.machine([fake.run("cuda", 0.1), changed(fake.run("cuda", 0.2), host_name="other")])
        self.assertEqual([row.series for row in machine.rows], [
            "cuda, Fake GPU X of fake", "cuda, Fake GPU X of other"])

    def test_refused(self):
        for path, value, reason in (("dataset.fingerprint", 7, "its data's fingerprint is no text (7)"),
                                    ("device.environment", "x", "its device's environment is no object ('x')")):
            self.assertEqual(records.refusal(fake.changed(fake.run(), path, value)), reason)


if __name__ == "__main__":
    unittest.main()
