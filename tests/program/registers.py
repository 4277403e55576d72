"""The sums of our gemm's tile stay in registers while its terms are added up, for each instruction set that it is
compiled for. A tile too large for them is still right, and much slower, which no other test would see.

  registers.py OBJDUMP OBJECT...     those of gemm.c and others, as the build has them
"""
import re
import subprocess
import sys
import unittest

OBJDUMP, OBJECTS = sys.argv[1], [path for path in sys.argv[2:] if re.search(r"\bgemm\.c\b", path)]
del sys.argv[1:]

# Of x86-64, and of 64-bit ARM. A baseline without multiply-adds multiplies once for each.
MULTIPLY_ADD = re.compile(r"vfmadd\w+ps\s|mulps\s|fmla\s+v\d+\.4s,")
STACK = re.compile(r"\(%rsp\b|\[sp\b")
JUMP = re.compile(r"(?:j\w+|b\.\w+|b|cbn?z|tbn?z)\s.*?\b([0-9a-f]+) <")
LEAST = 8  # multiply-adds of any set's tile


def functions(path):
    """[(address, instruction), ...] of each function of an object."""
    listing = subprocess.run([OBJDUMP, "-d", "--no-show-raw-insn", path], encoding="utf-8", check=True,
                             stdout=subprocess.PIPE).stdout
    for text in re.split(r"(?m)^[0-9a-f]+ <.+>:$", listing)[1:]:
        yield [(int(address, 16), instruction)
               for address, instruction in re.findall(r"(?m)^\s*([0-9a-f]+):\s+(.+)$", text)]


def innermost_loops(code):
    """The instructions of each loop that has no other in it."""
    places = {address: place for place, (address, _) in enumerate(code)}
    loops = []
    for end, (_, instruction) in enumerate(code):
        jump = JUMP.match(instruction)
        start = places.get(int(jump.group(1), 16)) if jump else None
        if start is not None and start <= end:
            loops.append((start, end))
    for start, end in loops:
        if not any(start <= first and last <= end and (first, last) != (start, end) for first, last in loops):
            yield [instruction for _, instruction in code[start:end + 1]]


class Registers(unittest.TestCase):
    def check(self, path):
        """In the loops of whole tiles, which have the most multiply-adds, and are for a as it is and transposed; and
        in those with half as many, where the others add two terms in a turn. A compiler may have one sum too many at
        times, which hides behind the others; more than that is no tile."""
        loops = [(sum(bool(MULTIPLY_ADD.match(line)) for line in loop), loop)
                 for code in functions(path) for loop in innermost_loops(code)]
        most = max(count for count, _ in loops)
        self.assertGreaterEqual(most, LEAST)
        self.assertGreaterEqual(sum(count == most for count, _ in loops), 2)
        for count, loop in loops:
            kept = [line for line in loop if STACK.search(line)]
            if count in (most, most // 2) and count >= LEAST:
                self.assertLessEqual(8 * len(kept), count, "\n".join(loop))

    def test_tiles(self):
        self.assertGreater(len(OBJECTS), 0)
        for path in OBJECTS:
            with self.subTest(path):
                self.check(path)


if __name__ == "__main__":
    unittest.main()
