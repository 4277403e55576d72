#!/usr/bin/env python3
"""The same training in NumPy, timed in the same way: one JSON line.

  numpy_blas.py --weights FILE [--mode blas] [--data DIR|synthetic] [--samples N] [--device cpu]
                [--threads N] [--batch-size N] [--layers N,N,...] [--epochs N] [--learning-rate X]
                [--warm-up X] [--seconds X]

  blas            forward and backward by hand, in float32: products by NumPy's BLAS, all else in place
                  in arrays that are made once

--threads is the number of the BLAS; what is not a product has one. All else is as pytorch.py says. Exit
status: 0 fine, 1 it failed, 2 usage, 77 NumPy is not here, or has no such device.
"""
import time

START = time.perf_counter()

import ctypes
import sys

sys.dont_write_bytecode = True  # a tool leaves nothing in the source tree
import common


def blas(np):
    """What NumPy's BLAS is, and how many threads it has (None: it doesn't tell)."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
            paths = {line.split()[-1] for line in file if "openblas" in line}
        loaded = ctypes.CDLL(paths.pop())
    except (OSError, KeyError):  # another BLAS, or another system
        loaded = None
    for name in ("scipy_openblas_get_%s64_", "scipy_openblas_get_%s", "openblas_get_%s64_",
                 "openblas_get_%s"):
        if hasattr(loaded, name % "config"):
            text, core, threads = (loaded[name % what] for what in ("config", "corename", "num_threads"))
            text.restype = core.restype = ctypes.c_char_p
            return f"{' '.join(text().decode().split()[:2])} {core().decode()}", threads()
    try:
        config = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{config['name']} {config['version']}", None
    except (TypeError, KeyError):  # before NumPy 1.26
        return "BLAS", None


class Numpy:
    kind, modes, install = "numpy", {"cpu": ("blas",)}, {"cpu": "numpy"}

    def __init__(self, args):
        import numpy as np
        self.np, self.args = np, args
        text, self.threads = blas(np)
        self.library = f"NumPy {np.__version__}, {text}"

    def open(self):
        return {"threads": self.threads or self.args.threads}

    def grey(self, pixels, x):
        """In pieces that stay in a core's cache."""
        np, size = self.np, 64
        weights, buffer = np.array(common.GREY, np.float32), np.empty((size, *pixels.shape[1:]), np.float32)
        for first in range(0, len(pixels), size):
            part = buffer[:len(pixels) - first]
            np.copyto(part, pixels[first:first + size])
            np.matmul(weights, part, out=x[first:first + size])

    def batches(self, mode, images):
        """Pixels [steps, batch size, 1024] and labels [steps, 1, batch size], these also one-hot."""
        np, args = self.np, self.args
        order = common.batch_order(args)
        x = np.empty((len(order), common.PIXELS), np.float32)
        self.grey(images.pixels, x[:args.training])
        x[args.training:] = x[order[args.training:]]
        labels = images.labels[order].reshape(args.steps, 1, args.batch_size)
        one_hot = labels == np.arange(common.CLASSES)[:, None]
        return (x.reshape(args.steps, args.batch_size, -1), labels.astype(np.intp),
                one_hot.astype(np.float32))

    def prepare(self, images):
        """Nothing: they are made ready batch after batch."""
        return images

    def training(self, mode, weights, batches):
        return Training(self, weights, batches)


class Training:
    """Activations are [batch, width] and weights [in, out]; but for the logits, which are [10, batch]:
    NumPy adds and compares along columns many times faster than along rows of ten."""

    def __init__(self, peer, weights, batches):
        np, args = peer.np, peer.args
        self.np, self.peer = np, peer
        self.x, self.labels, self.one_hot = batches
        self.rate = np.float32(args.learning_rate / common.CLASSES)
        widths, size = args.widths, args.batch_size
        empty = {"dtype": np.float32}
        self.values = [np.empty((size, width), **empty) for width in widths[1:-1]]
        self.deltas = [np.empty((size, width), **empty) for width in widths[1:-1]]
        self.delta = np.empty((widths[-1], size), **empty)
        self.gradients = [np.empty(shape, **empty) for shape in zip(widths, widths[1:])]
        self.ones = np.ones(size, **empty)
        # Of a whole pass, from which the losses and hits are taken at its end.
        self.logits = np.empty((args.steps, widths[-1], size), **empty)
        self.sums = np.empty((args.steps, 1, size), **empty)
        np.seterr(all="ignore")  # of a training that diverges, the record tells
        self.weights = weights
        self.restore()
        self.step(0)  # a first use
        self.restore()

    def restore(self):
        self.layers = [(self.np.ascontiguousarray(weight.T), bias.copy()) for weight, bias in self.weights]

    def forward(self, x, values, logits):
        """Each less the sample's largest logit, which the softmax needs and does not mind."""
        np = self.np
        for (weight, bias), value in zip(self.layers, values):
            np.matmul(x, weight, out=value)
            value += bias
            value *= 0.5  # the sigmoid of z is (1 + tanh(z / 2)) / 2
            np.tanh(value, out=value)
            value += 1
            value *= 0.5
            x = value
        weight, bias = self.layers[-1]
        np.matmul(weight.T, x.T, out=logits)
        logits += bias[:, None]
        logits -= logits.max(axis=0)

    def step(self, i):
        np, delta = self.np, self.delta
        self.forward(self.x[i], self.values, self.logits[i])
        np.exp(self.logits[i], out=delta)
        delta.sum(axis=0, keepdims=True, out=self.sums[i])
        delta /= self.sums[i]
        delta -= self.one_hot[i]
        delta *= self.rate  # the smallest place for it
        delta = delta.T
        for (weight, bias), gradient, x, before in zip(
                reversed(self.layers), reversed(self.gradients), [*reversed(self.values), self.x[i]],
                [*reversed(self.deltas), None]):
            np.matmul(x.T, delta, out=gradient)
            if before is not None:  # the slope is value * (1 - value)
                np.matmul(delta, weight.T, out=before)
                before *= x
                np.subtract(1, x, out=x)
                before *= x
            weight -= gradient
            bias -= self.ones @ delta  # BLAS adds faster
            delta = before

    def score(self, logits, sums, labels):
        """Of [..., 10, batch] and [..., 1, batch]; a hit is where the label's logit is the largest."""
        of_label = self.np.take_along_axis(logits, labels, axis=-2)
        return (float(self.np.log(sums).sum(dtype="f8") - of_label.sum(dtype="f8")),
                int((of_label == 0).sum()))

    def epoch(self):
        for i in range(len(self.x)):
            self.step(i)
        return self.score(self.logits, self.sums, self.labels)

    def score_of(self, images):
        """Batch after batch, in the arrays that are there."""
        np, size = self.np, len(self.ones)
        pixels, labels = images.pixels, images.labels[None].astype(np.intp)
        x, scores = np.empty((size, common.PIXELS), np.float32), []
        for first in range(0, len(pixels), size):
            count = min(size, len(pixels) - first)
            self.peer.grey(pixels[first:first + count], x[:count])
            logits = self.logits[0, :, :count]
            self.forward(x[:count], [value[:count] for value in self.values], logits)
            sums = np.exp(logits).sum(axis=0, keepdims=True)
            scores.append(self.score(logits, sums, labels[:, first:first + count]))
        return map(sum, zip(*scores))


if __name__ == "__main__":
    common.run(START, __doc__, Numpy)
