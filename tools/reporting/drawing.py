"""What all plots share: a sheet measured in points, the look of lines and marks, and the way from
matplotlib to SVG that is part of a page: its colours are the page's own, so that they follow its
scheme, and its ids are its alone."""
import contextlib
import functools
import io
import logging
import re
import warnings
import xml.etree.ElementTree as ElementTree

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from .words import clean, number

# What is drawn in these colours gets the page's: page.css has them for both of its schemes.
TEXT, GRID, PAGE, QUIET = "#010101", "#010102", "#010103", "#010104"
COLORS = {TEXT: "currentColor", GRID: "var(--grid)", PAGE: "var(--page)", QUIET: "var(--quiet)"}
STYLES = {  # kind: (name of its colour, marker); no two of the program's own or of the peers share one
    "cpu": ("blue", "o"), "reference": ("grey", "s"), "opencl": ("orange", "D"), "cuda": ("green", "^"),
    "numpy": ("violet", "v"), "pytorch": ("red", "P"), "jax": ("teal", "X"), "tinygrad": ("pink", "*")}
OTHER = ("olive", "h")
SIZES = {"D": 0.8, "s": 0.85, "*": 1.2}  # markers that look larger or smaller than the others
COLOR_NAMES = [name for name, _ in STYLES.values()] + [OTHER[0]]
SENTINELS = {name: f"#0102{index:02x}" for index, name in enumerate(COLOR_NAMES)}
COLORS.update({sentinel: f"var(--{name})" for name, sentinel in SENTINELS.items()})

SETTINGS = {
    "svg.fonttype": "none", "svg.hashsalt": "trainer", "font.family": "DejaVu Sans", "font.size": 10,
    "text.color": TEXT, "axes.labelcolor": TEXT, "axes.edgecolor": QUIET, "axes.linewidth": 0.8,
    "xtick.color": QUIET, "ytick.color": QUIET, "xtick.labelcolor": TEXT, "ytick.labelcolor": TEXT,
    "xtick.labelsize": 10, "ytick.labelsize": 10, "axes.labelsize": 10, "axes.titlesize": 10,
    "grid.color": GRID, "grid.linewidth": 0.8, "axes.facecolor": "none", "figure.facecolor": "none",
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "hatch.linewidth": 1.0,
    "xtick.major.size": 3, "ytick.major.size": 3, "lines.linewidth": 1.6}


class Sheet:
    """A figure whose places are in points from its top left. `wide` is for a screen, else for a
    phone, where labels stand above what they name."""

    def __init__(self, wide, height):
        self.wide, self.width, self.height = wide, 640 if wide else 310, height
        self.figure = Figure(figsize=(self.width / 72, height / 72), dpi=72)
        self.canvas = FigureCanvasAgg(self.figure)

    def axes(self, left, top, right, bottom):
        """Axes between these places."""
        return self.figure.add_axes((left / self.width, 1 - bottom / self.height,
                                     (right - left) / self.width, (bottom - top) / self.height))

    def text(self, x, y, words, **more):
        return self.figure.text(x / self.width, 1 - y / self.height, plain(words), **more)

    def box(self, left, top, right, bottom, **more):
        self.figure.add_artist(Rectangle((left / self.width, 1 - bottom / self.height),
                                         (right - left) / self.width, (bottom - top) / self.height, **more))

    def line(self, points, **more):
        self.figure.add_artist(Line2D([x / self.width for x, _ in points],
                                      [1 - y / self.height for _, y in points], **more))

    def place(self, axes, x, y):
        """Where a point of the axes' data is on the sheet."""
        across, up = axes.transData.transform((x, y))
        return across, self.height - up


@functools.lru_cache(maxsize=None)
def measurer():
    figure = Figure(dpi=72)
    return figure.text(0, 0, ""), FigureCanvasAgg(figure).get_renderer()


@functools.lru_cache(maxsize=10000)
def width_of(words):
    """Points that a text takes."""
    text, renderer = measurer()
    text.set_text(plain(words))
    return text.get_window_extent(renderer).width


def fitted(words, width):
    """The words, or as much of them as `width` points have room for."""
    shown = words
    while width_of(shown) > width and len(shown) > 2:
        words = words[:-1]
        shown = words + "…"
    return shown


def plain(words):
    """Text that can be drawn, and in which matplotlib sees no formula."""
    return clean(words).replace("$", r"\$")


def look(row):
    """(colour, marker, dashes, filling) of a row's series: peers are dashed; of what runs on GPUs as well
    as on CPUs, that on a CPU has hollow marks."""
    name, marker = STYLES.get(row.kind, OTHER)
    color = SENTINELS[name]
    filled = row.gpu or row.kind in ("cpu", "reference")
    return color, marker, "-" if row.own else (0, (4, 2)), color if filled else PAGE


