"""Checkpoints, interruption, and output that can't be written.

  resume.py TRAINER
"""
import collections
import json
import os
import re
import resource
import shlex
import signal
import struct
import subprocess
import sys
import time
import unittest

from common import (PATIENCE, TRAINER, Runs, devices, moment, phases_add_up, read_safetensors, record, run,
                    texts)
from fixtures.interpreters import python_with

SMALL = ("--data", "synthetic", "--samples", 500, "--batch-size", 64, "--shuffle")
DEVICES = devices()
LONG = os.environ.get("TRAINER_TEST_LONG") == "1"
SANITIZED = "-fsanitize" in run("--version").stdout  # which has an address space and a memory of its own
ENDLESS = ("--device", "reference", "--threads", 1, "--data", "synthetic", "--samples", 3000,
           "--epochs", 1000000)  # as far as a test goes


class Folder(Runs):
    def setUp(self):
        super().setUp()
        self.checkpoint = self.path("run")


class Resuming(Folder):
    def test_same_bits(self):
        for device in DEVICES:
            for tail in ("wrap", "short") if LONG else ("short",):
                with self.subTest(device=device, tail=tail):
                    shape = ("--device", device, *SMALL, "--tail", tail)
                    whole = record(*shape, "--epochs", 3, "--save", self.path("whole"))
                    begun = record(*shape, "--epochs", 1, "--checkpoint", self.checkpoint)
                    self.assertIsNone(begun["resumed"])
                    self.assertGreater(begun["seconds"]["checkpoint"], 0)
                    found = record("--resume", self.checkpoint, "--epochs", 3, "--save", self.path("parts"))
                    self.assertEqual(self.bytes_of("parts"), self.bytes_of("whole"))
                    for key in ("loss", "accuracy"):
                        self.assertEqual([one[key] for one in found["epochs"]],
                                         [one[key] for one in whole["epochs"]])
                    self.assertEqual(found["test"], whole["test"])
                    self.assertEqual(found["epochs"][0], begun["epochs"][0])
                    self.assertEqual(found["resumed"], {
                        "epochs": 1, "batches": 0, "seconds": begun["epochs"][0]["seconds"]})
                    self.assertEqual(found["config"], {**begun["config"], "epochs": 3})

    def test_optimizers(self):
        """What an optimiser remembers, where a schedule has come to, and what was best, goes on, too."""
        for device in DEVICES:
            for names, more in (
                    (["momentum_buffer"], ("--momentum", 0.9, "--nesterov", "--weight-decay", 0.01,
                                           "--schedule", "cosine")),
                    (["exp_avg", "exp_avg_sq"], ("--optimizer", "adamw", "--learning-rate", 0.001,
                                                 "--weight-decay", 0.1, "--schedule", "linear",
                                                 "--warmup-epochs", 1)),
                    ([], ("--validation", 100, "--keep-best", "--target-accuracy", 0.99, "--patience", 9))):
                with self.subTest(device=device, options=more):
                    shape = ("--device", device, *SMALL, "--tail", "short", *more, "--epochs", 3)
                    whole = record(*shape, "--save", self.path("whole"), "--checkpoint", self.path("all"))
                    # It is told to stop once it has written its first checkpoint.
                    run(*shape, "--checkpoint", self.checkpoint, env=moment("rename:4:INT"))
                    found = record("--resume", self.checkpoint, "--save", self.path("parts"))
                    self.assertGreater(found["resumed"]["epochs"], 0)
                    self.assertEqual(self.bytes_of("parts"), self.bytes_of("whole"))
                    for key in ("test", "config", "best", "ended"):
                        self.assertEqual(found[key], whole[key])
                    if not names:
                        names = ["best"]
                        self.assertEqual([(epoch["validation"]["loss"], epoch["validation"]["accuracy"])
                                          for epoch in found["epochs"]],
                                         [(epoch["validation"]["loss"], epoch["validation"]["accuracy"])
                                          for epoch in whole["epochs"]])
                    weights, tensors = read_safetensors(self.path("whole")), read_safetensors(self.path("all"))
                    self.assertEqual(set(tensors) - set(weights) - {"trainer.epochs", "trainer.validation"},
                                     {f"trainer.{name}.{weight}" for name in names for weight in weights})
                    for name, (shape_of, *_) in tensors.items():
                        if name not in ("trainer.epochs", "trainer.validation"):
                            self.assertEqual(shape_of, weights[re.sub(r"^trainer\.\w+\.", "", name)][0])
                    os.remove(self.checkpoint)
                    os.remove(self.path("all"))

    def test_file(self):
        """What the checkpoint has, and that --init takes its weights."""
        options = ("--device", "reference", "--threads", 2, *SMALL, "--epochs", 2)
        record(*options, "--checkpoint", self.checkpoint, "--save", self.path("weights"))
        weights, tensors = read_safetensors(self.path("weights")), read_safetensors(self.checkpoint)
        self.assertEqual(tensors["trainer.epochs"][0], [2, 3])
        self.assertEqual({**tensors, **weights}, tensors)
        self.assertEqual(set(tensors) - set(weights), {"trainer.epochs"})
        found = texts(self.checkpoint)
        for name, value in (("--device", "reference"), ("--threads", "2"), ("--samples", "500"),
                            ("--learning-rate", "0.01"), ("--shuffle", "true"), ("--layers", "64,32"),
                            ("trainer.epochs", "2"), ("trainer.batches", "0"),
                            ("trainer.generator", "Philox4x32-10"), ("format", "pt")):
            self.assertEqual(found[name], value)
        start = record("--device", "reference", *SMALL, "--epochs", 0, "--init", self.checkpoint)
        self.assertIsNone(start["resumed"])
        self.assertEqual(start["test"], record("--device", "reference", *SMALL, "--epochs", 0, "--init",
                                               self.path("weights"))["test"])

    def test_contradictions(self):
        record("--device", "reference", *SMALL, "--epochs", 1, "--checkpoint", self.checkpoint)
        before = self.bytes_of("run")
        for option, value, stored in (
                ("device", "opencl", "reference"), ("threads", 2, 1), ("samples", 499, 500),
                ("batch-size", 65, 64), ("layers", "64", "64,32"), ("activation", "tanh", "sigmoid"),
                ("learning-rate", 0.02, 0.01), ("color", "rgb", "grey"), ("tail", "drop", "wrap"),
                ("seed", 2, 1), ("precision", "tf32", "fp32"), ("momentum", 0.5, 0),
                ("optimizer", "adamw", "sgd"), ("schedule", "step", "constant")):
            self.fails(2, f"its run has --{option} {stored} (not {value})", "--resume", self.checkpoint,
                       f"--{option}", value)
        self.fails(2, "--batch-size 64 (not 7), --seed 1 (not 8)", "--resume", self.checkpoint, "--seed", 8,
                   "--batch-size", 7)
        self.fails(2, "has come to epoch 1", "--resume", self.checkpoint, "--epochs", 0)
        self.fails(2, "--init and --resume", "--resume", self.checkpoint, "--init", self.checkpoint)
        for same in (self.checkpoint, os.path.join(self.folder, ".", "run")):
            self.fails(2, "the checkpoint is there", "--resume", self.checkpoint, "--save", same)
            self.fails(2, "the checkpoint is there", "--resume", self.checkpoint, "--save", same,
                       "--checkpoint", self.path("other"))
        self.fails(2, "the checkpoint is there", *SMALL, "--save", self.path("new"), "--checkpoint",
                   os.path.join(self.folder, ".", "new"))
        self.fails(2, "--checkpoint-every needs a --checkpoint", *SMALL, "--checkpoint-every", 2)
        self.fails(2, "--peak trains nothing", "--peak", "--resume", self.checkpoint)
        self.fails(2, "--peak trains nothing", "--peak", "--dry-run")
        record(*SMALL, "--epochs", 1, "--device", "reference", "--checkpoint", self.path("ordered"))
        self.assertEqual(self.bytes_of("run"), before)
        agreeing = ("--device", "auto", "--gemm", "auto", "--learning-rate", "1e-2", "--shuffle")
        self.assertEqual(record("--resume", self.checkpoint, *agreeing)["device"]["kind"], "reference")

    def test_other_data(self):
        for folder, byte in (("zeros", None), ("one", 1)):
            os.mkdir(self.path(folder))
            for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
                with open(os.path.join(self.path(folder), name), "wb") as file:
                    file.truncate(30730000)
                    if byte:
                        file.seek(3073 * 7)
                        file.write(bytes([byte]))
        options = ("--device", "reference", "--samples", 100, "--epochs", 1)
        record(*options, "--data", os.path.relpath(self.path("zeros")), "--checkpoint", self.checkpoint)
        self.assertEqual(texts(self.checkpoint)["--data"], self.path("zeros"))  # for whoever is elsewhere
        for other in (self.path("one"), "synthetic"):
            self.fails(4, "its run has other images than", "--resume", self.checkpoint, "--data", other)
        found = record("--resume", self.checkpoint, "--epochs", 2)  # it knows the folder
        self.assertEqual(found["dataset"]["path"], self.path("zeros"))

    def test_elsewhere(self):
        """--resume keeps its own file up to date, unless --checkpoint names another."""
        record("--device", "reference", *SMALL, "--epochs", 1, "--checkpoint", self.checkpoint)
        before = self.bytes_of("run")
        record("--resume", self.checkpoint, "--epochs", 2, "--checkpoint", self.path("other"))
        self.assertEqual(self.bytes_of("run"), before)
        self.assertEqual(texts(self.path("other"))["trainer.epochs"], "2")
        record("--resume", self.checkpoint, "--epochs", 2)
        self.assertEqual(texts(self.checkpoint)["trainer.epochs"], "2")

    def test_table(self):
        """It has the epochs that an earlier run did, with their own seconds."""
        shape = ("--device", "reference", *SMALL)
        first = self.epochs_of(run(*shape, "--epochs", 2, "--checkpoint", self.checkpoint))
        rest = self.epochs_of(run("--resume", self.checkpoint, "--epochs", 4))
        self.assertEqual(([line[0] for line in first], first), (["1", "2"], rest[:2]))
        whole = self.epochs_of(run(*shape, "--epochs", 4))
        self.assertEqual([(epoch, *scores) for epoch, _, *scores in rest],
                         [(epoch, *scores) for epoch, _, *scores in whole])

    def epochs_of(self, done):
        """The lines of a table's epochs: (epoch, seconds, loss, accuracy)."""
        self.assertEqual(done.returncode, 0, done.stderr)
        return re.findall(r"(?m)^ +(\d+) +([\d.]+) +([\d.]+) +([\d.]+)$", done.stdout)

    def leave_out(self, *names):
        """Has the checkpoint be one from before there were options and tensors of these names."""
        whole = self.bytes_of("run")
        (length,) = struct.unpack("<Q", whole[:8])
        header, data = json.loads(whole[8:8 + length]), whole[8 + length:]
        kept, blob = {"__metadata__": {name: text for name, text in header.pop("__metadata__").items()
                                       if name not in names}}, b""
        for name, entry in header.items():
            if not name.startswith(names):
                part = data[slice(*entry["data_offsets"])]
                kept[name] = {**entry, "data_offsets": [len(blob), len(blob) + len(part)]}
                blob += part
        text = json.dumps(kept).encode()
        text += b" " * (-len(text) % 8)
        with open(self.checkpoint, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + blob)

    def test_of_before(self):
        """A run of a version that had no such option goes on as it was, and as nothing else."""
        shape = ("--device", "reference", *SMALL)
        record(*shape, "--epochs", 1, "--checkpoint", self.checkpoint)
        names = ("--normalize", "--flip", "--dropout", "--label-smoothing", "--clip-norm", "--schedule", "--momentum",
                 "--validation")
        self.leave_out(*names)
        for options, reason in ((("--normalize",), "--normalize false (not true)"), (("--flip",), "--flip false"),
                                (("--dropout", 0.5), "--dropout 0 (not 0.5)"), (("--clip-norm", 1), "--clip-norm 0 "),
                                (("--schedule", "cosine"), "--schedule constant (not cosine)"),
                                (("--momentum", 0.5), "--momentum 0 "), (("--validation", 9), "--validation 0 ")):
            self.fails(2, reason, "--resume", self.checkpoint, "--epochs", 2, *options)
        found = record("--resume", self.checkpoint, "--epochs", 2, "--dropout", 0)
        self.assertEqual([one["loss"] for one in found["epochs"]],
                         [one["loss"] for one in record(*shape, "--epochs", 2)["epochs"]])

    def test_without_best(self):
        """Where the best weights are gone, that is what is said."""
        record("--device", "reference", *SMALL, "--epochs", 1, "--validation", 50, "--keep-best", "--checkpoint",
               self.checkpoint)
        self.leave_out("trainer.best.")
        self.fails(6, "the best weights are not there", "--resume", self.checkpoint, "--epochs", 2)

    def test_ended_early(self):
        """There is nothing to warm up for, nor to train."""
        shape = ("--device", "reference", *SMALL, "--epochs", 9, "--validation", 50, "--target-accuracy", 0.01)
        first = record(*shape, "--checkpoint", self.checkpoint)
        again = record("--resume", self.checkpoint, "--warm-up", 0.5)
        self.assertEqual((first["ended"], again["ended"], again["seconds"]["warm_up"]), ("target", "target", 0))
        self.assertEqual(len(again["epochs"]), len(first["epochs"]))

    def test_weights_of_another_net(self):
        """They are taken, with a word on what they were trained for."""
        weights = self.path("weights")
        record("--device", "reference", *SMALL, "--epochs", 0, "--activation", "relu", "--normalize", "--save", weights)
        start = ("--device", "reference", *SMALL, "--epochs", 0, "--init", weights)
        said = run(*start).stderr
        self.assertIn(f"warning: --init {weights}: its hidden layers apply relu, and this run's sigmoid", said)
        self.assertIn(f"warning: --init {weights}: its inputs were scaled, and this run has no --normalize", said)
        for quiet in (("--quiet",), ("--activation", "relu", "--normalize")):
            self.assertNotIn("warning", run(*start, *quiet).stderr)

    def test_no_run(self):
        self.fails(6, "No such file", "--resume", self.checkpoint)
        record("--device", "reference", *SMALL, "--epochs", 0, "--save", self.path("weights"))
        self.fails(6, "no run to continue", "--resume", self.path("weights"), "--device", "reference",
                   *SMALL)
        self.fails(1, "can't write", "--data", "/nonexistent", "--checkpoint", "/nonexistent/run")

    def test_unfinished(self):
        """A new run does not take the place of one that has not ended."""
        process = self.begin(*ENDLESS, "--samples", 300, "--checkpoint", self.checkpoint)
        self.wait_for_epoch(process, 2)
        process.kill()
        process.communicate()
        before = self.bytes_of("run")
        shape = ("--device", "reference", *SMALL, "--epochs", 1)
        for arguments in (shape, (*shape, "--dry-run")):
            for option in ("--checkpoint", "--save"):
                self.fails(2, f"{option} {self.checkpoint}: it has a run that has not ended: go on with "
                           f"--resume {self.checkpoint}, or remove it", *arguments, option, self.checkpoint)
        self.assertEqual(self.bytes_of("run"), before)
        record("--resume", self.checkpoint, "--epochs", 3 + int(texts(self.checkpoint)["trainer.epochs"]))
        record(*shape, "--checkpoint", self.checkpoint)  # what has ended is no loss
        record(*shape, "--save", self.path("weights"))
        before = self.bytes_of("weights")
        self.fails(2, "it has weights, but no run", *shape, "--checkpoint", self.path("weights"))
        with open(self.path("other"), "w") as file:
            file.write("precious")
        self.fails(2, f"would replace {self.path('other')}: ", *shape, "--checkpoint", self.path("other"))
        self.assertEqual(self.bytes_of("other"), b"precious")
        self.assertEqual(self.bytes_of("weights"), before)

    def test_not_ended_by_its_epochs(self):
        """A run that is interrupted in the test set has not ended."""
        def once():
            if os.path.exists(self.checkpoint):
                os.remove(self.checkpoint)
            done = run("--device", "reference", "--threads", 1, "--data", "synthetic", "--epochs", 1,
                       "--samples", 600, "--checkpoint", self.checkpoint, "--format", "json",
                       env=moment("rename:2:TERM", clock="processor"))  # when the last epoch's is there
            found = json.loads(done.stdout)
            self.assertEqual((done.returncode, found["status"], found["test"]), (143, "interrupted", None))
            self.assertIn("interrupted in the test set", done.stderr)
            return found
        self.assertTrue(phases_add_up(once))
        self.fails(2, "has not ended", *SMALL, "--checkpoint", self.checkpoint)
        self.assertEqual(record("--resume", self.checkpoint)["status"], "complete")
        self.assertEqual(texts(self.checkpoint)["trainer.ended"], "true")

    def test_diverging(self):
        """Weights that are not finite replace no good ones, though no loss has seen them."""
        shape = ("--device", "reference", "--data", "synthetic", "--samples", 100, "--batch-size", 100,
                 "--layers", ",".join(["128"] * 16), "--activation", "relu", "--learning-rate", 1000)
        done = run(*shape, "--epochs", 9, "--checkpoint", self.checkpoint)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("warning: no checkpoint after epoch", done.stderr)
        epochs = int(texts(self.checkpoint)["trainer.epochs"])
        done = run("--resume", self.checkpoint, "--epochs", epochs + 1, "--save", self.path("weights"),
                   "--format", "json")
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertRegex(done.stderr, "training diverged: a weight is -?(inf|nan), so .* is left as it is")
        self.assertEqual(json.loads(done.stdout)["status"], "diverged")
        self.assertFalse(os.path.exists(self.path("weights")))

    def test_leftovers(self):
        """What is removed is only what a killed process leaves."""
        names = ("run.partial-notes", "run.partial-1", "run.partial-1-", "run.partial--1", "run.partial-1-0x",
                 "runs.partial-1-0")
        for name in (*names, "run.partial-1-0"):
            with open(self.path(name), "w") as file:
                file.write("precious")
        record("--device", "reference", *SMALL, "--epochs", 1, "--checkpoint", self.checkpoint)
        self.assertEqual(sorted(os.listdir(self.folder)), sorted((*names, "run")))

    def test_bad_position(self):
        record("--device", "reference", *SMALL, "--epochs", 1, "--checkpoint", self.checkpoint)
        changed = self.bytes_of("run").replace(b'"trainer.batches":"0"', b'"trainer.batches":"7"')
        with open(self.checkpoint, "wb") as file:
            file.write(changed)
        self.fails(6, "run: offset 8: 1 epochs and 7 batches with 0 samples are no position in 2 epochs",
                   "--resume", self.checkpoint, "--epochs", 2)
        # Whatever is there of epoch 2, one is not enough any more.
        self.fails(2, f"--epochs 1: the run in {self.checkpoint} has come to epoch 2", "--resume", self.checkpoint)

    def test_bad_setting(self):
        record("--device", "reference", *SMALL, "--epochs", 1, "--checkpoint", self.checkpoint)
        changed = self.bytes_of("run").replace(b'"--seed":"1"', b'"--seed":"x"')
        with open(self.checkpoint, "wb") as file:
            file.write(changed)
        self.fails(6, "offset 8: --seed 'x': expected a whole number", "--resume", self.checkpoint)

    def test_every(self):
        process = self.begin(*ENDLESS, "--samples", 300, "--checkpoint", self.checkpoint,
                             "--checkpoint-every", 3)
        self.wait_for_epoch(process, 5)
        process.kill()
        process.communicate()
        self.assertEqual(int(texts(self.checkpoint)["trainer.epochs"]) % 3, 0)

    def test_other_safetensors(self):
        """The library that PyTorch's users have reads our files, and we read its."""
        python = python_with("safetensors.numpy")
        if not python:
            self.skipTest("no Python here has safetensors")
        record("--device", "reference", *SMALL, "--epochs", 2, "--checkpoint", self.checkpoint, "--save",
               self.path("weights"))
        script = ("import sys\nfrom safetensors.numpy import load_file, save_file\n"
                  "run, weights, copy = sys.argv[1:]\nloaded = load_file(weights)\n"
                  "both = load_file(run)\nassert both['trainer.epochs'].shape == (2, 3)\n"
                  "assert all((both[name] == loaded[name]).all() for name in loaded)\n"
                  "save_file(loaded, copy, metadata={'format': 'pt'})\n")
        subprocess.run([python, "-c", script, self.checkpoint, self.path("weights"), self.path("copy")],
                       check=True)
        record("--device", "reference", *SMALL, "--epochs", 0, "--init", self.path("copy"), "--save",
               self.path("again"))
        self.assertEqual(self.bytes_of("again"), self.bytes_of("weights"))


