"""Weights and checkpoints on their way to the disk: what can be known before the training is, one run has a
file at a time, and what is trained is not lost.

  saving.py TRAINER
"""
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import unittest

from common import PATIENCE, TRAINER, Runs, environment, moment, read_safetensors, record, run, texts

SMALL = ("--device", "reference", "--threads", 1, "--data", "synthetic", "--samples", 300, "--quiet")
ONE = (*SMALL, "--epochs", 1)
EPOCHS = 1000
LONG = (*SMALL, "--epochs", EPOCHS)  # for some seconds
ENDLESS = (*SMALL, "--epochs", 100000)  # as far as a test goes
BYTES = 272560  # of the weights
SETTINGS = 128 * 1024  # bytes that a checkpoint has for them


def own_mounts(script):
    """The command that has mounts of its own, made by the script; its arguments follow. Skips the test where
    that can't be."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"], check=False,
                                                     stderr=subprocess.DEVNULL).returncode != 0:
        raise unittest.SkipTest("needs to be allowed to mount")
    return ["unshare", "-m", "sh", "-ec", script, "-"]


class Saving(Runs):
    def path_of_temporary(self):
        os.makedirs(self.path("temporary"), exist_ok=True)
        return self.path("temporary")

    def whole(self):
        """The weights of ONE."""
        record(*ONE, "--save", self.path("whole"))
        whole = self.bytes_of("whole")
        os.remove(self.path("whole"))
        self.assertEqual(len(whole), BYTES)
        return whole

    def refused(self, message, *arguments, **more):
        """Before the training, and nothing is left behind; also when it is only planned."""
        before = os.listdir(self.folder)
        for planned in (("--dry-run",), ()):  # what would not be refused would train for long
            done = run(*LONG, *arguments, *planned, **more)
            self.assertEqual((done.returncode, done.stdout), (1, ""), (arguments, planned, done.stderr))
            self.assertRegex(done.stderr, message)
            self.assertEqual(os.listdir(self.folder), before)

    def modes(self):
        """{name: mode} of all files."""
        return {entry.name: entry.stat().st_mode & 0o777 for entry in os.scandir(self.folder)}


class Before(Saving):
    def test_syncing(self):
        """Some file systems can't be told to put a file on the disk, which is no reason to have no weights."""
        for reason in ("EINVAL", "ENOSYS"):
            name = "weights-" + reason
            found = record(*ONE, "--save", self.path(name), "--checkpoint", self.path("run"),
                           env=moment(f"fsync:1+:={reason}"))
            self.assertEqual(found["status"], "complete")
            self.assertIn("0.weight", read_safetensors(self.path(name)))
            os.remove(self.path("run"))

    def test_without_reserving(self):
        """Some can't reserve; there the room is written to."""
        self.assertEqual(self.whole(), self.whole())
        log = self.path("log")
        record(*ONE, "--save", self.path("weights"), env=moment("posix_fallocate:1+:=EINVAL", log=log))
        with open(log, encoding="utf-8") as file:
            lines = file.read().splitlines()
        before_sync = lines[:next(n for n, line in enumerate(lines) if line.startswith("fsync"))]
        partial = [line for line in before_sync if line.startswith("write") and "partial-lock" not in line]
        self.assertGreaterEqual(len(partial), BYTES // 65536)

    def test_no_place(self):
        for call, reason in (("fsync", "EIO"), ("fsync", "ENOSPC"), ("rename", "EIO"), ("write", "ENOSPC"),
                             ("posix_fallocate", "ENOSPC"), ("posix_fallocate", "EIO")):
            for option in ("--save", "--checkpoint"):
                step = "reserve [0-9]+ bytes" if call == "posix_fallocate" else call
                words = {"EIO": "Input/output error", "ENOSPC": "No space left on device"}[reason]
                self.refused(rf"^trainer: can't write .*/weights: {step}: {words}\n$", option, self.path("weights"),
                             env=moment(f"{call}:1+:={reason}"))

    def test_too_large(self):
        """For a limit of what files may be, that is known, as is what a run will have of epochs and scores."""
        for option, room in (("--save", BYTES - 1000), ("--checkpoint", BYTES + SETTINGS + 24 * EPOCHS + 8 * 300)):
            def limit(room=room):
                resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
            self.refused(r": reserve [0-9]+ bytes: File too large\n$", option, self.path("weights"),
                         preexec_fn=limit)
        record(*ONE, "--save", self.path("weights"), preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (BYTES + 2000, BYTES + 2000)))

    def test_full_disk(self):
        """A disk that has too little room; and one that has enough for the old file and the new one."""
        command = own_mounts('mount -t tmpfs -o "size=$1" none "$2"; shift 2; "$@"; "$@"; "$@"')
        for option, few, enough in (("--save", "256k", "572k"), ("--checkpoint", "300k", "716k")):
            words = [*map(str, ONE), "--format", "json", option, self.path("weights")]
            for size, planned, code in ((few, [], 1), (few, ["--dry-run"], 1), (enough, [], 0)):
                with self.subTest(option=option, size=size, planned=planned):
                    done = subprocess.run([*command, size, self.folder, TRAINER, *words, *planned], text=True,
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
                                          timeout=PATIENCE, check=False)
                    self.assertEqual(done.returncode, code, done.stderr)
                    self.assertEqual(done.stdout.count('"complete"'), 0 if code else 3)
                    if code:
                        self.assertRegex(done.stderr, "weights: reserve [0-9]+ bytes: No space left on device\n$")

    def test_mount_point(self):
        """What a container gets as a single file."""
        for name in ("weights", "other"):
            with open(self.path(name), "wb"):
                pass
        command = own_mounts('mount --bind "$1" "$2"; shift 2; exec "$@"')
        for planned in ([], ["--dry-run"]):
            done = subprocess.run([*command, self.path("other"), self.path("weights"), TRAINER, *map(str, ONE),
                                   *planned, "--save", self.path("weights")], text=True, env=environment(),
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(done.stderr, "weights: it is a mount point, .*; name a file in a folder")
        self.assertEqual(sorted(os.listdir(self.folder)), ["other", "weights"])

    @unittest.skipUnless(shutil.which("chattr"), "needs chattr")
    def test_marked(self):
        """What not even root may replace."""
        for mark, message in (("i", "it is immutable"), ("a", "it can only be appended to")):
            for name in ("weights", "."):
                with open(self.path("weights"), "wb"):
                    pass
                marked = self.path(name)
                done = subprocess.run(["chattr", f"+{mark}", marked], stderr=subprocess.PIPE, check=False)
                if done.returncode != 0:
                    self.skipTest("needs to be allowed to mark files: " + done.stderr.decode())
                try:
                    self.refused(re.escape(f"can't write {self.path('weights')}: ") + f".*: {message}", "--save",
                                 self.path("weights"))
                finally:
                    subprocess.run(["chattr", f"-{mark}", marked], check=True)

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_no_permission(self):
        os.chmod(self.folder, 0o500)
        self.addCleanup(os.chmod, self.folder, 0o700)
        self.refused("Permission denied", "--save", self.path("weights"))


class After(Saving):
    """What fails in spite of all."""

    def kept(self, call, name, old=None):
        """ONE with weights that can't be saved: what is told, and where they are instead."""
        whole = self.whole()
        if old:
            shutil.copy(old, self.path("weights"))
        before = sorted(os.listdir(self.folder)) if old else []
        temporary = self.path_of_temporary()
        done = run(*ONE, "--format", "json", "--save", self.path("weights"),
                   env={**moment(call), "TMPDIR": temporary})
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(json.loads(done.stdout)["status"], "complete")
        self.assertRegex(done.stderr, f"^trainer: can't write {self.path('weights')}: [a-z]+: .*\n$")
        found = [os.path.join(folder, one) for folder, _, names in os.walk(self.folder) for one in names
                 if os.path.join(folder, one) not in (old, self.path("weights"))]
        if old:
            self.assertEqual(self.bytes_of("weights"), self.bytes_of(os.path.basename(old)))
        if name:
            self.assertEqual(found, [self.path(name)])
            self.assertIn(f"; it is in {self.path(name)} instead\n", done.stderr)
            self.assertEqual(self.bytes_of(name), whole)
        else:
            self.assertEqual(found, [])
            self.assertIn(f"; nor could it be kept beside it or in {temporary}\n", done.stderr)
        shutil.rmtree(temporary)
        for one in set(os.listdir(self.folder)) - set(before):
            os.remove(self.path(one))

    def test_weights(self):
        """The Nth of these calls is the first when they are saved: the lock and the record are written before."""
        apart = "temporary/weights.kept-1"
        for call, name in (("write:3:=ENOSPC", apart), ("write:5:=EIO", apart), ("fsync:2:=EIO", apart),
                           ("rename:2:=EIO", "weights.kept-1"), ("rename:2+:=EIO", apart),
                           ("write:3+:=ENOSPC", None)):
            with self.subTest(call=call):
                self.kept(call, name)

    def test_old_weights(self):
        record(*SMALL, "--epochs", 0, "--save", self.path("old"))
        self.kept("rename:2:=EIO", "weights.kept-1", self.path("old"))

    def test_checkpoint(self):
        """The last one, too; a run goes on from it. Others may fail."""
        run_ = self.path("run")
        done = run(*SMALL, "--epochs", 2, "--checkpoint", run_, env=moment("rename:2:=EIO"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr,
                         "^trainer: warning: no checkpoint after epoch 1: can't write .*/run: rename: .*\n$")
        self.assertEqual((os.listdir(self.folder), texts(run_)["trainer.epochs"]), (["run"], "2"))
        before, temporary = self.bytes_of("run"), self.path_of_temporary()
        done = run("--resume", run_, "--epochs", 4, "--format", "json",
                   env={**moment("rename:2+:=EIO"), "TMPDIR": temporary})
        self.assertEqual((done.returncode, json.loads(done.stdout)["status"]), (1, "complete"))
        self.assertIn("warning: no checkpoint after epoch 4: can't write", done.stderr)
        kept = os.path.join(temporary, "run.kept-1")
        self.assertRegex(done.stderr, f"(?m)^trainer: can't write {run_}: rename: Input/output error; it is in "
                                      f"{kept} instead$")
        self.assertEqual(self.bytes_of("run"), before)
        self.assertEqual(sorted(os.listdir(self.folder)), ["run", "temporary"])
        self.assertEqual(record("--resume", kept, "--epochs", 5)["resumed"]["epochs"], 4)

    def test_in_the_midst_of_an_epoch(self):
        """The last checkpoint has the batches that were done, though there is one of as many epochs."""
        for look in range(30, 200):
            done = run(*ENDLESS, "--samples", 3000, "--checkpoint", self.path("run"),
                       env=moment(f"clock_gettime:{look}:TERM"))
            self.assertEqual(done.returncode, 143, done.stderr)
            epoch, batch = map(int, re.search(r"in epoch (\d+) of 100000, after batch (\d+) of 10;",
                                              done.stderr).groups())
            found = texts(self.path("run"))
            os.remove(self.path("run"))
            self.assertEqual((found["trainer.epochs"], found["trainer.batches"]), (str(epoch - 1), str(batch)))
            if epoch > 1 and batch > 0:
                return
        self.fail("no run was interrupted there")

    def test_modes(self):
        options = (*ONE, "--save", self.path("weights"), "--checkpoint", self.path("run"))
        record(*options)
        for mode in (0o600, 0o664, 0o640):
            for name in ("weights", "run"):
                os.chmod(self.path(name), mode)
            record(*options)
            for name in ("weights", "run"):
                self.assertEqual(os.stat(self.path(name)).st_mode & 0o777, mode)

    def test_mask_of_library(self):
        """Files are not everybody's because a driver has changed the umask: those at the end, nor meanwhile."""
        paths = ("--save", self.path("weights"), "--checkpoint", self.path("run"))
        changed = {"env": moment("clock_gettime:1+:UMASK"), "preexec_fn": lambda: os.umask(0o027)}
        record(*ONE, *paths, **changed)
        self.assertEqual(self.modes(), {"weights": 0o640, "run": 0o640})
        with self.begin(*ENDLESS, *paths, "--checkpoint-every", 20, **changed) as process:
            self.wait_for_epoch(process, 21)  # the temporary file is the next checkpoint's
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            modes = self.modes()
            process.kill()
            process.stdout.read()
        self.assertGreaterEqual(len(modes), 5)  # with the locks
        self.assertEqual(set(modes.values()), {0o640}, modes)

    def test_ended_at_once(self):
        """A signal before the training, or a second one, leaves no file that nobody asked for."""
        options = (*ENDLESS, "--save", self.path("weights"), "--checkpoint", self.path("run"))
        done = run(*options, "--threads", 2, env=moment("pthread_create:1:TERM"))
        self.assertEqual((done.returncode, done.stdout, os.listdir(self.folder)), (143, "", []))
        done = run(*options, env=moment("clock_gettime:60:INT,+200,TERM"))
        self.assertEqual((done.returncode, os.listdir(self.folder)), (143, ["run"]))


@unittest.skipUnless(sys.platform == "linux", "needs tests/moments")
class Durable(Saving):
    def order(self, name):
        """What was done about a file: (call, file), the temporary one being "partial"."""
        with open(self.path("log"), encoding="utf-8") as file:
            lines = [line.rstrip("\n").split("\t") for line in file]
        done = []
        for call, *paths in lines:
            if paths[0] == self.folder:
                done.append((call, "folder"))
            elif os.path.basename(paths[0]).startswith(name + ".partial-"):
                lock = paths[0].endswith(".partial-lock")
                whole = paths[1:] in ([], [self.path(name)])
                done.append((call, "lock" if lock else "partial" if whole else "trial"))
        return [step for n, step in enumerate(done) if n == 0 or step != done[n - 1]]

    def test_order(self):
        """Each file is on the disk before it is renamed, and its name after; all of it under the lock."""
        record(*ONE, "--save", self.path("weights"), "--checkpoint", self.path("run"),
               env=moment(log=self.path("log")))
        first = [("flock", "lock"), ("write", "lock"), ("rename", "trial"), ("posix_fallocate", "partial"),
                 ("fsync", "partial")]
        each = [("write", "partial"), ("fsync", "partial"), ("rename", "partial"), ("fsync", "folder")]
        last = [("unlink", "lock")]
        self.assertEqual([step for step in self.order("run") if step != ("fsync", "folder")],
                         [*first, *each[:3], ("posix_fallocate", "partial"), *each[:3], *last])
        self.assertEqual([step for step in self.order("run") if step[0] in ("rename", "fsync")][-3:], each[1:])
        self.assertEqual([step for step in self.order("weights") if step[1] != "folder"],
                         [*first, *each[:3], *last])
        self.assertEqual(self.order("weights")[-5:], [*each, *last])


class Held(Saving):
    def refuses(self, process, *arguments):
        done = self.fails(2, f": process {process.pid} has it until it ends; wait for that, or name another file",
                          *arguments)
        self.assertRegex(done.stderr, "^trainer: can't write /")

    def test_two_runs(self):
        """Whatever the second one wants with what the first will write."""
        run_, weights, other = self.path("run"), self.path("weights"), self.path("other")
        first = self.begin(*ENDLESS, "--checkpoint", run_, "--save", weights)
        self.wait_for_epoch(first, 2)
        before = self.bytes_of("run")
        os.kill(first.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, first.pid, os.WSTOPPED)
        before, there = self.bytes_of("run"), sorted(os.listdir(self.folder))
        for arguments in ((*ONE, "--checkpoint", run_), (*ONE, "--save", weights), (*ONE, "--save", run_),
                          (*ONE, "--checkpoint", weights), ("--resume", run_, "--epochs", 1),
                          (*ONE, "--checkpoint", run_, "--dry-run"), (*ONE, "--save", other, "--checkpoint", run_),
                          (*ONE, "--save", os.path.join(self.folder, ".", "weights"))):
            with self.subTest(arguments=arguments):
                self.refuses(first, *arguments)
                self.assertEqual(sorted(os.listdir(self.folder)), there)
        record("--resume", run_, "--checkpoint", other, "--epochs", 1 + int(texts(run_)["trainer.epochs"]))
        self.assertEqual(self.bytes_of("run"), before)
        first.kill()
        first.communicate()
        record("--resume", run_, "--epochs", 1 + int(texts(run_)["trainer.epochs"]), "--save", weights)
        self.assertEqual(sorted(os.listdir(self.folder)), ["other", "run", "weights"])

    def test_ten_at_once(self):
        """One of them has it. It stops there."""
        for beginning in ("nothing", "what a killed one left"):
            runs = [subprocess.Popen([TRAINER, *map(str, ONE), "--checkpoint", self.path("run")],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                     env=environment(**moment("posix_fallocate:1:STOP"))) for _ in range(10)]
            ends = [os.waitid(os.P_PID, one.pid, os.WEXITED | os.WSTOPPED | os.WNOWAIT) for one in runs]
            stopped = [one for one, end in zip(runs, ends) if end.si_code == os.CLD_STOPPED]
            for one in stopped:
                one.kill()
            messages = [one.communicate(timeout=PATIENCE)[1] for one in runs]
            self.assertEqual(len(stopped), 1, beginning)
            self.assertEqual(sorted(one.returncode for one in runs), [-signal.SIGKILL] + 9 * [2])
            for one, message in zip(runs, messages):
                if one not in stopped:  # which may not have said yet who it is
                    self.assertRegex(message, "run: (another process|process [0-9]+) has it")
            self.assertEqual(len(os.listdir(self.folder)), 2)  # the lock, and the temporary file
        record(*ONE, "--checkpoint", self.path("run"))
        self.assertEqual(os.listdir(self.folder), ["run"])

    def stopped(self, *arguments, at):
        """A run that stops at a call."""
        process = self.begin(*arguments, env=moment(at + ":STOP"))
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        return process

    def test_lock_of_file_that_is_gone(self):
        """Who gets the lock when its file has just been removed doesn't have the path, but others may by now."""
        run_ = self.path("run")
        late = self.stopped(*ONE, "--checkpoint", run_, at="flock:1")
        os.remove(run_ + ".partial-lock")  # as who has had the path does at last
        holder = self.stopped(*ONE, "--checkpoint", run_, at="posix_fallocate:1")
        there = sorted(os.listdir(self.folder))
        os.kill(late.pid, signal.SIGCONT)
        output, errors = late.communicate(timeout=PATIENCE)
        self.assertEqual((late.returncode, output), (2, ""), errors)
        self.assertIn(f"run: process {holder.pid} has it until it ends", errors)
        self.assertEqual(sorted(os.listdir(self.folder)), there)
        os.kill(holder.pid, signal.SIGCONT)
        _, errors = holder.communicate(timeout=PATIENCE)
        self.assertEqual((holder.returncode, os.listdir(self.folder)), (0, ["run"]), errors)

    def test_replaced_meanwhile(self):
        """A checkpoint that another run has written on since it was opened: its epochs are not done again."""
        run_ = self.path("run")
        record(*ONE, "--checkpoint", run_)
        shutil.copy(run_, self.path("copy"))
        resumed = self.stopped("--resume", run_, "--epochs", 3, at="flock:1")
        os.replace(self.path("copy"), run_)
        before = self.bytes_of("run")
        os.kill(resumed.pid, signal.SIGCONT)
        output, errors = resumed.communicate(timeout=PATIENCE)
        self.assertEqual((resumed.returncode, output), (1, ""))
        self.assertEqual(errors, f"trainer: {run_}: another process has just replaced it; try again\n")
        self.assertEqual((os.listdir(self.folder), self.bytes_of("run")), (["run"], before))


if __name__ == "__main__":
    unittest.main()
