#!/usr/bin/env python3
"""The same training in JAX, timed in the same way: one JSON line for each mode.

  jax_scan.py --weights FILE [--mode scan,step] [--data DIR|synthetic] [--samples N]
              [--device cuda|cpu] [--threads N] [--batch-size N] [--layers N,N,...] [--epochs N]
              [--learning-rate X] [--warm-up X] [--seconds X] [RECIPE]

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
from common import recipe


def pool_threads():
    """Those on which XLA computes on a CPU; 0 where the system doesn't tell."""
    try:
        names = [open(f"/proc/self/task/{task}/comm", encoding="utf-8", errors="replace").read().strip()
                 for task in os.listdir("/proc/self/task")]
    except OSError:
        return 0
    return names.count("tf_XLAEigen")


class Jax:
    kind, recipes, modes = "jax", True, {"cuda": ("scan",), "cpu": ("scan", "step")}
    install = {"cuda": 'numpy "jax[cuda13]"', "cpu": "numpy jax"}

    def __init__(self, args):
        import jax
        self.jax, self.args = jax, args
        self.library = f"JAX {jax.__version__}"
        jax.config.update("jax_default_matmul_precision", "highest")
        jax.config.update("jax_platforms", args.device)

    def open(self):
        (device, *_) = self.jax.devices()
        self.of_pixels = self.jax.jit(lambda pixels, scaling: self.scaled(self.convert(pixels), scaling))
        self.compile_of_pixels()
        args = self.args
        self.plain, self.scaling = recipe.is_plain(args), None
        self.make = {"scan": self.compile(self.whole, args.training), "step": None}
        if "step" in args.mode and self.plain:
            self.make["step"] = self.compile(self.convert, args.batch_size)
        if args.device == "cpu":
            return {"threads": pool_threads() or args.threads}
        return {"name": device.device_kind}

    def compile_of_pixels(self):
        """For as many images as are held back, and as are tested."""
        numpy, channels = self.jax.numpy, recipe.CHANNELS[self.args.color]
        scaling = (numpy.zeros(channels), numpy.ones(channels)) if self.args.normalize else None
        for count in filter(None, (self.args.validation, self.args.tests)):
            self.of_pixels(common.black(count).pixels, scaling)

    def compile(self, function, images):
        """For the pixels of so many images."""
        shape = images, common.COLORS, common.PIXELS
        return self.jax.jit(function).lower(self.jax.ShapeDtypeStruct(shape, "uint8")).compile()

    def convert(self, pixels):
        """x[images, inputs], not scaled."""
        if self.args.color == "rgb":
            return pixels.reshape(len(pixels), -1).astype("float32") / 255
        red, green, blue = (weight * pixels[:, i].astype("float32") for i, weight in enumerate(common.GREY))
        return red + green + blue

    def whole(self, pixels):
        """(x, means, deviations): all batches in their order, or where that is another in each pass, all images."""
        args, numpy = self.args, self.jax.numpy
        x, scaling = self.convert(pixels), None
        if args.normalize:  # float32 adds up lines and then images well enough: 1e-6 of a mean
            planes = x.reshape(len(x), -1, common.PIXELS)
            means = planes.mean(2).mean(0)
            scaling = means, numpy.sqrt(((planes - means[:, None]) ** 2).mean(2).mean(0))
            x = self.scaled(x, scaling)
        return x[common.batch_order(args)].reshape(args.steps, args.batch_size, -1) if self.plain else x, scaling

    def scaled(self, x, scaling):
        if scaling is None:
            return x
        means, deviations = scaling
        planes = x.reshape(len(x), -1, common.PIXELS)
        return ((planes - means[:, None]) / deviations[:, None]).reshape(x.shape)

    def batches(self, mode, images):
        """Of `scan` two arrays, of `step` a pair of them for each batch; of a recipe all images and labels."""
        args, order = self.args, common.batch_order(self.args)
        if not self.plain:
            x, self.scaling = self.make["scan"](images.pixels)
            return self.jax.block_until_ready((x, self.jax.device_put(images.labels.astype("int32"))))
        labels = images.labels[order].reshape(args.steps, -1).astype("int32")
        if mode == "scan" or args.normalize:
            x, self.scaling = self.make["scan"](images.pixels)
            batches = x, self.jax.device_put(labels)
            if mode == "step":
                batches = list(zip(*batches))
        else:
            batches = [(self.make[mode](images.pixels[part]), self.jax.device_put(y))
                       for part, y in zip(order.reshape(args.steps, -1), labels)]
        return self.jax.block_until_ready(batches)

    def prepare(self, images):
        """(x, labels) of images."""
        x = self.of_pixels(images.pixels, self.scaling)
        return self.jax.block_until_ready((x, self.jax.device_put(images.labels.astype("int32"))))

    def training(self, mode, weights, batches):
        return (Training if self.plain else Recipe)(self, mode, weights, batches)


