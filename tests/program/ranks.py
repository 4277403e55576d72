"""Ranks train together as one process would, and end together, whatever happens to one of them.

  ranks.py TRAINER LIBRARY MPIRUN all|some|threads [EMULATED NCCL]

LIBRARY is openmpi or mpich, and MPIRUN its launcher. `some` and `threads`, that is ranks of several threads, are for
builds with sanitizers. EMULATED is the program with GPUs that are emulated, and NCCL the folder of
a library that exchanges between them.
"""
import os
import shlex
import signal
import subprocess
import sys
import unittest

import common
from common import Runs, record
from fixtures.cifar import make_folder
from fixtures.launched import figures, own_lines, ranks_here, record_of, settings, wait_for
from fixtures.patience import PATIENCE

LIBRARY, MPIRUN, EXTENT = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1)
SANITIZED = EXTENT != "all"
EMULATED, NCCL = (sys.argv.pop(1), sys.argv.pop(1)) if os.path.isfile("".join(sys.argv[1:2])) else (None, None)
# Ten batches of 100, the last of which lacks 50: no number of ranks but 1, 2 and 4 divides a batch.
BASE = ("--data", "synthetic", "--samples", 950, "--batch-size", 100, "--epochs", 2, "--threads", 1,
        "--device", "cpu")
LONG = ("--data", "synthetic", "--samples", 2000, "--batch-size", 50, "--epochs", 1000000, "--threads", 1)
# What a rank's part of a batch must not change.
OPTIONS = {
    "short": ("--tail", "short"),
    "drop": ("--tail", "drop"),
    "shuffle": ("--shuffle",),
    "streamed": ("--batches", "streamed", "--shuffle", "--flip"),
    "momentum": ("--momentum", 0.9, "--learning-rate", 0.001, "--weight-decay", 0.01),
    "adamw": ("--optimizer", "adamw", "--learning-rate", 0.0001, "--schedule", "cosine"),
    "chance": ("--flip", "--dropout", 0.2, "--label-smoothing", 0.1, "--normalize", "--shuffle"),
    "clip": ("--clip-norm", 0.5),
    "validation": ("--validation", 150, "--keep-best", "--color", "rgb"),
}


def command(ranks, *arguments, options=()):
    return [MPIRUN, *options, "-n", str(ranks), common.TRAINER, *map(str, arguments)]


def launch(ranks, *arguments, options=()):
    """The CompletedProcess of so many ranks."""
    return subprocess.run(command(ranks, *arguments, options=options), env=settings(), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)


def mixed(first, second, folders=("/", "/")):
    """The CompletedProcess of two ranks with arguments, and in folders, of their own. (What a launcher has for that,
    "-n 1 A : -n 1 B", crashes mpirun of Open MPI 5.0.7.)"""
    first, second = (f"cd {shlex.quote(folder)} && exec " + shlex.join([common.TRAINER, *map(str, arguments)])
                     for folder, arguments in zip(folders, (first, second)))
    script = f'if [ "${{OMPI_COMM_WORLD_RANK-$PMI_RANK}}" = 0 ]; then {first}; else {second}; fi'
    return subprocess.run([MPIRUN, "-n", "2", "sh", "-c", script], env=settings(), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)


def ranked(ranks, *arguments):
    """The record of ranks that must succeed."""
    return record_of(launch(ranks, "--format", "json", *arguments))


