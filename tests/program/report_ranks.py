"""tools/report: what it says of ranks, worked out by hand, and that nothing else knows of them.

  report_ranks.py TOOL
"""
import unittest

from fixtures import fake_records as fake
from fixtures.reports import Case, alpha, rows_of, tables_of
from fixtures.worked_out import many
from reporting import answers, drawing, plots, ranks, tables


def some(count, epoch, exchange=0.25, threads=1, runs=1, hosts=1, library="Open MPI 4.1.4", kind="cpu",
         transport="memory", **more):
    """Runs of so many ranks."""
    return fake.runs(runs, kind, epoch, threads=threads, ranks=fake.ranked(count, exchange, hosts, library, transport),
                     **more)


def strong():
    """1, 2 and 4 ranks with batches of 300, the last of which are no gain; all faster than anything alone."""
    return (some(1, 0.0008, 0.0, runs=3) + some(2, 0.0005, 0.2, runs=3) + some(4, 0.0006, 0.625, hosts=2, runs=3))


class Apart(Case):
    def test_nothing_else_knows_of_them(self):
        """All tables, plots and sentences are those of the same file without ranks."""
        alone = many() + [fake.aimed("cpu", 0.1, [0.3, 0.5])]
        more = strong() + some(2, 0.0001, layers=(1024, 1024)) + some(2, 0.0001, kind="jax")
        aimed = fake.aimed("cpu", 0.0001, [0.5], ranks=fake.ranked(2))
        path = self.write("alpha", alone), self.write("beta", alone + more + [aimed])
        before, after = (tables_of(self.page(one, plots=False)) for one in path)
        for caption, cells in before.items():
            self.assertEqual(after.pop(caption.replace("alpha", "beta")), cells)
        self.assertEqual(sorted(caption.split(";")[0] for caption in after),
                         ["Ranks on beta, strong scaling", "Speed-up against one rank on beta"])
        machines = self.machine(alone), self.machine(alone + more + [aimed])
        for name, question in answers.QUESTIONS.items():
            first, second = map(question, machines)
            self.assertTrue(name == "ranks" or first.reading == second.reading, name)
        self.assertEqual(*map(answers.sentences, machines))

    def test_one_rank_is_not_alone(self):
        machine = self.machine([fake.run("cpu", 0.2), *some(1, 0.1, threads=2)])
        self.assertEqual([len(row.runs) for row in machine.rows], [1])
        self.assertEqual([row.epoch[0] for row in machine.ranked], [0.1])
        self.assertIsNone(tables.strong_scaling_table(self.machine(alpha())))

    def test_none(self):
        """Without ranks there is no word of them."""
        text, page = self.report(self.write("alpha", alpha()))
        self.assertNotIn("ranks", (text + page).lower())

    def test_ranks_alone(self):
        """A file of nothing else is reported, too."""
        text, page = self.report(self.write("alpha", strong()))
        self.assertEqual(len(rows_of(text, "Ranks on alpha, strong scaling")), 5)
        self.assertIn(">Speed-up by ranks<", page)

    def test_compare(self):
        """Ranks know that their weights are the same after seconds that are part of the wall time."""
        run = fake.changed(some(2, 0.1)[0], "seconds.meet", 0.2)
        run["seconds"]["wall"] += 0.2
        self.assertEqual(self.machine([run]).refused, [])

    def test_newest(self):
        """Another version of an MPI is news, another MPI is another thing."""
        old = some(2, 0.5, commit=fake.OLD_COMMIT) + some(2, 0.6, commit=fake.OLD_COMMIT, library="MPICH 4.0.2")
        machine = self.machine(old + some(2, 0.1, library="Open MPI 5.0.0"))
        self.assertEqual([(row.epoch[0], row.mpi) for row in machine.ranked],
                         [(0.1, "Open MPI 5.0.0"), (0.6, "MPICH 4.0.2")])

    def test_launchers(self):
        """Runs that were started otherwise are no runs of the same."""
        runs = some(2, 0.1) + some(2, 0.2)
        for run, words in zip(runs, ("mpirun", "mpirun --bind-to none")):
            run["sweep"] = {"options": [], "ranks": 2, "launcher": words}
        rows = self.machine(runs).ranked
        self.assertEqual([row.details[-1] for row in rows],
                         ["sweep launcher mpirun", "sweep launcher mpirun --bind-to none"])

    def test_unmeasured(self):
        """Ranks that failed are not measured by a process alone; a device that was absent is by either."""
        options = ["--device", "cpu"]
        failed, absent = (fake.unmeasured(status, status, options) for status in ("failed", "absent"))
        failed["sweep"]["ranks"] = 2
        later = [fake.run("cpu", 0.1), *some(2, 0.1)]
        for run, count in zip(later, (None, 2)):
            run["sweep"] = {"options": options, "ranks": count}
        for run, left in ((later[0], ["2 ranks of --device cpu"]), (later[1], [])):
            self.assertEqual([one.what for one in self.machine([failed, absent, run]).unmeasured], left)


