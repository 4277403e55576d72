"""Fuzzes one target: run.py TARGET LENGTH FOLDER INPUTS

LENGTH is the largest input's, in bytes. FOLDER is of the build tree. Its corpus begins anew as a
copy of the files in the folder INPUTS, and gets all that is of interest; its artefacts are inputs
that broke something, and stay.

TRAINER_FUZZ_SECONDS says how long (60), or TRAINER_FUZZ_RUNS how many executions; TRAINER_FUZZ_SEED
the seed, which is otherwise a new one."""

import os
import pathlib
import random
import re
import shlex
import shutil
import subprocess
import sys
import time

INPUTS = pathlib.Path(__file__).with_name("inputs")
# An input may take a second of the processor (limit.c); this is for one that never ends.
LIMITS = ["-timeout=1800", "-malloc_limit_mb=64", "-rss_limit_mb=512"]


def copy_inputs(folder, corpus):
    for path in sorted(folder.glob("[!.]*")):
        shutil.copyfile(path, corpus / path.name)
    if not any(corpus.iterdir()):
        sys.exit(f"no inputs in {folder}")


def limit():
    runs = os.environ.get("TRAINER_FUZZ_RUNS")
    seconds = os.environ.get("TRAINER_FUZZ_SECONDS", "60")
    return f"-runs={runs}" if runs else f"-max_total_time={seconds}"


def statistic(output, name):
    found = re.search(rf"^stat::{name}: +(\d+)$", output, re.MULTILINE)
    return int(found[1]) if found else 0


def fuzz(target, length, seed, corpus, artefacts):
    dictionary = pathlib.Path(__file__).with_name(pathlib.Path(target).name + ".dict")
    words = [f"-dict={dictionary}"] if dictionary.exists() else []
    command = [target, *LIMITS, *words, f"-max_len={length}", f"-seed={seed}", limit(),
               "-print_final_stats=1", f"-artifact_prefix={artefacts}/", str(corpus)]
    # What is freed is kept for as long as an execution takes: the usual 256 MiB are slow to fill.
    options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=8"
    start = time.monotonic()
    done = subprocess.run(command, env={**os.environ, "ASAN_OPTIONS": options}, text=True,
                          errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done, time.monotonic() - start


def report_failure(target, seed, done):
    print(done.stdout[-20000:])
    print(f"failed with exit status {done.returncode} and TRAINER_FUZZ_SEED={seed}:", *done.args)
    for path in re.findall(r"Test unit written to (\S+)$", done.stdout, re.MULTILINE):
        for what, command in (("again", [target, path]),
                              ("in fewer bytes", [target, "-minimize_crash=1", "-runs=100000", path]),
                              ("keep it", [INPUTS, "add", pathlib.Path(target).name[len("fuzz_"):], path, "NAME"])):
            print(f"{what}: {shlex.join(map(str, command))}")


def report(output, seconds):
    edges, features, kept = re.findall(r"cov: (\d+) ft: (\d+) corp: (\S+)", output)[-1]
    executions = statistic(output, "number_of_executed_units")
    print(f"{executions} executions, {executions / seconds:.0f} a second; "
          f"the slowest took {statistic(output, 'slowest_unit_time_sec')} s (whole seconds)")
    print(f"peak memory {statistic(output, 'peak_rss_mb')} MiB; "
          f"{edges} edges, {features} features, {kept} inputs kept")


def main():
    target, length, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    corpus, artefacts = folder / "corpus", folder / "artefacts"
    shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True)
    artefacts.mkdir(exist_ok=True)
    copy_inputs(pathlib.Path(sys.argv[4]), corpus)
    seed = os.environ.get("TRAINER_FUZZ_SEED") or str(random.randrange(1, 2**31))
    print("seed", seed, flush=True)
    done, seconds = fuzz(target, length, seed, corpus, artefacts)
    if done.returncode != 0 or not statistic(done.stdout, "number_of_executed_units"):
        report_failure(target, seed, done)
        return 1
    report(done.stdout, seconds)
    return 0


sys.exit(main())