def wrapped(words, width):
    """The words in lines that are no longer than `width` points."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and width_of(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def spread_out(wanted, gap, least, most):
    """Places as near to the wanted ones as can be, in their order, no two nearer than `gap`."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    groups = []  # [sum of (wanted - offset within the group), members]
    for index in order:
        groups.append([wanted[index], 1])
        while len(groups) > 1 and start_of(groups[-1], gap) < start_of(groups[-2], gap) + gap * groups[-2][1]:
            total, members = groups.pop()
            groups[-1][0] += total - members * gap * groups[-1][1]
            groups[-1][1] += members
    places, at = [0.0] * len(wanted), iter(order)
    for group in groups:
        start = start_of(group, gap)
        for member in range(group[1]):
            places[next(at)] = start + gap * member
    return within(places, order, gap, least, most)


def start_of(group, gap):
    return group[0] / group[1]


def within(places, order, gap, least, most):
    """Pushes those that are outside back in, and others before them."""
    edge = most
    for index in reversed(order):
        places[index] = min(places[index], edge)
        edge = places[index] - gap
    edge = least
    for index in order:
        places[index] = max(places[index], edge)
        edge = places[index] + gap
    return places


# --- Axes ---

def logarithmic(axis, least, most, unit="", ticks=None, room=34):
    """A logarithmic axis of these limits with plain numbers, as many as have `room` points each."""
    axes = axis.axes
    across = axis.axis_name == "x"
    (axes.set_xscale if across else axes.set_yscale)("log")
    (axes.set_xlim if across else axes.set_ylim)(least, most)
    box = axes.get_window_extent()
    if ticks is None:
        ticks = round_numbers(least, most)
    fixed(axis, [tick for tick in ticks if least <= tick <= most], unit,
          box.width if across else box.height, room)


def fixed(axis, ticks, unit, length, room):
    """Ticks at these values; labels are left out where the last one is too near."""
    across = axis.axis_name == "x"
    shown, last = [], None
    for tick in ticks:
        point = axis.axes.transData.transform((tick, 1) if across else (1, tick))[0 if across else 1]
        label = number(tick) if tick < 1 else f"{tick:,.0f}" if tick == int(tick) else f"{tick:g}"
        label = label.rstrip("0").rstrip(".") if "." in label else label
        need = max(room, width_of(label) + 8) if across else room
        fits = last is None or point - last >= need
        shown.append(label + unit if fits else "")
        last = point if fits else last
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FixedFormatter(shown))
    axis.set_minor_locator(NullLocator())


def round_numbers(least, most):
    """Decades; where these are few, 2 and 5 of each as well."""
    powers = range(-9, 12)
    decades = [10.0 ** power for power in powers if least <= 10.0 ** power <= most]
    if len(decades) >= 3:
        return decades
    return [digit * 10.0 ** power for power in powers for digit in (1, 2, 5)]


# --- From matplotlib to a page ---

def svg(sheet, prefix, title, description):
    """The sheet as SVG for a page: hidden from no one, described for those who don't see it."""
    buffer = io.BytesIO()
    sheet.figure.savefig(buffer, format="svg", transparent=True,
                         metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ElementTree.fromstring(buffer.getvalue())
    strip(root, prefix)
    view = root.get("viewBox")
    root.attrib.clear()
    root.attrib.update({"viewBox": view, "role": "img", "class": "wide" if sheet.wide else "narrow",
                        "aria-labelledby": f"{prefix}-title {prefix}-desc"})
    for index, (name, words) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(name, {"id": f"{prefix}-{name}"})
        element.text = words
        root.insert(index, element)
    return ElementTree.tostring(root, encoding="unicode")


def strip(element, prefix):
    """Takes namespaces, metadata and styles of the whole page out of an element, and gives it ids and
    colours of this page."""
    element.tag = element.tag.split("}")[-1]
    for child in list(element):
        if child.tag.split("}")[-1] in ("metadata", "style"):
            element.remove(child)
        else:
            strip(child, prefix)
    attributes = {name.split("}")[-1]: value for name, value in element.attrib.items()}
    element.attrib.clear()
    element.text, element.tail = (text if text and text.strip() else None
                                  for text in (element.text, element.tail))
    for name, value in attributes.items():
        if name == "id" and element.tag == "g":
            continue  # nothing refers to it
        if name == "id":
            value = f"{prefix}-{value}"
        elif name == "href":
            value = re.sub("^#", f"#{prefix}-", value)
        elif name == "style":
            value = re.sub(r"font: (?:(bold|\d+) )?([\d.]+px)[^;]*", font, value)
        value = re.sub(r"url\(#", f"url(#{prefix}-", value)
        element.set(name, re.sub("#[0-9a-f]{6}", lambda found: COLORS.get(found[0], found[0]), value))


def font(found):
    """The size alone: the page's own family is to be used."""
    return f"font-size: {found[2]}" + (f"; font-weight: {found[1]}" if found[1] else "")


@contextlib.contextmanager
def settings():
    """Within it, drawing depends on no file of the user's, and a font that lacks a letter is not spoken of."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with warnings.catch_warnings(), matplotlib.rc_context(
            {**matplotlib.rcParamsDefault, "backend": "agg", **SETTINGS}):
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield
