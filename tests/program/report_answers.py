"""tools/report: what it says in words, what it answers with a plot, and where all of it stands.

  report_answers.py TOOL
"""
import unittest

from fixtures import fake_records as fake, worked_out
from fixtures.reports import Case, alpha, unescaped
from reporting import answers, machines, records, rows, tables, texts


class Answers(Case):
    """Each has a table of what is drawn, a reading of it, and a headline."""

    def test_epochs(self):
        """A series at its best; what is faster in less precision than others have is not it."""
        answer = answers.epochs(self.machine(worked_out.many()))
        self.assertEqual(answer.headline, "cuda is fastest, with 0.0110 s an epoch.")
        self.assertEqual(answer.reading, (
            "Mean epoch of the benchmark on alpha, fastest first: cuda 0.0110 s, PyTorch on cuda 0.0130 s, cpu "
            "0.120 s, JAX 0.240 s, PyTorch 0.360 s and reference 0.810 s. Published in 2021, on other machines: "
            "from 0.564 s (LibTorch GPU, RTX 3090, Ryzen 9 3900XT) to 27336.010 s (pure Elixir, Raspberry Pi "
            "4)."))
        self.assertEqual(answer.table.caption, "Mean epoch in seconds on alpha, each at its best")
        self.assertEqual(answer.table.columns, ["device", "median", "least", "greatest", "runs", "at its best"])
        self.assertEqual(answer.table.rows, [
            ["cuda", "0.0110", "0.0102", "0.0140", "3", "own-small 4, cublas 2, graph"],
            ["PyTorch on cuda", "0.0130", "0.0130", "0.0130", "1", "compile"],
            ["cpu", "0.120", "0.100", "0.160", "3", "2 threads"],
            ["JAX", "0.240", "0.230", "0.250", "3", "scan, 4 threads"],
            ["PyTorch", "0.360", "0.330", "0.390", "2", "compile, 2 threads"],
            ["reference", "0.810", "0.810", "0.810", "1", "4 threads"]])

    def test_shapes(self):
        """The narrowest net first. On logarithmic axes cuda overtakes cpu, which is 0.09 to its 0.12 s at
        batches of 10 and 0.05 to 0.04 at 30, at 10 × 3^(ln(4/3) / ln(4/3 × 5/4)) = 18.6."""
        answer = answers.shapes(self.machine(worked_out.grid()))
        self.assertEqual(answer.headline, "")
        self.assertEqual(answer.reading, (
            "Layers 7: cpu is fastest with batches of 300 (0.0120 s), JAX with those of 1,000 (0.0300 s). "
            "Layers 16: cuda overtakes cpu with batches of about 19. "
            "Layers 64,32: cuda is ahead of cpu at every batch, from 100 (4.0 times as fast) on. "
            "Layers 1024,1024: cpu is ahead of cuda at every batch, up to 200."))
        self.assertEqual(answer.table.columns, ["layers", "device", "batch", "median", "least", "greatest",
                                                "runs", "at its best"])
        self.assertEqual(answer.table.rows[:6], [
            ["7", "cpu", "300", "0.0120", "0.0100", "0.0170", "3", "2 threads"],
            ["7", "cpu", "1,000", "0.0400", "0.0400", "0.0400", "1", "2 threads"],
            ["7", "JAX", "300", "0.0200", "0.0200", "0.0200", "1", "scan, 2 threads"],
            ["7", "JAX", "1,000", "0.0300", "0.0300", "0.0300", "1", "scan, 2 threads"],
            ["16", "JAX", "10", "0.0500", "0.0500", "0.0500", "1", "scan, 2 threads"],
            ["16", "JAX", "30", "0.0600", "0.0600", "0.0600", "1", "scan, 2 threads"]])
        self.assertEqual(len(answer.table.rows), 20)
        (at, *_), = [panel.crossing for panel in answer.figures if panel.crossing]
        self.assertAlmostEqual(at, 18.56, delta=0.01)

    def test_remarks_of_shapes(self):
        def remark(*points):
            return answers.shapes(self.machine(
                [fake.run(kind, seconds, layers=(9,), batch=batch) for kind, batch, seconds in points]
                + [fake.run("cpu", 1.0, layers=(5,), batch=10)])).figures[1].remark

        self.assertEqual(remark(("cpu", 20, 0.5), ("jax", 20, 0.3)),
                         "JAX is fastest with batches of 20 (0.300 s)")
        self.assertEqual(remark(("cpu", 20, 0.2), ("cpu", 60, 0.1), ("jax", 20, 0.3)),
                         "cpu is fastest with batches of 20 (0.200 s), also with those of 60 (0.100 s)")
        self.assertEqual(remark(("cpu", 20, 0.5), ("cuda", 20, 0.3), ("cpu", 60, 0.1), ("cuda", 60, 0.2)),
                         "cpu is ahead of cuda with batches of 60")
        # Of several the fastest there: a peer is none of them.
        self.assertEqual(remark(("cpu", 20, 0.5), ("reference", 20, 0.4), ("cuda", 20, 0.3), ("opencl", 20, 0.2),
                                ("jax", 20, 0.1)),
                         "opencl is ahead of reference at every batch, from 20 (2.0 times as fast) on")
        # As many times as at the first batch, not at the last.
        self.assertEqual(remark(("cpu", 20, 0.6), ("cuda", 20, 0.2), ("cpu", 60, 0.5), ("cuda", 60, 0.1)),
                         "cuda is ahead of cpu at every batch, from 20 (3.0 times as fast) on")

    def test_shapes_that_are_left_out(self):
        """Nets beyond the sixth are in the table alone; what differs in more than net, batch and rate is in
        neither."""
        runs = [fake.run("cpu", 0.1, layers=(width,)) for width in range(1, 8)]
        answer = answers.shapes(self.machine(runs + [fake.changed(
            fake.run("cpu", 0.1, layers=(9,)), "config.tail", "drop")]))
        self.assertEqual(answer.headline, "Drawn are the first 6 of 7 nets.")
        self.assertEqual([panel.layers[1] for panel in answer.figures], [1, 2, 3, 4, 5, 6])
        self.assertEqual([row[0] for row in answer.table.rows], [*"1234567"])

    def test_threads(self):
        answer = answers.threads(self.machine(worked_out.many()))
        gains = "reference is 3.09 times as fast on 4 threads as on one", \
            "cpu is 1.54 times as fast on 4 threads as on one"
        self.assertEqual(answer.headline, f"{gains[0]}, {gains[1]}.")
        self.assertEqual(answer.reading, f"Layers 64,32, batches of 300: {gains[0]} and {gains[1]}.")
        self.assertEqual(answer.table.caption, "Speed-up against one thread on alpha")
        self.assertEqual(answer.table.columns, ["layers", "batch", "device", "threads", "speed-up",
                                                "of the straight line"])
        self.assertEqual(answer.table.rows, [
            ["64,32", "300", "cpu", "1", "1.00", "100 %"], ["64,32", "300", "cpu", "2", "1.80", "90 %"],
            ["64,32", "300", "cpu", "4", "1.54", "39 %"],
            ["64,32", "300", "reference", "1", "1.00", "100 %"],
            ["64,32", "300", "reference", "4", "3.09", "77 %"]])

    def test_threads_of_several_variants(self):
        """The one with most numbers of threads; of several such the fastest."""
        def speed_ups(**variants):
            (panel,) = answers.threads(self.machine(
                [fake.run("cpu", seconds, threads=threads, gemm=gemm) for gemm, times in variants.items()
                 for threads, seconds in times.items()])).figures
            return {count: round(times, 6) for count, times in panel.lines["cpu"]}

        self.assertEqual(speed_ups(own={1: 0.1, 2: 0.05}, openblas={1: 0.9, 2: 0.6, 4: 0.5}),
                         {1: 1, 2: 1.5, 4: 1.8})
        self.assertEqual(speed_ups(own={1: 0.6, 2: 0.4}, openblas={1: 0.5, 2: 0.2}), {1: 1, 2: 2.5})

    def test_phases(self):
        """Of the sum of each phase's median, which is not the median of the sums: for cpu 0.013 + 0.031 + 0.41
        + 0.025 + 0.24 + 0.002 + 0.022 = 0.743 s."""
        answer = answers.phases(self.machine(worked_out.pair()))
        self.assertEqual(answer.headline, "Of a run, epochs are 32 % with cpu, 12 % with JAX.")
        self.assertEqual(answer.reading,
                         "Share of the epochs in a run on alpha: cpu 32 % of 0.743 s and JAX 12 % of 4.00 s.")
        self.assertEqual(answer.table.caption, "Shares of a run on alpha")
        self.assertEqual(answer.table.columns, ["device", "epochs run", "seconds", "setup", "load", "open",
                                                "batching", "epochs", "release", "evaluate"])
        self.assertEqual(answer.table.rows, [
            ["cpu", "2", "0.743", "1.7 %", "4.2 %", "55.2 %", "3.4 %", "32.3 %", "0.3 %", "3.0 %"],
            ["JAX", "2", "4.00", "0.6 %", "31.5 %", "52.0 %", "1.4 %", "12.0 %", "0.1 %", "2.4 %"]])

    def test_losses(self):
        """Of the run nearest to the median; the seconds are all until then."""
        answer = answers.losses(self.machine(worked_out.pair()))
        self.assertEqual(answer.headline,
                         "cpu has done its 2 epochs first, after 0.240 s, with a loss of 2.1040.")
        self.assertEqual(answer.reading, "Loss of the last epoch, and the seconds until then: cpu 2.1040 after "
                         "0.240 s and JAX 2.1060 after 0.480 s.")
        self.assertEqual(answer.table.caption, "Loss after each epoch on alpha")
        self.assertEqual(answer.table.columns, ["device", "epoch", "seconds", "loss"])
        self.assertEqual(answer.table.rows, [
            ["cpu", "1", "0.150", "2.303000"], ["cpu", "2", "0.240", "2.104000"],
            ["JAX", "1", "0.260", "2.305000"], ["JAX", "2", "0.480", "2.106000"]])
        several = fake.run("cpu", [0.3, 0.2]), fake.run("jax", [0.25, 0.15, 0.05])
        self.assertTrue(answers.losses(self.machine(several)).headline.startswith(
            "JAX has done its 3 epochs first, after 0.450 s"))

    def test_typical(self):
        """Of two that are as far from the median, the first; the mean is not asked."""
        row, = self.machine([fake.run("cpu", mean) for mean in (0.2, 0.1, 0.9)]).rows
        self.assertEqual(records.mean_epoch(row.typical), 0.2)

    def test_alike(self):
        """Hardware whose names begin alike is not the same, in plots either."""
        rows = [fake.run("cuda", 0.01 * (1 + step), name="A name that is far too long " + str(step))
                for step in range(3)]
        machine = self.machine(rows + [fake.run("cpu", 1.0)])
        self.assertEqual([row.series for row in answers.epochs(machine).figures], [
            *(f"cuda {step}, A name that is far too …" for step in (1, 2, 3)), "cpu"])

    def test_series(self):
        """OpenCL says where it is on a CPU."""
        self.assertEqual([row.series for row in self.machine([
            fake.run("opencl", 0.1, type="cpu", name="pthread-" + fake.CPU), fake.run("cpu", 0.2)]).rows],
                         ["opencl on a CPU", "cpu"])
        self.assertEqual([row.series for row in self.machine([
            fake.run("opencl", 0.1, type="accelerator"), fake.run("cpu", 0.2)]).rows], ["opencl", "cpu"])

    def test_commands(self):
        """Of what is missing: to as many threads as the largest host has cores, for the devices that it has."""
        def said(question, *cores, kind="cpu"):
            return question(self.machine([fake.run(kind, 0.1, host={"cores": count}, layers=(8,))
                                          for count in cores])).command

        for cores, counts in (((1,), "1-2"), ((4,), "1-4"), ((6,), "'1-6*2'"), ((2, 16), "'1-16*2'"),
                              ((None,), "1-4")):
            self.assertEqual(said(answers.threads, *cores), "tools/sweep --device cpu,reference --threads "
                             f"{counts} --out results/alpha.jsonl")
        for kind, devices in (("cpu", "cpu"), ("cuda", "cuda"), ("jax", "cpu")):
            self.assertEqual(said(answers.shapes, 8, kind=kind), f"tools/sweep --device {devices} --batch-size "
                             "'30-30000*10' --layers 64,32 --layers 1024,1024 --learning-rate 0.0001 --out "
                             "results/alpha.jsonl")
        answer = answers.shapes(self.machine([fake.run("cpu", 0.1), fake.run("cpu", 0.1, layers=(8,))]))
        self.assertEqual((answer.missing, "--device cpu,cuda " in answer.command),
                         ("No GPU has been measured on alpha.", True))
        self.assertEqual(answers.shapes(self.machine([fake.run("cuda", 0.1), fake.run("cpu", 0.1, batch=3)]))
                         .missing, None)