class Training(Runs):
    """The sums of ranks are added in another order than those of one process, and no more differs."""

    def check(self, ranks, *arguments, alone=None):
        alone = alone or record(*BASE, *arguments)
        found = ranked(ranks, *BASE, *arguments)
        self.assertEqual(found["ranks"]["count"], ranks)
        self.assertEqual(found["test"]["confusion"] is None, alone["test"]["confusion"] is None)
        self.assertEqual(sum(map(sum, found["test"]["confusion"])), alone["dataset"]["test"])
        for mine, other in zip(figures(found), figures(alone), strict=True):
            self.assertLess(abs(mine - other), 1e-6, (arguments, figures(found), figures(alone)))

    def test_numbers_of_ranks(self):
        for device, numbers in (("cpu", (1, 2, 3, 4)), ("reference", (3,))):
            alone = record(*BASE, "--device", device)
            for ranks in numbers[-1:] if SANITIZED else numbers:
                self.check(ranks, "--device", device, alone=alone)

    def test_options(self):
        few = ("streamed", "chance", "validation")
        for ranks, (name, options) in zip((3, 2) * len(OPTIONS), OPTIONS.items()):
            if SANITIZED and name not in few:
                continue
            with self.subTest(name):
                self.check(ranks, "--device", "cpu", *options)

    def test_a_gpus_way(self):
        if "opencl" not in map(common.kind_of, common.devices()):
            self.skipTest("there is no opencl")
        self.check(2, "--device", "opencl", "--shuffle", "--dropout", 0.2, "--clip-norm", 0.5)

    def test_a_rank_without_a_sample_of_a_batch(self):
        """The last batch has a sample, and the last of the test set two."""
        options = ("--device", "cpu", "--samples", 202, "--batch-size", 67, "--tail", "short")
        for ranks in (2, 4):
            self.check(ranks, *options)
        self.check(4, *options, "--batches", "streamed", "--shuffle")
        self.check(3, *options, "--validation", 1, "--device", "reference")

    def test_exchange(self):
        """Memory that ranks share has the sums of MPI, and those of two ranks are rounded in no other way."""
        for exchange, transport in (("auto", "shared memory"), ("mpi", "memory")):
            found = ranked(2, *BASE, "--shuffle", "--exchange", exchange, "--save", self.path(transport))
            self.assertEqual(found["ranks"]["transport"], transport)
        self.assertEqual(self.bytes_of("memory"), self.bytes_of("shared memory"))

    def test_same_bits(self):
        options = (*BASE, "--optimizer", "adamw", "--shuffle", "--dropout", 0.1)
        for name in ("first", "second"):
            ranked(3, *options, "--save", self.path(name))
        self.assertEqual(self.bytes_of("first"), self.bytes_of("second"))


@unittest.skipUnless(EMULATED, "needs the emulated CUDA")
class Gpus(Runs):
    """Ranks of a host take one after another."""

    def setUp(self):
        super().setUp()
        self.addCleanup(setattr, common, "TRAINER", common.TRAINER)
        common.TRAINER = EMULATED

    def test_each_its_own(self):
        done = launch(3, *BASE, "--device", "cuda", "--samples", 10, "--batch-size", 5, "--exchange", "host")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("rank 2 on ", done.stderr)
        self.assertIn("is that of rank 0, too: start as many ranks on a host as it has GPUs", done.stderr)
        options = (*BASE, "--device", "cuda", "--samples", 60, "--batch-size", 25, "--layers", 8, "--exchange", "host")
        alone, found = record(*options), ranked(2, *options)
        for mine, other in zip(figures(found), figures(alone), strict=True):
            self.assertLess(abs(mine - other), 1e-6)
        self.assertEqual(found["device"]["submission"], "stream")
        self.assertEqual(found["ranks"]["transport"], "host memory")


