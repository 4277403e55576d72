"""The plots: each of these functions draws the figures of an answer on a sheet, wide or narrow."""
import math

from matplotlib.patches import Rectangle

from . import published, records
from .answers import at_best, hidden, ranks_head
from .drawing import (GRID, PAGE, QUIET, SENTINELS, SIZES, TEXT, Sheet, fitted, fixed, logarithmic, look,
                      plain, settings, spread_out, svg, width_of, wrapped)
from .tables import workload_text
from .words import clean, number

EDGE = 10  # points between what is drawn and a sheet's edge
LONGEST_LABEL = 300  # points, of a row
LABEL_GAP = 13  # points from one line of text to the next
# Fillings of the phases: (colour, hatch); the epochs, which is what it is about, are the plain one.
FILLINGS = {"setup": ("grey", "xxxx"), "load": ("orange", "////"), "open": ("violet", "\\\\\\\\"),
            "batching": ("teal", "||||"), "epochs": ("blue", ""), "release": ("olive", "++++"),
            "evaluate": ("red", "----")}


# --- Rows of marks ---

def room_for_labels(labels, wide):
    """Points left of the axes."""
    return 16 + min(LONGEST_LABEL, max(map(width_of, labels))) if wide else EDGE


def row_label(sheet, axes, y, words):
    """Left of its row, or, on a phone, above it."""
    if sheet.wide:
        words = fitted(words, LONGEST_LABEL)
        axes.annotate(plain(words), (0, y), xycoords=("axes fraction", "data"), xytext=(-8, 0),
                      textcoords="offset points", ha="right", va="center")
    else:
        words = fitted(words, axes.get_window_extent().width)
        axes.annotate(plain(words), (0, y), xycoords=("axes fraction", "data"), xytext=(0, 8),
                      textcoords="offset points", ha="left", va="bottom")


def mark_row(axes, y, triple, words, draw):
    """A guide, the spread, the mark that `draw` makes, and its value beside it, where there is room."""
    value, least, most = triple
    left, right = axes.get_xlim()
    axes.plot([left, value], [y, y], color=GRID, linewidth=1, zorder=1)
    draw(value, y)
    across = axes.transAxes.inverted().transform(axes.transData.transform((most, y)))[0]
    on_right = across * axes.get_window_extent().width + 8 + width_of(words) <= axes.get_window_extent().width
    axes.annotate(words, (most if on_right else least, y), xytext=(8 if on_right else -8, 0),
                  textcoords="offset points", ha="left" if on_right else "right", va="center",
                  bbox={"facecolor": PAGE, "edgecolor": "none", "pad": 1.5}, zorder=2)


def empty_rows(axes, count):
    axes.set_ylim(-0.7, count - 0.3)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def epochs(rows, wide, machine):
    ours = [(clean(row.series + (f" ({at_best(row)})" if at_best(row) else ""), 52), row) for row in rows]
    theirs = [(f"{hardware}: {backend}, OTP {version}", float(epoch), epoch)
              for hardware, backend, version, _, _, epoch in published.fastest_first()]
    step = 19 if wide else 36
    left = room_for_labels([label for label, *_ in ours + theirs], wide)
    split = 26 + step * len(ours)
    bottom = split + 44 + step * len(theirs)
    sheet = Sheet(wide, bottom + 42)
    right = sheet.width - EDGE - 6
    least = min([row.epoch[1] for row in rows] + [theirs[0][1]]) / 1.6
    most = max([row.epoch[2] for row in rows] + [theirs[-1][1]]) * 1.6
    measured = sheet.axes(left, 22, right, split)
    others = sheet.axes(left, split + 40, right, bottom)
    for axes, top, words in ((measured, 0, f"Measured on {machine.name}"),
                             (others, split + 18, published.HEADING)):
        logarithmic(axes.xaxis, least, most, room=44)
        sheet.text(left, top + 4, fitted(words, 0.9 * (right - left)), weight="bold", va="top")  # it is wider
    measured.tick_params(labelbottom=False)
    empty_rows(measured, len(ours))
    empty_rows(others, len(theirs))
    others.set_xlabel("seconds an epoch, logarithmic", loc="left" if wide else "center")
    for index, (label, row) in enumerate(ours):
        y = len(ours) - 1 - index
        row_label(sheet, measured, y, label)
        mark_row(measured, y, row.epoch, f"{number(row.epoch[0])} s", lambda x, y: mark(measured, x, y, row))
    for index, (label, value, printed) in enumerate(theirs):
        y = len(theirs) - 1 - index
        row_label(sheet, others, y, label)
        mark_row(others, y, (value,) * 3, f"{printed} s", lambda x, y: others.scatter(
            [x], [y], marker="s", s=70, facecolor=PAGE, edgecolor=QUIET, hatch="///////", zorder=3))
    return sheet


