"""tools/report: each figure of its tables, worked out by hand.

  report_figures.py TOOL
"""
import math
import re
import unittest

from fixtures import fake_records as fake, worked_out
from fixtures.reports import Case, alpha, on_a_page, rows_of, tables_of, unescaped
from reporting import answers, machines, records, tables, words

FIGURES = ["mean epoch, s", "load dataset, s", "to batched input, s", "runs × epochs", "samples/s", "GFLOP/s",
           "of peak", "× best peer"]
PUBLISHED = """
LibTorch GPU, OTP 24 | 0.564 | 1.630 | 0.652 | RTX 3090, Ryzen 9 3900XT | cuda
LibTorch CPU, OTP 24 | 0.770 | 1.653 | 0.617 | Ryzen 9 3900XT | cpu
LibTorch CPU, OTP 25 | 0.773 | 1.599 | 0.745 | M1 Max | cpu
LibTorch CPU, OTP 24 | 0.803 | 1.702 | 1.900 | M1 Max | cpu
LibTorch CPU, OTP 24 | 0.841 | 2.141 | 0.778 | Core i9-8950HK | cpu
LibTorch CPU, OTP 25 | 16.207 | 16.372 | 4.442 | Raspberry Pi 4 | cpu
LibTorch CPU, OTP 24 | 17.170 | 15.334 | 4.880 | Raspberry Pi 4 | cpu
multi-threaded, OTP 25 | 436.385 | 9.949 | 1.527 | M1 Max | reference, all threads
multi-threaded, OTP 24 | 453.536 | 10.925 | 2.154 | M1 Max | reference, all threads
multi-threaded, OTP 24 | 786.443 | 6.034 | 2.536 | Ryzen 9 3900XT | reference, all threads
multi-threaded, OTP 24 | 1471.090 | 17.826 | 2.934 | Core i9-8950HK | reference, all threads
pure Elixir, OTP 24 | 3003.321 | 11.090 | 2.135 | M1 Max | reference, 1 thread
pure Elixir, OTP 25 | 3257.853 | 9.458 | 1.548 | M1 Max | reference, 1 thread
pure Elixir, OTP 24 | 3670.930 | 6.058 | 2.391 | Ryzen 9 3900XT | reference, 1 thread
pure Elixir, OTP 24 | 4460.758 | 17.994 | 3.036 | Core i9-8950HK | reference, 1 thread
multi-threaded, OTP 25 | 18210.347 | 207.923 | 11.855 | Raspberry Pi 4, 4 cores | reference, all threads
pure Elixir, OTP 25 | 27336.010 | 194.427 | 11.917 | Raspberry Pi 4 | reference, 1 thread
"""