@unittest.skipUnless(EMULATED, "needs the emulated CUDA")
@unittest.skipIf(LIBRARY != "openmpi" and not SANITIZED, "tried with the other MPI, which has little part in it")
class Nccl(Runs):
    """By NCCL, GPUs exchange within a graph."""
    # 40 exchanges, of arrays that the emulated NCCL sends in parts.
    NET = (*BASE, "--device", "cuda", "--samples", 100, "--batch-size", 10, "--epochs", 4, "--layers", 8)

    def setUp(self):
        super().setUp()
        self.addCleanup(setattr, common, "TRAINER", common.TRAINER)
        common.TRAINER = EMULATED
        for name, value in (("LD_LIBRARY_PATH", NCCL), ("EMULATED_CUDA_GPUS", "4")):
            self.addCleanup(os.environ.pop, name, None)
            os.environ[name] = value
        self.addCleanup(os.environ.pop, "EMULATED_NCCL", None)

    def test_trains_as_one_process(self):
        for ranks, options in ((2, ("--shuffle", "--dropout", 0.2)), (3, ("--batches", "streamed", "--flip")),
                               (4, ("--submission", "stream", "--clip-norm", 0.5))):
            alone, found = record(*self.NET, *options), ranked(ranks, *self.NET, *options, "--exchange", "nccl")
            for mine, other in zip(figures(found), figures(alone), strict=True):
                self.assertLess(abs(mine - other), 1e-6)
            self.assertEqual(found["ranks"]["transport"], "NCCL 2.28.9")
            self.assertEqual(found["device"]["submission"], "stream" if "stream" in options else "graph")
            self.assertIsNone(found["ranks"]["exchanging"])
            self.assertGreater(found["ranks"]["computing"]["least"], 0.0)
            if SANITIZED:
                break

    def test_same_bits_as_by_the_host(self):
        """Both add up in the order of the ranks."""
        for exchange in ("nccl", "host"):
            ranked(2, *self.NET, "--exchange", exchange, "--save", self.path(exchange))
        self.assertEqual(self.bytes_of("nccl"), self.bytes_of("host"))

    def test_ranks_that_cannot_join(self):
        """None does, and they say why."""
        for wrong, text in (("version:1", "rank 1 on {host}: cuda: its NCCL is version 22703, and rank 0's is 22809"),
                            ("ncclGetVersion:1", "rank 1 on {host}: cuda: ncclGetVersion gave 2: unhandled"),
                            ("ncclGetUniqueId", "rank 0 on {host}: cuda: ncclGetUniqueId gave 2: unhandled"),
                            ("ncclCommInitRank:0", "rank 0 on {host}: cuda: ncclCommInitRank gave 2: unhandled")):
            text = text.format(host=os.uname().nodename)
            os.environ["EMULATED_NCCL"] = wrong
            done = launch(2, *self.NET, "--format", "json")
            self.assertIn("warning: gradients go through the host's memory: " + text, done.stderr)
            found = record_of(done)
            self.assertEqual((found["ranks"]["transport"], found["device"]["submission"]), ("host memory", "stream"))
            if SANITIZED:
                break
        done = launch(2, *self.NET, "--exchange", "nccl")
        self.assertEqual((done.returncode, len(own_lines(done.stderr))), (3, 1), done.stderr)
        self.assertIn("trainer: " + text, done.stderr)

    def test_an_exchange_fails(self):
        for wrong, text in (("remote:1", "an exchange by NCCL gave 6: remote process exited"),
                            ("ncclAllReduce:0", "rank 0 on {host}: cuda: ncclAllReduce gave 4: invalid argument"),
                            ("ncclCommGetAsyncError", "cuda: ncclCommGetAsyncError gave 2: unhandled")):
            os.environ["EMULATED_NCCL"] = wrong
            done = launch(2, *self.NET)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn(text.format(host=os.uname().nodename), done.stderr)
            self.assertIn("--exchange host does without NCCL", done.stderr)

    def test_an_exchange_does_not_end(self):
        os.environ["EMULATED_NCCL"] = "stall:1"
        done = launch(2, *self.NET, "--exchange-timeout", 0.5)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("an exchange of gradients by ", done.stderr)
        self.assertIn("has taken longer than 0.5 s", done.stderr)

    def test_a_graph_needs_it(self):
        done = launch(2, *self.NET, "--exchange", "host", "--submission", "graph")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("--submission graph: the host exchanges the ranks' gradients", done.stderr)
        self.assertEqual(ranked(2, *self.NET, "--submission", "graph")["device"]["submission"], "graph")


class Threads(Runs):
    """One thread of a team exchanges, whichever it is."""

    def test_teams(self):
        alone = record(*BASE)
        found = ranked(2, *BASE, "--threads", 2, "--shuffle")
        self.assertEqual(found["device"]["threads"], 2)
        found = ranked(2, *BASE, "--threads", 2)
        for mine, other in zip(figures(found), figures(alone), strict=True):
            self.assertLess(abs(mine - other), 1e-6)