class Signals(Folder):
    def test_interrupted(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            with self.subTest(signal=number):
                process = self.begin(*ENDLESS, "--checkpoint", self.checkpoint)
                self.wait_for_epoch(process, 1)
                process.send_signal(number)
                output, errors = process.communicate(timeout=PATIENCE)
                self.assertEqual(process.returncode, code)
                self.assertRegex(output, r"(?m)^status +interrupted$")
                self.assertRegex(errors, r"trainer: interrupted in epoch \d+ of 1000000, after batch \d+ of 10; "
                                 f"go on with --resume {re.escape(shlex.quote(self.checkpoint))}")
                done = int(texts(self.checkpoint)["trainer.epochs"])
                self.assertGreaterEqual(done, 1)
                found = record("--resume", self.checkpoint, "--epochs", done + 2)
                self.assertEqual((len(found["epochs"]), found["resumed"]["epochs"]), (done + 2, done))

    def test_record(self):
        """Without a checkpoint, too; and its phases add up."""
        def once():
            done = run(*ENDLESS, "--format", "json", "--save", self.path("weights"),
                       env=moment("clock_gettime:60:TERM", clock="processor"))
            self.assertEqual(done.returncode, 143)
            self.assertIn("without --checkpoint, nothing of it is kept", done.stderr)
            found = json.loads(done.stdout)
            self.assertEqual((found["status"], found["test"]), ("interrupted", None))
            self.assertGreater(len(found["epochs"]), 1)
            return found
        self.assertTrue(phases_add_up(once))
        self.assertEqual(os.listdir(self.folder), [])  # what --save is for has not come

    def test_second_signal(self):
        """When the first is not heeded for a fifth of a second, as in the midst of a batch, it ends at once."""
        done = run(*ENDLESS, "--quiet", env=moment("clock_gettime:60:INT,+200,TERM"))
        self.assertEqual((done.returncode, done.stderr), (143, ""))
        self.assertNotIn("status", done.stdout)
        done = run(*ENDLESS, "--quiet", env=moment("clock_gettime:60:INT,+150,TERM"))
        self.assertEqual(done.returncode, 130)
        self.assertRegex(done.stdout, r"(?m)^status +interrupted$")

    def test_same_signal_twice(self):
        """By the system and by the shell, or to a process and to its group: of one cause."""
        done = run(*ENDLESS, "--checkpoint", self.checkpoint,
                   env=moment("clock_gettime:60:HUP,+1,HUP,+1,HUP"))
        self.assertEqual(done.returncode, 129)
        self.assertRegex(done.stdout, r"(?m)^status +interrupted$")
        self.assertIn("go on with --resume", done.stderr)

    def test_ignored(self):
        """nohup, and jobs in the background of a script."""
        process = subprocess.Popen(
            ["sh", "-c", "trap '' INT HUP; exec \"$@\"", "-", TRAINER, "--device", "reference", "--data",
             "synthetic", "--samples", "300", "--epochs", "30"], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.wait_for_epoch(process, 1)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGHUP)
        self.assertIn("test ", process.communicate(timeout=PATIENCE)[0])
        self.assertEqual(process.returncode, 0)


class Output(Folder):
    OPTIONS = ("--device", "reference", "--quiet", *SMALL, "--epochs", 2)

    def shell(self, redirection, *arguments):
        return subprocess.run(["bash", "-c", f"\"$@\" {redirection}", "-", TRAINER, *map(str, arguments)],
                              stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, timeout=PATIENCE)

    def test_closed(self):
        for arguments in (("--help",), ("--version",), ("--list-devices",), self.OPTIONS,
                          (*self.OPTIONS, "--format", "json"), (*self.OPTIONS, "--format", "csv")):
            for redirection, reason in ((">&-", "Bad file descriptor"), (">/dev/full", "No space left")):
                done = self.shell(redirection, *arguments)
                self.assertEqual(done.returncode, 1, arguments)
                self.assertRegex(done.stderr, f"^trainer: can't write standard output: {reason}.*\n$")

    def test_pipe(self):
        """`| head`: nobody reads on. Without anything to keep, training then stops."""
        process = self.begin(*ENDLESS)
        self.wait_for_epoch(process, 1)
        process.stdout.close()
        self.assertEqual(process.wait(timeout=PATIENCE), 1)
        self.assertIn("can't write standard output: Broken pipe", process.stderr.read())
        process.stderr.close()

    def test_pipe_with_weights(self):
        process = self.begin(*self.OPTIONS, "--save", self.path("weights"))
        process.stdout.close()
        self.assertEqual(process.wait(timeout=PATIENCE), 1)
        process.stderr.close()
        record(*self.OPTIONS, "--save", self.path("whole"))
        self.assertEqual(self.bytes_of("weights"), self.bytes_of("whole"))

    def test_all_closed(self):
        """What is printed does not end up in a file that was opened."""
        done = self.shell("<&- >&- 2>&-", *self.OPTIONS, "--checkpoint", self.checkpoint)
        self.assertEqual(done.returncode, 1)
        record("--resume", self.checkpoint)

    @unittest.skipUnless(sys.platform == "linux", "needs /proc")
    def test_what_closed_streams_become(self):
        process = subprocess.Popen(["bash", "-c", "exec \"$@\" <&- >&- 2>&-", "-", TRAINER, *map(str, ENDLESS),
                                    "--checkpoint", self.checkpoint])
        while not os.path.exists(self.checkpoint) and process.poll() is None:
            time.sleep(0.01)
        streams = [os.readlink(f"/proc/{process.pid}/fd/{stream}") for stream in range(3)]
        process.kill()
        process.wait()
        self.assertEqual(streams, ["/dev/null"] * 3)


class Plan(Folder):
    def test_table(self):
        done = run("--dry-run", "--data", "synthetic", "--device", "reference", "--epochs", 1000000,
                   "--checkpoint", self.checkpoint, "--save", self.path("weights"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines()],
                         ["device", "data", "network", "training", "memory"])
        self.assertEqual(os.listdir(self.folder), [])

    def test_json(self):
        found = record("--dry-run", "--device", "reference", "--batches", "streamed", "--data", "synthetic")
        self.assertEqual((found["status"], found["epochs"], found["test"]), ("planned", [], None))
        self.assertEqual(found["config"]["batches"], "streamed")
        self.fails(2, "--dry-run: --format", "--dry-run", "--format", "csv")

    def test_refused(self):
        """What would not run is refused as it would be."""
        if any(device.startswith("opencl") for device in DEVICES):
            self.fails(3, "out of memory", "--dry-run", "--device", "opencl", "--layers", "60000,60000",
                       "--data", "synthetic")
        self.fails(4, "data_batch_1.bin", "--dry-run", "--device", "reference", "--data", self.folder)
        self.fails(3, "device 'tpu'", "--dry-run", "--device", "tpu")
        self.fails(1, "can't write", "--dry-run", "--checkpoint", "/nonexistent/run")

    @unittest.skipIf(SANITIZED or sys.platform != "linux", "needs memory in kilobytes, of the program")
    def test_memory(self):
        """What is foretold is what the system then counts, but for libraries and the program."""
        def resident(*arguments):
            """Bytes at the height, and the record."""
            process = self.begin("--quiet", "--format", "json", "--data", "synthetic", *arguments)
            output = process.stdout.read()
            process.stdout.close()
            process.stderr.close()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.WEXITSTATUS(status)
            self.assertEqual(process.returncode, 0)
            return usage.ru_maxrss * 1024, json.loads(output)["memory"]

        shapes = (("--epochs", 1, "--samples", 30000), ("--epochs", 1, "--color", "rgb", "--samples", 9000),
                  ("--epochs", 1, "--batches", "streamed", "--shuffle", "--samples", 30000),
                  ("--epochs", 0, "--batch-size", 15000, "--samples", 15000, "--layers", "1"),
                  ("--epochs", 1, "--layers", "4096,4096", "--samples", 20, "--batch-size", 20,
                   "--checkpoint", self.checkpoint))
        for device in [one for one in ("cpu", "reference") if one in DEVICES][:1]:
            base, _ = resident("--device", device, "--samples", 1, "--epochs", 0)
            for shape in shapes:
                with self.subTest(device=device, shape=shape):
                    found, memory = resident("--device", device, *shape)
                    foretold = sum(memory.values())
                    print(f"{device} {shape}: foretold {foretold / 1e6:.0f} MB, "
                          f"used {(found - base) / 1e6:.0f} MB")
                    self.assertLess(found - base, 1.05 * foretold + 30e6)
                    self.assertGreater(found - base, 0.6 * foretold - 30e6)

    @unittest.skipIf(SANITIZED or sys.platform != "linux", "needs a limit of address space")
    def test_refused_memory(self):
        """A limit anywhere between nothing and enough: an error, or a whole run."""
        def limited(bytes_):
            return lambda: resource.setrlimit(resource.RLIMIT_AS, (bytes_, bytes_))

        options = ("--device", "reference", "--threads", 1, "--data", "synthetic", "--epochs", 0,
                   "--samples", 20000, "--batch-size", 20000, "--format", "json", "--quiet",
                   "--save", self.path("weights"))
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        outcomes = collections.Counter()
        for megabytes in range(600, 16000, 25 if LONG else 100):
            done = subprocess.run([TRAINER, *map(str, options)], preexec_fn=limited(megabytes << 20),
                                  env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            outcomes[done.returncode] += 1
            if done.returncode == 127 or "cannot allocate memory in static TLS" in done.stderr:
                continue  # the program itself has no room
            self.assertIn(done.returncode, (0, 1, 3), f"{megabytes} MiB: {done.stderr}")
            if done.returncode:
                self.assertRegex(done.stderr, r"^trainer: .*out of memory: (\d+ bytes|this \w+ .*needs \d+ bytes)")
                self.assertEqual((done.stdout, os.listdir(self.folder)), ("", []))
            elif outcomes[0] == 3:
                break
            else:
                os.remove(self.path("weights"))
        print(f"exit codes: {dict(outcomes)}")
        self.assertTrue(outcomes[0] and outcomes[3], "no limit was too small for the run alone, or none enough")


if __name__ == "__main__":
    unittest.main(verbosity=2)