class Figures(Case):
    def test_table(self):
        """Of four ranks 0.625 of an epoch is exchange, and of the straight line 0.0008 / 0.0006 / 4."""
        table = tables.strong_scaling_table(self.machine(strong()))
        self.assertEqual(table.caption, f"Ranks on alpha, strong scaling; MPI: Open MPI 4.1.4; hardware: {fake.CPU}")
        self.assertEqual(table.columns, [
            "layers", "batch", "device", "threads", "ranks", "hosts", "mean epoch, s", "speed-up",
            "efficiency", "exchange", "runs × epochs", "samples/s", "backend"])
        backend = "cpu: FakeBLAS 1.0"
        self.assertEqual(table.rows, [
            ["64,32", "300", "cpu", "1", "1", "1", "0.000800 (0.000784–0.000816)", "1.00", "100 %", "-", "3 × 5",
             "62,625,000", backend],
            ["64,32", "300", "cpu", "1", "2", "1", "0.000500 (0.000490–0.000510)", "1.60", "80 %", "20 %", "3 × 5",
             "100,200,000", backend],
            ["64,32", "300", "cpu", "1", "4", "2", "0.000600 (0.000588–0.000612)", "1.33", "33 %", "62 %", "3 × 5",
             "83,500,000", backend]])

    def test_exchange(self):
        """The median of the runs, and what is around it."""
        runs = [run for share in (0.1, 0.5, 0.2) for run in some(2, 0.1, share)]
        self.assertEqual(tables.strong_scaling_table(self.machine(runs)).rows[0][8], "20 % (10 %–50 %)")

    def gains(self, *runs):
        """(threads, ranks, speed-up, efficiency) of each row."""
        return [(one.row.threads, one.row.ranks, *(figure and round(figure, 3) for figure in one[2:]))
                for one in ranks.gains(self.machine([run for same in runs for run in same]), ranks.of_all)]

    def test_threads(self):
        """Ranks that share the threads of one are no more of them."""
        self.assertEqual(self.gains(some(1, 0.4, threads=4), some(2, 0.5, threads=2), some(4, 0.8)),
                         [(1, 4, 0.5, 0.5), (2, 2, 0.8, 0.8), (4, 1, 1.0, 1.0)])
        # With as many threads each they are, where that was measured.
        self.assertEqual(self.gains(some(1, 0.4, threads=2), some(2, 0.5), some(1, 0.8)),
                         [(1, 1, 1.0, 1.0), (1, 2, 1.6, 0.8), (2, 1, 1.0, 1.0)])
        self.assertEqual(self.gains(some(1, 0.4, threads=8), some(2, 0.5, threads=2)),
                         [(2, 2, None, None), (8, 1, 1.0, 1.0)])

    def test_gpus(self):
        self.assertEqual(self.gains(some(1, 0.4, threads=None, kind="cuda"), some(4, 0.2, threads=None, kind="cuda")),
                         [(None, 1, 1.0, 1.0), (None, 4, 2.0, 0.5)])

    def test_nccl(self):
        """One GPU has whole steps and exchanges with nobody; of several, only they know how long they exchange."""
        one = some(1, 0.4, 0.0, threads=None, kind="cuda", transport=None, step="fused", submission="persistent")
        more = [some(2, epoch, share, threads=None, kind="cuda", transport=transport, step="separate", submission=how)
                for epoch, share, transport, how in ((0.25, None, "NCCL 2.28.9", "graph"),
                                                     (0.32, 0.3, "host memory", "stream"))]
        self.assertEqual(self.gains(one, *more), [(None, 1, 1.0, 1.0), (None, 2, 1.25, 0.625), (None, 2, 1.6, 0.8)])
        machine = self.machine([run for same in (one, *more) for run in same])
        table = tables.strong_scaling_table(machine)
        self.assertEqual({(row[table.columns.index("ranks")], row[table.columns.index("exchange")],
                           row[table.columns.index("MPI")]) for row in table.rows},
                         {("1", "-", "Open MPI 4.1.4"), ("2", "by the GPUs", "Open MPI 4.1.4, NCCL 2.28.9"),
                          ("2", "30 %", "Open MPI 4.1.4")})
        self.assertIn("2 ranks", answers.ranks_of(machine).headline)

    def test_another_thing(self):
        """What is not the same but for its ranks is not compared, though another gemm may be best for a share."""
        for more in ({"batch": 600}, {"layers": (9,)}, {"library": "MPICH 4.0.2"}, {"precision": "bf16"}):
            self.assertEqual([gain[2] for gain in self.gains(some(1, 0.4), some(2, 0.2, **more))
                              if gain[1] == 2], [None], more)
        self.assertEqual(self.gains(some(1, 0.4, gemm="own 2"), some(2, 0.2, gemm="own 1, openblas 1")),
                         [(1, 1, 1.0, 1.0), (1, 2, 2.0, 1.0)])
        asked = some(1, 0.4, gemm="own") + some(2, 0.2, gemm="openblas")
        for run, gemm in zip(asked, ("own", "openblas")):
            run["sweep"] = {"options": ["--gemm", gemm], "launcher": "mpirun"}
        self.assertEqual([gain[2] for gain in self.gains(asked)], [None, 1.0])

    def test_growing(self):
        """The same share of a batch for each: 50,100 samples in 0.4 s, and as many in 0.25."""
        machine = self.machine(some(1, 0.4) + some(2, 0.25, batch=600) + some(4, 0.2, batch=300))
        table = tables.weak_scaling_table(machine)
        self.assertEqual(table.caption, "Ranks on alpha, weak scaling; hosts: 1; "
                         f"MPI: Open MPI 4.1.4; hardware: {fake.CPU}")
        self.assertEqual(table.columns, ["layers", "batch of each", "device", "threads", "ranks", "batch of all",
                                         "samples/s", "times those of one", "efficiency", "exchange",
                                         "backend"])
        self.assertEqual([row[1:10] for row in table.rows], [
            ["300", "cpu", "1", "1", "300", "125,250", "1.00", "100 %", "-"],
            ["300", "cpu", "1", "2", "600", "201,600", "1.61", "80 %", "25 %"]])
        self.assertIsNone(tables.weak_scaling_table(self.machine(strong())))

    def test_unpaid(self):
        said = answers.unpaid(self.machine(strong()))
        self.assertEqual(said, [
            "cpu with layers 64,32 and batches of 300: 4 ranks of 1 thread don't pay, as an epoch takes 0.000600 s, "
            "and with 2 ranks of 1 thread 0.000500 s. 62 % of it is exchange."])
        self.assertIn(said[0], self.markdown(self.write("alpha", strong())))
        shown = self.page(self.write("alpha", strong()), plots=False)
        self.assertIn(said[0], [shown.texts[index] for index, _ in shown.of("p")])
        for times, found in (((0.4, 0.2, 0.1), []), ((0.4, 0.4, 0.3), []), ((0.4, 0.5, 0.3), [(1, 2)]),
                             ((0.4, 0.5, 0.6), [(1, 2)])):
            runs = [run for count, epoch in zip((1, 2, 4), times) for run in some(count, epoch)]
            self.assertEqual([(fewer.ranks, more.ranks) for fewer, more in ranks.unpaid(self.machine(runs))], found)
        # Also where they only share the threads of one.
        runs = some(1, 0.4, threads=2) + some(2, 0.5)
        self.assertEqual([(fewer.threads, more.threads) for fewer, more in ranks.unpaid(self.machine(runs))], [(2, 1)])


