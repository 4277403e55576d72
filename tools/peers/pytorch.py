#!/usr/bin/env python3
"""The same training in PyTorch, timed in the same way: one JSON line for each mode.

  pytorch.py --weights FILE [--mode graph,eager,compile,compile-graph] [--data DIR|synthetic]
             [--samples N] [--device cuda|cpu] [--batch-size N] [--layers N,N,...] [--epochs N]
             [--learning-rate X] [--warm-up X] [--seconds X]

FILE has the first weights: `trainer --epochs 0 --save FILE`, with the same --layers. Everything is
in fp32, without TF32. With `--data synthetic` pixels and labels are random.

  graph           a whole epoch, captured once as one CUDA graph (with --device cuda only)
  eager           nn.Sequential, autograd and torch.optim.SGD, step by step
  compile         as eager, the net and its loss through torch.compile
  compile-graph   a whole epoch of that as one CUDA graph

"open" is the time to get ready: compiling, capturing, a first use. With --warm-up there are so many
epochs more as begin in these seconds; with --seconds none begins after that time, but for the first
three. Exit status: 0 fine, 1 a mode failed, 2 usage, 77 PyTorch is not here, or has no such device.
"""
import sys
import time

from common import CLASSES, absent, measure, parse, read_batches, read_weights

MODES = ("graph", "eager", "compile", "compile-graph")


class Training:
    """The net with its first weights, ready to run epochs of (pixels, labels)."""

    def __init__(self, torch, mode, args, weights, batches):
        self.torch, self.batches = torch, batches
        layers = []
        for weight, _ in weights:
            layers += [torch.nn.Linear(*reversed(weight.shape)), torch.nn.Sigmoid()]
        self.model = torch.nn.Sequential(*layers[:-1]).to(args.device)
        # The objective's 1 / classes, taken with the rate, is one kernel less in a step.
        self.optimizer = self.fastest_sgd(args.learning_rate / CLASSES)
        self.sums = torch.zeros(2, dtype=torch.float64, device=args.device)  # of losses, of hits
        if "compile" in mode:
            self.loss_of = torch.compile(self.loss_of)
        self.submit = self.capture() if "graph" in mode else self.steps
        if "graph" not in mode:
            self.steps(3)
        self.restore(weights)

    def fastest_sgd(self, rate):
        """One kernel for all parameters, where this PyTorch has it."""
        try:
            return self.torch.optim.SGD(self.model.parameters(), lr=rate, fused=True)
        except (TypeError, RuntimeError):
            return self.torch.optim.SGD(self.model.parameters(), lr=rate)

    def loss_of(self, x, y):
        logits = self.model(x)
        loss = self.torch.nn.functional.cross_entropy(logits, y, reduction="sum")
        self.sums[0] += loss.detach()
        self.sums[1] += (logits.argmax(1) == y).sum()
        return loss

    def step(self, x, y):
        self.loss_of(x, y).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def steps(self, count=None):
        self.sums.zero_()
        for x, y in zip(*(part[:count] for part in self.batches)):
            self.step(x, y)

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

    def restore(self, weights):
        """The warm-up has trained; in place, since a graph knows the addresses."""
        with self.torch.no_grad():
            for parameter, first in zip(self.model.parameters(),
                                        (one for pair in weights for one in pair)):
                parameter.copy_(self.torch.from_numpy(first))
        self.sums.tolist()  # which waits for all of it

    def epoch(self):
        self.submit()
        return self.sums.tolist()


def main():
    args = parse(__doc__, MODES)
    try:
        import torch
    except ImportError as problem:
        absent(f"{problem}: python3 -m pip install torch numpy")
    if args.device == "cuda" and not torch.cuda.is_available():
        absent(f"PyTorch {torch.__version__} sees no GPU: python3 -m pip install torch numpy")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")

    start = time.perf_counter()
    on_host, weights = read_batches(args), read_weights(args)
    loaded = time.perf_counter()
    torch.zeros(1, device=args.device).tolist()  # CUDA's own start
    begun = time.perf_counter()
    batches = [torch.from_numpy(part).to(args.device) for part in on_host]
    batches[0][-1, -1, -1].item()
    batched = time.perf_counter()
    of_cpu = args.device == "cpu"
    device = {"kind": "pytorch", "name": "cpu" if of_cpu else torch.cuda.get_device_name(),
              "library": f"PyTorch {torch.__version__}",
              "threads": torch.get_num_threads() if of_cpu else None}
    failed = False
    for mode in args.mode:
        if "graph" in mode and of_cpu:
            continue
        before = time.perf_counter()
        try:
            training = Training(torch, mode, args, weights, batches)
        except RuntimeError as problem:  # and what is derived from it: no memory, no compiler
            print(f"{mode}: {problem}", file=sys.stderr)
            failed = True
            continue
        seconds = {"load": loaded - start, "batching": batched - begun,
                   "open": begun - loaded + time.perf_counter() - before}
        measure(args, {**device, "submission": mode}, seconds, training.epoch)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
