"""The training run in double precision, straight from its definition in README.md: slow and plain on purpose.

It shares nothing with the trainer, not even what it draws (draws.py). Python's standard library.
"""
import itertools
import math
from operator import mul

import draws
import optimizers


SIDE = draws.SIDE


def inputs(pixels, color):
    """An image's inputs, from 0 to 1."""
    if color == "rgb":
        return [byte / 255 for byte in pixels]
    plane = len(pixels) // 3
    planes = zip(pixels[:plane], pixels[plane:2 * plane], pixels[2 * plane:])
    return [(0.299 * red + 0.587 * green + 0.114 * blue) / 255 for red, green, blue in planes]


def scaling(images):
    """(mean, deviation) of each plane of these inputs."""
    planes = [[value for x in images for value in x[first:first + SIDE * SIDE]]
              for first in range(0, len(images[0]), SIDE * SIDE)]
    means = [sum(plane) / len(plane) for plane in planes]
    return [(of, math.sqrt(sum((value - of) ** 2 for value in plane) / len(plane)))
            for plane, of in zip(planes, means)]


def scaled(x, scales):
    return [(value - scales[n // SIDE ** 2][0]) / scales[n // SIDE ** 2][1] for n, value in enumerate(x)]


def flipped(x):
    return [value for first in range(0, len(x), SIDE) for value in reversed(x[first:first + SIDE])]


def batches(order, size, tail):
    """A pass in this order, as lists of samples. What completes the last batch is the order's start, as often
    as it takes."""
    whole = len(order) // size
    made = [order[n * size:(n + 1) * size] for n in range(whole)]
    rest = order[whole * size:]
    if rest and tail == "short":
        made.append(rest)
    elif rest and tail == "wrap":
        made.append(rest + list(itertools.islice(itertools.cycle(order), size - len(rest))))
    return made


ACTIVATIONS = {  # name: (function, its slope where the function is y)
    "sigmoid": (lambda z: 1 / (1 + math.exp(-z)), lambda y: y * (1 - y)),
    "tanh": (math.tanh, lambda y: 1 - y * y),
    "relu": (lambda z: max(z, 0.0), lambda y: float(y > 0)),
}


def dot(a, b):
    return sum(map(mul, a, b))


def forward(layers, x, activate, kept=None):
    """What each layer is given, of one sample, what the hidden ones computed of it, and the logits. kept[layer]: what
    their outputs are multiplied by."""
    given, computed = [x], []
    for number, (weights, bias) in enumerate(layers):
        z = [dot(row, given[-1]) + b for row, b in zip(weights, bias)]
        computed.append([activate(value) for value in z])
        given.append([y * factor for y, factor in zip(computed[-1], kept[number])]
                     if kept and number < len(kept) else computed[-1])
    return given[:-1], computed[:-1], z


def score(logits, label, smoothing=0.0):
    """(-log p[label], whether the first of the largest is the label's) and the gradient by the logits of the
    objective, the cross-entropy of the target / classes."""
    largest = max(logits)
    terms = [math.exp(z - largest) for z in logits]
    p = [term / sum(terms) for term in terms]
    loss = math.log(sum(terms)) + largest - logits[label]
    return ((loss, logits.index(largest) == label),
            [(p[j] - (1 - smoothing) * (j == label) - smoothing / len(p)) / len(p) for j in range(len(p))])


def backward(layers, computed, gradient, slope, kept=None):
    """The gradients by what each layer computes before its activation, of one sample."""
    gradients = [gradient]
    for number in reversed(range(len(computed))):
        weights, factors = layers[number + 1][0], kept[number] if kept else itertools.repeat(1.0)
        gradients.insert(0, [dot(gradients[0], column) * factor * slope(value)
                             for column, value, factor in zip(zip(*weights), computed[number], factors)])
    return gradients


def flatten(layers):
    """All parameters of the layers, one after another."""
    return [value for weights, bias in layers for row in (*weights, bias) for value in row]


def unflatten(values, layers):
    """The same, in the shape of the layers."""
    source = iter(values)
    return [([list(itertools.islice(source, len(row))) for row in weights],
             list(itertools.islice(source, len(bias)))) for weights, bias in layers]


def train_batch(run, layers, samples):
    """(loss, correct) of each sample, and the gradient by all parameters. Samples are (inputs, label, kept)."""
    scores, passed = [], []
    activate, slope = ACTIVATIONS[run["activation"]]
    for x, label, kept in samples:
        given, computed, logits = forward(layers, x, activate, kept)
        scored, gradient = score(logits, label, run.get("label-smoothing", 0.0))
        scores.append(scored)
        passed.append((given, backward(layers, computed, gradient, slope, kept)))
    gradient = []
    for number in range(len(layers)):
        columns = list(zip(*(given[number] for given, _ in passed)))  # [inputs][batch]
        slopes = list(zip(*(gradients[number] for _, gradients in passed)))  # [outputs][batch]
        gradient.append(([[dot(d, x) for x in columns] for d in slopes], [sum(d) for d in slopes]))
    return scores, clipped(flatten(gradient), run.get("clip-norm", math.inf))


def clipped(gradient, largest):
    """As torch.nn.utils.clip_grad_norm_ has it."""
    factor = min(1.0, largest / (math.sqrt(dot(gradient, gradient)) + 1e-6))
    return [g * factor for g in gradient]


def drawn(run, training, n, epoch, position):
    """(inputs, label, kept) of image n, which is number `position` of the pass."""
    x, label = training[n]
    if run.get("flip") and draws.is_flipped(run["seed"], epoch, position):
        x = flipped(x)
    share, hidden = run.get("dropout", 0.0), widths(run)[1:-1]
    return x, label, [draws.kept(run["seed"], epoch, position, layer, width, share)
                      for layer, width in enumerate(hidden)] if share else None


def mean(scores):
    losses, correct = zip(*scores)
    return {"loss": sum(losses) / len(losses), "accuracy": sum(correct) / len(correct)}


def describe(values):
    """What tells a tensor from others: sum and norm, and eight of its elements, which have a place."""
    places = [n * (len(values) - 1) // 7 for n in range(8)]
    return {"sum": sum(values), "norm": math.sqrt(dot(values, values)), "some": [values[n] for n in places]}


def read_samples(run, part):
    images = draws.synthetic_images(run["seed"], part, run["samples"])
    return [(inputs(pixels, run["color"]), label) for label, pixels in images]


def widths(run):
    hidden = [] if run["layers"] == "none" else [int(width) for width in run["layers"].split(",")]
    return [1024 if run["color"] == "grey" else 3072, *hidden, draws.CLASSES]


def train(run):
    """What a run of the trainer with these options should come to."""
    training, test = read_samples(run, 0), read_samples(run, 1)
    if run.get("normalize"):
        scales = scaling([x for x, _ in training])
        training, test = [[(scaled(x, scales), label) for x, label in part] for part in (training, test)]
    layers = draws.first_parameters(run["seed"], widths(run), run.get("initial", "normal"))
    optimizer = optimizers.make(run, len(flatten(layers)))
    epochs, steps = [], 0
    for epoch in range(run["epochs"]):
        order = list(range(len(training)))
        if run["shuffle"]:
            order = draws.permutation(run["seed"], draws.ORDER, epoch, len(training))
        scores, parts = [], batches(order, run["batch-size"], run["tail"])
        for batch in parts:
            samples = [drawn(run, training, n, epoch, len(scores) + row) for row, n in enumerate(batch)]
            scored, gradient = train_batch(run, layers, samples)
            rate = run["learning-rate"] * optimizers.factor(run, steps, len(parts))
            steps += 1
            layers = unflatten(optimizer.step(flatten(layers), gradient, rate, steps), layers)
            scores += scored
        epochs.append(mean(scores))
    activate = ACTIVATIONS[run["activation"]][0]
    tested = mean([score(forward(layers, x, activate)[2], label)[0] for x, label in test])
    weights = {}
    for number, (rows, bias) in enumerate(layers):  # PyTorch's names: activations are counted, too
        weights[f"{2 * number}.weight"] = describe(list(itertools.chain(*rows)))
        weights[f"{2 * number}.bias"] = describe(bias)
    return {"epochs": epochs, "test": tested, "weights": weights}
