#!/usr/bin/env python3
"""The same training in JAX, timed in the same way: one JSON line for each mode.

  jax_scan.py --weights FILE [--mode scan,step] [--data DIR|synthetic] [--samples N]
              [--device cuda|cpu] [--threads N] [--batch-size N] [--layers N,N,...] [--epochs N]
              [--learning-rate X] [--warm-up X] [--seconds X]

  scan            an epoch is one call: jit of lax.scan over its batches, with the weights donated
  step            a step is one call, with --device cpu only: no batch is copied, as lax.scan does it

All else is as pytorch.py says. Exit status: 0 fine, 1 a mode failed, 2 usage, 77 JAX is not here, or has
no such device.
"""
import time

START = time.perf_counter()

import os
import sys

sys.dont_write_bytecode = True  # a tool leaves nothing in the source tree
import common


def pool_threads():
    """Those on which XLA computes on a CPU; 0 where the system doesn't tell."""
    try:
        names = [open(f"/proc/self/task/{task}/comm", encoding="utf-8", errors="replace").read().strip()
                 for task in os.listdir("/proc/self/task")]
    except OSError:
        return 0
    return names.count("tf_XLAEigen")


class Jax:
    kind, modes = "jax", {"cuda": ("scan",), "cpu": ("scan", "step")}
    install = {"cuda": 'numpy "jax[cuda13]"', "cpu": "numpy jax"}

    def __init__(self, args):
        import jax
        self.jax, self.args = jax, args
        self.library = f"JAX {jax.__version__}"
        jax.config.update("jax_default_matmul_precision", "highest")
        jax.config.update("jax_platforms", args.device)

    def open(self):
        (device, *_) = self.jax.devices()
        args = self.args
        self.make = {"scan": self.compile(self.whole, args.samples), "step": None}
        if "step" in args.mode:
            self.make["step"] = self.compile(self.grey, args.batch_size)
        if args.device == "cpu":
            return {"threads": pool_threads() or args.threads}
        return {"name": device.device_kind}

    def compile(self, function, images):
        """For the pixels of so many images."""
        shape = images, common.COLORS, common.INPUTS
        return self.jax.jit(function).lower(self.jax.ShapeDtypeStruct(shape, "uint8")).compile()

    def grey(self, pixels):
        red, green, blue = (weight * pixels[:, i].astype("float32") for i, weight in enumerate(common.GREY))
        return red + green + blue

    def whole(self, pixels):
        args = self.args
        return self.grey(pixels)[common.batch_order(args)].reshape(args.steps, args.batch_size, -1)

    def batches(self, mode, images):
        """Of `scan` two arrays, of `step` a pair of them for each batch."""
        args, order = self.args, common.batch_order(self.args)
        labels = images.labels[order].reshape(args.steps, -1).astype("int32")
        if mode == "scan":
            batches = self.make[mode](images.pixels), self.jax.device_put(labels)
        else:
            batches = [(self.make[mode](images.pixels[part]), self.jax.device_put(y))
                       for part, y in zip(order.reshape(args.steps, -1), labels)]
        return self.jax.block_until_ready(batches)

    def training(self, mode, weights, batches):
        return Training(self, mode, weights, batches)


class Training:
    def __init__(self, peer, mode, weights, batches):
        jax, args = peer.jax, peer.args
        self.jax, self.peer, self.batches = jax, peer, batches
        self.rate = args.learning_rate
        self.weights = jax.device_put(weights)
        function = {"scan": self.scan, "step": self.step}[mode]
        first = batches if mode == "scan" else batches[0]
        submit = jax.jit(function, donate_argnums=0).lower(self.weights, first).compile()
        self.submit = submit if mode == "scan" else self.loop(submit)
        black = common.black(args.tests)
        self.score = jax.jit(self.of_images).lower(self.weights, *black).compile()
        self.evaluate(black)
        self.first = weights
        self.epoch()  # a first use
        self.restore()

    def restore(self):
        self.weights = self.jax.block_until_ready(self.jax.device_put(self.first))

    def scores(self, weights, x, y):
        """The sums of the losses and of the hits."""
        jax = self.jax
        for weight, bias in weights[:-1]:
            x = jax.nn.sigmoid(x @ weight.T + bias)
        weight, bias = weights[-1]
        logits = x @ weight.T + bias
        likelihoods = jax.numpy.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
        return -likelihoods.sum(), (logits.argmax(1) == y).sum()

    def step(self, weights, batch):
        def objective(weights):
            loss, hits = self.scores(weights, *batch)
            return loss / common.CLASSES, (loss, hits)

        gradients, scores = self.jax.grad(objective, has_aux=True)(weights)
        return self.jax.tree.map(lambda w, g: w - self.rate * g, weights, gradients), scores

    def scan(self, weights, batches):
        return self.jax.lax.scan(self.step, weights, batches)

    def loop(self, step):
        def steps(weights, batches):
            scores = []
            for batch in batches:
                weights, score = step(weights, batch)
                scores.append(score)
            return weights, tuple(zip(*scores))
        return steps

    def epoch(self):
        import numpy as np
        self.weights, scores = self.submit(self.weights, self.batches)
        losses, hits = self.jax.device_get(scores)
        self.jax.block_until_ready(self.weights)
        return float(np.sum(losses, dtype="f8")), int(np.sum(hits))

    def of_images(self, weights, pixels, labels):
        return self.scores(weights, self.peer.grey(pixels), labels.astype("int32"))

    def evaluate(self, images):
        loss, hits = self.jax.device_get(self.score(self.weights, *images))
        return float(loss), int(hits)


if __name__ == "__main__":
    common.run(START, __doc__, Jax)
