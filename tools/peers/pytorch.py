#!/usr/bin/env python3
"""The same training in PyTorch, timed in the same way: one JSON line for each mode.

  pytorch.py --weights FILE [--mode graph,eager,compile,compile-graph] [--data DIR|synthetic]
             [--samples N] [--device cuda|cpu] [--threads N] [--batch-size N] [--layers N,N,...]
             [--epochs N] [--learning-rate X] [--warm-up X] [--seconds X] [RECIPE]

FILE has the first weights: `trainer --epochs 0 --save FILE`, with the same --layers. Everything is
in fp32, without TF32. With `--data synthetic` pixels and labels are random. RECIPE are the trainer's
options for how a net is trained (recipe.py): --optimizer, --schedule, --shuffle, --flip and so on.

  graph           a whole epoch, captured once as one CUDA graph
  eager           nn.Sequential, autograd and torch.optim.SGD, step by step
  compile         a step, with its gradients and its update, as one function through torch.compile
  compile-graph   a whole epoch of that as one CUDA graph

Those of CUDA graphs are with --device cuda only, and have the benchmark's steps only. --threads, on a CPU, are those that compute; without
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
from common import recipe


class PyTorch:
    kind, recipes = "pytorch", True
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

    def convert(self, pixels, x):
        """x[images, inputs] of pixels; scaled, once the scaling is known."""
        for part, of_x in zip(self.pieces(pixels), self.pieces(x)):
            planes = self.torch.from_numpy(part).to(x.device)
            if self.args.color == "grey":
                red, green, blue = planes.unbind(1)
                self.torch.mul(red, common.GREY[0], out=of_x)
                of_x.add_(green, alpha=common.GREY[1]).add_(blue, alpha=common.GREY[2])
            else:
                self.torch.mul(planes.view(len(part), -1), 1 / 255, out=of_x)
            self.scale(of_x)

    def scale(self, x):
        if self.scaling:
            means, deviations = self.scaling
            self.channels(x).sub_(means).div_(deviations)

    def channels(self, x):
        return x.view(len(x), -1, common.PIXELS)

    def find_scaling(self, x):
        """(means, deviations) [channels, 1] over all images."""
        pieces = [self.channels(part).double() for part in self.pieces(x)]
        mean, square = (sum(part.pow(power).sum((0, 2)) for part in pieces) / (len(x) * common.PIXELS)
                        for power in (1, 2))
        return [value.float()[:, None] for value in (mean, (square - mean * mean).sqrt())]

    def batches(self, mode, images):
        """(x, labels) of all steps in their order; of all images, where that is another in each pass."""
        torch, args = self.torch, self.args
        order, count = common.batch_order(args), args.training
        x = torch.empty(count if args.passes else len(order), args.inputs, device=args.device)
        self.scaling = None
        self.convert(images.pixels, x[:count])
        if args.normalize:
            self.scaling = self.find_scaling(x[:count])
            self.scale(x[:count])
        labels = torch.from_numpy(images.labels[order[:len(x)]]).to(x.device).long()
        if not args.passes:
            x[count:] = x[torch.from_numpy(order[count:]).to(x.device)]
            x, labels = x.view(args.steps, args.batch_size, -1), labels.view(args.steps, args.batch_size)
        x.view(-1)[-1].item()  # which waits for all of it
        return x, labels

    def prepare(self, images):
        """(x, labels) of images, in pieces."""
        pieces = []
        for pixels in self.pieces(images.pixels):
            pieces.append(self.torch.empty(len(pixels), self.args.inputs, device=self.args.device))
            self.convert(pixels, pieces[-1])
        return pieces, self.torch.from_numpy(images.labels).to(self.args.device).long()

    def training(self, mode, weights, batches):
        if recipe.is_plain(self.args):
            return Training(self, mode, weights, batches)
        if "graph" in mode:
            raise RuntimeError("a CUDA graph here has the benchmark's steps only")
        return Recipe(self, mode, weights, batches)

    def net(self, weights):
        """Without its weights."""
        nn, args = self.torch.nn, self.args
        activation = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}[args.activation]
        layers = []
        for weight, _ in weights:
            layers += [nn.Linear(*reversed(weight.shape)), activation(), *[nn.Dropout(args.dropout)] * (args.dropout > 0)]
        return nn.Sequential(*layers[:-2 if args.dropout else -1]).to(args.device)


class Training:
    """The net with its first weights, ready to run epochs of (pixels, labels)."""

    def __init__(self, peer, mode, weights, batches):
        torch, args = peer.torch, peer.args
        self.torch, self.peer, self.weights = torch, peer, weights
        self.begin(batches)
        self.model = peer.net(weights)
        # The objective's 1 / classes, taken with the rate, is one kernel less in a step.
        self.rate = args.learning_rate / common.CLASSES
        self.scores = torch.zeros(2, dtype=torch.float64, device=args.device)  # sums of losses, of hits
        if "compile" in mode:
            self.parameters = {name: one.detach() for name, one in self.model.named_parameters()}
            self.step = torch.compile(self.pure_step)
        else:
            self.optimizer = self.fastest(torch.optim.SGD, lr=self.rate)
            self.step = self.autograd_step
        self.restore()
        self.submit = self.capture() if "graph" in mode else self.steps
        if "graph" not in mode:
            self.steps(3)
        self.score_of(peer.prepare(common.black(args.tests)))
        self.restore()

    def begin(self, batches):
        self.batches, self.labels = list(zip(*batches)), batches[1]

    def fastest(self, kind, **options):
        """The optimiser: one kernel for all parameters, where this PyTorch has it."""
        parameters = list(self.model.parameters())
        try:
            return kind(parameters, fused=True, **options)
        except (TypeError, RuntimeError):
            return kind(parameters, **options)

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

    def score_of(self, prepared):
        pieces, y = prepared
        self.model.eval()  # without dropout
        with self.torch.inference_mode():
            logits = self.torch.cat([self.model(x) for x in pieces])
            scores = self.score([self.loss(logits, y)], logits, y).tolist()
        self.model.train()
        return scores


class Recipe(Training):
    """The same by other steps, and with other batches in each pass."""

    def __init__(self, peer, mode, weights, batches):
        torch, args = peer.torch, peer.args
        self.torch, self.peer, self.weights, self.args = torch, peer, weights, args
        self.x, self.labels = batches
        self.model = peer.net(weights)
        self.scores = torch.zeros(2, dtype=torch.float64, device=args.device)
        self.compiled = mode == "compile"
        if self.compiled:
            self.parameters = {name: one.detach() for name, one in self.model.named_parameters()}
            self.states = {name: [torch.zeros_like(one) for _ in range(2)] for name, one in self.parameters.items()}
            self.rates = [row.clone() for row in torch.tensor(recipe.adamw_rates(args), device=args.device)]
            self.pure = torch.compile(self.pure_step)
        else:
            self.rates = recipe.learning_rates(args)
        self.restore()
        self.submit = self.steps
        self.steps(3)
        self.score_of(peer.prepare(common.black(args.tests)))
        self.restore()

    def make_optimizer(self):
        optim, args = self.torch.optim, self.args
        if args.optimizer == "adamw":
            return self.fastest(optim.AdamW, lr=args.learning_rate, betas=(args.beta1, args.beta2), eps=args.epsilon,
                                weight_decay=args.weight_decay)
        return self.fastest(optim.SGD, lr=args.learning_rate, momentum=args.momentum, nesterov=args.nesterov,
                            weight_decay=args.weight_decay)

    def restore(self):
        super().restore()
        self.torch.manual_seed(self.args.seed)
        self.passed = self.step_number = 0
        if self.compiled:
            for state in sum(self.states.values(), []):
                state.zero_()
        else:
            self.optimizer = self.make_optimizer()

    def given(self, count):
        """The batches of the next pass."""
        if not self.args.passes:
            return list(zip(self.x, self.labels))[:count]
        order, turned = (None if part is None else self.torch.from_numpy(part[:count]).to(self.x.device)
                         for part in self.args.passes[self.passed])
        return (self.batch(*one) for one in zip(order, order if turned is None else turned))

    def batch(self, rows, turned):
        x = self.x[rows]
        if self.args.flip:
            lines = x.view(len(x), -1, recipe.SIDE)
            x = self.torch.where(turned[:, None, None], lines.flip(-1), lines).view(len(x), -1)
        return x, self.labels[rows]

    def objective(self, logits, y):
        return self.torch.nn.functional.cross_entropy(
            logits, y, reduction="sum", label_smoothing=self.args.label_smoothing) / common.CLASSES

    def autograd_step(self, x, y):
        logits = self.model(x)
        self.objective(logits, y).backward()
        if self.args.clip_norm:
            self.torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.args.clip_norm)
        self.optimizer.param_groups[0]["lr"] = self.rates[self.step_number]
        self.optimizer.step()
        self.optimizer.zero_grad()
        return logits.detach()

    def pure_step(self, x, y, rates):
        def objective(parameters):
            logits = self.torch.func.functional_call(self.model, parameters, (x,))
            return self.objective(logits, y), logits

        gradients, logits = self.torch.func.grad(objective, has_aux=True)(self.parameters)
        if self.args.clip_norm:
            norm = sum(gradient.square().sum() for gradient in gradients.values()).sqrt()
            factor = (self.args.clip_norm / (norm + 1e-6)).clamp(max=1.0)
            gradients = {name: gradient * factor for name, gradient in gradients.items()}
        take = self.adamw if self.args.optimizer == "adamw" else self.sgd
        for name, parameter in self.parameters.items():
            take(parameter, gradients[name], *self.states[name], *rates.unbind())
        return logits

    def sgd(self, parameter, gradient, momentum, _, rate, *corrections):
        args = self.args
        gradient = gradient + args.weight_decay * parameter
        if args.momentum:
            momentum.mul_(args.momentum).add_(gradient)
            gradient = gradient + args.momentum * momentum if args.nesterov else momentum
        parameter.sub_(rate * gradient)

    def adamw(self, parameter, gradient, mean, square, rate, first, second):
        args = self.args
        parameter.mul_(1 - rate * args.weight_decay)
        mean.mul_(args.beta1).add_(gradient, alpha=1 - args.beta1)
        square.mul_(args.beta2).addcmul_(gradient, gradient, value=1 - args.beta2)
        parameter.sub_(rate * first * mean / ((second * square).sqrt() + args.epsilon))

    def take_step(self, x, y):
        if self.compiled:
            logits = self.pure(x, y, self.rates[self.step_number])
        else:
            logits = self.autograd_step(x, y)
        self.step_number += 1
        return logits

    def steps(self, count=None):
        logits, labels = zip(*[(self.take_step(x, y), y) for x, y in self.given(count)])
        self.passed += 1
        logits, labels = self.torch.cat(logits), self.torch.cat(labels)
        with self.torch.no_grad():
            self.scores.copy_(self.score([self.loss(logits, labels)], logits, labels))


if __name__ == "__main__":
    common.run(START, __doc__, PyTorch)
