"""tools/report's page in a browser: at the size of a screen and of a phone, in light and in dark.

  page.py TOOL

Chromium is spoken to through a pipe, in the protocol of its developer tools. $TRAINER_SCREENSHOTS names a
folder for pictures of what was tested.
"""
import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import unittest

from fixtures import fake_records as fake
from fixtures.interpreters import need_report, skip
from fixtures.patience import PATIENCE

need_report()
TOOL = sys.argv.pop(1)
SIZES = {"wide": (1280, 900), "phone": (390, 844)}
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
  const channels = color => color.match(/[\\d.]+/g).slice(0, 3).map(one => one / 255).map(
    one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  const light = color => channels(color).reduce((sum, one, i) => sum + one * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = light(getComputedStyle(document.body).backgroundColor);
  const colors = new Set([...document.querySelectorAll("body, p, a, code, caption, th, td, text")].map(
    one => one.tagName == "text" ? getComputedStyle(one).fill : getComputedStyle(one).color));
  for (const color of colors) {
    const there = light(color), most = Math.max(there, behind), least = Math.min(there, behind);
    const contrast = (most + 0.05) / (least + 0.05);
    if (!(contrast >= 4.5)) wrong.push(`${color}: its contrast is ${contrast}`);
  }
  return {wrong, background: getComputedStyle(document.body).backgroundColor, plots: shown.length};
})()""".replace("SMALLEST", str(SMALLEST_TEXT)).replace("EDGE", str(EDGE))


class Browser:
    """Headless Chromium with one page."""

    def __init__(self, program):
        self.folder = tempfile.mkdtemp()
        to_it, to_us = os.pipe(), os.pipe()

        def wire():  # it reads from 3 and writes to 4; by way of others, lest one take another's place
            reading, writing = os.dup(to_it[0]), os.dup(to_us[1])
            reading, writing = os.dup(reading), os.dup(writing)
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
             f"--user-data-dir={self.folder}", "--no-first-run", "--disable-dev-shm-usage", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=wire, close_fds=False)
        os.close(to_it[0])
        os.close(to_us[1])
        self.pipe_in, self.pipe_out = os.fdopen(to_us[0], "rb"), os.fdopen(to_it[1], "wb")
        self.number, self.session, self.events, self.rest = 0, None, [], b""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def read(self):
        """The next message; they end with a zero byte."""
        while b"\0" not in self.rest:
            if not select.select([self.pipe_in], [], [], PATIENCE)[0]:
                raise TimeoutError(f"the browser has been silent for {PATIENCE} s")
            more = os.read(self.pipe_in.fileno(), 1 << 16)
            if not more:
                raise EOFError("the browser has ended")
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def ask(self, method, **parameters):
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            request["sessionId"] = self.session
        self.pipe_out.write(json.dumps(request).encode() + b"\0")
        self.pipe_out.flush()
        while True:
            message = self.read()
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def wait_for(self, event):
        while not any(message.get("method") == event for message in self.events):
            self.events.append(self.read())

    def show(self, path, width, height, scheme):
        self.events.clear()
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                 mobile=width < 700)
        self.ask("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.ask("Page.navigate", url="file://" + path)
        self.wait_for("Page.loadEventFired")

    def value(self, expression):
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"]["value"]

    def complaints(self):
        """What it has said on its console, and what it wanted from elsewhere."""
        said = [json.dumps(message["params"]) for message in self.events if message.get("method") in (
            "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")]
        urls = [message["params"]["request"]["url"] for message in self.events
                if message.get("method") == "Network.requestWillBeSent"]
        return said + [url for url in urls if not url.startswith(("file://", "data:"))]

    def picture(self, path):
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.pipe_out.close()  # which ends it
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.pipe_in.close()
        shutil.rmtree(self.folder, ignore_errors=True)


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
        backgrounds = set()
        for size, (width, height) in SIZES.items():
            for scheme in ("light", "dark"):
                with self.subTest(name=name, size=size, scheme=scheme):
                    self.browser.show(path, width, height, scheme)
                    found = self.browser.value(CHECK)
                    backgrounds.add(found["background"])
                    if SCREENSHOTS:
                        self.browser.picture(os.path.join(SCREENSHOTS, f"{name}-{size}-{scheme}.png"))
                    self.assertEqual(found["wrong"], [])
                    self.assertEqual(found["plots"], plots)
                    self.assertEqual(self.browser.complaints(), [])
        self.assertEqual(len(backgrounds), 2, "light and dark are the same")

    def test_machines(self):
        path = self.make("two", CPU=fake.cpu_machine(), GPU=fake.gpu_machine())
        self.look(path, "two", 10)

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
    PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if PROGRAM is None:
        skip("browser", "there is no Chromium")
    SCREENSHOTS = os.environ.get("TRAINER_SCREENSHOTS")
    if SCREENSHOTS:
        os.makedirs(SCREENSHOTS, exist_ok=True)
    unittest.main()
