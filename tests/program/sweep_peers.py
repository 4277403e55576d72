"""tools/sweep with peers: what they are told, what is kept of what they say, and when they are refused. A copy of
the tools, whose peers only pretend: their losses are the trainer's if they were told all that these depend on.

  sweep_peers.py TRAINER SWEEP
"""
import json
import os
import shutil
import sys
import tempfile
import types
import unittest
from unittest import mock

from fixtures import pretended
from fixtures.swept import Swept

SWEEP = sys.argv.pop(1)
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(SWEEP)))
from sweeping import plan, programs  # noqa: E402

TOOLS = tempfile.mkdtemp(prefix="trainer-sweep-")
PEERS = ("--device", "cpu", "--no-peak", "--peers", "numpy")


def setUpModule():
    tools = os.path.join(TOOLS, "tools")
    pretended.tools_with_peers(os.path.dirname(os.path.abspath(SWEEP)), tools)
    Swept.tool = os.path.join(tools, "sweep")


def tearDownModule():
    shutil.rmtree(TOOLS)


class Peers(Swept):
    def run_sweep(self, *more, status=0, **environment):
        """Its rows."""
        self.forget()
        done = self.sweep(*PEERS, "--data", self.folder, *more, **environment)
        self.assertEqual(done.returncode, status, done.stderr)
        self.errors, self.output = done.stderr, done.stdout
        return self.rows()

    def told(self):
        """The options of each call of a peer, in order, and without what names a file of the sweep's own."""
        with open(self.trace + ".peers", encoding="utf-8") as file:
            calls = [json.loads(line) for line in file]
        found = [dict(zip(words[::2], words[1::2])) for words in calls]
        for one in found:
            self.assertTrue(one.pop("--weights").endswith(".safetensors"))
        return found

    def test_fastest_threads(self):
        """Each number is tried, all cores among them; runs are of the fastest, wherever that is."""
        counts = plan.thread_counts()
        for best in (counts[0], counts[-1]):
            times = {str(count): 0.02 if count == best else 0.03 for count in counts}
            rows = self.run_sweep("--repeat", 2, TIMES=times)
            self.assertEqual([one["--threads"] for one in self.told()],
                             [*map(str, counts), str(best), str(best)])
            self.assertEqual([one["--epochs"] for one in self.told()[:len(counts)]], ["3"] * len(counts))
            self.assertEqual([row["device"]["threads"] for row in rows[1::2]], [best] * 2)
            self.assertIn(f"  2 runs  numpy blas --device cpu --threads {best}\n", self.output)
            self.assertIn("    0.0200 s  0.0200 - 0.0200  ", self.output)

    def test_fastest_epoch(self):
        """Of a number of threads, the fastest of its epochs counts: a first one may be slow."""
        counts = plan.thread_counts()
        times = {**{str(count): 0.02 for count in counts}, str(counts[0]): [0.09, 0.01, 0.09, 0.01, 0.01]}
        rows = self.run_sweep("--repeat", 1, TIMES=times)
        self.assertEqual(rows[1]["device"]["threads"], counts[0])

    def test_numbers_of_threads(self):
        for physical, usable, expected in ((1, 1, [1]), (2, 2, [1, 2]), (1, 2, [1, 2]), (4, 8, [1, 2, 4, 8]),
                                           (6, 12, [1, 2, 4, 6, 12]), (6, 6, [1, 2, 4, 6]), (48, 96, [
                                               1, 2, 4, 8, 16, 32, 48, 96])):
            with mock.patch.object(plan, "physical_cores", lambda: physical), \
                    mock.patch.object(plan, "usable_cores", lambda: usable):
                self.assertEqual(plan.thread_counts(), expected)

    def test_given_threads(self):
        rows = self.run_sweep("--repeat", 1, "--threads", 3)
        self.assertEqual([one["--threads"] for one in self.told()], ["3", "3"])
        self.assertEqual(rows[1]["device"]["threads"], 3)
        self.assertNotIn(" --threads 3", self.output)  # as it does not vary

    def test_all_options(self):
        """Of the trainer's, those that a peer has."""
        rows = self.run_sweep("--repeat", 1, "--threads", 2, "--batch-size", 400, "--layers", "20,10",
                              "--learning-rate", 0.25, "--epochs", 4, "--samples", 1000, "--seed", 7,
                              "--color", "grey", "--tail", "wrap", "--gemm", "own")
        common = {"--mode": "blas", "--device": "cpu", "--batch-size": "400", "--layers": "20,10",
                  "--learning-rate": "0.25", "--samples": "1000", "--data": self.folder, "--threads": "2"}
        self.assertEqual(self.told(), [{**common, "--epochs": count} for count in ("1", "4")])
        self.assertEqual([row["status"] for row in rows], ["complete"] * 2)
        self.assertEqual(len(rows[1]["epochs"]), 4)
        self.assertEqual(rows[1]["config"]["learning_rate"], 0.25)

    def test_what_peers_have_not(self):
        """They are not run in the place of something else."""
        for more in (("--shuffle",), ("--color", "rgb"), ("--tail", "drop")):
            rows = self.run_sweep("--repeat", 1, *more)
            self.assertIn("numpy blas can't do --device cpu", self.errors)
            self.assertEqual([row["device"]["kind"] for row in rows], ["cpu"])
        for peer, mode in (("numpy", "blas"), ("pytorch", "graph"), ("tinygrad", "jit")):
            self.assertEqual(programs.peer_options({"device": "cpu", "shuffle": None}, peer, mode), None)
        for peer, mode in (("numpy", "blas"), ("jax", "scan")):
            self.assertEqual(programs.peer_options({"device": "cpu", "batches": "streamed"}, peer, mode), None)
            self.assertEqual(programs.peer_options(
                {"device": "cuda:1", "gemm": "own", "tail": "wrap", "seed": "2"}, peer, mode),
                {"device": "cuda", "seed": "2"})
        for other in ({"patience": "3"}, {"keep-best": None}, {"init": "weights"}, {"tail": "short"}):
            self.assertEqual(programs.peer_options({"device": "cpu", **other}, "pytorch", "eager"), None)

    def test_recipes(self):
        """Peers that know them have them as they are, but for what a device does in its own way."""
        options = {"device": "cpu", "shuffle": None, "optimizer": "adamw", "initial": "he", "seed": "3", "color": "rgb"}
        for peer, mode in (("pytorch", "eager"), ("pytorch", "compile"), ("jax", "scan"), ("jax", "step")):
            self.assertEqual(programs.peer_options({**options, "gemm": "own", "step": "fused"}, peer, mode), options)
        asked = []
        trainer = types.SimpleNamespace(data=lambda: "images", first_weights=lambda some: asked.append(some) or "first")
        words = programs.peer_command(trainer, "jax", "scan", options, 2)
        self.assertEqual(words[2:], ["--weights", "first", "--mode", "scan", "--device", "cpu", "--shuffle",
                                     "--optimizer", "adamw", "--initial", "he", "--seed", "3", "--color", "rgb",
                                     "--data", "images", "--threads", "2"])
        self.assertEqual(asked, [options])
        for peer, mode, has in (("jax", "scan", True), ("numpy", "blas", False)):  # which has nothing to draw
            words = programs.peer_command(trainer, peer, mode, {"device": "cpu", "seed": "3"}, None)
            self.assertEqual("--seed" in words, has)

    def test_in_turn(self):
        """The trainer first, then each peer in each of its modes; and so again."""
        rows = self.run_sweep("--peers", "numpy,jax", "--threads", 2, "--batch-size", "100,200", "--repeat", 2)
        one_round = [("cpu", "100"), ("cpu", "200"), *((name, batch) for batch in ("100", "200")
                                                       for name in ("numpy", "jax", "jax"))]
        self.assertEqual([(kind, name, batch) for kind, name, batch, _ in self.traced()],
                         [("1", *one) for one in one_round] + 2 * [("5", *one) for one in one_round])
        self.assertEqual([row["sweep"]["run"] for row in rows], 8 * [1] + 8 * [2])
        self.assertEqual([(row["sweep"].get("peer"), row["sweep"].get("mode")) for row in rows[:5]], [
            (None, None), (None, None), ("numpy", "blas"), ("jax", "scan"), ("jax", "step")])
        self.assertEqual([one["--mode"] for one in self.told()][:3], ["blas", "scan", "step"])

    def test_row(self):
        """A peer's commit is that of the trainer whose weights and losses it was compared with."""
        (own, row) = self.run_sweep("--repeat", 1, "--threads", 2)
        self.assertEqual((row["commit"], row["status"]), ("0123456789ab", "complete"))
        about = row["sweep"]
        self.assertEqual((about["options"], about["run"], about["of"]),
                         (["--device", "cpu", "--data", self.folder, "--threads", "2"], 1, 1))
        self.assertNotEqual(about["program"], own["sweep"]["program"])  # which is the peer's, too
        self.assertIn("  1 runs  numpy blas --device cpu", self.output)

    def test_refused(self):
        """Where its losses are not the trainer's; it is known then, and not run again."""
        rows = self.run_sweep("--threads", 2, "--repeat", 3, status=1, PEER_LIE="losses")
        self.assertEqual([row["status"] for row in rows], ["complete", "refused", "complete", "complete"])
        self.assertRegex(rows[1]["error"], r"the loss of epoch 5 is 2\.\d+, that of cpu 2\.\d+")
        self.assertIn(f"failed: numpy blas --device cpu: {rows[1]['error']}", self.errors)
        self.assertNotIn("numpy", self.output)
        again = self.sweep(*PEERS, "--data", self.folder, "--threads", 2, "--repeat", 3, "--resume",
                           PEER_LIE="losses")
        self.assertEqual((again.returncode, self.rows()), (1, rows), again.stderr)

    def test_nothing_to_compare_with(self):
        rows = self.run_sweep("--threads", 2, "--batch-size", 200, "--repeat", 1, status=1, LIE="crash")
        self.assertEqual([row["status"] for row in rows], ["failed", "refused"])
        self.assertIn("there is no run of the trainer to compare its losses with", rows[1]["error"])

    def test_other_images(self):
        """Losses are compared with those of the same images only, whatever these are called."""
        rows = self.run_sweep("--threads", 2, "--repeat", 1, status=1, PEER_WORLD={"fingerprint": "b" * 16})
        self.assertEqual([row["status"] for row in rows], ["complete", "refused"])
        self.assertIn("there is no run of the trainer to compare its losses with", rows[1]["error"])

    def test_absent_and_failed(self):
        rows = self.run_sweep("--threads", 2, "--repeat", 2, PEER_LIE="absent")
        self.assertEqual([row["status"] for row in rows], ["absent", "complete", "complete"])
        self.assertEqual(rows[0]["error"], "numpy on cpu: no numpy: python3 -m pip install numpy")
        rows = self.run_sweep("--repeat", 2, status=1, PEER_LIE="crash")  # at its first number of threads
        self.assertEqual([row["status"] for row in rows], ["failed", "complete", "complete"])
        self.assertEqual(rows[0]["error"], "exit status 1: it has no memory")
        self.assertEqual((rows[0]["sweep"]["peer"], rows[0]["exit"], len(self.told())), ("numpy", 1, 1))

    def test_changed(self):
        """A peer's script that is edited in mid-sweep ends it, as another program does."""
        script = os.path.join(TOOLS, "tools", "peers", "numpy_blas.py")
        rows = self.run_sweep("--threads", 2, "--repeat", 2, status=1, CHANGE=[4, {"written": script}])
        self.assertIn(f"stopped: {script} is another program now", self.errors)
        self.assertEqual(len(rows), 1)
        rows = self.run_sweep("--threads", 2, "--repeat", 2, status=1, CHANGE=[6, {"library": "BLAS 2"}])
        self.assertIn("stopped: numpy blas --device cpu: device library 'BLAS 2', was 'BLAS 1'", self.errors)
        self.assertEqual(len(rows), 3)

    def test_resumed(self):
        """Rows of this commit and of the same library and images are taken as they are, with their number of
        threads; all others are not, and the number is found out again."""
        counts = list(map(str, plan.thread_counts()))
        first = self.run_sweep("--repeat", 2, TIMES={counts[0]: 0.01})
        again = (*PEERS, "--data", self.folder, "--resume", "--repeat")

        def resume(repeat, **environment):
            os.remove(self.trace + ".peers")
            done = self.sweep(*again, repeat, **environment)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.output = done.stdout
            return [(one["--threads"], one.get("--epochs")) for one in self.told()]

        # A glance, a warm-up and a run: what was found out once stays.
        self.assertEqual(resume(3, TIMES={counts[-1]: 0.01}), [(counts[0], epochs) for epochs in ("1", "1", None)])
        self.assertEqual((self.rows()[:4], len(self.rows())), (first, 6))
        self.assertIn("  3 runs  numpy blas --device cpu", self.output)
        for number, world in enumerate(({"library": "BLAS 2"}, {"fingerprint": "bbbbbbbbbbbbbbbb"}), 1):
            told = resume(1, WORLD=world, TIMES={counts[-1]: 0.01})
            newest = counts[0] if number == 1 else counts[-1]
            self.assertEqual(told, [(newest, "1"), *((count, "3") for count in counts), (counts[-1], None)])
            self.assertIn(f"  1 runs  numpy blas --device cpu --threads {counts[-1]}", self.output)
            self.assertEqual(len(self.rows()), 6 + 2 * number)
        self.assertEqual(resume(3), [(counts[-1], "1")])  # all is there still, of what this is again
        self.assertIn(f"  3 runs  numpy blas --device cpu --threads {counts[0]}", self.output)

    def test_resumed_with_one_number(self):
        """Of rows that differ in nothing but their threads, those with the newest one's count."""
        own, peer = self.run_sweep("--repeat", 1)
        with open(self.out, "w", encoding="utf-8") as file:
            for row in (own, {**peer, "device": {**peer["device"], "threads": 77}}, peer):
                print(json.dumps(row), file=file)
        done = self.sweep(*PEERS, "--data", self.folder, "--repeat", 1, "--resume")
        self.assertEqual((done.returncode, len(self.rows())), (0, 3), done.stderr)
        self.assertIn(f"  1 runs  numpy blas --device cpu --threads {peer['device']['threads']}\n", done.stdout)
        self.assertIn("1 of its rows are no runs of the same: device threads ", done.stderr)


if __name__ == "__main__":
    unittest.main()
