"""tools/show's page in a browser: at the size of a screen and of a phone, in light and in dark.

  show_page.py TRAINER TOOL
"""
import shutil
import subprocess
import sys
import tempfile
import unittest

from fixtures.interpreters import need_report

need_report()
from common import PATIENCE, Folder, record  # noqa: E402
from fixtures.browser import Browser, find_browser  # noqa: E402
from fixtures.cifar import make_folder  # noqa: E402

TOOL = sys.argv.pop(1)
SEED = 20261130
SMALLEST_TEXT = 9  # CSS pixels

# All that is wrong with the page as it is shown now, in words.
CHECK = """(() => {
  const wrong = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width)
    wrong.push(`it scrolls sideways: ${document.documentElement.scrollWidth} in ${width}`);
  const images = [...document.querySelectorAll("img")];
  for (const image of images) {
    const box = image.getBoundingClientRect();
    if (image.naturalWidth != 32 || image.naturalHeight != 32) wrong.push(`"${image.alt}" is no image of 32 x 32`);
    if (!(box.width >= 32) || Math.abs(box.width - box.height) > 1)
      wrong.push(`"${image.alt}" is shown at ${box.width} x ${box.height}`);
    if (box.left < 0 || box.right > width) wrong.push(`"${image.alt}": from ${box.left} to ${box.right} of ${width}`);
  }
  for (const bar of document.querySelectorAll(".bar")) {
    const [left, right] = [...bar.children].map(one => one.getBoundingClientRect());
    if (!bar.textContent.match(/\\d %/) || left.right > right.left || bar.scrollWidth > bar.clientWidth)
      wrong.push(`"${bar.textContent}" does not fit`);
  }
  for (const one of document.querySelectorAll("p, th, td, span, figcaption, h1, h2, h3"))
    if (one.textContent.trim() && parseFloat(getComputedStyle(one).fontSize) < SMALLEST)
      wrong.push(`"${one.textContent}" is ${getComputedStyle(one).fontSize} high`);
  const table = document.querySelector(".scroll");
  if (width > 1200 && table.scrollWidth > table.clientWidth) wrong.push("the confusion matrix is cut off");
  return {wrong, images: images.length};
})()""".replace("SMALLEST", str(SMALLEST_TEXT))


class Page(Folder):
    @classmethod
    def setUpClass(cls):
        print(f"seed {SEED}", file=sys.stderr)
        cls.data = tempfile.mkdtemp(prefix="trainer-show-")
        cls.addClassCleanup(shutil.rmtree, cls.data)
        make_folder(cls.data, SEED)
        cls.browser = Browser(PROGRAM)
        cls.addClassCleanup(cls.browser.close)

    def look(self, name, *options):
        record("--device", "reference", "--data", self.data, "--epochs", 0, "--quiet", *options, "--save",
               self.path(name))
        done = subprocess.run([sys.executable, "-B", TOOL, self.path(name), "--data", self.data], timeout=PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.browser.look(self, done.stdout.strip(), name, CHECK)

    def test_grey(self):
        for found in self.look("grey", "--layers", 64):
            self.assertGreater(found["images"], 64 + 8)

    def test_rgb(self):
        """More units than are shown, and a net that takes all for few classes."""
        for found in self.look("a-name-that-is-longer-than-any-should-be-" * 3, "--color", "rgb", "--layers", 130,
                               "--activation", "relu", "--normalize"):
            self.assertGreater(found["images"], 100 + 8)


if __name__ == "__main__":
    PROGRAM = find_browser()
    unittest.main()
