"""tools/sweep: a real one that is killed again and again, and what it does about all that can go wrong, with
a program that only pretends to train.

  sweep.py TRAINER SWEEP
"""
import fcntl
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import unittest

from common import NO_GPU, PATIENCE, TRAINER, closed_pipe
from fixtures.swept import Swept

Swept.tool = sys.argv.pop(1)
SEED = 20260522
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(Swept.tool))

from sweeping import values  # noqa: E402 pylint: disable=wrong-import-position

class Values(unittest.TestCase):
    def test_expand(self):
        for text, expected in (("300", ["300"]), ("100,300", ["100", "300"]), ("1-4", ["1", "2", "3", "4"]),
                               ("100-1000+300", ["100", "400", "700", "1000"]), ("5-5", ["5"]),
                               ("100-3200*2", ["100", "200", "400", "800", "1600", "3200"]),
                               ("1,8-20*2,7", ["1", "8", "16", "7"]), ("opencl:0:0,cpu", ["opencl:0:0", "cpu"]),
                               ("0.01,1e-3", ["0.01", "1e-3"])):
            self.assertEqual(values.expand("x", text), expected)
        for option in ("layers", "data", "init"):
            self.assertEqual(values.expand(option, "64,32"), ["64,32"])
        for text in ("4-1", "1-4+0", "1-4*1", "0-4*2", "", "1,,2"):
            with self.assertRaises(ValueError, msg=text):
                values.expand("x", text)

    def test_product(self):
        self.assertEqual(values.product({"a": ["1", "2"], "b": [None]}),
                         [{"a": "1", "b": None}, {"a": "2", "b": None}])
        self.assertEqual(values.words({"a": "1", "b": None}), ["--a", "1", "--b"])


# The real trainer, which tells at which of its runs it is; at one of them it waits, or only says so.
SAYING = """\
    #!/bin/sh
    case " $* " in *" --format "*)
      echo run >>"$COUNT"
      if [ "$(wc -l <"$COUNT")" -eq "$AT" ]; then
        : >"$REACHED"
        [ "$HOLD" = no ] || exec sleep 86400
      fi ;;
    esac
    exec "$REAL" "$@"
"""


