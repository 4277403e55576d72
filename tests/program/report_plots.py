"""tools/report: what its plots show, read back from what was handed to matplotlib.

  report_plots.py TOOL
"""
import collections
import unittest

from fixtures import fake_records as fake, worked_out
from fixtures.markup import Parsed
from fixtures.reports import Case
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from reporting import answers, drawing, plots, published, records

Line = collections.namedtuple("Line", "points dashed hollow marker")


class Plot(Case):
    def drawn(self, key, lines):
        """(answer, sheet) for a wide page, and for a narrow one."""
        machine = self.machine(lines)
        answer = answers.QUESTIONS[key](machine)
        with drawing.settings():
            for wide in (True, False):
                yield answer, plots.DRAWERS[key](answer.figures, wide, machine)

    def check_axes(self, axes, across, up=None, scales=("log", "log")):
        """What an axis is of; its labels are its values, and all that is drawn is within it."""
        self.assertEqual((axes.get_xlabel(), axes.get_ylabel()), (across, up or ""))
        self.assertEqual((axes.get_xscale(), axes.get_yscale()), scales)
        for axis in (axes.xaxis, axes.yaxis) if up else (axes.xaxis,):
            values, labels = axis.get_majorticklocs(), axis.get_major_formatter().seq
            shown = [(label, value) for label, value in zip(labels, values) if label]
            self.assertEqual(len(labels), len(values))
            self.assertGreater(len(shown), 1)
            for label, value in shown:
                self.assertAlmostEqual(float(label.replace(",", "").replace(" %", "")), value)
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        for line in lines_of(axes):
            self.assertTrue(all(left <= x <= right and bottom <= y <= top for x, y in line.points), line)

    def check_labels(self, sheet, axes, ends):
        """Each line's label, in its colour, tied to the line's last point. `ends` are {label: that point}; gives
        {label: Line}."""
        by_color, found = {line.get_color(): line for line in axes.lines if is_drawn(line)}, {}
        for label, end in ends.items():
            (tie,) = [line for line in sheet.figure.artists if isinstance(line, Line2D) and near(
                points_of(sheet, line)[0], sheet.place(axes, *end))]
            (text,) = [text for text in sheet.figure.texts if near(
                points_of(sheet, text)[0], points_of(sheet, tie)[-1])]
            self.assertEqual((text.get_text(), text.get_color()), (label, tie.get_color()))
            found[label] = shape_of(by_color[tie.get_color()])
        return found


def is_drawn(line):
    """Whether it has a mark at each of its points."""
    return line.get_marker() not in ("None", "|")


def near(one, other):
    """Whether they are no further apart than a mark and its tie are, in points."""
    return all(abs(here - there) < 6 for here, there in zip(one, other))


def points_of(sheet, artist):
    """Where on the sheet what is in parts of it is, in points from its top left."""
    places = [artist.get_position()] if hasattr(artist, "get_text") else zip(artist.get_xdata(), artist.get_ydata())
    return [(x * sheet.width, (1 - y) * sheet.height) for x, y in places]


def shape_of(line):
    return Line([*zip(map(float, line.get_xdata()), map(float, line.get_ydata()))], line.is_dashed(),
                line.get_markerfacecolor() == drawing.PAGE, line.get_marker())


def lines_of(axes):
    return [shape_of(line) for line in axes.lines if is_drawn(line)]


def texts_at(axes):
    """{y: what stands there, from the left} of what is written on axes."""
    found = collections.defaultdict(list)
    for text in axes.texts:
        found[text.xy[1]].append(text.get_text())
    return found