class Sentences(Case):
    def said(self, own, others, kind="cpu", peer="jax", **device):
        return " ".join(answers.sentences(self.machine(
            [fake.run(kind, time) for time in own] + [fake.run(peer, time, **device) for time in others])))

    def test_what_is_not_supported_is_not_said(self):
        self.assertEqual(self.said((0.1, 0.1), (0.2,) * 3), "")
        self.assertEqual(self.said((0.1,) * 3, (0.2,) * 2), "On alpha, cpu takes 0.100 s an epoch.")
        self.assertEqual(self.said((0.1,) * 3, (0.2,) * 3, precision="bf16"),
                         "On alpha, cpu takes 0.100 s an epoch.")

    def test_compared(self):
        for own, others, said in (
                ((0.1, 0.12, 0.13), (0.25, 0.24, 0.23), "takes 0.120 s an epoch, 2.0 times as fast as the best "
                 "peer (JAX, scan, 0.240 s)."),
                ((0.3, 0.31, 0.36), (0.1, 0.13, 0.124), "takes 0.310 s an epoch, 2.5 times as long as the best "
                 "peer (JAX, scan, 0.124 s)."),
                ((0.1, 0.11, 0.14), (0.13, 0.15, 0.16), "takes 0.110 s an epoch, as the best peer does within "
                 "the spread of runs (JAX, scan, 0.150 s).")):
            self.assertEqual(self.said(own, others), f"On alpha, cpu {said}")

    def test_gpu(self):
        """A device is compared with peers on hardware of its sort, and a GPU is named."""
        gpu = {"type": "gpu", "name": "Fake GPU X", "threads": None, "spec": "cuda"}
        self.assertEqual(self.said((0.01,) * 3, (0.03,) * 3, "cuda", "pytorch", **gpu),
                         "On alpha, cuda on Fake GPU X takes 0.0100 s an epoch, 3.0 times as fast as the best "
                         "peer (PyTorch on cuda, compile, 0.0300 s).")
        self.assertEqual(self.said((0.01,) * 3, (0.03,) * 3, "cuda", "pytorch"),
                         "On alpha, cuda on Fake GPU X takes 0.0100 s an epoch.")

    def test_first_four(self):
        """Of the first machines, the CPU before the GPU."""
        runs = [fake.run(kind, 0.1) for kind in ("cpu", "cuda") for _ in range(3)]
        found = machines.gather([self.write(name, runs) for name in "bac"])
        self.assertEqual([sentence[:12] for sentence in texts.said(found)],
                         ["On a, cpu ta", "On a, cuda o", "On b, cpu ta", "On b, cuda o"])


