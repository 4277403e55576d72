"""Running programs, one after another, and whether they are still those of the beginning."""
import ctypes
import hashlib
import os
import signal
import subprocess
import sys
import time


class Interrupted(BaseException):
    def __init__(self, status):
        super().__init__(status)
        self.status = status


def interrupt(number, _):
    raise Interrupted(128 + number)


def end_with(parent):
    """In a child: what is killed leaves nothing that would disturb what comes next."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it ended before that, which nothing would tell
            os.kill(os.getpid(), signal.SIGKILL)


def execute(command):
    """(exit status, standard output, last line of standard error, seconds)."""
    start, parent = time.monotonic(), os.getpid()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                          errors="replace", start_new_session=True, preexec_fn=lambda: end_with(parent)) as process:
        try:
            output, errors = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, output, errors.strip().split("\n")[-1], time.monotonic() - start


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
