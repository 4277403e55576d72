"""tools/table, on records of real runs and on what is none.

  table.py TRAINER TOOL
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

from common import PATIENCE, record

TOOL = sys.argv.pop(1)
SMALL = ("--device", "reference", "--data", "synthetic", "--samples", 100, "--batch-size", 50)


class Table(unittest.TestCase):
    def table(self, text, *arguments):
        return subprocess.run([sys.executable, TOOL, *arguments], input=text, text=True, timeout=PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

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
        others = '{"peak": {}, "status": "complete"}\n{"status": "absent", "error": "why"}\n'
        self.assertEqual(self.table(others + text).stdout, done.stdout)

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
