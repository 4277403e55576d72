"""tools/report: seconds to an accuracy, over seeds; each figure worked out by hand.

  report_targets.py TOOL
"""
import unittest

from fixtures import fake_records as fake
from fixtures.reports import Case
from reporting import answers, records, tables

RECIPE = "64,32 (rate 0.001, shuffled, adamw, 5,000 held back, to 50 %)"


def three():
    """Two seeds that get there, and one that does not."""
    return [fake.aimed("cpu", 1.0, accuracies, seed, epochs=4, tested=tested) for seed, accuracies, tested in (
        (1, [0.3, 0.5], 0.48), (2, [0.2, 0.4, 0.4, 0.6], 0.52), (3, [0.1, 0.2, 0.3, 0.3], 0.29))]


class Targets(Case):
    def test_table(self):
        """A row of all seeds: means and deviations of those that got there, of the test set of all."""
        machine = self.machine([*three(), fake.run("cpu", 0.1)])
        table = tables.targets_table(machine)
        self.assertEqual(table.columns, ["layers", "backend", "threads", "to the target, s", "epochs alone, s", "epochs",
                                         "reached", "test accuracy"])
        self.assertEqual(table.caption, "Seconds to a target on alpha, the surest and soonest first; batch: 300; "
                         f"hardware: {fake.CPU}")
        # 2.09 and 4.09 s with 0.03 of load, 0.04 of open, 0.02 of batching; deviation of two: their distance / sqrt(2)
        self.assertEqual(table.rows, [[RECIPE, "cpu: FakeBLAS 1.0", "2", "3.09 (±1.4)", "3.00 (±1.4)", "3.00 (±1.4)",
                                       "2 of 3", "43.0 % (±12.3)"]])
        self.assertEqual(len(machine.rows), 1)  # the benchmark's, which these are no runs of
        self.assertIsNone(tables.targets_table(self.machine([fake.run("cpu", 0.1)])))

    def test_single(self):
        """One run has no deviation, and says its seed; one that never gets there has nothing but its share."""
        machine = self.machine([fake.aimed("cpu", 1.0, [0.5], seed=7), fake.aimed("jax", 1.0, [0.1], seed=7, epochs=1)])
        self.assertEqual([row[1:7] for row in tables.targets_table(machine).rows], [
            ["cpu: FakeBLAS 1.0, seed 7", "2", "1.09", "1.00", "1.00", "1 of 1"],
            ["JAX 0.8.1, scan, seed 7", "2", "-", "-", "-", "0 of 1"]])

    def test_apart(self):
        """Other recipes and other targets are other rows; each has its own."""
        others = [fake.aimed("cpu", 1.0, [0.7], target=0.6), fake.aimed("cpu", 1.0, [0.5], rate=0.01),
                  fake.changed(fake.aimed("cpu", 1.0, [0.5]), "config.dropout", 0.2)]
        found = [row[0] for row in tables.targets_table(self.machine([*three(), *others])).rows]
        self.assertEqual(len(set(found)), 4)
        self.assertIn("64,32 (shuffled, adamw, 5,000 held back, to 50 %)", found)
        self.assertTrue(any("dropout 0.2" in name for name in found), found)

    def test_repeated(self):
        """A deviation is one of seeds, of which each is the mean of its runs; so are counts of multiplications."""
        lines = [fake.aimed("cpu", epoch, [0.5], seed, gemm=gemm) for seed, epochs in ((1, (1.0, 2.0)), (2, (3.0, 4.0)))
                 for epoch, gemm in zip(epochs, ("own 3, openblas 2", "own 4, openblas 1"))]
        ((_, _, _, seconds, *_, reached, _),) = tables.targets_table(self.machine(lines)).rows
        self.assertEqual((seconds, reached), ("2.59 (±1.4)", "4 of 4"))  # 1.59 and 3.59

    def test_surest_first(self):
        """One that got there once by luck is behind one that always does."""
        lucky = [fake.aimed("cpu", 1.0, [0.5], 1, epochs=2), fake.aimed("cpu", 1.0, [0.4, 0.4], 2, epochs=2)]
        machine = self.machine([*lucky, *(fake.aimed("jax", 2.0, [0.5], seed, epochs=2) for seed in (1, 2))])
        self.assertEqual([row.series for row in machine.targets], ["JAX", "cpu"])

    def test_near(self):
        """Targets that are nearly the same are told apart."""
        found = {row[0].split(", to ")[1] for row in tables.targets_table(self.machine(
            [fake.aimed("cpu", 1.0, [0.6], target=target) for target in (0.52, 0.525)])).rows}
        self.assertEqual(found, {"52 %)", "52.5 %)"})

    def test_newest(self):
        """Of all seeds alike: those of an older commit are superseded by one of a newer."""
        old = fake.aimed("cpu", 9.0, [0.5], seed=2, commit=fake.OLD_COMMIT)
        machine = self.machine([old, fake.aimed("cpu", 1.0, [0.5], seed=1)])
        self.assertEqual([row[3] for row in tables.targets_table(machine).rows], ["1.09"])
        self.assertEqual(machine.superseded, 1)

    def test_curves(self):
        """The median after each epoch, while half of the runs have one."""
        few = [fake.aimed("cpu", 1.0, accuracies, seed, epochs=3) for seed, accuracies in enumerate(
            ([0.5], [0.2, 0.5], [0.1, 0.2, 0.6]))]
        for lines, expected in ((three(), [(1.09, 0.2), (2.09, 0.4), (3.09, 0.35), (4.09, 0.45)]),
                                (few, [(1.09, 0.2), (2.09, 0.35)])):
            (row,) = self.machine(lines).targets
            points = [tuple(round(value, 9) for value in point) for point in row.median_curve]
            self.assertEqual(points, expected)

    def test_answer(self):
        machine = self.machine([*three(), fake.aimed("reference", 30.0, [0.2, 0.1], epochs=2),
                                fake.aimed("jax", 2.0, [0.1], epochs=1)])
        answer = answers.targets(machine)
        self.assertEqual(answer.headline, "cpu comes first to 50 %, after 3.09 s on average, in 2 of 3 runs.")
        (chase,) = answer.figures
        self.assertEqual([row.series for row in chase.targets], ["cpu", "JAX", "reference"])
        self.assertEqual(answer.table.rows[:2], [[RECIPE, "cpu", "1", "1.09", "20.0 %"],
                                                 [RECIPE, "cpu", "2", "2.09", "40.0 %"]])
        self.assertEqual(answers.targets(self.machine([fake.aimed("cpu", 1.0, [0.1], epochs=1)])).headline, "No run came to 50 %.")
        nothing = answers.targets(self.machine([fake.run("cpu", 0.1)]))
        self.assertIn("--target-accuracy", nothing.command)

    def test_alone(self):
        """A file of nothing else has a report; the plot is drawn at both widths."""
        path = self.write("alpha", three())
        markdown, _ = self.report(path)
        self.assertIn("| 2 of 3 |", markdown)
        page = self.page(path)
        titles = [page.texts[index] for index, _ in page.of("title")]
        self.assertEqual(titles.count("Accuracy against seconds on alpha"), 2)

    def test_refused(self):
        """What says nothing of its target, or nonsense, is in no table."""
        fine = fake.aimed("cpu", 1.0, [0.3, 0.5])
        self.assertIsNone(records.refusal(fine))
        for path, value, reason in (
                ("target", ..., "does not say whether it reached"), ("target.epoch", ..., "does not say whether"),
                ("target.epoch", 3, "target after epoch 3"), ("target.epoch", "2", "target after epoch '2'"),
                ("target.epoch", 1, "target after epoch 1, by its accuracies after 2"),
                ("target.epoch", None, "target after epoch None, by its accuracies after 2"),
                ("target.seconds", None, "its seconds to the target are None"),
                ("target.seconds", 0.001, "its seconds to the target are 0.001, by its phases 2.09"),
                ("config.seed", [1], "seed is [1]"), ("config.seed", -1, "seed is -1"),
                ("target.epochs_seconds", -1, "its epochs_seconds to the target are -1"),
                ("config.target_accuracy", "x", "target_accuracy is 'x'"), ("config.dropout", None, "dropout is None"),
                ("config.nesterov", 1, "nesterov is 1"), ("config.schedule", [], "schedule is"),
                ("ended", "epochs", "the times of 2 epochs, not of 20")):
            with self.subTest(path=path, value=value):
                self.assertIn(reason, records.refusal(fake.changed(fine, path, value)))
        for seconds in (..., "1", 0.5):
            other = fake.changed(fine, "ended", "target")
            other["epochs"][0] = fake.changed(other["epochs"][0], "seconds", seconds)
            self.assertIn("epoch 1 took", records.refusal(other))
        for validation in (None, {}, {"accuracy": 2}, {"accuracy": float("nan")}):
            fine["epochs"][1]["validation"] = validation
            self.assertIn("the accuracy after epoch 2 is", records.refusal(fine))


if __name__ == "__main__":
    unittest.main()