class Training:
    def __init__(self, peer, mode, weights, batches):
        jax, args = peer.jax, peer.args
        self.jax, self.peer, self.args, self.batches = jax, peer, args, batches
        self.rate, self.first = args.learning_rate, weights
        self.activation = {"sigmoid": jax.nn.sigmoid, "tanh": jax.numpy.tanh, "relu": jax.nn.relu}[args.activation]
        self.restore()
        self.submit = self.compile(mode)
        self.score = jax.jit(self.of_images)  # for as many as are held back, and as are tested
        for count in filter(None, (args.validation, args.tests)):
            self.score_of(peer.prepare(common.black(count)))
        self.first_use()
        self.restore()

    def first_use(self):
        self.epoch()

    def compile(self, mode):
        """What does an epoch: {weights, batches: weights, scores}."""
        function, first = (self.scan, self.batches) if mode == "scan" else (self.step, self.batches[0])
        submit = self.jax.jit(function, donate_argnums=0).lower(self.weights, first).compile()
        return submit if mode == "scan" else self.loop(submit)

    def restore(self):
        self.weights = self.jax.block_until_ready(self.jax.device_put(self.first))

    def forward(self, weights, x, dropped=lambda x, layer: x):
        """The logits; `dropped` is what becomes of a hidden layer's outputs."""
        for layer, (weight, bias) in enumerate(weights[:-1]):
            x = dropped(self.activation(x @ weight.T + bias), layer)
        weight, bias = weights[-1]
        return x @ weight.T + bias

    def scores(self, logits, y):
        """The sums of the losses and of the hits."""
        jax = self.jax
        likelihoods = jax.numpy.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
        return -likelihoods.sum(), (logits.argmax(1) == y).sum()

    def step(self, weights, batch):
        x, y = batch

        def objective(weights):
            loss, hits = self.scores(self.forward(weights, x), y)
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
        self.weights, scores = self.submit(self.weights, self.batches)
        return self.sums(scores)

    def sums(self, scores):
        """Waits for all of it."""
        import numpy as np
        losses, hits = self.jax.device_get(scores)
        self.jax.block_until_ready(self.weights)
        return float(np.sum(losses, dtype="f8")), int(np.sum(hits))

    def of_images(self, weights, x, labels):
        return self.scores(self.forward(weights, x), labels)

    def score_of(self, prepared):
        loss, hits = self.jax.device_get(self.score(self.weights, *prepared))
        return float(loss), int(hits)


