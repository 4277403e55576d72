"""Each function of MPI fails in one rank: all ranks end, and what failed is said.

  failing_mpi.py TRAINER LIBRARY MPIRUN FAILING

LIBRARY is openmpi or mpich, MPIRUN its launcher, and FAILING tests/mpi/failing.c, built for it.
"""
import os
import re
import subprocess
import sys
import unittest

import common
from common import Runs
from fixtures.launched import own_lines, ranks_here, record_of, settings, wait_for
from fixtures.patience import PATIENCE

LIBRARY, MPIRUN, FAILING = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1)
MODULE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/communicator/mpi.c")
BASE = ("--data", "synthetic", "--samples", 950, "--batch-size", 100, "--epochs", 2, "--threads", 1,
        "--device", "cpu", "--format", "json", "--exchange", "mpi")
# Which of a function's calls fail. The first ones are those of joining; later, ranks compare what they are to do,
# agree at each stage, train, compare, and leave.
CALLS = {"MPI_Comm_dup": (1,), "MPI_Comm_set_errhandler": (1,), "MPI_Comm_rank": (1, 2), "MPI_Comm_size": (1, 2),
         "MPI_Get_library_version": (1,), "MPI_Comm_split_type": (1,), "MPI_Comm_free": (1, 2),
         "MPI_Allgather": (1, 2, 3, 6, 9), "MPI_Bcast": (1, 2, 3), "MPI_Allreduce": (1, 4), "MPI_Finalize": (1,)}
# Those by which ranks share memory.
SHARING = {"MPI_Win_set_errhandler": (1,), "MPI_Win_lock_all": (1,), "MPI_Win_sync": (1,), "MPI_Barrier": (1,),
           "MPI_Win_shared_query": (2,), "MPI_Win_unlock_all": (1,), "MPI_Win_free": (1,)}
LEAVING = {("MPI_Comm_free", 2), ("MPI_Finalize", 1), ("MPI_Win_unlock_all", 1), ("MPI_Win_free", 1)}  # once the record is printed
# Those that have tests of their own, and those that only ask whether MPI is there, or
# let it do something.
APART = {"MPI_Init_thread", "MPI_Abort", "MPI_Error_string", "MPI_Initialized", "MPI_Finalized",
         "MPI_Iprobe", "MPI_Win_allocate_shared"}


class Failing(Runs):
    def launch(self, *faults, arguments=()):
        """The CompletedProcess of two ranks with these faults, once all have ended."""
        preloaded = {"LD_PRELOAD": FAILING, "TRAINER_MPI_FAULTS": ",".join(faults),
                     "ASAN_OPTIONS": settings().get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        options = {"openmpi": [word for name, value in preloaded.items() for word in ("-x", f"{name}={value}")],
                   "mpich": [word for name, value in preloaded.items() for word in ("-genv", name, value)]}[LIBRARY]
        done = subprocess.run(
            [MPIRUN, *options, "-n", "2", common.TRAINER, *map(str, BASE), *map(str, arguments)], env=settings(),
            text=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
        wait_for(lambda: not ranks_here(), "a rank is left")  # MPICH's launcher may end before them
        return done

    def check(self, done, text):
        self.assertNotEqual(done.returncode, 0, done.stderr)
        self.assertTrue(any(text in line for line in own_lines(done.stderr)), done.stderr)

    def test_all_functions_are_here(self):
        with open(MODULE, encoding="utf-8") as file:
            called = set(re.findall(r"\b(MPI_[A-Z][a-z_]+)\(", file.read()))
        self.assertEqual(called, {*CALLS, *SHARING} | APART)

    def test_calls(self):
        for calls, exchange in ((CALLS, "mpi"), (SHARING, "shared")):
            for function, number in ((function, number) for function in calls for number in calls[function]):
                with self.subTest(function, number=number):
                    done = self.launch(f"{function}:{number}:{number % 2}:fail", arguments=("--exchange", exchange))
                    self.check(done, f"{function}: ")
                    if (function, number) not in LEAVING:
                        self.assertNotIn('"schema"', done.stdout)

    def test_beginning(self):
        """MPI has no words for an error before it has begun; and a launcher may not notice that a rank ends."""
        self.check(self.launch("MPI_Init_thread:1:1:fail", arguments=("--exchange-timeout", 0.5)),
                   "MPI_Init_thread: error ")

    def test_memory_refused(self):
        """To all ranks, as it is for all. Then MPI exchanges, unless the user wants it shared."""
        faults = [f"MPI_Win_allocate_shared:1:{rank}:fail" for rank in (0, 1)]
        found = record_of(self.launch(*faults, arguments=("--exchange", "auto")))
        self.assertEqual(found["ranks"]["transport"], "memory")
        done = self.launch(*faults, arguments=("--exchange", "shared"))
        self.assertEqual(done.returncode, 3, done.stderr)
        self.check(done, "the system gives no memory that ranks share")

    def test_failures_of_what_follows_a_failure(self):
        self.check(self.launch("MPI_Allreduce:2:1:fail", "MPI_Error_string:1:1:fail"), "MPI_Allreduce: error ")
        self.check(self.launch("MPI_Allreduce:2:1:fail", "MPI_Abort:1:1:fail"), "MPI_Allreduce: ")

    def test_a_rank_vanishes(self):
        """It ends with exit status 0, and without a word to MPI. The launcher may notice, and end the other rank
        before that says anything; MPICH's then gives any exit status. What counts is that all have ended."""
        for function, number in (("MPI_Allgather", 3), ("MPI_Bcast", 3), ("MPI_Allreduce", 4)):
            for rank in (0, 1):
                with self.subTest(function, rank=rank):
                    done = self.launch(f"{function}:{number}:{rank}:exit", arguments=("--exchange-timeout", 0.5))
                    self.assertNotIn('"schema"', done.stdout)
                    if LIBRARY == "openmpi":
                        self.assertNotEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
