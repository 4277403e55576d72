"""What the program keeps between runs (src/device/gpu/program_cache.c), for tests that put something else in
its place, whole."""
import struct


class Entry:
    """A file of the cache: its content, and putting another there."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            self.blob = file.read()
        (self.key,) = struct.unpack("=Q", self.blob[16:24])
        self.content = self.blob[32 + self.key:-8]

    def replace(self, content):
        body = self.blob[:24] + struct.pack("=Q", len(content)) + self.blob[32:32 + self.key] + content
        checksum = 0xcbf29ce484222325  # FNV-1a
        for byte in body:
            checksum = (checksum ^ byte) * 0x100000001b3 & 0xffffffffffffffff
        with open(self.path, "wb") as file:
            file.write(body + struct.pack("=Q", checksum))