class Tables(Case):
    def test_benchmark(self):
        """Epochs, samples/s and GFLOP/s are of the median; the best peer is the fastest in fp32, whatever it
        runs on; a share is of the peak of the same device with as many threads."""
        table = tables.benchmark_table(self.machine(worked_out.many()))
        self.assertEqual(table.columns, ["backend", "threads", *FIGURES, "hardware"])
        gpu, cpu = "Fake GPU X", fake.CPU
        self.assertEqual(table.rows, [
            ["cuda: cuBLAS 13.0, cublas, graph, tf32", "-", "0.00900", "0.0380", "0.00430", "1 × 1",
             "5,566,667", "1,540", "-", "-", gpu],
            ["cuda: cuBLAS 13.0, own-small 4, cublas 2, graph", "-", "0.0110 (0.0102–0.0140)", "0.0370",
             "0.00410", "3 × 3", "4,554,545", "1,260", "2.5 % (product)", "1.18", gpu],
            ["PyTorch 2.9.0 on cuda, compile", "-", "0.0130", "2.50", "0.0570", "1 × 3", "3,853,846", "1,070",
             "2.1 % (product)", "best peer", gpu],
            ["cpu: FakeBLAS 1.0", "2", "0.120 (0.100–0.160)", "0.0310 (0.0300–0.0500)",
             "0.0250 (0.0200–0.0600)", "3 × 2", "417,500", "115", "50 % (product)", "0.108", cpu],
            ["JAX 0.8.1, scan", "4", "0.240 (0.230–0.250)", "1.26", "0.0560", "3 × 2", "208,750", "57.7", "-",
             "-", cpu],
            ["PyTorch 2.9.0, compile", "2", "0.360 (0.330–0.390)", "2.20 (2.10–2.30)",
             "0.0540 (0.0530–0.0550)", "2 × 4", "139,167", "38.5", "17 % (product)", "-", cpu],
            ["reference", "4", "0.810", "0.0360", "0.0520", "1 × 2", "61,852", "17.1", "-", "0.0160", cpu],
            ["reference", "1", "2.50", "0.0350", "0.0510", "1 × 2", "20,040", "5.54", "-", "0.00520", cpu]])

    def test_warm_up(self):
        """Runs after one are no runs of the same as those without, and are told apart; it is no share of a run."""
        warm = fake.run("cuda", 0.01, phases={"warm_up": 1.0})
        warm["seconds"]["wall"] += 1.0
        machine = self.machine([warm, fake.run("cuda", 0.02)])
        self.assertEqual([row[0] for row in tables.benchmark_table(machine).rows], [
            f"cuda: cuBLAS 13.0, own-small 4, cublas 2, graph, {how} a warm-up" for how in ("after", "without")])
        self.assertNotIn("warm_up", records.phases_of(warm))
        (row,) = tables.benchmark_table(self.machine([warm])).rows
        self.assertEqual(row[0], "cuda: cuBLAS 13.0, own-small 4, cublas 2, graph")

    def test_shapes(self):
        """By width, then by batch, fastest first; the best peer is that of the same net and batch."""
        table = tables.shapes_table(self.machine(worked_out.grid()))
        self.assertEqual(table.columns, ["layers", "batch", "backend", "threads", *FIGURES, "hardware"])
        self.assertEqual([(*row[:2], row[2].split(":")[0], row[4], row[11]) for row in table.rows[:10]], [
            ("7 (rate 0.0001)", "300", "cpu", "0.0120 (0.0100–0.0170)", "1.67"),
            ("7 (rate 0.0001)", "300", "JAX 0.8.1, scan", "0.0200", "best peer"),
            ("7 (rate 0.0001)", "1,000", "JAX 0.8.1, scan", "0.0300", "best peer"),
            ("7 (rate 0.0001)", "1,000", "cpu", "0.0400", "0.750"),
            ("16 (rate 0.0001)", "10", "JAX 0.8.1, scan", "0.0500", "best peer"),
            ("16 (rate 0.0001)", "10", "cpu", "0.0900", "0.556"),
            ("16 (rate 0.0001)", "10", "cuda", "0.120", "0.417"),
            ("16 (rate 0.0001)", "30", "cuda", "0.0400", "1.50"),
            ("16 (rate 0.0001)", "30", "cpu", "0.0500", "1.20"),
            ("16 (rate 0.0001)", "30", "JAX 0.8.1, scan", "0.0600", "best peer")])
        self.assertEqual([row[0] for row in table.rows[10::6]], ["64,32 (rate 0.0001)", "1024,1024 (rate 0.0001)"])
        # 30 goes 1667 times into 50,000: 50,010 samples of 66,496 operations in 0.04 s.
        cuda = dict(zip(table.columns, table.rows[7]))
        self.assertEqual((cuda["samples/s"], cuda["GFLOP/s"]), ("1,250,250", "83.1"))

    def test_what_differs(self):
        """From the benchmark, in brackets; samples are those that the tail leaves: of 50,000 in batches of
        300, 49,800 are of whole ones."""
        runs = []
        for path, value in (("config.activation", "relu"), ("config.tail", "short"), ("config.tail", "drop"),
                            ("config.shuffle", True), ("dataset.train", 40000), ("dataset.name", "synthetic"),
                            ("config.color", "rgb"), ("config.layers", [3072, 64, 32, 10]),
                            ("config.layers", [784, 64, 32, 7]), ("config.learning_rate", 0.125)):
            runs.append(fake.changed(fake.run("cpu", 0.1), path, value))
        runs[7]["config"]["color"] = "rgb"
        rows = tables.shapes_table(self.machine(runs)).rows
        self.assertEqual(sorted((row[0], row[8]) for row in rows), sorted([
            ("64,32 (relu)", "501,000"), ("64,32 (tail: short)", "500,000"), ("64,32 (tail: drop)", "498,000"),
            ("64,32 (shuffled)", "501,000"), ("64,32 (CIFAR-10, 40,000 images)", "402,000"),
            ("64,32 (synthetic, 50,000 images)", "501,000"), ("64,32 (rgb, 1024 inputs)", "501,000"),
            ("64,32 (rgb)", "501,000"), ("64,32 (784 inputs, 7 classes)", "501,000"),
            ("64,32 (rate 0.125)", "501,000")]))

    def test_threads(self):
        """The benchmark first, then by device and threads; a row without one thread has nothing to be
        compared with."""
        others = [fake.run("cpu", epoch, layers=(8,), threads=threads) for threads, epoch in ((4, 0.5), (2, 0.8))]
        table = tables.threads_table(self.machine(others + worked_out.many()))
        self.assertEqual(table.columns, ["layers", "batch", "backend", "threads", "mean epoch, s",
                                         "runs × epochs", "speed-up", "of the straight line"])
        self.assertEqual(table.caption, f"Threads on alpha; hardware: {fake.CPU}")
        self.assertEqual(table.rows, [
            ["64,32", "300", "cpu: FakeBLAS 1.0", "1", "0.216", "1 × 2", "1.00", "100 %"],
            ["64,32", "300", "cpu: FakeBLAS 1.0", "2", "0.120 (0.100–0.160)", "3 × 2", "1.80", "90 %"],
            ["64,32", "300", "cpu: FakeBLAS 1.0", "4", "0.140 (0.130–0.150)", "2 × 2", "1.54", "39 %"],
            ["64,32", "300", "reference", "1", "2.50", "1 × 2", "1.00", "100 %"],
            ["64,32", "300", "reference", "4", "0.810", "1 × 2", "3.09", "77 %"],
            ["8", "300", "cpu: FakeBLAS 1.0", "2", "0.800", "1 × 5", "-", "-"],
            ["8", "300", "cpu: FakeBLAS 1.0", "4", "0.500", "1 × 5", "-", "-"]])

    def test_peaks(self):
        table = tables.peaks_table(self.machine(worked_out.many()))
        self.assertEqual(table.caption, "What the hardware of alpha can do; precision: fp32")
        self.assertEqual(table.columns, ["device", "threads", "GFLOP/s", "side", "GFLOP/s of arithmetic", "GB/s",
                                         "copied MB", "runs", "hardware"])
        self.assertEqual(table.rows, [
            ["cuda: cuBLAS 13.0", "-", "51,000", "16,384", "-", "2,900", "1,070", "1", "Fake GPU X"],
            ["cpu: FakeBLAS 1.0", "2", "231 (230–250)", "2,048", "-", "21.5 (20.5–23.5)", "537", "3", fake.CPU],
            ["cpu: FakeBLAS 1.0", "1", "120", "2,048", "-", "11.0", "537", "1", fake.CPU]])

    def test_peaks_that_do_not_fit(self):
        """A peak in another precision is none; of two of the same, it is the median of all their runs."""
        machine = self.machine([
            fake.run("cpu", 0.1), fake.peak("cpu", 999.0, precision="bf16"), fake.peak("cpu", 200.0),
            fake.peak("cpu", 270.0), *(fake.peak("cpu", gflops, library="Other BLAS") for gflops in (300.0, 260.0))])
        self.assertEqual(words.percent(machine.rows[0].share_of_peak), "52 %")  # 138.45 of 265

    def test_arithmetic(self):
        """What a CPU's arithmetic allows is the same for all that compute on it with as many threads, peers and
        opencl too; the best run and the best instruction set count. Where it is not known, it is the product."""
        cpu = {"type": "cpu", "name": "pthread-" + fake.CPU}
        machine = self.machine([
            fake.peak("cpu", 150.0, arithmetic={"baseline": 50.0, "AVX2": 190.0}),
            fake.peak("cpu", 150.0, arithmetic={"baseline": 60.0, "AVX2": 200.0}),
            fake.peak("cpu", 150.0, arithmetic={"baseline": 55.0, "AVX2": 180.0}),
            fake.peak("reference", 2.0, threads=4, arithmetic={"AVX2": 400.0}), fake.peak("cuda", 1000.0),
            fake.peak("cpu", 110.0, threads=8),
            fake.changed(fake.peak("cpu", arithmetic={"AVX2": 1000.0}), "host.name", "another"),
            fake.run("cuda", 0.01), fake.run("cpu", 0.1), fake.run("pytorch", 0.2),
            fake.run("opencl", 0.3, threads=2, **cpu), fake.run("numpy", 0.4, threads=4),
            fake.run("cpu", 0.5, threads=8), fake.run("cpu", 0.6, threads=16),
            fake.run("cpu", 0.7, precision="bf16")])
        shares = [(row.kind, row.threads, tables.share_text(row)) for row in machine.rows]
        self.assertEqual(shares, [  # 1,384.5 GFLOP/s, 138.45, 69.2, 46.2, 34.6, 27.7, ...
            ("cuda", None, "138 % (product)"), ("cpu", 2, "69 % (arithmetic)"), ("pytorch", 2, "35 % (arithmetic)"),
            ("opencl", 2, "23 % (arithmetic)"), ("numpy", 4, "8.7 % (arithmetic)"), ("cpu", 8, "25 % (product)"),
            ("cpu", 16, "-"), ("cpu", 2, "-")])
        table = tables.peaks_table(machine)
        at = table.columns.index("GFLOP/s of arithmetic")
        self.assertEqual([row[at] for row in table.rows if row[0].startswith("cpu") and row[1] == "2"],
                         ["AVX2 1,000", "baseline 60.0, AVX2 200"])

    def test_peaks_from_before(self):
        """Older records have no such key."""
        old = fake.changed(fake.peak(gflops=200.0), "peak.arithmetic", ...)
        machine = self.machine([old, fake.run("cpu", 0.1)])
        self.assertEqual([tables.share_text(row) for row in machine.rows], ["69 % (product)"])

    def test_far_off(self):
        (row,) = tables.benchmark_table(self.machine(
            [fake.run("cpu", 0.1 + more) for more in (0.0, 0.001, 0.0, -0.001, 0.1, 0.2)])).rows
        self.assertEqual(row[5], "6 × 5 (2 far off)")
        # The median of what they are off by is 2 ms, and so a standard deviation 2.97 ms: 7.5 are not three of it.
        (row,) = tables.benchmark_table(self.machine(
            [fake.run("cpu", 0.1 + more / 1000) for more in (0, 1, -1, 2, -2, 8.5, 100)])).rows
        self.assertEqual(row[5], "7 × 5 (1 far off)")

    def test_in_all_forms(self):
        """A table has the same cells in README.md and on the page, and its figures are on the right."""
        paths = self.write("many", worked_out.many()), self.write("grid", worked_out.grid() + ["nonsense"])
        text, shown = self.markdown(*paths), tables_of(self.page(*paths, plots=False))
        found = machines.gather(paths)
        listed = [table(machine) for machine in found for table in (
            tables.benchmark_table, tables.shapes_table, tables.threads_table, tables.peaks_table)]
        listed = [table for table in listed if table] + [tables.published_table(), tables.refused_table(found)]
        self.assertGreater(len(listed), 5)
        for table in listed:
            head, rule, *rows = rows_of(text, words.markdown(table.caption))
            self.assertEqual([list(map(unescaped, row)) for row in (head, *rows)], [table.columns, *table.rows])
            self.assertEqual(rule, ["---" if name in table.left else "---:" for name in head])
        self.assertEqual(len(listed), len(re.findall(r"(?m)^\*\*", text)))
        listed += [answer.table for machine in found for answer in
                   (question(machine) for question in answers.QUESTIONS.values()) if answer.table]
        self.assertGreater(len(listed), 10)
        for table in listed:
            self.assertEqual(shown.pop(table.caption), on_a_page(table.columns, table.rows, table.grouped))
        self.assertEqual(shown, {})

    def test_as_markdown(self):
        text = self.markdown(self.write("alpha", alpha()))
        head, _, cpu, jax = rows_of(text, "The benchmark on alpha, fastest first; hardware: Fake CPU 9000")
        self.assertEqual(head, ["backend", "threads", *FIGURES])
        # 115.4 of the 231 GFLOP/s; 0.24 s to 0.12 s.
        self.assertEqual(cpu, ["cpu: FakeBLAS 1.0", "2", "0.120 (0.100–0.170)", "0.0300", "0.0200",
                               "3 × 5", "417,500", "115", "50 % (product)", "2.00"])
        # Of the peaks none has four threads.
        self.assertEqual(jax, ["JAX 0.8.1, scan", "4", "0.240 (0.230–0.250)", "1.25", "0.0200",
                               "3 × 5", "208,750", "57.7", "-", "best peer"])
        self.assertNotIn("9.90", text)
        self.assertNotIn(fake.OLD_COMMIT, text)

    def test_hardware(self):
        """In the caption where it is the same in every row, whatever a driver or a peer calls it."""
        same = [fake.run("cpu", 0.1), fake.run("jax", 0.2, name="cpu"),
                fake.run("opencl", 0.3, type="cpu", name="pthread-haswell-" + fake.CPU, threads=2)]
        table = tables.benchmark_table(self.machine(same))
        self.assertEqual(table.caption, f"The benchmark on alpha, fastest first; hardware: {fake.CPU}")
        self.assertNotIn("hardware", table.columns)
        table = tables.benchmark_table(self.machine(same + [fake.run("cuda", 0.05)]))
        self.assertEqual(table.caption, "The benchmark on alpha, fastest first")
        self.assertEqual([row[table.columns.index("hardware")] for row in table.rows],
                         ["Fake GPU X"] + [fake.CPU] * 3)

    def test_published(self):
        """In their own table, fastest first, and in no other."""
        table = tables.published_table()
        self.assertEqual(table.caption, "Published in 2021, not measured by us")
        self.assertEqual(table.columns, ["backend", *FIGURES[:3], "hardware", "nearest to it here"])
        rows = [" | ".join(row) for row in table.rows]
        self.assertEqual(rows, PUBLISHED.strip().splitlines())
        for caption, cells in tables_of(self.page(self.write("alpha", alpha()), plots=False)).items():
            self.assertEqual("LibTorch" in str(cells), caption.startswith("Published in 2021"))

    def test_newest_commit_of_each_configuration(self):
        """By time, not by place; what the newer code was not measured with still counts."""
        old = [fake.run("cpu", 0.5, commit=fake.OLD_COMMIT),
               fake.run("reference", 2.5, commit=fake.OLD_COMMIT),
               fake.run("opencl", 0.75, commit=fake.OLD_COMMIT, gemm="own 3, clblast 1")]
        new = [fake.run("cpu", 0.25), fake.run("opencl", 0.5, gemm="own 2, clblast 2", library="CLBlast 2.0")]
        text = self.markdown(self.write("alpha", new + old))
        rows = rows_of(text, "The benchmark on alpha, fastest first")[2:]
        self.assertEqual([row[2] for row in rows], ["0.250", "0.500", "2.50"])
        self.assertIn("2 rows of older commits superseded", text)

    def test_older_records(self):
        """They lack what has its usual value in newer ones, which take their place none the less."""
        old, new = fake.run("cpu", 0.1, commit=fake.OLD_COMMIT), fake.run("cpu", 0.2)
        new["config"].update(records.RECIPE)
        machine = self.machine([old, new])
        self.assertEqual([row.epoch[0] for row in machine.rows], [0.2])
        self.assertEqual(machine.superseded, 1)

    def test_peers_of_the_same_precision(self):
        """To be faster in TF32 than a peer in fp32 is nothing to be compared."""
        machine = self.machine([
            fake.run("jax", 0.3), fake.run("cuda", 0.2), fake.run("cuda", 0.1, precision="tf32")])
        rows = tables.benchmark_table(machine).rows
        self.assertEqual([row[-2] for row in rows], ["-", "1.50", "best peer"])
        self.assertEqual(answers.epochs(machine).figures[0].device["precision"], "fp32")

    def test_names(self):
        """A library's name stands for its peer's where it is the same."""
        machine = self.machine([
            fake.run("pytorch", 0.1, spec="cuda"), fake.run("mine", 0.2, library="BLAS 1", submission=None),
            fake.run("numpy", 0.3, library=None), fake.run("opencl", 0.4, gemm="own 3, clblast 1")])
        self.assertEqual([row.backend for row in machine.rows], [
            "PyTorch 2.9.0 on cuda, compile", "mine: BLAS 1", "NumPy, blas",
            "opencl: CLBlast 1.6.3, own 3, clblast 1"])

    def test_two_machines(self):
        """Nothing of one machine is in another's figures: no peer, and no peak."""
        beta = [fake.run("cpu", 0.3), fake.run("cuda", 0.01), fake.run("cuda", 0.008, precision="tf32"),
                fake.run("cuda", 0.02, layers=(1024, 1024))]
        text = self.markdown(self.write("alpha", alpha()), self.write("beta", beta))
        tf32, cuda, cpu = rows_of(text, "The benchmark on beta, fastest first")[2:]
        self.assertEqual(tf32[0], "cuda: cuBLAS 13.0, own-small 4, cublas 2, graph, tf32")
        self.assertEqual([row[-3:-1] for row in (tf32, cuda, cpu)], [["-", "-"]] * 3)

    def test_peers_and_peaks_of_the_same_hardware(self):
        """A peer on a GPU has no threads of its own, one on a CPU those of the peak."""
        machine = self.machine([
            fake.peak("cuda", 1000.0), fake.peak("cpu", 100.0), fake.peak("cpu", 50.0, threads=1),
            fake.run("pytorch", 0.1, spec="cuda", type="gpu", name="Fake GPU X", threads=None),
            fake.run("pytorch", 0.2), fake.run("pytorch", 0.3, threads=8)])
        shares = [words.percent(row.share_of_peak) for row in machine.rows]  # of 138, 69.2 and 46.1 GFLOP/s
        self.assertEqual(shares, ["14 %", "69 %", "-"])