class Rows(Plot):
    MEASURED = [  # from the top
        ("cuda (own-small 4, cublas 2, graph)", 0.011, 0.0102, 0.014, "0.0110 s", "^"),
        ("PyTorch on cuda (compile)", 0.013, 0.013, 0.013, "0.0130 s", "P"),
        ("cpu (2 threads)", 0.12, 0.10, 0.16, "0.120 s", "o"),
        ("JAX (scan, 4 threads)", 0.24, 0.23, 0.25, "0.240 s", "X"),
        ("PyTorch (compile, 2 threads)", 0.36, 0.33, 0.39, "0.360 s", "P"),
        ("reference (4 threads)", 0.81, 0.81, 0.81, "0.810 s", "s")]

    def test_measured(self):
        for _, sheet in self.drawn("epochs", worked_out.many()):
            axes, _ = sheet.figure.axes
            said = texts_at(axes)
            marks = {line.points[0][1]: line for line in lines_of(axes)}
            bars = {line.get_ydata()[0]: tuple(line.get_xdata()) for line in axes.lines
                    if line.get_marker() == "|"}
            self.assertEqual(len(marks), len(self.MEASURED))
            for y, (label, median, least, most, words, marker) in zip(range(5, -1, -1), self.MEASURED):
                self.assertEqual(said[y], [label, words])
                ((x, _),) = marks[y].points
                for found, expected in zip((x, *bars[y]), (median, least, most)):
                    self.assertAlmostEqual(found, expected)
                on_a_cpu = label.startswith(("PyTorch (", "JAX"))  # what could run on a GPU, too
                self.assertEqual((marks[y].marker, marks[y].hollow), (marker, on_a_cpu))

    def test_published(self):
        for _, sheet in self.drawn("epochs", worked_out.many()):
            _, axes = sheet.figure.axes
            said = texts_at(axes)
            marks = [tuple(mark.get_offsets()[0]) for mark in axes.collections]
            self.assertEqual(marks, [(float(row[5]), 16 - index)
                                     for index, row in enumerate(published.fastest_first())])
            self.assertEqual({mark.get_hatch()[0] for mark in axes.collections}, {"/"})
            self.assertEqual(said[16][1], "0.564 s")
            self.assertEqual(said[0][1], "27336.010 s")
            if sheet.wide:
                self.assertEqual(said[16][0], "RTX 3090, Ryzen 9 3900XT: LibTorch GPU, OTP 24")
                self.assertEqual(said[0][0], "Raspberry Pi 4: pure Elixir, OTP 25")
            self.check_axes(axes, "seconds an epoch, logarithmic", scales=("log", "linear"))

    def test_headings(self):
        """Each above its own axes, which have the same scale."""
        for _, sheet in self.drawn("epochs", worked_out.many()):
            measured, others = sheet.figure.axes
            self.assertEqual(measured.get_xlim(), others.get_xlim())
            first, second = sorted(sheet.figure.texts, key=lambda text: -text.get_position()[1])
            self.assertEqual((first.get_text(), second.get_text()),
                             ("Measured on alpha", "Published in 2021, not measured by us"))
            places = [first.get_position()[1], measured.get_position().y1, measured.get_position().y0,
                      second.get_position()[1], others.get_position().y1]
            self.assertEqual(places, sorted(places, reverse=True))