class Files(Runs):
    """Rank 0 reads and writes them, and they know no ranks."""

    def test_checkpoint_of_some_ranks_goes_on_with_others(self):
        options = (*BASE, "--momentum", 0.9, "--learning-rate", 0.001, "--shuffle")
        whole = ranked(3, *options, "--epochs", 4, "--save", self.path("whole"))
        for ranks in (3, 1, 2):
            name = self.path(f"run{ranks}")
            ranked(3, *options, "--checkpoint", name)
            found = ranked(ranks, "--resume", name, "--epochs", 4, "--save", self.path("again"))
            self.assertEqual(found["resumed"]["epochs"], 2)
            for mine, other in zip(figures(found), figures(whole), strict=True):
                self.assertLess(abs(mine - other), 1e-5)
            if ranks == 3:
                self.assertEqual(self.bytes_of("again"), self.bytes_of("whole"))
        alone = record("--resume", self.path("run2"), "--epochs", 5)
        self.assertEqual(len(alone["epochs"]), 5)

    def test_only_rank_0_needs_the_weights(self):
        record(*BASE, "--save", self.path("weights"))
        os.mkdir(self.path("elsewhere"))
        options = (*BASE, "--init", "weights")
        done = mixed(options, options, folders=(self.folder, self.path("elsewhere")))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_log_and_record_are_one(self):
        found = ranked(2, *BASE, "--log", self.path("log"))
        self.assertEqual(self.bytes_of("log").count(b"\n"), 2)
        ranks = found["ranks"]
        self.assertEqual((ranks["count"], ranks["hosts"]), (2, 1))
        self.assertIn({"openmpi": "Open MPI", "mpich": "MPICH"}[LIBRARY], ranks["library"])
        for name in ("computing", "exchanging"):
            self.assertGreater(ranks[name]["least"], 0.0)
            self.assertGreaterEqual(ranks[name]["median"], ranks[name]["least"])
            self.assertGreaterEqual(ranks[name]["greatest"], ranks[name]["median"])
        self.assertLess(ranks["computing"]["least"] + ranks["exchanging"]["least"],
                        sum(found["seconds"]["epochs"]) * 1.01)
        self.assertIsNone(record(*BASE)["ranks"])


class Ends(Runs):
    """Every failure is said once, with its exit code, and ends all ranks."""

    def check(self, code, text, done):
        self.assertEqual(done.returncode, code, done.stderr)
        said = own_lines(done.stderr)
        self.assertEqual(len(said), 1, done.stderr)
        self.assertIn(text, said[0])
        self.assertNotIn('"schema"', done.stdout)

    def test_usage(self):
        self.check(2, "--epochs 'x'", launch(3, "--epochs", "x"))
        self.check(2, "too many for batches of 2", launch(3, *BASE, "--batch-size", 2))
        self.check(2, "--peak measures the device of one process", launch(2, "--peak"))
        self.check(2, "'graph' is not how work is submitted there", launch(2, *BASE, "--submission", "graph"))
        self.check(2, "--step fused: ranks exchange", launch(2, *BASE, "--step", "fused"))
        self.check(3, "device 'nothing' is not here", launch(2, "--device", "nothing"))
        self.check(6, "nowhere", launch(2, *BASE, "--init", self.path("nowhere")))

    def test_what_is_said_once(self):
        done = launch(3, "--version")
        self.assertEqual((done.returncode, done.stdout.count("commit")), (0, 1))
        done = launch(2, *BASE)
        self.assertEqual(done.stdout.count("in all"), 1)
        self.assertIn("ranks     2 on 1 host", done.stdout)

    def test_options_that_differ(self):
        other = [*BASE, "--seed", 2]
        done = mixed(BASE, other)
        self.check(2, "rank 1 on ", done)
        self.check(2, "--seed 2: it is 1 in rank 0", done)
        self.check(2, "--dry-run", mixed(BASE, [*BASE, "--dry-run"]))
        self.check(2, "rank 0 is to do something else", mixed(BASE, [*BASE, "--version"]))

    def test_data_that_differ(self):
        for number in (0, 1):
            os.mkdir(self.path(f"data{number}"))
            make_folder(self.path(f"data{number}"), number)
        first, second = ([*BASE, "--data", self.path(f"data{number}")] for number in (0, 1))
        self.check(4, "rank 1 on ", mixed(BASE, [*BASE, "--data", self.path("nowhere")]))
        self.check(4, "its images are not those of rank 0", mixed(first, second))

    def test_divergence(self):
        done = launch(2, *BASE, "--learning-rate", 1e6, "--activation", "relu", "--epochs", 5)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertEqual(len(own_lines(done.stderr)), 1)

    def test_a_disk_that_is_full(self):
        done = launch(2, *BASE, "--log", "/dev/full", "--quiet")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("lines are missing", own_lines(done.stderr)[-1])

    def test_launchers(self):
        wrong = {"openmpi": "mpich", "mpich": "openmpi"}[LIBRARY]
        done = launch(2, *BASE, "--communicator", wrong)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertTrue("has started 2 ranks, but" in done.stderr or "no MPI for them" in done.stderr, done.stderr)
        done = launch(2, *BASE, "--communicator", "none", "--format", "json")
        self.assertEqual((done.returncode, done.stdout.count('"ranks":null')), (0, 2), done.stdout)
        self.fails(2, "add --mpi=pmi2", env={"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"})
        found = record(*BASE, env={"SLURM_PROCID": "0", "SLURM_NTASKS": "2"})  # a batch script's own process
        self.assertIsNone(found["ranks"])