class Recipe(Training):
    """The same by other steps, and with other batches in each pass. What a step changes are the weights and two
    states of each."""

    def __init__(self, peer, mode, weights, batches):
        import numpy as np
        self.x, self.labels = batches
        self.rates = np.array(recipe.adamw_rates(peer.args), np.float32)
        self.take = self.adamw if peer.args.optimizer == "adamw" else self.sgd
        super().__init__(peer, mode, weights, batches)

    def first_use(self):
        """None: all is compiled, and a whole epoch would be a large part of what it takes to a target."""

    def restore(self):
        jax = self.jax
        zeros = jax.tree.map(jax.numpy.zeros_like, self.first)
        self.changed = jax.block_until_ready(jax.device_put((self.first, zeros, jax.tree.map(lambda z: z + 0, zeros))))
        self.passed = 0

    @property
    def weights(self):
        return self.changed[0]

    def given(self):
        """What the steps of the next pass are given: rows, whether they are turned, rates, the step's number."""
        import numpy as np
        args = self.args
        alike = common.batch_order(args).reshape(args.steps, -1), None
        order, turned = args.passes[self.passed] if args.passes else alike
        numbers = slice(self.passed * args.steps, (self.passed + 1) * args.steps)
        steps = np.arange(args.epochs * args.steps, dtype=np.uint32)[numbers]
        return order.astype(np.int32), turned if args.flip else steps, self.rates[numbers], steps

    def compile(self, mode):
        jax = self.jax
        given, images = self.given(), (self.x, self.labels)
        if mode == "scan":
            return jax.jit(self.pass_of, donate_argnums=0).lower(self.changed, images, given).compile()
        step = jax.jit(self.step_of, donate_argnums=0).lower(self.changed, images, [one[0] for one in given]).compile()

        def steps(changed, images, given):
            scores = []
            for one in zip(*given):
                changed, score = step(changed, images, list(one))
                scores.append(score)
            return changed, tuple(zip(*scores))
        return steps

    def pass_of(self, changed, images, given):
        return self.jax.lax.scan(lambda changed, one: self.step_of(changed, images, one), changed, given)

    def step_of(self, changed, images, one):
        jax, args = self.jax, self.args
        (rows, turned, rates, number), (weights, *states) = one, changed
        x, y = images[0][rows], images[1][rows]
        if args.flip:
            lines = x.reshape(len(x), -1, recipe.SIDE)
            x = jax.numpy.where(turned[:, None, None], lines[:, :, ::-1], lines).reshape(x.shape)

        def dropped(x, layer):
            if not args.dropout:
                return x
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(args.seed), number), layer)
            return jax.numpy.where(jax.random.bernoulli(key, 1 - args.dropout, x.shape), x / (1 - args.dropout), 0)

        def objective(weights):
            logits = self.forward(weights, x, dropped)
            loss, hits = self.scores(logits, y)
            smoothed = -jax.nn.log_softmax(logits).sum() / common.CLASSES
            share = args.label_smoothing
            return ((1 - share) * loss + share * smoothed) / common.CLASSES, (loss, hits)

        gradients, scores = jax.grad(objective, has_aux=True)(weights)
        if args.clip_norm:
            norm = jax.numpy.sqrt(sum((gradient ** 2).sum() for gradient in jax.tree.leaves(gradients)))
            factor = jax.numpy.minimum(args.clip_norm / (norm + 1e-6), 1.0)
            gradients = jax.tree.map(lambda gradient: gradient * factor, gradients)
        parts = [jax.tree.leaves(tree) for tree in (weights, gradients, *states)]
        taken = [self.take(*each, *rates) for each in zip(*parts)]
        return tuple(jax.tree.unflatten(jax.tree.structure(weights), tree) for tree in zip(*taken)), scores

    def sgd(self, weight, gradient, momentum, unused, rate, *_):
        args = self.args
        gradient = gradient + args.weight_decay * weight
        if args.momentum:
            momentum = args.momentum * momentum + gradient
            gradient = gradient + args.momentum * momentum if args.nesterov else momentum
        return weight - rate * gradient, momentum, unused

    def adamw(self, weight, gradient, mean, square, rate, first, second):
        args = self.args
        mean = args.beta1 * mean + (1 - args.beta1) * gradient
        square = args.beta2 * square + (1 - args.beta2) * gradient ** 2
        step = first * mean / (self.jax.numpy.sqrt(second * square) + args.epsilon)
        return weight * (1 - rate * args.weight_decay) - rate * step, mean, square

    def epoch(self):
        self.changed, scores = self.submit(self.changed, (self.x, self.labels), self.given())
        self.passed += 1
        return self.sums(scores)


if __name__ == "__main__":
    common.run(START, __doc__, Jax)