class Killed(Swept):
    MORE = ("--device", "cpu,reference", "--batch-size", "50,100", "--data", "synthetic", "--samples", 200,
            "--layers", 8, "--epochs", 2, "--warm-up", 0, "--repeat", 5, "--no-peak", "--resume")

    def kill_at(self, at, hold, delay):
        """The sweep's exit status; None: it was killed, when its run number `at` began, or a little later."""
        for name in ("count", "reached"):
            if os.path.exists(self.path(name)):
                os.remove(self.path(name))
        more = {"COUNT": self.path("count"), "REACHED": self.path("reached"), "AT": str(at), "HOLD": hold,
                "REAL": os.path.abspath(TRAINER), **NO_GPU}
        with subprocess.Popen(self.command(self.path("saying"), *self.MORE), stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, env=self.environment(**more)) as process:
            while process.poll() is None and not os.path.exists(self.path("reached")):
                time.sleep(0.01)
            if process.poll() is None:
                time.sleep(delay)
                process.kill()
            _, errors = process.communicate()
            self.assertIn(process.returncode, (0, -signal.SIGKILL), errors)
            return None if process.returncode else 0

    @unittest.skipUnless(sys.platform == "linux", "a killed sweep takes its run with it on Linux only")
    def test_killed(self):
        """A real sweep, killed when some run of it begins, or at a random moment after that, and resumed
        until it is through."""
        print(f"seed {SEED}", file=sys.stderr)
        with open(self.path("saying"), "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(SAYING))
        os.chmod(self.path("saying"), 0o755)
        chance, kills = random.Random(SEED), 0
        for number in range(8):
            hold = "no" if number % 2 else "yes"
            # Before the first run that counts there are up to nine: what the host is, up to four looks at what
            # rows must be like to count, and four that warm up.
            killed = self.kill_at(chance.randint(1, 12), hold, chance.uniform(0, 0.2) if hold == "no" else 0)
            self.assertTrue(killed is None or hold == "no", f"round {number}")
            kills += killed is None
            if chance.random() < 0.5 and os.path.exists(self.out):
                with open(self.out, "a", encoding="utf-8") as file:  # as from a write that was cut
                    file.write('{"schema": 1, "ti')
        with open(self.out, encoding="utf-8") as file:
            before = file.read().split("\n")[:-1]
        print(f"killed {kills} times, {len(before)} rows", file=sys.stderr)
        self.assertTrue(before)
        self.assertEqual(self.kill_at(0, "no", 0), 0)  # the same program as before: it reaches no run 0
        rows = self.rows()
        self.assertEqual(rows[:len(before)], [json.loads(line) for line in before])
        found = [(*row["sweep"]["options"][1:4:2], row["sweep"]["run"]) for row in rows]
        wanted = [(device, batch, run) for device in ("cpu", "reference") for batch in ("50", "100")
                  for run in range(1, 6)]
        self.assertEqual(sorted(found), sorted(wanted))  # none is lost, none is there twice
        for row in rows:
            self.assertEqual((row["status"], row["sweep"]["of"]), ("complete", 5))
            self.assertEqual(row["device"]["kind"], row["sweep"]["options"][1])


# A tool that runs a program, and is killed in the midst of that: when the process is there, but before it is
# bound to the tool's end.
BEGINNING = """\
    import os, sys, time
    sys.path.insert(0, sys.argv[1])
    from sweeping import process
    parent, load = os.getpid(), process.ctypes.CDLL
    def wait_and_load(name):
        open(sys.argv[2], "w").close()
        while os.getppid() == parent:
            time.sleep(0.001)
        return load(name)
    process.ctypes.CDLL = wait_and_load
    process.execute(["touch", sys.argv[3]])
"""


class Beginning(Swept):
    @unittest.skipUnless(sys.platform == "linux", "a killed sweep takes its run with it on Linux only")
    def test_killed(self):
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-B", "-c", textwrap.dedent(BEGINNING), os.path.dirname(self.tool),
                   self.path("begun"), self.path("ran")]
        with ours, subprocess.Popen(command, stdin=theirs) as process:
            theirs.close()
            while not os.path.exists(self.path("begun")):
                self.assertIsNone(process.poll())
                time.sleep(0.01)
            process.kill()
            self.assertEqual(ours.recv(1), b"")  # nothing that has the other end is left
        self.assertFalse(os.path.exists(self.path("ran")))


