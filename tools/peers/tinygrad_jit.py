#!/usr/bin/env python3
"""The same training in tinygrad, timed in the same way: one JSON line.

  tinygrad_jit.py --weights FILE [--mode jit] [--data DIR|synthetic] [--samples N]
                  [--device cuda|opencl|cpu] [--threads N] [--batch-size N] [--layers N,N,...]
                  [--epochs N] [--learning-rate X] [--warm-up X] [--seconds X]

  jit             a step is one call of a TinyJit, which takes its batch by number

tinygrad makes all kernels itself, on a CPU with clang. It searches for faster ones, for minutes, where
BEAM in the environment is not 0; the record's library then says so. From 0.14 on it computes on a CPU
with one thread, whatever --threads says: the record has the number that it really is. `opencl` is the
first GPU of the first platform, else its default device. All else is as pytorch.py says. Exit status: 0
fine, 1 it failed, 2 usage, 77 tinygrad is not here, or has no such device.
"""
import time

START = time.perf_counter()

import ctypes
import os
import sys

sys.dont_write_bytecode = True  # a tool leaves nothing in the source tree
import common

NAMES = {"cuda": "CUDA", "opencl": "CL", "cpu": "CPU"}  # in tinygrad


class Tinygrad:
    kind, modes = "tinygrad", dict.fromkeys(NAMES, ("jit",))
    install = dict.fromkeys(NAMES, "numpy tinygrad")

    def __init__(self, args):
        self.args, self.name = args, NAMES[args.device]
        os.environ["DEV"] = self.name
        import tinygrad
        from importlib.metadata import version  # tinygrad itself doesn't tell
        self.tinygrad, self.beam = tinygrad, tinygrad.helpers.BEAM.value
        self.library = f"tinygrad {version('tinygrad')}" + (f", BEAM {self.beam}" if self.beam else "")

    def open(self):
        self.device = self.tinygrad.Device[self.name]
        args, described = self.args, getattr(self, f"describe_{self.name}")()
        self.batches("jit", common.black(args.samples))  # which compiles what makes them
        self.device.allocator.free_cache()  # the batches are to find no memory that is there already
        return described

    def describe_CPU(self):
        threads = self.args.threads
        if threads > 1 and hasattr(self.device, "worker"):  # which runs all parts of a kernel in turn
            print(f"note: {self.library} computes on a CPU with one thread, not {threads}", file=sys.stderr)
            threads = 1
        return {"threads": threads}

    def describe_CL(self):
        from tinygrad.runtime.autogen import opencl

        def ask(what, kind):
            value = kind()
            opencl.clGetDeviceInfo(self.device.cl_dev, what, ctypes.sizeof(value), ctypes.byref(value), None)
            return value.value

        of_cpu = ask(opencl.CL_DEVICE_TYPE, ctypes.c_uint64) & opencl.CL_DEVICE_TYPE_CPU
        units = ask(opencl.CL_DEVICE_MAX_COMPUTE_UNITS, ctypes.c_uint32)
        return {"type": "cpu" if of_cpu else "gpu", "name": self.device.device_name,
                "driver": self.device.driver_version, "compute_units": units,
                "threads": units if of_cpu else None}

    def describe_CUDA(self):
        from tinygrad.runtime.autogen import cuda
        name = ctypes.create_string_buffer(256)
        cuda.cuDeviceGetName(name, len(name), self.device.cu_device)
        return {"name": name.value.decode()}

    def tensor(self, array):
        return self.tinygrad.Tensor(array, device=self.name).realize()

    def grey(self, pixels):
        weights = self.tinygrad.Tensor(common.GREY, device=self.name)
        return (pixels.cast("float32") * weights.reshape(1, -1, 1)).sum(axis=1)

    def batches(self, mode, images):
        """Pixels [steps, batch size, 1024] and labels [steps, batch size]."""
        args, order = self.args, common.batch_order(self.args)
        passes = -(-len(order) // args.samples)
        x = self.grey(self.tensor(images.pixels)).repeat((passes, 1))[:len(order)]
        x = x.reshape(args.steps, args.batch_size, -1).contiguous().realize()
        labels = self.tensor(images.labels[order].reshape(args.steps, -1).astype("int32"))
        self.device.synchronize()
        return x, labels

    def prepare(self, images):
        """Nothing: that is part of the one function that is compiled."""
        return images

    def training(self, mode, weights, batches):
        return Training(self, weights, batches)


class Training:
    def __init__(self, peer, weights, batches):
        tinygrad, args = peer.tinygrad, peer.args
        self.tinygrad, self.peer, self.weights = tinygrad, peer, weights
        (self.x, self.y), self.steps = batches, args.steps
        self.rate = args.learning_rate / common.CLASSES
        self.layers = [tuple(map(peer.tensor, pair)) for pair in weights]
        self.scores = tinygrad.Tensor.zeros(2, device=peer.name).contiguous().realize()
        self.number = tinygrad.Variable("number", 0, max(1, args.steps - 1))
        self.step_jit = tinygrad.TinyJit(self.step)
        self.evaluate_jit = tinygrad.TinyJit(self.score_images)
        black = common.black(args.tests)
        for _ in range(3):  # a TinyJit's first call runs, its second is captured, from then on it replays
            self.step_jit(self.number.bind(0))
            self.score_of(black)
        self.restore()

    def restore(self):
        """The first weights, in place: a warm-up has trained."""
        for layer, pair in zip(self.layers, self.weights):
            for parameter, first in zip(layer, pair):
                parameter.assign(self.peer.tensor(first)).realize()
        self.peer.device.synchronize()

    def score(self, x, y):
        """The logits' loss, and the sums of the losses and of the hits."""
        for weight, bias in self.layers[:-1]:
            x = x.linear(weight.T, bias).sigmoid()
        weight, bias = self.layers[-1]
        logits = x.linear(weight.T, bias)
        loss = logits.sparse_categorical_crossentropy(y, reduction="sum")
        return loss, self.tinygrad.Tensor.stack(loss, (logits.argmax(1) == y).sum().cast("float32"))

    def step(self, number):
        loss, scores = self.score(self.x[number], self.y[number])
        parameters = [one for layer in self.layers for one in layer]
        updates = [one.assign(one - self.rate * gradient)
                   for one, gradient in zip(parameters, loss.gradient(*parameters))]
        self.tinygrad.Tensor.realize(*updates, self.scores.assign(self.scores + scores))

    def epoch(self):
        self.scores.assign(self.scores.zeros_like()).realize()
        for i in range(self.steps):
            self.step_jit(self.number.bind(i))
        return self.scores.tolist()

    def score_images(self, pixels, labels):
        return self.score(self.peer.grey(pixels), labels.cast("int32"))[1].realize()

    def score_of(self, images):
        return self.evaluate_jit(*map(self.peer.tensor, images)).tolist()


if __name__ == "__main__":
    common.run(START, __doc__, Tinygrad)
