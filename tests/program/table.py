"""tools/table, on records of real runs and on what is none.

  table.py TRAINER TOOL
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

from common import PATIENCE, closed_pipe, record

TOOL = sys.argv.pop(1)
SMALL = ("--device", "reference", "--data", "synthetic", "--samples", 100, "--batch-size", 50)


class Table(unittest.TestCase):
    def table(self, text, *arguments, **environment):
        return subprocess.run([sys.executable, TOOL, *arguments], input=text, encoding="utf-8", timeout=PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment})

    def test_records(self):
        records = [record(*SMALL, "--epochs", epochs) for epochs in (0, 2)]
        text = "".join(json.dumps(one) + "\n" for one in records)
        done = self.table(text)
        self.assertEqual(done.returncode, 0, done.stderr)
        header, *rows = done.stdout.splitlines()
        self.assertEqual(len(rows), 2)
        for one, row in zip(records, rows):
            self.assertTrue(row.startswith("reference  "))
            self.assertIn(f"{one['test']['accuracy']:.4f}", row)
            self.assertIn(f"{one['seconds']['load']:.4f}", row)
            self.assertLessEqual(len(row), len(header))
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "records.jsonl")
            with open(path, "w") as file:
                file.write(text)
            self.assertEqual(self.table("", path).stdout, done.stdout)
        others = '{"schema": 1, "peak": {}, "status": "complete"}\n{"schema": 1, "status": "absent", "error": "why"}\n'
        self.assertEqual(self.table(others + text).stdout, done.stdout)

    def test_reader_left(self):
        with closed_pipe() as pipe:
            done = subprocess.run([sys.executable, TOOL], input=json.dumps(record(*SMALL)), encoding="utf-8",
                                  timeout=PATIENCE, stdout=pipe, stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_as_the_report_reads(self):
        """Empty lines, any line's end, none at the end; UTF-8, whatever the locale."""
        found = record(*SMALL, "--epochs", 1)
        found["device"]["name"] = "Größe €"
        line = json.dumps(found, ensure_ascii=False)
        ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        expected = self.table(line + "\n")
        self.assertIn("Größe €", expected.stdout)
        for text in (f"\n{line}\n\n  \n", f"{line}\r\n", line):
            for more in ({}, ascii_only):
                done = self.table(text, **more)
                self.assertEqual((done.returncode, done.stdout), (0, expected.stdout), done.stderr)

    def test_epochs(self):
        """Accuracy is compared after as many epochs, or it is said after how many it is."""
        lines = [json.dumps(record(*SMALL, "--epochs", epochs)) for epochs in (1, 3, 3)]
        _, first, *others = self.table("\n".join(lines)).stdout.splitlines()
        self.assertRegex(first, r" 0\.\d{4} after 1 epoch$")
        for row in others:
            self.assertRegex(row, r" 0\.\d{4}$")
        self.assertNotIn("after", self.table("\n".join(lines[1:])).stdout)

    def test_schema(self):
        """Nothing is known of another one's records, of peaks neither: the place is named."""
        found = record(*SMALL, "--epochs", 1)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "records.jsonl")
            for other, said in ((2, "2"), ("1", "'1'"), (True, "True"), (None, "None")):
                for more in ({}, {"peak": {}}):
                    with open(path, "w") as file:
                        file.write(json.dumps(found) + "\n\n" + json.dumps({**found, "schema": other, **more}))
                    done = self.table("", path)
                    self.assertEqual((done.returncode, done.stdout), (1, ""))
                    self.assertIn(f"{path}:3: not a record that this can show: its schema is {said}, not 1\n",
                                  done.stderr)

    def test_figures(self):
        """Each in its column, of records whose figures are all different."""
        found = record(*SMALL, "--epochs", 1)
        found["device"].update(kind="cuda", name="A GPU", library="cuBLAS 13.0", gemm="own", threads=3)
        found["dataset"]["name"] = "CIFAR-10"
        found.update(seconds={**found["seconds"], "load": 1.25, "batching": 2.5, "mean_epoch": 0.375},
                     samples_per_second=1234.4, gflops=56.78, test={"loss": 2.0, "accuracy": 0.4321})
        head, row = self.table(json.dumps(found)).stdout.splitlines()
        columns = ["device", "hardware", "library", "threads", "data", "epochs", "load s", "batching s",
                   "mean epoch s", "samples/s", "GFLOP/s", "test accuracy"]
        self.assertEqual(re.split("  +", head), columns)
        self.assertEqual(dict(zip(columns, re.split("  +", row))), dict(zip(columns, [
            "cuda", "A GPU", "own (cuBLAS 13.0)", "3", "CIFAR-10", "1", "1.2500", "2.5000", "0.3750", "1234", "56.8",
            "0.4321"])))
        for gemm, library, said in ((None, "X", "X"), ("own", None, "own"), (None, None, "none")):
            found["device"].update(gemm=gemm, library=library)
            self.assertEqual(re.split("  +", self.table(json.dumps(found)).stdout.splitlines()[1])[2], said)
        found.update(status="interrupted")
        self.assertTrue(self.table(json.dumps(found)).stdout.endswith(" interrupted\n"))

    def test_ranks(self):
        """Have a column where some run has them; "-" is a process alone, as in older records, which have none."""
        found = record(*SMALL, "--epochs", 1)
        older = {name: value for name, value in found.items() if name != "ranks"}
        ranked = {**found, "ranks": {"count": 12, "hosts": 3}}
        alone = self.table("\n".join(map(json.dumps, (found, older)))).stdout
        self.assertNotIn("ranks", alone)
        head, *rows = self.table("\n".join(map(json.dumps, (found, older, ranked)))).stdout.splitlines()
        self.assertEqual(re.split("  +", head)[2:5], ["library", "ranks", "threads"])
        self.assertEqual([re.split("  +", row)[3] for row in rows], ["-", "-", "12"])
        self.assertEqual([row[head.index("ranks") + 4] for row in rows], [*"--2"])  # on the right

    def test_refused(self):
        for text, arguments, said in (("", [], "no records"), ("{}\n", [], "<stdin>:1: not a record"),
                                      ("nonsense\n", [], "<stdin>:1: not a record"),
                                      ("", ["/nonexistent"], "No such file"),
                                      ("", ["--nonsense"], "table [FILE...]")):
            done = self.table(text, *arguments)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(said, done.stderr)
            self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