def mark(axes, x, y, row):
    color, marker, _, filling = look(row)
    axes.plot(row.epoch[1:], [y, y], color=color, linewidth=1.5, marker="|", markersize=8, zorder=2)
    axes.plot([x], [y], marker=marker, color=color, markerfacecolor=filling,
              markersize=8 * SIZES.get(marker, 1), zorder=3)


# --- Panels of lines ---

class Panels:
    """A sheet with a panel for each of `heads`, its heading and remark; on a wide one, two beside each
    other. Right of each panel is room for the labels of its lines."""

    HEIGHT = 190

    def __init__(self, heads, labels, wide):
        columns = 2 if wide and len(heads) > 1 else 1
        width = (Sheet(wide, 1).width - 2 * EDGE) / columns
        self.label_width = 120 if wide else 105
        room = max(width_of(fitted(label, self.label_width)) for label in labels) + 20
        remarks = [wrapped(remark, width - 12) for _, remark in heads]
        deepest = max(map(len, remarks))
        step = 20 + deepest * LABEL_GAP + self.HEIGHT + 46
        self.sheet = Sheet(wide, -(-len(heads) // columns) * step)
        self.axes = []
        for index, ((head, _), remark) in enumerate(zip(heads, remarks)):
            left = EDGE + index % columns * width
            top = index // columns * step
            self.sheet.text(left, top + 4, head, weight="bold", va="top")
            for line, words in enumerate(remark):
                self.sheet.text(left, top + 18 + line * LABEL_GAP, words, va="top")
            self.axes.append(self.sheet.axes(left + 44, top + 26 + deepest * LABEL_GAP, left + width - room,
                                             top + step - 42))

    def label_ends(self, axes, ends):
        """Labels right of the axes, as near to their lines' ends as can be: (x, y, words, colour)."""
        box = axes.get_window_extent()
        right, top, bottom = box.x1, self.sheet.height - box.y1, self.sheet.height - box.y0
        points = [self.sheet.place(axes, x, y) for x, y, _, _ in ends]
        places = spread_out([y for _, y in points], LABEL_GAP, top, bottom)
        for (x, y), place, (_, _, words, color) in zip(points, places, ends):
            self.sheet.line([(x + 5, y), (right + 4, y), (right + 12, place)], color=color, linewidth=0.8,
                            linestyle=":")
            self.sheet.text(right + 15, place, fitted(words, self.label_width), va="center_baseline",
                            color=color)


def draw_line(axes, points, row):
    color, marker, dashes, filling = look(row)
    axes.plot(*zip(*points), color=color, marker=marker, linestyle=dashes, zorder=3,
              markersize=6.5 * SIZES.get(marker, 1), markerfacecolor=filling)
    return color


def shapes(panels, wide, _):
    heads = [(f"Layers {hidden(panel.layers)}", panel.remark) for panel in panels]
    sheet = Panels(heads, {series for panel in panels for series in panel.lines}, wide)
    for axes, panel in zip(sheet.axes, panels):
        batches = sorted({batch for points in panel.lines.values() for batch, _ in points})
        times = [row.epoch[0] for points in panel.lines.values() for _, row in points]
        logarithmic(axes.yaxis, min(times) / 1.5, max(times) * 1.5, room=14)
        logarithmic(axes.xaxis, batches[0] / 1.3, batches[-1] * 1.3, ticks=batches, room=20)
        axes.grid()
        axes.set_xlabel("batch size")
        axes.set_ylabel("seconds an epoch")
        ends = []
        for series, points in panel.lines.items():
            points = [(batch, row.epoch[0]) for batch, row in points]
            color = draw_line(axes, points, panel.lines[series][-1][1])
            ends.append((*points[-1], series, color))
        if panel.crossing:
            axes.axvline(panel.crossing[0], color=TEXT, linewidth=1, linestyle=(0, (2, 2)))
            words = f"≈ {number(panel.crossing[0], 2)}"
            axes.annotate(words, (panel.crossing[0], 1), xycoords=("data", "axes fraction"), xytext=(3, 0),
                          textcoords="offset points", va="top", ha="left",
                          bbox={"facecolor": PAGE, "edgecolor": "none", "pad": 1})
        sheet.label_ends(axes, ends)
    return sheet.sheet


STRAIGHT = "straight line"


def threads(panels, wide, machine):
    rows = {row.series: row for row in machine.rows}
    heads = [(f"Layers {workload_text(panel.workload)}, batches of {panel.workload.batch:,}", "")
             for panel in panels]
    sheet = Panels(heads, {STRAIGHT}.union(*(panel.lines for panel in panels)), wide)
    for axes, panel in zip(sheet.axes, panels):
        draw_scaling(sheet, axes, panel.lines, rows)
        axes.set_xlabel("threads")
        axes.set_ylabel("times as fast as one")
    return sheet.sheet


def draw_scaling(sheet, axes, lines, rows):
    """Lines of (count, times) against the straight line, on which each of the count is worth as much as the first;
    `rows` are what they look like."""
    counts = sorted({count for points in lines.values() for count, _ in points})
    most, best = counts[-1], max(max(times for _, times in points) for points in lines.values())
    least = min(min(times for _, times in points) for points in lines.values())
    if most > 8:
        logarithmic(axes.xaxis, 0.9, most * 1.1, ticks=counts, room=18)
        logarithmic(axes.yaxis, min(0.9, least * 0.9), max(most, best) * 1.1, ticks=counts, room=14)
    else:
        axes.set_xlim(0, most * 1.04)
        axes.set_ylim(0, max(most, best) * 1.06)
        fixed(axes.xaxis, counts, "", axes.get_window_extent().width, 12)
        fixed(axes.yaxis, list(range(0, most + 1, 1 if most <= 4 else 2)), "", Panels.HEIGHT, 14)
    axes.grid()
    axes.plot([1, most], [1, most], color=QUIET, linestyle=(0, (5, 3)), linewidth=1.2)
    ends = [(most, most, STRAIGHT, TEXT)]
    for name, points in lines.items():
        ends.append((*points[-1], name, draw_line(axes, points, rows[name])))
    sheet.label_ends(axes, ends)


def ranks(panels, wide, _):
    sheet = Panels([(ranks_head(panel), panel.remark) for panel in panels],
                   {STRAIGHT}.union(*(panel.lines for panel in panels)), wide)
    for axes, panel in zip(sheet.axes, panels):
        lines = {label: [(one.row.ranks, one.times) for one in gains] for label, gains in panel.lines.items()}
        draw_scaling(sheet, axes, lines, {label: gains[0].row for label, gains in panel.lines.items()})
        axes.set_xlabel("ranks")
        axes.set_ylabel("times the samples/s of one" if panel.weak else "times as fast as one")
    return sheet.sheet


# --- Shares ---

def phases(shares, wide, _):
    labels = [f"{share.row.series}, {number(share.wall)} s" for share in shares]
    step = 26 if wide else 44
    left = room_for_labels(labels, wide)
    sheet_width = Sheet(wide, 1).width
    legend = flowed(records.PHASES, sheet_width - EDGE - left)
    top = 8 + 18 * (1 + max(line for _, line in legend))
    bottom = top + 12 + step * len(shares)
    sheet = Sheet(wide, bottom + 40)
    axes = sheet.axes(left, top + 12, sheet.width - EDGE - 8, bottom)
    axes.set_xlim(0, 100)
    axes.set_ylim(-0.6, len(shares) - 0.4)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    fixed(axes.xaxis, [0, 25, 50, 75, 100], " %", axes.get_window_extent().width, 20)
    axes.set_xlabel("share of a run's seconds")
    for (across, line), name in zip(legend, records.PHASES):
        sheet.box(left + across, top - 16 - 18 * line, left + across + 14, top - 5 - 18 * line,
                  **filling(name))
        sheet.text(left + across + 19, top - 10 - 18 * line, name, va="center_baseline")
    for index, share in enumerate(shares):
        y = len(shares) - 1 - index
        draw_shares(axes, y - (0 if wide else 0.16), share, 0.62 if wide else 0.42)
        row_label(sheet, axes, y + (0 if wide else 0.02), labels[index])
    return sheet


def flowed(names, width):
    """(points from the left, line from below) of each entry of a legend, in lines of that width."""
    places, across, line = [], 0, 0
    for name in names:
        need = 19 + width_of(name) + 14
        if across + need - 14 > width:
            across, line = 0, line + 1
        places.append((across, line))
        across += need
    return [(across, line - line_of) for across, line_of in places]


def filling(name):
    color, hatch = FILLINGS[name]
    color = SENTINELS[color]
    return {"facecolor": PAGE if hatch else color, "edgecolor": color, "hatch": hatch, "linewidth": 0.8}


def draw_shares(axes, y, share, height):
    at, scale = 0.0, axes.get_window_extent().width / 100
    for name, part in share.shares.items():
        part *= 100
        axes.add_patch(Rectangle((at, y - height / 2), part, height, zorder=2, **filling(name)))
        words = "> 99 %" if 99.5 <= part < 100 else f"{part:.0f} %"
        if part * scale >= width_of(words) + 8:
            axes.text(at + part / 2, y, words, ha="center", va="center", zorder=3,
                      bbox={"facecolor": PAGE, "edgecolor": "none", "pad": 1.5})
        at += part


# --- Curves ---

def losses(curves, wide, _):
    labels = [f"{fitted(curve.row.series, 110 if wide else 90)}, {number(curve.points[-1][0])} s"
              for curve in curves]
    values = [loss for curve in curves for _, loss in curve.points]
    stairs = 8 + LABEL_GAP * len(curves)
    height = 200
    sheet = Sheet(wide, 12 + height + stairs + 40)
    left, right = 48, sheet.width - EDGE
    axes = sheet.axes(left, 8, right, 8 + height + stairs)
    first, last = curves[0].points[0][0] / 1.4, max(curve.points[-1][0] for curve in curves)
    # So many points of the width as the last labels take are beyond the last curve's end.
    beyond = 1.05
    for curve, label in zip(curves, labels):
        part = min(0.8, (width_of(label) + 8) / (right - left))
        # log(end / first) / log(most / first) <= 1 - part
        most = first * (curve.points[-1][0] / first) ** (1 / (1 - part))
        beyond = max(beyond, most / last)
    logarithmic(axes.xaxis, first, last * beyond, room=30)
    low, high = min(values), max(values)
    pad = 0.04 * (high - low or 1)
    axes.set_ylim(low - (high - low + 2 * pad) * stairs / height - pad, high + pad)
    ticks = [tick for tick in loss_ticks(low, high) if low - pad <= tick <= high + pad]
    fixed(axes.yaxis, ticks, "", height, 14)
    axes.grid()
    axes.set_xlabel("seconds since the first epoch began, logarithmic")
    axes.set_ylabel("loss")
    axes.yaxis.set_label_coords(-32 / (right - left), 0.5 + 0.5 * stairs / (height + stairs))
    for index, (curve, label) in enumerate(zip(curves, labels)):
        color = draw_line(axes, curve.points, curve.row)
        x, y = sheet.place(axes, *curve.points[-1])
        place = 8 + height + stairs - 8 - LABEL_GAP * index
        sheet.line([(x, y + 5), (x, place), (x + 4, place)], color=color, linewidth=0.8, linestyle=":")
        sheet.text(x + 6, place, label, va="center_baseline", color=color)
    return sheet


def loss_ticks(low, high):
    """At most six steps of 1, 2 or 5, and none of less than 0.01."""
    power = 10.0 ** max(-2, math.floor(math.log10(max(high - low, 1e-9) / 6)))
    step = next(power * digit for digit in (1, 2, 5, 10) if (high - low) / (power * digit) <= 6)
    return [step * index for index in range(int(low / step), int(high / step) + 2)]


def targets(chases, wide, _):
    heads = [(f"Batches of {chase.workload.batch:,}", f"Layers {workload_text(chase.workload)}") for chase in chases]
    sheet = Panels(heads, {row.series for chase in chases for row in chase.targets}, wide)
    for axes, chase in zip(sheet.axes, chases):
        curves = [(row, row.curve(run), 0.5) for row in chase.targets for run in row.runs]
        curves += [(row, row.median_curve, 2.4) for row in chase.targets]
        times, shares = zip(*(point for _, points, _ in curves for point in points))
        logarithmic(axes.xaxis, min(times) / 1.2, max(times) * 1.2, room=24)
        percents = [100 * share for share in (*shares, chase.targets[0].accuracy)]
        low, high = min(percents), max(percents)
        axes.set_ylim(low - 0.04 * (high - low or 1), high + 0.04 * (high - low or 1))
        fixed(axes.yaxis, [tick for tick in loss_ticks(low, high) if low <= tick <= high], "", Panels.HEIGHT, 14)
        axes.grid()
        axes.axhline(100 * chase.targets[0].accuracy, color=QUIET, linestyle=(0, (2, 2)), linewidth=1.2)
        axes.set_xlabel("seconds since the data began to be loaded")
        axes.set_ylabel("accuracy, %")
        ends = []
        for row, points, thickness in curves:
            color, _, dashes, _ = look(row)
            points = [(seconds, 100 * share) for seconds, share in points]
            axes.plot(*zip(*points), color=color, linestyle=dashes, linewidth=thickness, zorder=2 + (thickness > 1))
            if thickness > 1:
                ends.append((*points[-1], row.series, color))
        sheet.label_ends(axes, ends)
    return sheet.sheet


DRAWERS = {"epochs": epochs, "shapes": shapes, "threads": threads, "phases": phases, "losses": losses,
           "targets": targets, "ranks": ranks}


def drawn(answer, machine, prefix):
    """The plot of an answer as SVG, for wide pages and for narrow ones."""
    with settings():
        return [svg(DRAWERS[answer.key](answer.figures, wide, machine), prefix + "-" + width,
                    clean(f"{answer.title} on {machine.name}"), clean(answer.reading, 3000))
                for wide, width in ((True, "wide"), (False, "narrow"))]
