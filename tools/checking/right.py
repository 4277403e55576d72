"""Whether all is right: the test suite, and compute-sanitizer."""
import os
import shutil
import tempfile

SANITIZED = ("--device", "cuda", "--data", "synthetic", "--samples", "2000", "--epochs", "1", "--quiet")


def test(commands, devices):
    """The suite; on a machine without some of what it needs, a part is skipped, and said so."""
    command = ["ctest", "--preset", "release", "--parallel", str(max(2, os.cpu_count() // 2))]
    _, output = commands.must("tests", command, "tests.log", 0.4 * commands.left(),
                              TRAINER_REQUIRE_DEVICES=",".join(devices))
    said = output.splitlines()
    commands.notes += [f"tests, with {', '.join(devices)} required: {line.strip()}" for line in said
                       if "% tests passed" in line]
    skipped = [line.split(": ")[1].split()[0] for line in said if "***Skipped" in line]
    if skipped:
        commands.notes.append(f"tests that were skipped: {', '.join(skipped)}")


# Of whole steps each tool, with two launches each and with one for many; and of single operations what may go wrong
# where somebody else's kernels are. With a gemm that is named nothing is timed, which would read what nobody wrote.
SANITIZERS = (*((name, "--step", "fused", "--gemm", "own-small", "--submission", submission)
                for submission in ("graph", "persistent")
                for name in ("memcheck", "racecheck", "synccheck", "initcheck")),
              ("memcheck", "--gemm", "own"), ("memcheck", "--gemm", "cublas"), ("racecheck", "--gemm", "own"))
SANITIZER_SECONDS = 20


def sanitize(commands, trainer):
    tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if not os.path.exists(tool):
        commands.note("compute-sanitizer: not here")
        return
    for name, *way in SANITIZERS:
        with tempfile.TemporaryDirectory() as cache:  # what is timed here is worth nothing elsewhere
            # A runtime asks drivers for what they may lack, and that is no error.
            more = ["--report-api-errors", "no"] if name == "memcheck" else []
            command = [tool, "--tool", name, *more, "--error-exitcode", "9", trainer, *SANITIZED,
                       *way]
            what = f"{name}, {' '.join(way)}"
            commands.say(what)
            status, output, _ = commands.run(command, "sanitizer.log", SANITIZER_SECONDS, XDG_CACHE_HOME=cache)
        summary = [line.strip("= \n") for line in output.splitlines() if "SUMMARY" in line]
        if "Device not supported" in output:
            commands.note(f"{what}: the tool does not support this machine, see sanitizer.log")
        elif status is None:
            commands.note(f"{what}: no time was left for all of it, see sanitizer.log")
        elif status != 0:
            commands.fail(what, f"exit status {status}, see sanitizer.log")
        else:
            commands.notes.append(f"{what}: {summary[-1] if summary else 'no summary'}")
