"""Text that leaves a tool: UTF-8 whatever the locale is, and a record is one line in one write, so that
programs which append to the same file at the same time never mix their lines."""
import json
import os
import sys


def utf8_streams():
    """For what a tool prints; called before anything is."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def reader_left():
    """After a BrokenPipeError: who reads what is printed has seen enough, as head has; the rest goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def shown(text):
    """The text with \\xNN in the place of each byte that is not UTF-8, as names of files may have them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


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