class Panels(Plot):
    def check_headings(self, sheet, headings):
        """(heading, remark) of each panel, above its axes."""
        for axes, (head, remark) in zip(sheet.figure.axes, headings):
            box = axes.get_position()
            above = [text for text in sheet.figure.texts if abs(
                text.get_position()[0] - box.x0) * sheet.width < 45 and text.get_position()[1] > box.y1]
            above.sort(key=lambda text: text.get_position()[1])  # the nearest first, of panels above it as well
            lines = next(count for count, text in enumerate(above) if text.get_weight() == "bold")
            self.assertEqual(above[lines].get_text(), head)
            self.assertEqual(" ".join(text.get_text() for text in reversed(above[:lines])), remark)

    def test_shapes(self):
        for answer, sheet in self.drawn("shapes", worked_out.grid()):
            expected = [
                {"cpu": [(300, 0.012), (1000, 0.04)], "JAX": [(300, 0.02), (1000, 0.03)]},
                {"cpu": [(10, 0.09), (30, 0.05)], "cuda": [(10, 0.12), (30, 0.04)],
                 "JAX": [(10, 0.05), (30, 0.06)]},
                {"cpu": [(100, 0.8), (3000, 0.7)], "cuda": [(100, 0.2), (3000, 0.1)],
                 "opencl": [(100, 0.3), (3000, 0.15)]},
                {"cpu": [(20, 3.0), (200, 1.0)], "cuda": [(20, 4.0), (200, 1.5)]}]
            self.assertEqual(len(sheet.figure.axes), 4)
            for axes, lines in zip(sheet.figure.axes, expected):
                self.check_axes(axes, "batch size", "seconds an epoch")
                self.assertEqual(len(lines_of(axes)), len(lines))
                found = self.check_labels(sheet, axes, {name: points[-1] for name, points in lines.items()})
                self.assertEqual({name: line.points for name, line in found.items()}, lines)
                for name, line in found.items():
                    self.assertEqual((line.dashed, line.hollow), (name == "JAX",) * 2)
            self.check_headings(sheet, [(f"Layers {net}", panel.remark) for net, panel in zip(
                ("7", "16", "64,32", "1024,1024"), answer.figures)])

    def test_crossing(self):
        """Only where there is one; there it is said."""
        for _, sheet in self.drawn("shapes", worked_out.grid()):
            crossings = [[line.get_xdata() for line in axes.lines if line.get_marker() == "None"]
                         for axes in sheet.figure.axes]
            self.assertEqual([len(one) for one in crossings], [0, 1, 0, 0])
            (left, right), = crossings[1]
            self.assertEqual(left, right)
            self.assertAlmostEqual(left, 18.56, delta=0.01)
            (words,) = sheet.figure.axes[1].texts
            self.assertEqual((words.get_text(), words.xy[0]), ("≈ 19", left))

    def test_threads(self):
        for _, sheet in self.drawn("threads", worked_out.many()):
            (axes,) = sheet.figure.axes
            self.check_axes(axes, "threads", "times as fast as one", ("linear", "linear"))
            found = self.check_labels(sheet, axes, {"cpu": (4, 0.216 / 0.14), "reference": (4, 2.5 / 0.81)})
            for name, points in {"cpu": [(1, 1), (2, 1.8), (4, 0.216 / 0.14)],
                                 "reference": [(1, 1), (4, 2.5 / 0.81)]}.items():
                self.assertEqual([x for x, _ in found[name].points], [x for x, _ in points])
                for (_, one), (_, other) in zip(found[name].points, points):
                    self.assertAlmostEqual(one, other)
            (straight,) = [line for line in axes.lines if line.get_marker() == "None"]
            self.assertEqual(shape_of(straight).points, [(1, 1), (4, 4)])
            self.assertIn(plots.STRAIGHT, [text.get_text() for text in sheet.figure.texts])
            self.check_headings(sheet, [("Layers 64,32, batches of 300", "")])

    def test_threads_of_many_cores(self):
        for _, sheet in self.drawn("threads", [fake.run("jax", 1.0 / threads, threads=threads)
                                               for threads in (1, 4, 16, 64)]):
            (axes,) = sheet.figure.axes
            self.check_axes(axes, "threads", "times as fast as one")
            self.assertEqual([x for x, _ in lines_of(axes)[0].points], [1, 4, 16, 64])


class Shares(Plot):
    def test_phases(self):
        shares = {"cpu, 0.743 s": (0.013, 0.031, 0.41, 0.025, 0.24, 0.002, 0.022),
                  "JAX, 4.00 s": (0.024, 1.26, 2.08, 0.056, 0.48, 0.004, 0.096)}
        for _, sheet in self.drawn("phases", worked_out.pair()):
            (axes,) = sheet.figure.axes
            self.check_axes(axes, "share of a run's seconds", scales=("linear", "linear"))
            labels = {text.get_text(): text.xy[1] for text in axes.texts if hasattr(text, "xy")}
            self.assertEqual(set(labels), set(shares))
            self.assertGreater(labels["cpu, 0.743 s"], labels["JAX, 4.00 s"])  # it is above
            names = self.legend(sheet)
            for label, seconds in shares.items():
                bars = [one for one in axes.patches if abs(
                    one.get_y() + one.get_height() / 2 - labels[label]) < 0.3]
                self.assertEqual([names[look_of(one)] for one in bars], list(records.PHASES))
                at = 0.0
                for bar, part in zip(bars, seconds):
                    self.assertAlmostEqual(bar.get_x(), at)
                    self.assertAlmostEqual(bar.get_width(), 100 * part / sum(seconds))
                    at += bar.get_width()
                self.assertAlmostEqual(at, 100)
            said = {(round(text.get_position()[0], 1), text.get_text()) for text in axes.texts
                    if not hasattr(text, "xy")}
            self.assertLessEqual({(33.5, "55 %"), (80.6, "32 %"), (58.1, "52 %"), (91.5, "12 %")}, said)

    def legend(self, sheet):
        """{look: the name beside it}."""
        boxes = [one for one in sheet.figure.artists if isinstance(one, Rectangle)]
        self.assertEqual(len(boxes), len(records.PHASES))
        found = {}
        for box in boxes:
            end = ((box.get_x() + box.get_width()) * sheet.width,
                   (1 - box.get_y() - box.get_height() / 2) * sheet.height)
            (found[look_of(box)],) = [text.get_text() for text in sheet.figure.texts
                                      if near(points_of(sheet, text)[0], end)]
        return found

    def test_nearly_all(self):
        run = fake.run("cpu", 100.0)
        for _, sheet in self.drawn("phases", [run]):
            (axes,) = sheet.figure.axes
            self.assertIn("> 99 %", [text.get_text() for text in axes.texts])


