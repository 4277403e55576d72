"""The sources are laid out as the picture in src/README.md draws them: an include goes along its arrows. A library's
header is included only in the rooms that deal with it, and only the program prints and ends the process.

  layout.py SOURCE
"""
import collections
import os
import re
import sys
import unittest

SOURCE = sys.argv.pop(1)

EVERYBODYS = "system"  # every room may include it, so the picture has no arrows to it
# Whose are the public headers that are not named after their room.
PUBLIC = {"error": EVERYBODYS, "host": EVERYBODYS, "random": EVERYBODYS, "record": "report",
          "optimizer": "training"}
# Headers of others, and the rooms that may include them.
LIBRARIES = {
    r"cblas": {"cpu"},
    r"cuda|cublas|nvrtc|nvml|nccl": {"cuda"},
    r"CL/|OpenCL/|clblast": {"opencl"},
    r"mpi\.h": {"communicator"},
    r"jansson": {"checkpoint", "report", EVERYBODYS},
    r"omp\.h": {"cpu", EVERYBODYS},
    r"getopt": {"program"},
}


def room_of(path):
    """The room of a file, whose path is given from the source's top on."""
    first, *folders, name = path.split("/")
    stem = os.path.splitext(name)[0]
    return PUBLIC.get(stem, stem) if first == "include" else folders[-1] if folders else first


def files():
    """(path, text) of each C file of the library and the program."""
    for top in ("include", "src"):
        for folder, _, names in os.walk(os.path.join(SOURCE, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        yield os.path.relpath(path, SOURCE).replace(os.sep, "/"), file.read()


def includes():
    """(path, what it includes, as it is written) of each #include."""
    for path, text in files():
        for header in re.findall(r'(?m)^\s*#\s*include\s+(".*?"|<.*?>)', text):
            yield path, header


def included_path(header):
    """The path from the source's top on; None of what is made by the build, or not ours."""
    path = ("include/" if header.startswith('"trainer/') else "src/") + header[1:-1]
    return path if header.startswith('"') and os.path.isfile(os.path.join(SOURCE, path)) else None


def picture():
    """The arrows of the picture: {room: rooms}; of one that has none, no room."""
    with open(os.path.join(SOURCE, "src", "README.md"), encoding="utf-8") as file:
        drawn = re.search(r"(?s)```mermaid\n(.*?)```", file.read()).group(1)
    arrows = collections.defaultdict(set)
    for line in drawn.splitlines():
        node, arrow = re.match(r"\s*(\w+)\[", line), re.fullmatch(r"\s*(\w+) --> (\w+)", line)
        if arrow:
            arrows[arrow.group(1)].add(arrow.group(2))
        elif node and not line.lstrip().startswith("subgraph"):
            arrows[node.group(1)].update()
    return arrows


def reached(arrows, room, met=()):
    """The rooms that arrows lead to from this one, over others, too."""
    if room in met:
        raise AssertionError(f"the arrows go in a circle: {' -> '.join((*met, room))}")
    return set().union(*({to} | reached(arrows, to, (*met, room)) for to in arrows.get(room, ())))


class Rooms(unittest.TestCase):
    def test_includes_go_along_arrows(self):
        arrows, found = picture(), 0
        for path, header in includes():
            to = included_path(header)
            if not to or room_of(to) in (room_of(path), EVERYBODYS):
                continue
            found += 1
            self.assertIn(room_of(to), reached(arrows, room_of(path)),
                          f"{path} includes {header}; the picture in src/README.md has no arrow that way")
        self.assertGreater(found, 10)

    def test_every_arrow_is_an_include(self):
        used = {(room_of(path), room_of(included_path(header)))
                for path, header in includes() if included_path(header)}
        for room, rooms in picture().items():
            for to in rooms:
                self.assertIn((room, to), used, f"no file of {room} includes one of {to}: the arrow is too much")

    def test_every_room_is_drawn(self):
        self.assertEqual(set(picture()), {room_of(path) for path, _ in files()})

    def test_system_needs_no_room(self):
        for path, header in includes():
            if room_of(path) == EVERYBODYS and included_path(header):
                self.assertEqual(room_of(included_path(header)), EVERYBODYS, f"{path} includes {header}")

    def test_own_headers_exist(self):
        """But for those that the build makes."""
        for path, header in includes():
            if header.startswith('"') and not included_path(header):
                self.fail(f"{path} includes {header}: there is none")


class Library(unittest.TestCase):
    def test_neither_prints_nor_ends(self):
        """Only the program does. (A process that the library starts for itself ends with _exit.)"""
        found = []
        for path, text in files():
            text = re.sub(r'(?s)/\*.*?\*/|"(?:\\.|[^"\\])*"', "", text)
            if room_of(path) != "program":
                found += [f"{path}: {name}" for name in
                          re.findall(r"\b((?:exit|abort|assert|v?printf|puts|putchar|perror)(?=\()|stdout|stderr)\b", text)]
        self.assertEqual(found, [])


class Libraries(unittest.TestCase):
    def test_in_their_rooms(self):
        found = set()
        for path, header in includes():
            for pattern, rooms in LIBRARIES.items():
                if header.startswith("<") and re.match(pattern, header[1:]):
                    found.add(pattern)
                    self.assertIn(room_of(path), rooms, f"{path} includes {header}")
        self.assertEqual(found, set(LIBRARIES))


if __name__ == "__main__":
    unittest.main()
