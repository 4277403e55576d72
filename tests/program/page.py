"""tools/report's page in a browser: at the size of a screen and of a phone, in light and in dark.

  page.py TOOL
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from fixtures import fake_records as fake
from fixtures.browser import Browser, find_browser
from fixtures.interpreters import need_report
from fixtures.patience import PATIENCE

need_report()
TOOL = sys.argv.pop(1)
SMALLEST_TEXT = 9  # CSS pixels
EDGE = 1  # CSS pixels that a text may stand over its plot's edge: fonts differ

# All that is wrong with the page as it is shown now, in words.
CHECK = """(() => {
  const wrong = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width)
    wrong.push(`it scrolls sideways: ${document.documentElement.scrollWidth} in ${width}`);
  const shown = [...document.querySelectorAll("svg")].filter(svg => getComputedStyle(svg).display != "none");
  if (!shown.length) wrong.push("no plot is shown");
  for (const svg of shown) {
    const name = svg.getAttribute("aria-labelledby"), box = svg.getBoundingClientRect();
    if (!(box.width > 100 && box.height > 50)) wrong.push(`${name}: ${box.width} x ${box.height}`);
    if (box.left < 0 || box.right > width)
      wrong.push(`${name}: from ${box.left} to ${box.right} of ${width}`);
    const texts = [...svg.querySelectorAll("text")].filter(text => text.textContent.trim());
    if (texts.length < 3) wrong.push(`${name}: ${texts.length} texts`);
    const places = [];
    for (const text of texts) {
      const words = `${name}: "${text.textContent}"`, at = text.getBoundingClientRect();
      const size = parseFloat(getComputedStyle(text).fontSize) * box.width / svg.viewBox.baseVal.width;
      if (size < SMALLEST) wrong.push(`${words} is ${size} px high`);
      if (at.left < box.left - EDGE || at.right > box.right + EDGE || at.top < box.top - EDGE
          || at.bottom > box.bottom + EDGE) wrong.push(`${words} is cut off`);
      for (const [other, there] of places) {
        const across = Math.min(at.right, there.right) - Math.max(at.left, there.left);
        const down = Math.min(at.bottom, there.bottom) - Math.max(at.top, there.top);
        if (across > 1 && down > 0.35 * Math.min(at.height, there.height))
          wrong.push(`${words} is over "${other}"`);
      }
      places.push([text.textContent, at]);
    }
  }
  const closed = [...document.querySelectorAll("details:not([open])")];
  for (const one of closed) one.open = true;
  const heads = [...document.querySelectorAll(".scroll thead th")];
  for (const head of heads.filter(head => /^(mean epoch|median)/.test(head.textContent)))
    if (head.getBoundingClientRect().right > width)
      wrong.push(`"${head.textContent}" is out of sight: ${head.closest(".scroll").ariaLabel}`);
  if (!heads.some(head => head.textContent == "mean epoch,\u00a0s")) wrong.push("no table has the mean epoch");
  if (width > 1200)
    for (const box of document.querySelectorAll(".scroll"))
      if (box.scrollWidth > box.clientWidth)
        wrong.push(`cut off, ${box.scrollWidth} in ${box.clientWidth}: ${box.ariaLabel}`);
  for (const one of closed) one.open = false;
  return {wrong, plots: shown.length};
})()""".replace("SMALLEST", str(SMALLEST_TEXT)).replace("EDGE", str(EDGE))


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.browser = Browser(PROGRAM)
        cls.addClassCleanup(cls.browser.close)

    def make(self, name, **machines):
        """The page of these machines' records."""
        folder = os.path.join(self.folder, name)
        os.mkdir(folder)
        paths = []
        for machine, records in machines.items():
            paths.append(os.path.join(folder, machine + ".jsonl"))
            with open(paths[-1], "w", encoding="utf-8") as file:
                file.write(fake.lines_of(records))
        done = subprocess.run([sys.executable, TOOL, *paths, "--out", folder], timeout=PATIENCE, stderr=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return os.path.join(folder, "report.html")

    def look(self, path, name, plots):
        for found in self.browser.look(self, path, name, CHECK):
            self.assertEqual(found["plots"], plots)

    def test_machines(self):
        path = self.make("two", CPU=fake.cpu_machine(), GPU=fake.gpu_machine())
        self.look(path, "two", 12)

    def test_little(self):
        """What a first run of a machine gives: no threads, no other shape; and names of any length."""
        self.look(self.make("little", **{"a-machine-whose-name-is-longer-than-any-should-be": [
            fake.run("cpu", 0.1, name="W" * 90), fake.run("M" * 80, 0.2, name="Y" * 80)]}), "little", 3)

    def test_many(self):
        """Devices and peers that are alike, of names that are no names, in a net of two widths."""
        self.look(self.make("many", many=[
            fake.run(kind, epoch + 0.001 * step, layers=layers, name=name + str(step), threads=threads)
            for layers in ((64, 32), (9,)) for step in range(3) for threads in (1, 2)
            for kind, epoch, name in (("cpu", 0.1, "<script>alert(1)</script>"), ("jax", 0.1, "$x$ | `y`"),
                                      ("opencl", 0.11, "\n\u202e\0"), ("reference", 9.0, "&amp;"))]),
                  "many", 5)


if __name__ == "__main__":
    PROGRAM = find_browser()
    unittest.main()
