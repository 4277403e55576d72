#!/usr/bin/env python3
"""The same training in PyTorch, timed in the same way: one JSON line for each mode.

  pytorch.py --weights FILE [--mode graph,eager,compile,compile-graph] [--data DIR|synthetic]
             [--samples N] [--device cuda|cpu] [--threads N] [--batch-size N] [--layers N,N,...]
             [--epochs N] [--learning-rate X] [--warm-up X] [--seconds X]

FILE has the first weights: `trainer --epochs 0 --save FILE`, with the same --layers. Everything is
in fp32, without TF32. With `--data synthetic` pixels and labels are random.

  graph           a whole epoch, captured once as one CUDA graph
  eager           nn.Sequential, autograd and torch.optim.SGD, step by step
  compile         a step, with its gradients and its update, as one function through torch.compile
  compile-graph   a whole epoch of that as one CUDA graph

Those of CUDA graphs are with --device cuda only. --threads, on a CPU, are those that compute; without
it as many as there are physical cores in the process's affinity mask.

The phases are the trainer's. "setup" begins with the script's first lines, after Python's own start, and
has the imports in it; "open" is the time to get the device ready, and then the mode: compiling,
capturing, a first use. What a library keeps on the disk of what it compiled is used. With several modes,
the phases and "wall" of each are as if it were alone, but for what it finds loaded or compiled by those
before it. With --warm-up epochs begin for so many seconds of which nothing is kept; with --seconds none
begins after that time, but for the first three. Exit status: 0 fine, 1 a mode failed, 2 usage, 77 PyTorch
is not here, or has no such device.
"""
import time

START = time.perf_counter()

import sys

sys.dont_write_bytecode = True  # a tool leaves nothing in the source tree
import common


class PyTorch:
    kind = "pytorch"
    modes = {"cuda": ("graph", "eager", "compile", "compile-graph"), "cpu": ("eager", "compile")}
    install = dict.fromkeys(modes, "numpy torch")

    def __init__(self, args):
        import torch
        self.torch, self.args = torch, args
        self.library = f"PyTorch {torch.__version__}"
        if args.device == "cuda" and not torch.cuda.is_available():
            raise RuntimeError(f"{self.library} sees no GPU")
        if args.threads:
            torch.set_num_threads(args.threads)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")

    def open(self):
        self.torch.zeros(1, device=self.args.device).tolist()  # CUDA's own start
        if self.args.device == "cpu":
            return {"threads": self.torch.get_num_threads()}
        return {"name": self.torch.cuda.get_device_name()}

    def pieces(self, samples):
        """Small enough for a CPU's caches, large enough for a GPU."""
        size = 500 if self.args.device == "cpu" else 10000
        return [samples[first:first + size] for first in range(0, len(samples), size)]

    def grey(self, pixels, x):
        for part, of_x in zip(self.pieces(pixels), self.pieces(x)):
            red, green, blue = self.torch.from_numpy(part).to(x.device).unbind(1)
            self.torch.mul(red, common.GREY[0], out=of_x)
            of_x.add_(green, alpha=common.GREY[1]).add_(blue, alpha=common.GREY[2])

    def batches(self, mode, images):
        torch, args = self.torch, self.args
        order = common.batch_order(args)
        x = torch.empty(len(order), common.INPUTS, device=args.device)
        self.grey(images.pixels, x[:args.samples])
        x[args.samples:] = x[torch.from_numpy(order[args.samples:]).to(x.device)]
        labels = torch.from_numpy(images.labels[order]).to(x.device).long()
        x[-1, -1].item()  # which waits for all of it
        return x.view(args.steps, args.batch_size, -1), labels.view(args.steps, args.batch_size)

    def training(self, mode, weights, batches):
        return Training(self, mode, weights, batches)


