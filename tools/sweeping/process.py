"""Running programs, one after another, and whether they are still those of the beginning."""
import ctypes
import hashlib
import os
import re
import signal
import subprocess
import sys
import time


PATIENCE = 10  # seconds in which a launcher has ended its ranks


class Interrupted(BaseException):
    def __init__(self, status):
        super().__init__(status)
        self.status = status


def interrupt(number, _):
    raise Interrupted(128 + number)


def end_with(parent, number=signal.SIGKILL):
    """In a child: what is killed leaves nothing that would disturb what comes next."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, number)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it ended before that, which nothing would tell
            os.kill(os.getpid(), signal.SIGKILL)


def execute(command, launches=False):
    """(exit status, standard output, what standard error has to say, seconds). A program that `launches` others,
    maybe on other hosts, ends them when it is asked to end; killed, it could not. It is given no input, which it
    would hand on to them."""
    start, parent = time.monotonic(), os.getpid()
    ending = signal.SIGTERM if launches else signal.SIGKILL
    with subprocess.Popen(command, stdin=subprocess.DEVNULL if launches else None, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8", errors="replace", start_new_session=True,
                          preexec_fn=lambda: end_with(parent, ending)) as process:
        try:
            output, errors = process.communicate()
        except BaseException:
            end(process, ending)
            raise
    said = said_by_launcher(errors) if launches else errors.strip().split("\n")[-1]
    return process.returncode, output, said, time.monotonic() - start


def end(process, number):
    """With everything of its group, at once or, where it has something to end itself, after a while at most."""
    try:
        os.killpg(process.pid, number)
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def said_by_launcher(errors):
    """Of all that it and its ranks print when one of them fails: what the trainer said last, else the first
    paragraph. Around that are lines of dashes, and advice."""
    own = [line for line in errors.split("\n") if line.startswith("trainer: ")]
    lines = own[-1:] or re.sub(r"(?m)^\W+$", "", errors).strip().split("\n\n")[0].split("\n")
    return " ".join(lines)


def stamp(path):
    """What changes when a file is written again or replaced; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def content(path):
    """A hash; None where there is no such file."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None


class Files:
    """Files that must stay as they are for as long as what is made with them is of one thing."""

    def __init__(self, paths):
        self.known = {path: (stamp(path), content(path)) for path in paths}

    def digest(self, paths):
        """16 digits for the contents of these."""
        whole = "".join(str(self.known[path][1]) for path in paths)
        return hashlib.sha256(whole.encode()).hexdigest()[:16]

    def replaced(self, paths):
        """The first of these whose content is not what it was; None where there is none."""
        for path in paths:
            before, was = self.known[path]
            now = stamp(path)
            if now != before:
                if content(path) != was:
                    return path
                self.known[path] = now, was
        return None