class Facts(Case):
    """What a machine is, and what its figures rest on."""

    def test_hosts(self):
        """A peer knows less of its host than the program does."""
        self.assertEqual(texts.facts(self.machine([
            fake.run("cpu", 0.1), fake.run("cuda", 0.01), fake.run("jax", 0.2, host={"cpu": "x86", "cores": 3})])),
            "Hardware: Fake CPU 9000; 8 cores; 16.0 GiB; Linux 6.1.0 x86_64; Fake GPU X.")
        self.assertEqual(texts.facts(self.machine([
            fake.run("jax", 0.2, host={"cores": 1, "memory_bytes": None, "os": None})])),
            "Hardware: Fake CPU 9000; 1 core.")

    def test_counted(self):
        """By time, not by place: a newer commit supersedes the same configuration alone."""
        other = "cdef01234567"
        self.assertEqual(texts.counted(self.machine(alpha())), "8 runs of 4 configurations; commit 0123456789ab; "
                         "2 rows of older commits superseded, not counted.")
        old = [fake.run("cpu", 0.1, commit=other), fake.run("reference", 2.0, commit=other)]
        new = [fake.run("cpu", epoch) for epoch in (0.2, 0.3)]
        machine = self.machine(new + old + ["nonsense"])
        self.assertEqual(texts.counted(machine), "3 runs of 2 configurations; commits 0123456789ab and "
                         "cdef01234567; 1 row of older commits superseded, not counted; 1 row refused.")
        self.assertEqual([row.epoch[0] for row in machine.rows], [0.25, 2.0])

    def test_configurations(self):
        """Runs that differ in anything that time depends on are not of one median; details tell them apart."""
        base = fake.run("cpu", 0.1)
        changes = {"device.gemm": ("own", "own"), "device.submission": ("stream", "stream"),
                   "device.precision": ("bf16", "bf16"), "config.batches": ("streamed", "streamed"),
                   "config.seed": (7, "seed 7")}
        machine = self.machine([base] + [fake.changed(base, path, value) for path, (value, _) in changes.items()])
        self.assertEqual(sorted(row.backend for row in machine.rows), sorted(
            ["cpu: FakeBLAS 1.0", *(f"cpu: FakeBLAS 1.0, {word}" for _, word in changes.values())]))

    def test_warnings(self):
        runs = [fake.run("cpu", 0.1) for _ in range(4)]
        for run, found in zip(runs, (["heat"], ["heat", "others"], [], "heat")):
            run["sweep"] = {"warnings": found}
        self.assertEqual(texts.warned(self.machine(runs)), ["heat (2 runs)", "others (1 run)"])

    def test_not_measured(self):
        """Until the same is measured, by the same way, later."""
        options = ["--device", "cpu", "--batch-size", "30"]
        lines = [fake.unmeasured("failed", f"why {number}", options, peer)
                 for number, peer in enumerate((None, "jax", "jax"))]
        lines[1]["sweep"]["mode"] = "step"
        before = fake.run("jax", 0.1)
        lines.append(fake.unmeasured("absent", "why 3", ["--device", "cpu"], "jax"))
        after = fake.run("jax", 0.1)
        for run in (before, after):
            run["sweep"] = {"options": ["--epochs", "5", *options], "peer": "jax", "mode": "scan"}

        def left(*runs):
            return [one.error for one in self.machine(lines + list(runs)).unmeasured]

        self.assertEqual(left(after), ["why 0", "why 1"])
        self.assertEqual(left(before), ["why 0", "why 1", "why 3"])
        machine = self.machine(lines)
        self.assertEqual(tables.unmeasured_table([machine]).rows[:2], [
            ["--device cpu --batch-size 30", "failed", "why 0", "alpha.jsonl:1"],
            ["JAX step --device cpu --batch-size 30", "failed", "why 1", "alpha.jsonl:2"]])
        self.assertEqual(tables.unmeasured_table([machine]).columns, ["what", "status", "why", "row"])

    def test_of_the_workload(self):
        """What is said of the benchmark is what the program counts by."""
        one = rows.BENCHMARK
        work = records.work_of(one.layers, 167 * one.batch)
        self.assertEqual(work, 167 * (2 * 300 * (2 * (1024 * 64 + 64 * 32 + 32 * 10) + 64 * 32 + 32 * 10)))
        for part in (f"{one.layers[0]} grey pixels, layers of 64, 32 and 10, sigmoid and softmax",
                     f"batches of {one.batch} of the {one.train:,} images, at a rate of {one.rate}, in fp32",
                     f"An epoch of it is {work / 1e9:.3f} GFLOP."):
            self.assertIn(part, texts.WORKLOAD)
        self.assertIn(f"within {100 * records.WALL_TOLERANCE:.0f} % is refused", texts.TOGETHER)
        for name, part in (("setup", "program's start"), ("load dataset", "decoded in host memory"),
                           ("open", "device is opened"), ("to batched input", "every batch is ready"),
                           ("mean epoch", "a whole pass"), ("release", "given back"), ("evaluate", "test set")):
            self.assertIn(part, dict(texts.DEFINITIONS)[name])