class Training:
    """The net with its first weights, ready to run epochs of (pixels, labels)."""

    def __init__(self, peer, mode, weights, batches):
        torch, args = peer.torch, peer.args
        self.torch, self.peer, self.weights = torch, peer, weights
        self.batches, self.labels = list(zip(*batches)), batches[1]
        layers = []
        for weight, _ in weights:
            layers += [torch.nn.Linear(*reversed(weight.shape)), torch.nn.Sigmoid()]
        self.model = torch.nn.Sequential(*layers[:-1]).to(args.device)
        # The objective's 1 / classes, taken with the rate, is one kernel less in a step.
        self.rate = args.learning_rate / common.CLASSES
        self.scores = torch.zeros(2, dtype=torch.float64, device=args.device)  # sums of losses, of hits
        if "compile" in mode:
            self.parameters = {name: one.detach() for name, one in self.model.named_parameters()}
            self.step = torch.compile(self.pure_step)
        else:
            self.optimizer = self.fastest_sgd()
            self.step = self.autograd_step
        self.restore()
        self.submit = self.capture() if "graph" in mode else self.steps
        if "graph" not in mode:
            self.steps(3)
        self.evaluate(common.black(args.tests))
        self.restore()

    def fastest_sgd(self):
        """One kernel for all parameters, where this PyTorch has it."""
        parameters = list(self.model.parameters())
        try:
            return self.torch.optim.SGD(parameters, lr=self.rate, fused=True)
        except (TypeError, RuntimeError):
            return self.torch.optim.SGD(parameters, lr=self.rate)

    def loss(self, logits, y):
        return self.torch.nn.functional.cross_entropy(logits, y, reduction="sum")

    def autograd_step(self, x, y):
        logits = self.model(x)
        loss = self.loss(logits, y)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach(), logits.detach()

    def pure_step(self, x, y):
        def objective(parameters):
            logits = self.torch.func.functional_call(self.model, parameters, (x,))
            return self.loss(logits, y), logits

        both = self.torch.func.grad_and_value(objective, has_aux=True)
        gradients, (loss, logits) = both(self.parameters)
        for name, parameter in self.parameters.items():
            parameter.sub_(gradients[name], alpha=self.rate)
        return loss, logits

    def steps(self, count=None):
        losses, logits = zip(*[self.step(x, y) for x, y in self.batches[:count]])
        self.scores.copy_(self.score(losses, self.torch.stack(logits), self.labels[:count]))

    def score(self, losses, logits, labels):
        hits = (logits.argmax(-1) == labels).sum()
        return self.torch.stack((self.torch.stack(losses).sum(dtype=self.torch.float64), hits.double()))

    def capture(self):
        cuda = self.torch.cuda
        side = cuda.Stream()  # where PyTorch wants the warm-up before a capture
        side.wait_stream(cuda.current_stream())
        with cuda.stream(side):
            self.steps(3)
        cuda.current_stream().wait_stream(side)
        graph = cuda.CUDAGraph()
        with cuda.graph(graph):
            self.steps()
        graph.replay()
        return graph.replay

    def restore(self):
        """The first weights, in place, since a graph knows the addresses: a warm-up has trained."""
        with self.torch.no_grad():
            for parameter, first in zip(self.model.parameters(),
                                        (one for pair in self.weights for one in pair)):
                parameter.copy_(self.torch.from_numpy(first))
        self.scores.tolist()  # which waits for all of it

    def epoch(self):
        self.submit()
        return self.scores.tolist()

    def evaluate(self, images):
        torch, device = self.torch, self.scores.device
        with torch.inference_mode():
            y, logits = torch.from_numpy(images.labels).to(device).long(), []
            for pixels in self.peer.pieces(images.pixels):
                x = torch.empty(len(pixels), common.INPUTS, device=device)
                self.peer.grey(pixels, x)
                logits.append(self.model(x))
            logits = torch.cat(logits)
            return self.score([self.loss(logits, y)], logits, y).tolist()


if __name__ == "__main__":
    common.run(START, __doc__, PyTorch)
