"""The file that rows go to: whole lines only, each on the disk before the next run begins."""
import errno
import fcntl
import os
import stat

from reporting import lines, records

HALF = b'{"schema"'  # what a record begins with, of which a sweep that was killed may leave no more


class Store:
    """One writer at a time. A file that has something else than records in it is refused, and stays as it
    is. A last record without an end gets one; half a record, of a sweep that was killed, is taken off."""

    def __init__(self, path):
        self.path = path
        self.repaired = None  # what was done to the file's end, in words
        if os.path.lexists(path) and not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(f"{path} is not a regular file")
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self.lock()
            self.check()
        except OSError:
            os.close(self.file)
            raise
        found = list(records.read(path))
        self.rows = [record for _, record, _ in found if record is not None]
        self.unreadable = [f"{path}:{number}: {problem}" for number, _, problem in found if problem]

    def lock(self):
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(f"{self.path}: another sweep is writing to it") from None
        except OSError:
            pass  # a file system without locks

    def check(self):
        """Whether it is a file of records, and that its last line ends."""
        with open(self.path, "rb") as file:
            text = file.read()
        whole, tail = text[:text.rfind(b"\n") + 1], text[text.rfind(b"\n") + 1:]
        known = [(number, record) for number, record, _ in records.parse(text.split(b"\n"))
                 if record is not None and "schema" in record]
        for number, record in known:
            if not records.is_schema(record):
                raise OSError(f"{self.path}:{number}: {records.check_schema(record)}: it is another program's: "
                              "name another --out")
        is_records = bool(known)
        is_half = not records.is_object(tail) and (
            tail.startswith(HALF) or (is_records and tail != b"" and HALF.startswith(tail)))
        is_records = is_records or (is_half and not whole.strip())
        if text.strip() and not is_records:
            raise OSError(f"{self.path} has something else than records in it: name another --out")
        if is_half:
            os.ftruncate(self.file, len(whole))
            self.repaired = "took half a line off its end"
        elif tail.strip() and records.is_object(tail):
            lines.write(self.file, b"\n")
            self.repaired = "its last line has an end now"
        elif tail.strip():
            raise OSError(f"{self.path}: its last line is no record, and has no end: mend it, or name "
                          "another --out")

    def append(self, record):
        line = lines.line_of(record)
        size = os.fstat(self.file).st_size
        try:
            lines.write(self.file, line)
            self.sync()
        except OSError:
            os.ftruncate(self.file, size)
            raise
        self.rows.append(lines.clean(record))

    def sync(self):
        try:
            os.fsync(self.file)
        except OSError as problem:
            if problem.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
                raise  # those are of a file system that can't