class Records(unittest.TestCase):
    def test_first_difference(self):
        nan = math.nan
        for ours, others, expected in (
                ([2.3, 2.2], [2.3, 2.2], None), ([2.3, 2.2022], [2.3, 2.2], None), ([], [], None),
                ([2.3, 2.2023], [2.3, 2.2], (1, 2.2023, 2.2)), ([None], [None], None),
                ([None], [2.3], (0, None, 2.3)), ([2.3], [None], (0, 2.3, None)),
                ([math.inf], [math.inf], (0, math.inf, math.inf)), ([0.0], [0.0], None),
                ([1.0] * 5 + [2.0], [1.0] * 6, None)):
            self.assertEqual(records.first_difference(ours, others), expected)
        for ours, others in (([nan], [nan]), ([nan], [1.0]), ([1.0], [nan]), ([nan], [None])):
            self.assertEqual(records.first_difference(ours, others)[0], 0)
        self.assertEqual(records.COMPARED, 5)

    def test_outliers(self):
        for values, expected in (([1, 1, 9], []), ([1.0, 1.0, 1.0, 1.04], []), ([1.0, 1.0, 1.0, 1.06], [3]),
                                 ([1.0, 1.1, 1.2, 1.3, 1.4], []), ([5.0, 1.0, 1.1, 0.9, 1.0], [0])):
            self.assertEqual(records.outliers(values), expected)
        self.assertEqual(records.median_and_spread([3, 1, 2, 9]), (2.5, 1, 9))

    def test_numbers(self):
        for value, text in ((0.07314, "0.0731"), (0.09999, "0.100"), (27336.01, "27,300"), (1, "1.00"),
                            (0, "0"), (1e-300, "1.00e-300"), (None, "-"), (999.6, "1,000")):
            self.assertEqual(words.number(value), text)
        for share, text in ((None, "-"), (0.5, "50 %"), (0.1234, "12 %"), (0.994, "99 %"), (0.9964, "99.6 %"),
                            (1.0, "100 %"), (1.234, "123 %")):
            self.assertEqual(words.percent(share), text)
        for count, text in ((0, "0 runs"), (1, "1 run"), (2, "2 runs"), (1234, "1,234 runs")):
            self.assertEqual(words.plural(count, "run"), text)
        self.assertEqual([words.listed("abc"[:count]) for count in range(4)], ["", "a", "a and b", "a, b and c"])
        self.assertEqual(words.memory(3 * 2**29), "1.50 GiB")
        self.assertEqual(words.spread((2.0, 1.0, 3.0)), "2.00 (1.00–3.00)")


if __name__ == "__main__":
    unittest.main()
