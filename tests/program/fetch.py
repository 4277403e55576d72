"""tools/fetch-cifar10, on archives made here.

  fetch.py TRAINER TOOL
"""
import fcntl
import functools
import gzip
import hashlib
import http.server
import io
import os
import resource
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest

from common import PATIENCE, record

TOOL = os.path.abspath(sys.argv.pop(1))
FOLDER = "cifar-10-batches-bin/"
NAMES = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
BYTES = 30730000


def entry(name, **fields):
    member = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(member, key, value)
    return member


def link(name, target, kind=tarfile.SYMTYPE):
    return entry(name, type=kind, linkname=target)


@functools.lru_cache(maxsize=None)
def packed(name):
    """An entry of a data file of zeros, compressed: the parts of an archive may be so one by one."""
    header = entry(FOLDER + name, size=BYTES).tobuf(tarfile.GNU_FORMAT)
    return gzip.compress(header) + packed_zeros((BYTES + 511) // 512 * 512)


@functools.lru_cache(maxsize=None)
def packed_zeros(count):
    return gzip.compress(bytes(count))


def tar_of(*members):
    """The end of an archive: these entries, filled with zeros."""
    blob = io.BytesIO()
    with tarfile.open(fileobj=blob, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return blob.getvalue()


def good(*more):
    """A good archive, with more entries at its end."""
    return b"".join(map(packed, NAMES)) + gzip.compress(
        tar_of(entry(FOLDER + "readme.html", size=10), *more))


def bomb(size):
    """A data file of this size: a thousandth of it, compressed."""
    part = 16 << 20
    header = entry(FOLDER + NAMES[0], size=size).tobuf(tarfile.GNU_FORMAT)
    return gzip.compress(header) + packed_zeros(part) * (size // part) + packed_zeros(1024)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.dir = os.path.join(self.folder, "cache", "cifar-10-batches-bin")

    def archive(self, blob):
        """A file, and its checksum."""
        path = os.path.join(self.folder, "archive.tar.gz")
        with open(path, "wb") as file:
            file.write(blob)
        return path, hashlib.sha256(blob).hexdigest()

    def fetch(self, *arguments):
        """No file that it makes may be larger than one of the data set."""
        limit = (BYTES, BYTES)
        return subprocess.run([TOOL, "--dir", self.dir, *arguments], text=True, timeout=PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))

    def refused(self, text, *arguments, code=1):
        done = self.fetch(*arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertRegex(done.stderr, r"(?m)^fetch-cifar10: [ -~]+\n\Z")  # fit for a terminal
        self.assertEqual(done.stdout, "")
        self.assertFalse(os.path.exists(self.dir))
        self.assertEqual(os.listdir(os.path.dirname(self.dir)), [])


class Fetch(Folder):
    def test_good(self):
        path, digest = self.archive(good())
        for source in (["--file", path], ["--url", "file://" + path]):
            done = self.fetch(*source, "--sha256", digest)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, f"CIFAR-10 is in {self.dir}\n")
            self.assertEqual(os.listdir(os.path.dirname(self.dir)), ["cifar-10-batches-bin"])
            found = record("--samples", 100, "--epochs", 1,
                           env={"XDG_CACHE_HOME": "", "TRAINER_DATA_DIR": self.dir})
            self.assertEqual(found["dataset"]["source"], "files")
            again = self.fetch("--file", "/nonexistent")  # whole: nothing is fetched
            self.assertEqual(again.returncode, 0, again.stderr)
            shutil.rmtree(self.dir)

    def test_as_published(self):
        """With an entry for the folder, a user, a group, modes and times, old and new."""
        named = {"uname": "a user.name", "gname": "A\\group of all", "uid": 1000, "gid": 1000}
        blob = gzip.compress(entry(FOLDER, type=tarfile.DIRTYPE, mode=0o755, mtime=1e9, **named).tobuf())
        blob += good(entry(FOLDER + "batches.meta.txt", size=61, mode=0o444, mtime=1.7e9, **named))
        path, digest = self.archive(blob)
        done = self.fetch("--file", path, "--sha256", digest.upper())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(os.listdir(self.dir)), sorted(NAMES + ["readme.html", "batches.meta.txt"]))

    def test_wrong_checksum(self):
        path, _ = self.archive(good())
        self.refused("refused", "--file", path)
        self.refused("expected c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                     "--url", "file://" + path)

    def test_missing(self):
        self.refused("is not a file", "--file", "/nonexistent")
        self.refused("can't fetch file:///nonexistent", "--url", "file:///nonexistent", code=4)

    def test_interrupted(self):
        """What an earlier run left is swept away, and does not count as the data set."""
        path, digest = self.archive(good())
        left = self.dir + ".partial/files/cifar-10-batches-bin"
        os.makedirs(left)
        with open(self.dir + ".partial/made-by-fetch-cifar10", "w"):
            pass
        with open(os.path.join(left, "stray.bin"), "wb") as file:
            file.write(b"half a file")
        done = self.fetch("--file", path, "--sha256", digest)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(os.listdir(self.dir)), sorted(NAMES + ["readme.html"]))

    def test_what_is_there(self):
        """An empty folder is filled, and links to the files are as good as files."""
        path, digest = self.archive(good())
        os.makedirs(self.dir)
        done = self.fetch("--file", path, "--sha256", digest)
        self.assertEqual(done.returncode, 0, done.stderr)
        os.rename(self.dir, self.dir + ".real")
        os.mkdir(self.dir)
        for name in NAMES:
            os.symlink(os.path.join(self.dir + ".real", name), os.path.join(self.dir, name))
        done = self.fetch()
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_two_at_once(self):
        """The second one leaves to the first what it is fetching."""
        path, digest = self.archive(good())
        work = self.dir + ".partial"
        os.makedirs(work)
        for name in ("made-by-fetch-cifar10", "archive.tar.gz", "cmake.lock"):
            with open(os.path.join(work, name), "w"):
                pass
        with open(os.path.join(work, "cmake.lock"), "w") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            done = self.fetch("--file", path, "--sha256", digest)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(f"another run is fetching to {self.dir} (", done.stderr)
            self.assertEqual(len(os.listdir(work)), 3)
        self.assertEqual(self.fetch("--file", path, "--sha256", digest).returncode, 0)

    @unittest.skipUnless(shutil.which("openssl"), "needs openssl")
    def test_certificate(self):
        """Who answers for a server is believed if somebody who is known says so."""
        _, digest = self.archive(good())
        pair = [os.path.join(self.folder, name) for name in ("certificate", "key")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-days", "2", "-out", pair[0], "-keyout",
                        pair[1]], check=True, timeout=PATIENCE, stderr=subprocess.DEVNULL)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        handler = functools.partial(Quiet, directory=self.folder)
        with http.server.HTTPServer(("localhost", 0), handler) as server:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                self.refused("certificate", "--url", f"https://localhost:{server.server_port}/archive.tar.gz",
                             "--sha256", digest, code=4)
            finally:
                server.shutdown()
                thread.join()

    def test_not_its_own(self):
        """What lies where it would work, or has a name that it might have used, stays as it is."""
        path, digest = self.archive(good())
        kept = self.dir + ".partial"
        os.makedirs(kept)
        for name in (kept + "/archive.tar.gz", self.dir + ".lock"):
            with open(name, "w") as file:
                file.write("kept")
        done = self.fetch("--file", path, "--sha256", digest)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(f"{kept} is in the way, and not from here", done.stderr)
        self.assertEqual(os.listdir(kept), ["archive.tar.gz"])
        os.rename(kept, kept + ".moved")
        self.assertEqual(self.fetch("--file", path, "--sha256", digest).returncode, 0)
        self.assertEqual(sorted(os.listdir(os.path.dirname(self.dir))), [
            "cifar-10-batches-bin", "cifar-10-batches-bin.lock", "cifar-10-batches-bin.partial.moved"])

    def test_any_path(self):
        """Of letters beyond ASCII in any locale, and of those that mean something to patterns."""
        path, digest = self.archive(good())
        for name, locale in (("j\u00fcrgen", "C"), ("j\u00fcrgen", "C.UTF-8"), ("[br] *? (x)+ $HOME 'q'", "C"),
                             (os.fsdecode(b"caf\xe9"), "C")):
            with self.subTest(name=name, locale=locale):
                home = os.path.join(self.folder, name)
                os.makedirs(home, exist_ok=True)
                own = shutil.copy(path, home)
                kept = {key: value for key, value in os.environ.items()
                        if key not in ("TRAINER_DATA_DIR", "XDG_CACHE_HOME")}
                for _ in range(2):  # and then it is there
                    done = subprocess.run(
                        [TOOL, "--file", own, "--sha256", digest], timeout=PATIENCE, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, env={**kept, "HOME": home, "LC_ALL": locale})
                    self.assertEqual(done.returncode, 0, done.stderr)
                found = os.listdir(os.path.join(home, ".cache", "trainer"))
                self.assertEqual(found, ["cifar-10-batches-bin"])
                for cache in ("", "relative"):  # which the trainer passes over, too
                    run = record("--samples", 10, "--epochs", 0, "--device", "reference",
                                 env={"HOME": home, "XDG_CACHE_HOME": cache})
                    self.assertEqual(run["dataset"]["source"], "files")
                shutil.rmtree(home)

    def test_no_place(self):
        """It looks where the trainer does, and at no place that only a careless script would name."""
        for names in ({}, {"HOME": ""}, {"HOME": "relative", "XDG_CACHE_HOME": "relative"}):
            done = subprocess.run([TOOL, "--file", "/nonexistent"], cwd=self.folder, timeout=PATIENCE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  env={"PATH": os.environ["PATH"], **names})
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("name a --dir", done.stderr)
            self.assertEqual(os.listdir(self.folder), [])

    def test_half_a_data_set(self):
        os.makedirs(self.dir)
        with open(os.path.join(self.dir, NAMES[0]), "wb") as file:
            file.write(b"kept")
        done = self.fetch()
        self.assertEqual(done.returncode, 1)
        self.assertIn("has 4 bytes, expected 30730000: move", done.stderr)
        self.assertEqual(os.listdir(self.dir), [NAMES[0]])

    def test_names(self):
        """Whatever things are called, a line about them is one line that rules no terminal."""
        name, shown = "café \x1b[31m\n\u202e\u2028\u2069\u061c\x85\x7f!", "café ?[31m???????!"
        path = os.path.join(self.folder, name)
        done = self.fetch("--file", path)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (1, "", f"fetch-cifar10: {self.folder}/{shown} is not a file\n"))
        os.mkdir(path)
        for file in NAMES:
            with open(os.path.join(path, file), "wb") as made:
                made.truncate(BYTES)
        self.dir = path
        done = self.fetch()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, f"CIFAR-10 is in {self.folder}/{shown}\n", ""))

    def test_usage(self):
        for arguments in (["--nonsense", "x"], ["--url"], ["--file", ""]):
            done = self.fetch(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--sha256 SUM", done.stderr)


class Hostile(Folder):
    """Whatever an archive is: it is refused with a reason, nothing is left of it, and nothing outside the
    destination's own folder is touched."""

    def setUp(self):
        super().setUp()
        self.outside = os.path.join(self.folder, "outside")
        os.mkdir(self.outside)
        with open(os.path.join(self.outside, "kept"), "w") as file:
            file.write("as it was")

    def refuses(self, text, blob):
        path, digest = self.archive(blob)
        self.refused(text, "--file", path, "--sha256", digest)
        self.assertEqual(sorted(os.listdir(self.folder)), ["archive.tar.gz", "cache", "outside"])
        self.assertEqual(os.listdir(self.outside), ["kept"])
        with open(os.path.join(self.outside, "kept")) as file:
            self.assertEqual(file.read(), "as it was")
        self.assertEqual(os.stat(os.path.join(self.outside, "kept")).st_nlink, 1)

    def refuses_entries(self, text, *lists):
        for members in lists:
            with self.subTest(names=[member.name for member in members]):
                self.refuses(text, gzip.compress(tar_of(*members)))

    def test_paths(self):
        names = [self.outside + "/new", "/new", "//new", "..", "../new", "../../outside/new", "./../new",
                 "a/../../new", "other/new", "new", "./" + FOLDER + "new", "."]
        names += [FOLDER + name for name in (
            "../new", "../../new", "../../../outside/new", "..", ".", "./new", "/new", "sub/new", "sub/..",
            "a/../../../outside/new", "../cifar-10-batches-bin/new", ".hidden", "...", "-rf", "~")]
        self.refuses_entries("not part of CIFAR-10", *([entry(name, size=3)] for name in names))
        self.refuses_entries("not part of CIFAR-10",
                             *([entry(name, type=tarfile.DIRTYPE, mode=0o755)] for name in names))
        self.refuses_entries("not part of CIFAR-10", [entry(FOLDER[:-1], size=3)])
        self.refuses("not part of CIFAR-10", good(entry(FOLDER + "../../../outside/new")))

    def test_links(self):
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            for target in (self.outside + "/kept", "../../../../outside/kept", "/etc/passwd", NAMES[0]):
                self.refuses_entries("not part of CIFAR-10", [link(FOLDER + NAMES[5], target, kind)])
        through = entry(FOLDER + "new", size=3)
        folder = entry(FOLDER, type=tarfile.DIRTYPE, mode=0o755)
        for target in (self.outside, "../../../outside"):
            self.refuses_entries("not part of CIFAR-10", [link(FOLDER, target), through],
                                 [link(FOLDER[:-1], target), through],
                                 [folder, link(FOLDER[:-1], target), through],
                                 [link(FOLDER + "sub", target), entry(FOLDER + "sub/new", size=3)])
        self.refuses("not part of CIFAR-10",
                     good(link(FOLDER + "kept", self.outside + "/kept", tarfile.LNKTYPE)))

    def test_kinds(self):
        for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
            special = entry(FOLDER + NAMES[0], type=kind, devmajor=1, devminor=5)
            self.refuses_entries("not part of CIFAR-10", [special])
        # What its owner could not read, or not remove again.
        self.refuses_entries("not part of CIFAR-10", [entry(FOLDER + "new", mode=0o277)], *(
            [entry(FOLDER, type=tarfile.DIRTYPE, mode=mode)] for mode in (0, 0o377, 0o577, 0o677)))

    def test_names(self):
        line = "-rw-r--r--  0 0      0           3  1 Jan  1970 " + FOLDER + "new"
        self.refuses_entries("not part of CIFAR-10", *(
            [entry(FOLDER + name, size=3)] for name in (
                "new\nline", "\nnew", "\n", "\033[31mred", "a\rb", "\a", "\x7f", "a;b", ";", "[", "]", "a\\",
                "\\", "${dir}", '"', "a b", "a -> b", "a link to b", "x" * 200 + ";", "a;" + line)))
        self.refuses_entries("not part of CIFAR-10", *(
            [entry(FOLDER + "a", size=3, uname=owner)] for owner in (
                "a/b", "../..", "\n" + line, line + "\n" + line)))
        for name in ("a\n" + line, "a\n"):  # as two entries, or one, that are right
            self.refuses("holds names that are not of CIFAR-10", good(entry(FOLDER + name, size=3)))
        self.refuses_entries("can't unpack", [entry(FOLDER + "x" * 300, size=3)])
        self.refuses_entries("too long", [entry(FOLDER + "x" * 30000, size=3)])
        self.refuses_entries("", [entry("", size=3)], *(
            [entry(FOLDER + name, size=3)] for name in ("n\u00e9w", os.fsdecode(b"\xff\xfe"))))

    def test_twice(self):
        readme = entry(FOLDER + "readme.html", size=10)
        self.refuses("holds readme.html twice", good(readme))
        self.refuses("holds readme.html twice", good(entry(readme.name, size=0)))
        self.refuses("holds data_batch_1.bin twice", 2 * packed(NAMES[0]))
        self.refuses("holds test_batch.bin twice", good(entry(FOLDER + NAMES[5], size=3)))

    def test_sizes(self):
        self.refuses_entries("holds data_batch_2.bin of 3 bytes, expected 30730000",
                             [entry(FOLDER + NAMES[1], size=3)])
        self.refuses_entries("holds new.bin of 65537 bytes", [entry(FOLDER + "new.bin", size=65537)])
        self.refuses_entries("too many entries", [entry(FOLDER + f"a{i}") for i in range(1000)])
        sparse = {"GNU.sparse.size": str(1 << 42), "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,512"}
        self.refuses_entries(f"of {1 << 42} bytes, expected",
                             [entry(FOLDER + NAMES[0], size=512, pax_headers=sparse)])

    def test_no_archives(self):
        half = good()[:20000]
        for blob in (b"", b"no archive\n" * 100, bytes(10240), b"\x1f\x8b",
                     gzip.compress(b"no archive\n" * 100), tar_of(entry(FOLDER + "new", size=3)), half,
                     half[:-10000] + bytes(10000), gzip.compress(gzip.decompress(packed(NAMES[0]))[:10**6]),
                     b"PK\5\6" + bytes(18)):
            with self.subTest(blob=blob[:20]):
                self.refuses("is not an archive (tar.gz), or not a whole one", blob)
        for blob in (gzip.compress(b""), gzip.compress(tar_of()),
                     gzip.compress(tar_of(entry(FOLDER, type=tarfile.DIRTYPE, mode=0o755))),
                     gzip.compress(tar_of(entry(FOLDER + "inner.tar.gz", size=100)))):
            self.refuses("is missing", blob)
        self.refuses_entries("not part of CIFAR-10", [entry("cifar-10-binary.tar.gz", size=100)])

    def test_bombs(self):
        """A few megabytes that would be many gigabytes."""
        self.refuses("expands to 200000000 bytes or more", bomb(8 << 30))
        self.refuses("expands to 200000000 bytes or more", good() + packed_zeros(BYTES))
        # Where it is compressed twice, its list tells.
        self.refuses(f"of {1 << 30} bytes, expected 30730000", gzip.compress(bomb(1 << 30)))

    def test_what_is_there(self):
        """It is left alone, whole or not."""
        path, digest = self.archive(gzip.compress(tar_of(link(FOLDER + NAMES[0], self.outside))))
        os.makedirs(self.dir)
        for name in NAMES:
            with open(os.path.join(self.dir, name), "wb") as file:
                file.truncate(BYTES)

        def state():
            return [(found.name, found.inode(), found.stat().st_size, found.stat().st_mtime_ns)
                    for found in sorted(os.scandir(self.dir), key=lambda found: found.name)]
        for code in (0, 1):
            before = state()
            done = self.fetch("--file", path, "--sha256", digest)
            self.assertEqual((done.returncode, state()), (code, before))
            os.truncate(os.path.join(self.dir, NAMES[0]), 1)


if __name__ == "__main__":
    unittest.main()
