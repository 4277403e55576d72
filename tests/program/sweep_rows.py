"""What a row of tools/sweep claims: which program it is of, and of what it is a run; and a sweep that ends where
that has become another.

  sweep_rows.py TRAINER SWEEP
"""
import json
import os
import sys
import unittest

from fixtures.swept import Swept

Swept.tool = sys.argv.pop(1)
OTHER = {"name": "there", "cpu": "B CPU", "cores": 4, "os": "A system 2", "library": "BLAS 2", "driver": "2.0",
         "environment": {"OMP_WAIT_POLICY": "passive"}, "fingerprint": "bbbbbbbbbbbbbbbb"}
TITLES = {"name": "host name", "cpu": "host cpu", "cores": "host cores", "os": "host os",
          "fingerprint": "dataset fingerprint"}
ONE = ("--device", "cpu", "--repeat", 3, "--no-peak")


def title(name):
    return TITLES.get(name, f"device {name}")


class Changed(Swept):
    """In mid-sweep. The first run warms up, so that run 3 is the second that counts."""

    def stopped(self, said, change, rows=1, at=3):
        self.forget()
        done = self.sweep(*ONE, CHANGE=[at, change])
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, said)
        self.assertIn("with --resume goes on", done.stderr)
        self.assertEqual([row["sweep"]["run"] for row in self.rows()], list(range(1, rows + 1)))
        self.assertEqual({row["commit"] for row in self.rows()}, {"0123456789ab"} if rows else set())
        self.assertEqual(len(self.traced()), at)

    def test_commit(self):
        said = "stopped: the program's commit is ba9876543210 now, was 0123456789ab"
        self.stopped(said, {"commit": "ba9876543210"})
        self.stopped(said, {"commit": "ba9876543210"}, rows=0, at=1)  # in a run that does not even count

    def test_program(self):
        """Of the same commit."""
        self.stopped("stopped: .*/trainer is another program now", {"written": self.pretender})

    def test_same_program(self):
        """Written again, but the same to the byte."""
        with open(self.path("again"), "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nTRUE_NAME={self.path('true')}\n"
                       f'case " $* " in *" --format "*) cp -p "$0" "$0.new"; mv "$0.new" "$0"; touch "$0"; esac\n'
                       f'exec {self.pretender} "$@"\n')
        os.chmod(self.path("again"), 0o755)
        done = self.sweep(*ONE, trainer=self.path("again"))
        self.assertEqual((done.returncode, len(self.rows())), (0, 3), done.stderr)

    def test_library(self):
        """Its own, where it is linked so; a program without one has none."""
        library = self.path("libtrainer.so.1")
        with open(library, "w", encoding="ascii") as file:
            file.write("1\n")
        with open(self.path("ldd"), "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\nprintf '\\tlibtrainer.so.1 => {library} (0x7f)\\n'\n"
                       f"printf '\\tlibm.so.6 => {self.out} (0x7f)\\n'\n")
        os.chmod(self.path("ldd"), 0o755)
        self.forget()
        done = self.sweep(*ONE, CHANGE=[3, {"written": library}], PATH=f"{self.folder}:{os.environ['PATH']}")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"stopped: {library} is another program now", done.stderr)
        self.assertEqual(len(self.rows()), 1)

    def test_what_it_is_of(self):
        for name, value in OTHER.items():
            with self.subTest(name=name):
                self.stopped(f"stopped: --device cpu: {title(name)} .*, was ", {name: value})

    def test_data_at_hand(self):
        """Had CIFAR-10 been fetched after the first configuration's warm-up."""
        self.forget()
        done = self.sweep(*ONE, "--batch-size", "100,200", CHANGE=[2, {"fingerprint": "bbbbbbbbbbbbbbbb"}])
        self.assertEqual((done.returncode, self.rows()), (1, []), done.stderr)
        self.assertIn("stopped: --device cpu --batch-size 100: dataset fingerprint 'bbbb", done.stderr)


class Resumed(Swept):
    def test_other(self):
        """What is of anything else is not counted, whatever its command; it stays, and is told."""
        self.assertEqual(self.sweep(*ONE).returncode, 0)
        for number, (name, value) in enumerate(OTHER.items(), 1):
            with self.subTest(name=name):
                for _ in range(2):  # of which the second finds all that it wants
                    done = self.sweep(*ONE, "--resume", WORLD={name: value})
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertIn(f"of its rows are no runs of the same: {title(name)} ", done.stderr)
                    self.assertIn("  3 runs  --device cpu", done.stdout)
                    self.assertEqual(len(self.rows()), 3 + 3 * number)

    def test_other_host_is_no_obstacle(self):
        """Rows of another host in the file are none of these rows; those of other images may be."""
        for world, status in (({"cpu": "B CPU"}, 0), ({"fingerprint": "bbbbbbbbbbbbbbbb"}, 2), ({}, 2)):
            self.forget()
            self.assertEqual(self.sweep(*ONE).returncode, 0)
            self.assertEqual(self.sweep(*ONE, WORLD=world).returncode, status)

    def test_other_program(self):
        """Of the same commit, built anew."""
        self.assertEqual(self.sweep(*ONE).returncode, 0)
        with open(self.pretender, "a", encoding="utf-8") as file:
            file.write("# another\n")
        done = self.sweep(*ONE, "--resume")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("3 of its rows are no runs of the same: the program was another one of the same commit",
                      done.stderr)
        rows = self.rows()
        self.assertEqual([row["sweep"]["run"] for row in rows], [1, 2, 3, 1, 2, 3])
        self.assertEqual(len({row["sweep"]["program"] for row in rows}), 2)

    def test_other_commit(self):
        self.assertEqual(self.sweep(*ONE).returncode, 0)
        rows = self.rows()
        with open(self.out, "w", encoding="utf-8") as file:
            for row in rows:
                print(json.dumps({**row, "commit": "ba9876543210"}), file=file)
        self.assertEqual(self.sweep(*ONE).returncode, 0)
        self.assertEqual([row["commit"] for row in self.rows()], 3 * ["ba9876543210"] + 3 * ["0123456789ab"])

    def test_what_is_found_out(self):
        """With one glance for each configuration: no epoch, and of a peak not even that."""
        more = (*ONE[:-1], "--batch-size", 100)
        self.assertEqual(self.sweep(*more).returncode, 0)
        os.remove(self.trace)
        done = self.sweep(*more[:2], "--repeat", 4, *more[-2:], "--resume")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([kind for kind, *_ in self.traced()], ["0", "0", "1", "5"])
        self.assertEqual([row["sweep"]["run"] for row in self.rows()], [1, 1, 2, 3, 4])
        self.assertIn("  4 runs  ", done.stdout)

    def test_no_library(self):
        """A device that finds its own kernels faster this time has not become another."""
        self.assertEqual(self.sweep(*ONE).returncode, 0)
        done = self.sweep(*ONE, "--resume", WORLD={"library": None})
        self.assertEqual((done.returncode, len(self.rows())), (0, 3), done.stderr)


if __name__ == "__main__":
    unittest.main()