class Places(Case):
    """Where on the page, and where in README.md, all of it is said."""

    LINES = [fake.unmeasured("absent", "no CUDA driver", ["--device", "cuda"]), *worked_out.pair(),
             fake.peak(gflops=123.0), "nonsense"]
    LINES[1]["sweep"] = {"warnings": ["others took 0.5 cores"]}
    TITLE = "How long a dense net takes to train on CIFAR-10"
    LEAD = "On alpha, cpu takes 0.120 s an epoch, 2.0 times as fast as the best peer (JAX, scan, 0.240 s)."
    FACTS = "Hardware: Fake CPU 9000; 8 cores; 16.0 GiB; Linux 6.1.0 x86_64."
    COUNTED = "6 runs of 2 configurations; commit 0123456789ab; 1 row refused."
    BENCHMARK = "The benchmark on alpha, fastest first; hardware: Fake CPU 9000"
    PEAKS = "What the hardware of alpha can do; precision: fp32; hardware: Fake CPU 9000"
    PUBLISHED = "Published in 2021, not measured by us"
    UNMEASURED = "Not measured; machine: alpha"
    WARNING = "others took 0.5 cores (1 run)"

    def test_markdown(self):
        """All that is not within a table."""
        text = self.markdown(self.write("alpha", self.LINES))
        parts = [part for part in text.strip().split("\n\n") if not part.startswith("|")]
        notes = [table(self.machine(self.LINES)).note for table in (tables.benchmark_table, tables.peaks_table)]
        self.assertEqual([unescaped(part) for part in parts], [
            f"# {self.TITLE}", self.LEAD, texts.WORKLOAD,
            texts.HOW + " The plots are in [report.html](report.html).", "## alpha", self.FACTS, self.COUNTED,
            f"**{self.BENCHMARK}**", notes[0], f"**{self.PEAKS}**", notes[1],
            "Warnings while it was measured:", f"- {self.WARNING}",
            f"## {self.PUBLISHED}", texts.PUBLISHED, f"**{self.PUBLISHED}**",
            "## Refused rows", texts.REFUSED, "**Refused rows**",
            "## Not measured", texts.UNMEASURED, f"**{self.UNMEASURED}**", "## What each second is",
            "\n".join(f"- {phase}: {what}" for phase, what in texts.DEFINITIONS), texts.TOGETHER])

    def test_page(self):
        """All that is not within a table or a plot, and the tables' captions."""
        path = self.write("alpha", self.LINES)
        parsed, machine = self.page(path, plots=False), self.machine(self.LINES)
        said = [parsed.texts[index] for index, (tag, _, _) in enumerate(parsed.elements)
                if tag in ("title", "h1", "h2", "h3", "p", "li", "caption", "figcaption", "dt", "dd")]
        plots = {key: question(machine) for key, question in answers.QUESTIONS.items()}

        def plot(key):
            return [plots[key].title, f"{plots[key].headline} {texts.MARKS[key]}", plots[key].table.caption,
                    *filter(None, [plots[key].table.note])]

        def missing(key):
            return [plots[key].title, f"{plots[key].missing} This would measure it: {plots[key].command}"]

        endings = self.PUBLISHED, "Refused rows", "Not measured", "What each second is"
        self.assertEqual(said, [
            self.TITLE, self.TITLE, self.LEAD, texts.WORKLOAD, texts.HOW.replace("`", ""), "alpha", *endings,
            "alpha", self.FACTS, self.COUNTED,
            "The benchmark", self.BENCHMARK, tables.benchmark_table(machine).note,
            *plot("epochs"), *plot("phases"), *plot("losses"), *missing("shapes"), *missing("targets"),
            *missing("threads"),
            "Peaks", self.PEAKS, tables.peaks_table(machine).note,
            "Warnings while it was measured", self.WARNING,
            self.PUBLISHED, texts.PUBLISHED, self.PUBLISHED, "Refused rows", texts.REFUSED, "Refused rows",
            "Not measured", texts.UNMEASURED, self.UNMEASURED,
            "What each second is", *(part for pair in texts.DEFINITIONS for part in pair), texts.TOGETHER])
        self.assertEqual([parsed.texts[index] for index, _ in parsed.of("code")],
                         ["tools/sweep", "results/NAME.jsonl", "tools/report",
                          *(plots[key].command for key in ("shapes", "targets", "threads"))])

    def test_nothing_is_wrong(self):
        parsed = self.page(self.write("alpha", [fake.run("cpu", 0.1)]), plots=False)
        said = [parsed.texts[index] for index, (tag, _, _) in enumerate(parsed.elements) if tag in ("h2", "p")]
        self.assertEqual(said[said.index("Refused rows"):][:4],
                         ["Refused rows", "None.", "Not measured", "Nothing."])
        text = self.markdown(self.write("alpha", [fake.run("cpu", 0.1)]))
        self.assertNotIn("Refused", text)
        self.assertNotIn("Not measured", text)

    def test_contents(self):
        """Links lead to the section with their name."""
        parsed = self.page(*(self.write(name, [fake.run("cpu", 0.1)]) for name in ("beta", "alpha")), plots=False)
        sections = {attributes["id"]: index for index, attributes in parsed.of("section")}
        links = {parsed.texts[index]: attributes["href"] for index, attributes in parsed.of("a")}
        self.assertEqual(list(links)[:2], ["alpha", "beta"])
        self.assertEqual(len(links), len(sections))
        for name, target in links.items():
            (head, _), = parsed.within(sections[target[1:]], "h2")
            self.assertEqual(parsed.texts[head], name)

    def test_marks(self):
        """What is said of how a plot is drawn: tests of plots see that it is drawn so."""
        self.assertEqual(texts.MARKS, {
            "epochs": "Bars show the spread of runs. Hatched squares are published, and not measured by us.",
            "shapes": "Each device and peer at its best. Peers are dashed. Hollow marks: on a CPU, what could "
                      "run on a GPU, too.",
            "threads": "Peers are dashed. On the straight line, each thread would be worth as much as the first.",
            "ranks": "On the straight line, each rank would be worth as much as the first.",
            "phases": "Medians of each phase. Shares too narrow for a label are in the table.",
            "targets": "Thin: each run, of a seed of its own. Strong: the median after each epoch, as long as half of "
                       "the runs go on. Peers are dashed.",
            "losses": "Each mark is an epoch, of the run nearest to the median. Beside the name: the seconds that "
                      "all epochs took. Peers are dashed."})


if __name__ == "__main__":
    unittest.main()