class Pretended(Swept):
    TWO = ("--device", "cpu,gpu", "--batch-size", "100,200", "--data", "synthetic", "--repeat", 3)

    def test_in_turn(self):
        done = self.sweep(*self.TWO, "--threads", "1-2")
        self.assertEqual(done.returncode, 0, done.stderr)
        one_round = [("cpu", "100", "1"), ("cpu", "100", "2"), ("cpu", "200", "1"), ("cpu", "200", "2"),
                     ("gpu", "100", "None"), ("gpu", "200", "None")]  # which has no such threads
        peaks = [("cpu", "None", "1"), ("cpu", "None", "2"), ("gpu", "None", "None")]
        self.assertEqual(self.traced(), [("peak", *one) for one in peaks] + [("1", *one) for one in one_round]
                         + 3 * [("5", *one) for one in one_round])
        self.assertEqual([row["sweep"]["run"] for row in self.rows()], 3 * [1] + 6 * [1] + 6 * [2] + 6 * [3])
        self.assertEqual(len(done.stdout.splitlines()), 6)
        self.assertIn("21 of 21: 0 s left: --device gpu --batch-size 200: 0.0100 s an epoch", done.stderr)
        self.assertNotIn("outlier", done.stderr)
        # The same again is none of the first, unless it is to go on; then there is nothing to do.
        again = self.sweep(*self.TWO, "--threads", "1-2")
        self.assertEqual(again.returncode, 2)
        self.assertIn("has 21 of these rows already: go on with --resume", again.stderr)
        self.assertEqual(self.sweep(*self.TWO, "--threads", "1-2", "--resume").returncode, 0)
        more = self.sweep(*self.TWO[:-1], 4, "--threads", "1-2", "--resume")
        self.assertEqual((more.returncode, len(self.rows())), (0, 27), more.stderr)

    def test_seeds(self):
        """Each begins elsewhere, and has losses of its own; and one of them warms up for all."""
        done = self.sweep("--device", "cpu,gpu", "--seed", "1,2", "--repeat", 1, "--no-peak")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(re.findall(r"(?m)^sweep: warm-up: --device (\w+) --seed 1$", done.stderr), ["cpu", "gpu"])
        self.assertEqual(done.stderr.count("warm-up:"), 2)
        self.assertEqual([row["status"] for row in self.rows()], ["complete"] * 4)

    def test_peaks(self):
        """Of each way that multiplies; whatever else there is does not matter to a peak."""
        done = self.sweep("--device", "cpu", "--gemm", "own,auto", "--batch-size", "100,200", "--data", "x",
                          "--dry-run")
        peaks = [line.split(" ", 1)[1] for line in done.stdout.splitlines() if line.endswith("--peak")]
        self.assertEqual(peaks, [f"--device cpu --gemm {name} --format json --peak" for name in ("own", "auto")])

    def test_missing(self):
        for more in ((), ("--resume",)):
            done = self.sweep("--device", "cuda,cpu", "--data", "synthetic", "--repeat", 2, *more)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("not here: cuda: it is hidden", done.stderr)
            rows = self.rows()
            self.assertEqual([row["status"] for row in rows], ["absent"] + 3 * ["complete"])
            self.assertEqual(rows[0]["error"], "cuda: it is hidden")
            self.assertEqual({line[1] for line in self.traced()}, {"cpu"})

    def test_failing(self):
        for lie, said, status in (
                ("crash", "failed: exit status 1: trainer: it gave cudaErrorWrong", "failed"),
                ("nonsense", "failed: exit status 0:", "failed"),
                ("schema", "failed: its schema is 2, not 1", "failed"),
                ("losses", r"--device gpu --batch-size 200: the loss of epoch 1 is 2\.\d+, that of cpu 2\.",
                 "refused"),
                ("diverged", "--device cpu --batch-size 200: diverged", "diverged")):
            with self.subTest(lie=lie):
                self.forget()
                done = self.sweep(*self.TWO, "--no-peak", LIE=lie)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stderr, said)
                rows = self.rows()
                wrong = [row for row in rows if row["status"] != "complete"]
                self.assertEqual({row["status"] for row in wrong}, {status})
                self.assertEqual(len(wrong), 1 if lie == "losses" else 2)  # and then passed over
                self.assertEqual(len(rows) - len(wrong), 9 if lie == "losses" else 6)
                # It is known to have failed; what did not even run is tried again, and told once.
                done = self.sweep(*self.TWO, "--no-peak", "--resume", LIE=lie)
                self.assertEqual((done.returncode, self.rows()), (1, rows), done.stderr)

    def test_outlier(self):
        done = self.sweep("--device", "cpu", "--batch-size", 200, "--repeat", 7, "--no-peak", LIE="outlier")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"warning: outlier: --device cpu: 0.5000 s, median 0.0100 s")

    def test_peers(self):
        """One that is not installed is told with what installs it; the others go on."""
        with open(os.path.join(self.folder, "numpy.py"), "w", encoding="utf-8") as file:
            file.write("raise ImportError(\"No module named 'numpy'\")")
        more = ("--device", "cpu", "--repeat", 2, "--no-peak", "--peers", "numpy,jax", "--data", self.folder)
        done = self.sweep(*more, PYTHONPATH=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = self.rows()
        self.assertEqual([row["status"] for row in rows], ["absent", "absent", "complete", "complete"])
        for row, peer in zip(rows, ("numpy", "jax")):
            self.assertEqual(row["sweep"]["peer"], peer)
            self.assertIn("python3 -m pip install", row["error"])
        for what in (("--data", "synthetic"), ()):
            done = self.sweep("--device", "cpu", "--peers", "numpy", *what)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("--peers need CIFAR-10 itself", done.stderr)
        done = self.sweep("--device", "cpu", "--tail", "drop", *more[2:], "--dry-run")
        self.assertIn("numpy blas, jax scan, jax step can't do --device cpu", done.stderr)
        self.assertNotIn("peers", done.stdout)

    def test_dry_run(self):
        done = self.sweep(*self.TWO, "--dry-run", "--shuffle", "--peers", "numpy", "--data", self.folder)
        self.assertEqual(done.returncode, 2)  # and the synthetic set, which is still in the list
        done = self.sweep("--device", "cpu", "--batch-size", "100,200", "--peers", "numpy", "--data", self.folder,
                          "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 1 + 1 + 2 + 2)
        self.assertIn("--peak", lines[0])
        self.assertEqual(lines[1], "# in turn, 7 times each, and once before")
        self.assertIn("--device cpu --batch-size 200 --data ", lines[3])
        self.assertRegex(lines[5], r"numpy_blas.py'? .*--batch-size 200 .*# with the fastest --threads of 1")
        self.assertFalse(os.path.exists(self.out) or os.path.exists(self.trace))

    def test_warm_up(self):
        """Every configuration has it, unless others are asked for; also the peers."""
        more = ("--device", "cpu,reference", "--peers", "numpy", "--data", self.folder, "--no-peak", "--dry-run")
        for asked, found in (((), "1"), (("--warm-up", "0"), "0"), (("--warm-up", "0.5"), "0.5")):
            done = self.sweep(*more, *asked, trainer=os.path.abspath(TRAINER))
            self.assertEqual(done.returncode, 0, done.stderr)
            lines = done.stdout.splitlines()[1:]
            self.assertEqual(len(lines), 3)
            for line in lines:
                self.assertIn(f" --warm-up {found} ", line)

    def test_ended(self):
        """A signal ends it and what it runs, and what is there stays."""
        for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)):
            if os.path.exists(self.trace):
                os.remove(self.trace)
            with subprocess.Popen(self.command(self.pretender, "--device", "cpu", "--batch-size", 200, "--no-peak"),
                                  stderr=subprocess.PIPE, text=True, env=self.environment(LIE="slow")) as process:
                while process.poll() is None and not (os.path.exists(self.trace) and os.path.getsize(self.trace)):
                    time.sleep(0.02)
                process.send_signal(number)
                _, errors = process.communicate(timeout=PATIENCE)
            self.assertEqual(process.returncode, status, errors)
            self.assertEqual(os.path.getsize(self.out), 0)
            if number != signal.SIGKILL:
                self.assertIn("interrupted; the same command with --resume goes on", errors)
            if number != signal.SIGKILL or sys.platform == "linux":
                with open(self.trace, encoding="utf-8") as file:
                    self.wait_for_end(int(file.read().split()[0]))

    def test_half_line(self):
        with open(self.out, "w", encoding="utf-8") as file:
            file.write('{"schema": 1}\nnonsense\n{"sche')
        done = self.sweep("--device", "cpu", "--repeat", 1, "--no-peak")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("took half a line off its end", done.stderr)
        self.assertIn("rows.jsonl:2: no JSON", done.stderr)
        with open(self.out, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(lines[:2], ['{"schema": 1}', "nonsense"])
        self.assertEqual((len(lines), json.loads(lines[2])["status"]), (3, "complete"))

    def test_no_end(self):
        """A last record without a newline, as other programs write it, is as good as others."""
        with open(self.out, "w", encoding="utf-8") as file:
            file.write('{"schema": 1}\n{"schema": 1, "b": "c"}')
        done = self.sweep("--device", "cpu", "--repeat", 1, "--no-peak")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("its last line has an end now", done.stderr)
        rows = self.rows()
        self.assertEqual((rows[:2], len(rows)), ([{"schema": 1}, {"schema": 1, "b": "c"}], 3))

    def test_not_its_own(self):
        """What is no file of records stays as it is."""
        record, half = b'{"schema": 1}\n', b'{"sche'
        for content in (b"notes\n", b"notes", b'{"a": 1}\n', b'{\n "schema": 1\n}\n', b"\xff\xfe\0", b"notes\n" + half,
                        b'notes\n{"schema": 1, "a', record + b"notes", half, record + b'{"schema": 2}\n'):
            with open(self.out, "wb") as file:
                file.write(content)
            done = self.sweep("--device", "cpu", "--repeat", 1, "--no-peak")
            self.assertEqual(done.returncode, 1, content)
            self.assertRegex(done.stderr, "something else than records in it|its last line is no record|"
                             ":2: its schema is 2, not 1: it is another program's: name another --out")
            with open(self.out, "rb") as file:
                self.assertEqual(file.read(), content)
        os.remove(self.out)
        os.mkfifo(self.out)
        self.assertIn("is not a regular file", self.sweep("--device", "cpu", "--no-peak").stderr)
        self.assertFalse(os.path.exists(self.trace))

    def test_any_path(self):
        """A path that is not UTF-8 is passed on as it is, and the row is not lost; nor is it run again."""
        folder = os.path.join(os.fsencode(self.folder), b"caf\xe9")
        os.mkdir(folder)
        for more in ((), ("--resume",)):
            for locale in ("C", "C.UTF-8", "en_US.ISO-8859-1"):
                done = self.sweep("--device", "cpu", "--repeat", 1, "--no-peak", "--data", os.fsdecode(folder),
                                  "--resume", *more, LC_ALL=locale)
                self.assertEqual(done.returncode, 0, done.stderr)
        (row,) = self.rows()
        self.assertEqual(row["sweep"]["options"][-1], self.folder + "/caf\\xe9")
        self.assertEqual({line[0] for line in self.traced()}, {"0", "1", "5"})

    def test_one_at_a_time(self):
        with open(self.out, "w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            done = self.sweep("--device", "cpu", "--no-peak")
            self.assertEqual(done.returncode, 1)
            self.assertIn("another sweep is writing to it", done.stderr)

    def test_usage(self):
        for more, said in (
                (("--bogus", 1), "'--bogus' is no option of the trainer that can be swept"),
                (("--save", "x"), "'--save' is no option"), (("word",), "'word' is no option"),
                (("--batch-size",), "--batch-size: expected values"), (("--repeat", 0), "--repeat is from 1"),
                (("--repeat", "x"), "invalid int value"), (("--batch-size", "9-1"), "a range goes up"),
                (("--cool-down", "nan"), "--cool-down from 0"), (("--peers", "matlab"), "there are numpy, pytorch"),
                (("--peers", "jax:eager"), "jax has scan, step")):
            done = self.sweep(*more)
            self.assertEqual(done.returncode, 2, more)
            self.assertIn(said, done.stderr)
            self.assertNotIn("Traceback", done.stderr)
        with closed_pipe() as pipe:
            done = subprocess.run(self.command(self.pretender, "--help"), stdout=pipe, stderr=subprocess.PIPE,
                                  text=True, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = self.sweep("--device", "cpu", trainer="/nonexistent")
        self.assertEqual(done.returncode, 1)
        self.assertIn("tools/quickstart builds the trainer", done.stderr)
        self.out = "/proc/rows.jsonl"
        done = self.sweep("--device", "cpu")
        self.assertEqual(done.returncode, 1)
        self.assertIn("sweep: ", done.stderr)
        self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
