"""The page of a net: page.html is a template, which is filled in here."""
import os

import jinja2
import numpy

from . import images

MARK = "<title>What a net has learnt"  # by which a page from here is known
UNITS_MOST = 100  # shown of the first layer: those with the largest weights
EACH = 4  # images of a class
HERE = os.path.dirname(__file__)


class Answers:
    """What a net takes test images for."""

    def __init__(self, net, labels, pixels):
        self.labels, self.pixels = labels, pixels
        self.p = net.probabilities(images.inputs(pixels, net.color))
        self.taken = self.p.argmax(axis=1)
        self.right = self.taken == labels
        self.accuracy = float(self.right.mean())
        self.confusion = numpy.zeros((10, 10), int)
        numpy.add.at(self.confusion, (labels, self.taken), 1)

    def of_classes(self):
        """(class, share that is right, its images), the best class first."""
        counts = self.confusion.sum(axis=1)
        shares = [(name, self.confusion[n, n] / max(counts[n], 1), int(counts[n]))
                  for n, name in enumerate(images.CLASSES)]
        return sorted(shares, key=lambda row: -row[1])

    def describe(self, number):
        best = self.p[number].argsort(kind="stable")[::-1][:3]
        return {"address": images.photo(self.pixels[number]), "label": images.CLASSES[self.labels[number]],
                "thought": [(images.CLASSES[c], float(self.p[number, c])) for c in best]}

    def surest(self, right):
        """(class, its images that are taken for what they are, or are not, and of which the net is surest)."""
        rows = []
        for c, name in enumerate(images.CLASSES):
            numbers = numpy.flatnonzero((self.labels == c) & (self.right == right))
            sure = self.p[numbers, self.taken[numbers]]
            chosen = numbers[sure.argsort(kind="stable")[::-1][:EACH]]
            rows.append((name, [self.describe(number) for number in chosen]))
        return rows


def units(net):
    """(number, its weights as an image) of those of the first layer that have the largest weights."""
    weights = net.layers[0][0]
    order = numpy.linalg.norm(weights, axis=1).argsort(kind="stable")[::-1][:UNITS_MOST]
    return [(int(n) + 1, images.pattern(weights[n])) for n in order]


def make(name, net, test):
    """The page; `test`: (labels, pixels), or None."""
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader([HERE, os.path.join(HERE, os.pardir, "reporting")]), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    pages.filters["share"] = lambda value: f"{100 * value:.1f} %"
    answers = Answers(net, *test) if test else None
    return pages.get_template("show.html").render(
        name=name, net=net, units=units(net), answers=answers, classes=images.CLASSES,
        parameters=sum(weights.size + bias.size for weights, bias in net.layers))