def look_of(box):
    return box.get_edgecolor(), box.get_hatch()


class Curves(Plot):
    def test_losses(self):
        curves = {"cpu, 0.240 s": [(0.15, 2.303), (0.24, 2.104)], "JAX, 0.480 s": [(0.26, 2.305), (0.48, 2.106)]}
        for _, sheet in self.drawn("losses", worked_out.pair()):
            (axes,) = sheet.figure.axes
            self.check_axes(axes, "seconds since the first epoch began, logarithmic", "loss", ("log", "linear"))
            found = self.check_labels(sheet, axes, {name: points[-1] for name, points in curves.items()})
            for name, points in curves.items():
                self.assertEqual(found[name].dashed, "JAX" in name)
                for one, other in zip(sum(found[name].points, ()), sum(points, ())):
                    self.assertAlmostEqual(one, other)
            self.assertEqual(len(lines_of(axes)), 2)

    def test_loss_ticks(self):
        """In steps of 1, 2, 5 or 10, from before the least to beyond the greatest."""
        for low, high, expected in ((1.75, 2.31, (1.7, 1.8, 1.9, 2.0, 2.1, 2.2, 2.3, 2.4)),
                                    (1.1, 2.29, (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4)),
                                    (0.2, 2.31, (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)),
                                    (0.5, 6.4, (0, 1, 2, 3, 4, 5, 6, 7)),
                                    (2.304, 2.305, (2.30, 2.31))):  # no finer than labels are
            found = plots.loss_ticks(low, high)
            self.assertEqual([round(tick, 9) for tick in found], list(expected))


class Looks(Plot):
    def test_no_two_are_alike(self):
        for part in (0, 1):
            looks = [style[part] for style in (*drawing.STYLES.values(), drawing.OTHER)]
            self.assertEqual(len(looks), len(set(looks)))
        self.assertEqual(len({plots.FILLINGS[name] for name in records.PHASES}), len(records.PHASES))
        self.assertLessEqual({color for color, _ in plots.FILLINGS.values()}, set(drawing.COLOR_NAMES))

    def test_described(self):
        """For those who don't see it: what it is, and what it shows."""
        machine = self.machine(worked_out.many())
        answer = answers.epochs(machine)
        for svg in plots.drawn(answer, machine, "m1"):
            parsed = Parsed(svg)
            self.assertEqual([parsed.texts[index] for tag in ("title", "desc") for index, _ in parsed.of(tag)],
                             [f"{answer.title} on alpha", answer.reading])
            shown = [parsed.texts[index] for index, _ in parsed.of("text")]
            for words in ("Measured on alpha", "0.120 s", "27336.010 s"):
                self.assertIn(words, shown)

    def test_spread_out(self):
        """Labels stay in order, apart, within their bounds, and where they want to be if there is room."""
        self.assertEqual(drawing.spread_out([10, 50, 30], 10, 0, 100), [10, 50, 30])
        self.assertEqual(drawing.spread_out([50, 52, 51], 10, 0, 100), [41, 61, 51])
        self.assertEqual(drawing.spread_out([98, 99], 10, 0, 100), [90, 100])
        self.assertEqual(drawing.spread_out([1, 0], 10, 0, 100), [10, 0])


if __name__ == "__main__":
    unittest.main()
