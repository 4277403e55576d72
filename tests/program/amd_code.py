"""The machine code of every kernel for AMD's GPUs, which clang compiles without a driver: an item's arrays are in its
registers and none is in memory (scratch), there are enough registers, and the loads of a part are under way before the
first is stored.

  amd_code.py LIST_KERNEL_PROGRAMS     the program that lists the kernels with their options
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

LIST = sys.argv.pop(1)
HERE = os.path.dirname(os.path.abspath(__file__))
KERNELS = os.path.join(HERE, "..", "..", "kernels")
GPUS = ("gfx906", "gfx90a", "gfx1030", "gfx1100")  # Radeon VII, MI200, RX 6000, RX 7000
REGISTERS = 168  # of an item: three wavefronts of each group's 256 items find room on a SIMD that has 512 for 64


def find_clang():
    """The newest clang that compiles for AMD's GPUs, or None."""
    for name in (*(f"clang-{version}" for version in range(25, 13, -1)), "clang"):
        if shutil.which(name):
            targets = subprocess.run([name, "--print-targets"], stdout=subprocess.PIPE, text=True, check=False)
            if "amdgcn" in targets.stdout:
                return name
    return None


CLANG = find_clang()


def programs():
    listed = subprocess.run([LIST], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [line.split("\t") for line in listed.splitlines()]


def compile_for(gpu, file, options, folder):
    """The assembly; None where this clang does not know the GPU."""
    path = os.path.join(folder, "code.s")
    done = subprocess.run(
        [CLANG, "-x", "cl", "-target", "amdgcn-amd-amdhsa", f"-mcpu={gpu}", "-nogpulib", "-O3", "-S", "-o", path,
         "-Xclang", "-finclude-default-header", "-include", os.path.join(HERE, "fixtures", "amd_gpu.h"), "-I", KERNELS,
         *options.split(), os.path.join(KERNELS, file)], stderr=subprocess.PIPE, text=True, check=False)
    if "invalid target ID" in done.stderr:
        return None
    assert done.returncode == 0, done.stderr
    with open(path, encoding="utf-8") as code:
        return code.read()


def kernels_of(code):
    """{kernel: (its instructions, its figures)}"""
    figures = {}
    for entry in re.split(r"(?m)^  - (?=\.)", code[code.rindex("amdhsa.kernels:"):])[1:]:
        found = dict(re.findall(r"(?m)^(?:    )?\.(\w+): +(\S+)$", entry))
        figures[found["name"]] = {name: int(value) for name, value in found.items() if value.isdecimal()}
    return {name: (re.search(rf"(?ms)^{name}:.*?s_endpgm", code).group(0), of) for name, of in figures.items()}


@unittest.skipUnless(CLANG, "needs a clang that compiles for AMD's GPUs")
class Code(unittest.TestCase):
    def test_kernels(self):
        known = 0
        with tempfile.TemporaryDirectory() as folder:
            for gpu in GPUS:
                for file, what, options, names in programs():
                    self.assertNotRegex(options, "fast|relaxed|unsafe|finite|mad-enable")
                    code = compile_for(gpu, file, options, folder)
                    if code is None:
                        print(f"{gpu}: {CLANG} does not know it")
                        break
                    known += 1
                    kernels = kernels_of(code)
                    self.assertEqual(set(kernels), set(names.split()), f"{gpu}: {file}")
                    for name, (instructions, figures) in kernels.items():
                        with self.subTest(gpu=gpu, file=file, what=what, kernel=name):
                            self.check(file, name, instructions, figures)
                            print(f"{gpu} {file} {what}: {name}: {figures['vgpr_count']} registers, "
                                  f"{figures['group_segment_fixed_size']} bytes shared")
        self.assertGreater(known, 0)

    def check(self, file, name, instructions, figures):
        self.assertEqual(figures["private_segment_fixed_size"], 0, "scratch")
        self.assertEqual(figures["vgpr_spill_count"], 0)
        self.assertEqual(figures["sgpr_spill_count"], 0)
        self.assertLessEqual(figures["vgpr_count"], REGISTERS)
        self.assertNotRegex(instructions, r"_f64")
        if file in ("gemm.cl", "step.cl"):
            first = re.search(r"\bds_(?:write|store)", instructions).start()
            loads = len(re.findall(r"\b(?:global|flat)_load", instructions[:first]))
            self.assertGreaterEqual(loads, 8, f"{name}: loads before the first is stored")


if __name__ == "__main__":
    unittest.main()
