"""The file that rows go to: whole lines only, each on the disk before the next run begins."""
import fcntl
import json
import os

from reporting import records


class Store:
    """One writer at a time. A half line at the end, of a sweep that was killed, is taken off."""

    def __init__(self, path):
        self.path = path
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self.file)
            raise OSError(f"{path}: another sweep is writing to it") from None
        self.repaired = self.repair()
        lines = list(records.read(path))
        self.rows = [record for _, record, _ in lines if record is not None]
        self.unreadable = [f"{path}:{number}: {problem}" for number, _, problem in lines if problem]

    def repair(self):
        """Whether there was half a line at the end."""
        with open(self.path, "rb") as file:
            text = file.read()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            os.ftruncate(self.file, whole)
        return whole < len(text)

    def append(self, record):
        line = (json.dumps(record, ensure_ascii=False) + "\n").encode()
        size = os.fstat(self.file).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self.file, line[written:])
            os.fsync(self.file)
        except OSError:
            os.ftruncate(self.file, size)
            raise
        self.rows.append(record)
