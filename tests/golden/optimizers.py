"""Optimisers and schedules, as PyTorch's documentation has them (torch.optim.SGD and AdamW), in double precision.

Python's standard library, and slow.
"""
import math


def factor(run, step, batches):
    """Of the learning rate in step number `step`, which counts from 0."""
    rising, steps = run.get("warmup-epochs", 0) * batches, run["epochs"] * batches
    if step < rising:
        return (step + 1) / rising
    done = (step - rising) / (steps - rising)
    return {
        "constant": 1.0,
        "step": 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01,
        "cosine": (1 + math.cos(math.pi * done)) / 2,
        "linear": 1 - done,
    }[run.get("schedule", "constant")]


class Sgd:
    def __init__(self, run, count):
        self.momentum, self.decay = run.get("momentum", 0.0), run.get("weight-decay", 0.0)
        self.nesterov = run.get("nesterov", False)
        self.buffer = [0.0] * count

    def step(self, parameters, gradient, rate, _):
        after = []
        for n, (theta, g) in enumerate(zip(parameters, gradient)):
            g += self.decay * theta
            if self.momentum:
                self.buffer[n] = self.momentum * self.buffer[n] + g
                g = g + self.momentum * self.buffer[n] if self.nesterov else self.buffer[n]
            after.append(theta - rate * g)
        return after


class AdamW:
    def __init__(self, run, count):
        self.betas = run.get("beta1", 0.9), run.get("beta2", 0.999)
        self.epsilon, self.decay = run.get("epsilon", 1e-8), run.get("weight-decay", 0.0)
        self.m, self.v = [0.0] * count, [0.0] * count

    def step(self, parameters, gradient, rate, number):
        after = []
        first, second = self.betas
        for n, (theta, g) in enumerate(zip(parameters, gradient)):
            theta -= rate * self.decay * theta
            self.m[n] = first * self.m[n] + (1 - first) * g
            self.v[n] = second * self.v[n] + (1 - second) * g * g
            mean, square = self.m[n] / (1 - first ** number), self.v[n] / (1 - second ** number)
            after.append(theta - rate * mean / (math.sqrt(square) + self.epsilon))
        return after


def make(run, count):
    return {"sgd": Sgd, "adamw": AdamW}[run.get("optimizer", "sgd")](run, count)