class Answer(Case):
    def test_missing(self):
        """Ranks that share the threads of one are on no straight line."""
        answer = answers.ranks_of(self.machine(some(1, 0.4, threads=2) + some(2, 0.5)))
        self.assertEqual(answer.missing, "One rank and several with as many threads each have not been measured.")
        self.assertEqual(answer.command, "tools/sweep --device cpu --ranks 1,2,4 --threads 1 --out results/alpha.jsonl")

    def test_reading(self):
        runs = strong() + some(2, 0.0004, 0.5, batch=600) + some(1, 0.0009, library="MPICH 4.0.2") + some(
            2, 0.0006, 0.3, library="MPICH 4.0.2")
        answer = answers.ranks_of(self.machine(runs))
        self.assertEqual(answer.headline, "cpu, 1 thread, MPICH: 1.50 times as fast with 2 ranks as with one.")
        self.assertEqual(answer.reading, (
            "Batches of 300: strong scaling. cpu, 1 thread, MPICH: 1.50 times as fast with 2 ranks as with one; cpu, 1 "
            "thread, Open MPI: 1.33 times as fast with 4 ranks as with one. Layers 64,32. Exchange: cpu, 1 thread, "
            "MPICH, 30 % with 2 ranks; cpu, 1 thread, Open MPI, 20 % with 2 ranks and 62 % with 4 ranks. "
            "Batches of 300 for each rank: weak scaling. cpu, 1 thread: 2.01 times the samples/s with 2 ranks as with "
            "one. "
            "Layers 64,32. Exchange: cpu, 1 thread, 50 % with 2 ranks."))
        self.assertEqual(answer.table.rows[-2:], [
            ["64,32", "300 for each rank", "cpu, 1 thread", "1", "1.00", "100 %", "0 %"],
            ["64,32", "300 for each rank", "cpu, 1 thread", "2", "2.01", "101 %", "50 %"]])

    def test_what_an_exchange_may_take(self):
        """167 steps are an epoch: of 6 us each, alone."""
        alone = fake.runs(3, "cuda", 0.001002, threads=None) + fake.runs(1, "cpu", 0.0167, threads=1)
        said = (" A step of cuda alone takes 6.00 µs: two ranks can only pay where they exchange in less than 3.00 µs."
                " A step of cpu alone takes 100 µs: two ranks can only pay where they exchange in less than 50.0 µs.")
        self.assertTrue(answers.ranks_of(self.machine(strong() + alone)).reading.endswith("with 4 ranks." + said))
        self.assertTrue(answers.ranks_of(self.machine(alone)).missing.endswith(said))

    def test_best_of_each_number(self):
        """On one host or on two, whichever is faster."""
        runs = some(1, 0.4) + some(2, 0.3) + some(2, 0.2, hosts=2) + some(2, 0.25, hosts=3)
        ((_, gains),) = answers.ranks_of(self.machine(runs)).figures[0].lines.items()
        self.assertEqual([(one.row.hosts, round(one.times, 6)) for one in gains], [(1, 1), (2, 2)])

    def test_plot(self):
        answer = answers.ranks_of(self.machine(strong() + some(2, 0.0004, batch=600)))
        with drawing.settings():
            for wide in (True, False):
                sheet = plots.ranks(answer.figures, wide, None)
                first, second = sheet.figure.axes
                for axes, points, label in ((first, [(1, 1), (2, 1.6), (4, 4 / 3)], "times as fast as one"),
                                            (second, [(1, 1), (2, 2.012)], "times the samples/s of one")):
                    self.assertEqual((axes.get_xlabel(), axes.get_ylabel()), ("ranks", label))
                    straight, line = axes.lines
                    most = points[-1][0]
                    self.assertEqual(list(zip(*straight.get_data())), [(1, 1), (most, most)])
                    for found, expected in zip(zip(*line.get_data()), points):
                        self.assertAlmostEqual(found[0], expected[0])
                        self.assertAlmostEqual(found[1], expected[1], places=3)
                said = [text.get_text() for text in sheet.figure.texts]
                self.assertLessEqual({"Batches of 300: strong scaling", "Batches of 300 for each rank: weak scaling",
                                      plots.STRAIGHT, "cpu, 1 thread"}, set(said))


if __name__ == "__main__":
    unittest.main()