class Signals(Runs):
    """What happens to one rank in the middle of an epoch happens to all."""

    def begin_ranks(self, ranks, *arguments):
        """The launcher, and the process numbers of its ranks, once they have trained an epoch."""
        log = self.path("log")
        process = subprocess.Popen(command(ranks, *LONG, "--device", "cpu", "--log", log, *arguments),
                                   env=settings(), text=True, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        self.addCleanup(self.end_session, process)

        def has_trained():
            self.assertIsNone(process.poll(), "it ended too soon")
            return os.path.exists(log) and os.path.getsize(log) > 0
        wait_for(has_trained, "an epoch")
        found = ranks_here()
        self.assertEqual(len(found), ranks)
        return process, found

    def end_session(self, process):
        if process.poll() is None:
            process.kill()
        for number in ranks_here().values():
            os.kill(number, signal.SIGKILL)
        process.wait()
        process.stderr.close()

    def finish(self, process):
        """Its exit status and what its ranks said, once nothing is left of it."""
        text = process.stderr.read()
        status = process.wait(PATIENCE)
        wait_for(lambda: not ranks_here(), "a rank is left")
        return status, text

    def test_killed(self):
        for rank in (0, 2):
            process, found = self.begin_ranks(3)
            os.kill(found[rank], signal.SIGKILL)
            status, text = self.finish(process)
            self.assertNotEqual(status, 0, text)
            os.remove(self.path("log"))

    def test_stopped(self):
        process, found = self.begin_ranks(2, "--exchange-timeout", 3)
        os.kill(found[1], signal.SIGSTOP)
        status, text = self.finish(process)
        self.assertEqual(status, 1, text)
        self.assertIn("rank 0 of 2 on ", own_lines(text)[0])
        self.assertIn("has taken longer than 3", own_lines(text)[0])

    def test_told_to_end(self):
        for rank in (0, 1):
            checkpoint = self.path(f"run{rank}")
            process, found = self.begin_ranks(2, "--checkpoint", checkpoint)
            os.kill(found[rank], signal.SIGTERM)
            status, text = self.finish(process)
            self.assertEqual(status, 143, text)
            self.assertEqual(len(own_lines(text)), 1, text)
            self.assertIn(f"go on with --resume {checkpoint}", own_lines(text)[0])
            os.remove(self.path("log"))
            epochs = int(common.texts(checkpoint)["trainer.epochs"])
            found = ranked(2, "--resume", checkpoint, "--epochs", epochs + 1)
            self.assertEqual(found["resumed"]["epochs"], epochs)


if __name__ == "__main__":
    if EXTENT == "threads":
        sys.argv.append("Threads")
    unittest.main()
