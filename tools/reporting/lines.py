"""Text that leaves a tool: UTF-8 whatever the locale is, and a record is one line in one write, so that
programs which append to the same file at the same time never mix their lines."""
import json
import os
import re
import sys

from .words import UNSHOWN

HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # of characters; the others stand for bytes


class Terminal:
    """A stream for people: nothing that is printed on it rules a terminal or turns text around. Of what
    can't be shown, only ends of lines stay; `words.clean` is for foreign text that is to be in one line."""

    def __init__(self, stream):
        self.stream = stream

    def write(self, text):
        return self.stream.write("\n".join(UNSHOWN.sub("?", line) for line in shown(text).split("\n")))

    def __getattr__(self, name):
        return getattr(self.stream, name)


def open_terminal():
    """For what a tool prints; called before anything is."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8")
    sys.stdout, sys.stderr = Terminal(sys.stdout), Terminal(sys.stderr)


def reader_left():
    """After a BrokenPipeError: who reads what is printed has seen enough, as head has; the rest goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def shown(text):
    """The text with \\xNN in the place of each byte that is not UTF-8, as names of files may have them, and
    U+FFFD in that of half a character, which JSON can spell."""
    return HALVES.sub("\ufffd", text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def clean(value):
    """The value with all of its texts as they are shown."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, dict):
        return {clean(name): clean(part) for name, part in value.items()}
    return [clean(part) for part in value] if isinstance(value, (list, tuple)) else value


def line_of(record):
    return (json.dumps(clean(record), ensure_ascii=False, allow_nan=False) + "\n").encode()


def write(descriptor, line):
    """All of it, with one call where the system takes it at once."""
    written = 0
    while written < len(line):
        written += os.write(descriptor, line[written:])


def print_record(record):
    sys.stdout.flush()
    write(sys.stdout.fileno(), line_of(record))
