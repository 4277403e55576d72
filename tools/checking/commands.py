"""Commands that run within the time that there is, and what they leave to tell."""
import os
import shlex
import signal
import subprocess
import sys
import time

from reporting import lines
from reporting.words import clean


class Commands:
    """Runs commands until time is up, and keeps what must be told at the end."""

    def __init__(self, root, out, minutes):
        self.root, self.out, self.end = root, out, time.monotonic() + 60 * minutes
        self.failed, self.notes = [], []

    def left(self):
        return self.end - time.monotonic()

    def path(self, name):
        return os.path.join(self.out, name)

    def say(self, text):
        print(f"gpu-check: {self.left():4.0f} s left: {clean(text, None)}", file=sys.stderr, flush=True)

    def note(self, text):
        self.say(text)
        self.notes.append(text)

    def fail(self, what, text):
        self.failed.append(what)
        self.note(f"{what}: {text}")

    def run(self, command, log=None, seconds=None, **environment):
        """Its exit status (None: it ran out of time, and was ended with all that it had started) and
        what it printed, which goes to the log."""
        limit = max(1, min(self.left(), seconds or self.left()))
        try:
            with subprocess.Popen(command, cwd=self.root, env={**os.environ, **environment}, encoding="utf-8",
                                  errors="replace", stdout=subprocess.PIPE, start_new_session=True,
                                  stderr=subprocess.STDOUT if log else subprocess.PIPE) as process:
                try:
                    output, errors = process.communicate(timeout=limit)
                    status = process.returncode
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    output, errors = process.communicate()
                    status = None
                except BaseException:  # an interruption is this one's alone to pass on
                    os.killpg(process.pid, signal.SIGKILL)
                    raise
        except OSError as problem:
            status, output, errors = 127, str(problem) if log else "", str(problem)
        if log:
            with open(self.path(log), "a", encoding="utf-8") as file:
                print(f"$ {lines.shown(shlex.join(command))}\n{output}\nexit status {status}\n", file=file)
        return status, output, errors or ""

    def must(self, what, command, log, seconds=None, **environment):
        self.say(what)
        status, output, _ = self.run(command, log, seconds, **environment)
        if status is None:
            self.note(f"{what}: no time was left for all of it, see {log}")
        elif status != 0:
            self.fail(what, f"exit status {status}, see {log}")
        return status, output


def last_line(text):
    return text.strip().split("\n")[-1]
