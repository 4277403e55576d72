"""The training run in double precision, straight from its definition in README.md: slow and plain on purpose.

It shares nothing with the trainer, not even what it draws (draws.py). Python's standard library.
"""
import itertools
import math
from operator import mul

import draws
import optimizers


def inputs(pixels, color):
    """An image's inputs, from 0 to 1."""
    if color == "rgb":
        return [byte / 255 for byte in pixels]
    plane = len(pixels) // 3
    planes = zip(pixels[:plane], pixels[plane:2 * plane], pixels[2 * plane:])
    return [(0.299 * red + 0.587 * green + 0.114 * blue) / 255 for red, green, blue in planes]


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


def forward(layers, x, activate):
    """What each layer is given, of one sample, and the logits."""
    given = [x]
    for weights, bias in layers:
        z = [dot(row, given[-1]) + b for row, b in zip(weights, bias)]
        given.append([activate(value) for value in z])
    return given[:-1], z


def score(logits, label):
    """(-log p[label], whether the first of the largest is the label's) and the gradient by the logits of the
    objective, -log p[label] / classes."""
    largest = max(logits)
    terms = [math.exp(z - largest) for z in logits]
    p = [term / sum(terms) for term in terms]
    loss = math.log(sum(terms)) + largest - logits[label]
    return ((loss, logits.index(largest) == label),
            [(p[j] - (j == label)) / len(p) for j in range(len(p))])


def backward(layers, given, gradient, slope):
    """The gradients by what each layer computes before its activation, of one sample."""
    gradients = [gradient]
    for (weights, _), y in zip(reversed(layers[1:]), reversed(given[1:])):
        gradients.insert(0, [dot(gradients[0], column) * slope(value)
                             for column, value in zip(zip(*weights), y)])
    return gradients


def flatten(layers):
    """All parameters of the layers, one after another."""
    return [value for weights, bias in layers for row in (*weights, bias) for value in row]


def unflatten(values, layers):
    """The same, in the shape of the layers."""
    source = iter(values)
    return [([list(itertools.islice(source, len(row))) for row in weights],
             list(itertools.islice(source, len(bias)))) for weights, bias in layers]


def train_batch(layers, samples, activation):
    """(loss, correct) of each sample, and the gradient by all parameters."""
    scores, passed = [], []
    for x, label in samples:
        given, logits = forward(layers, x, ACTIVATIONS[activation][0])
        scored, gradient = score(logits, label)
        scores.append(scored)
        passed.append((given, backward(layers, given, gradient, ACTIVATIONS[activation][1])))
    gradient = []
    for number in range(len(layers)):
        columns = list(zip(*(given[number] for given, _ in passed)))  # [inputs][batch]
        slopes = list(zip(*(gradients[number] for _, gradients in passed)))  # [outputs][batch]
        gradient.append(([[dot(d, x) for x in columns] for d in slopes], [sum(d) for d in slopes]))
    return scores, flatten(gradient)


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
    layers = draws.first_parameters(run["seed"], widths(run))
    optimizer = optimizers.make(run, len(flatten(layers)))
    epochs, steps = [], 0
    for epoch in range(run["epochs"]):
        order = list(range(len(training)))
        if run["shuffle"]:
            order = draws.permutation(run["seed"], draws.ORDER, epoch, len(training))
        scores, parts = [], batches(order, run["batch-size"], run["tail"])
        for batch in parts:
            scored, gradient = train_batch(layers, [training[n] for n in batch], run["activation"])
            rate = run["learning-rate"] * optimizers.factor(run, steps, len(parts))
            steps += 1
            layers = unflatten(optimizer.step(flatten(layers), gradient, rate, steps), layers)
            scores += scored
        epochs.append(mean(scores))
    activate = ACTIVATIONS[run["activation"]][0]
    tested = mean([score(forward(layers, x, activate)[1], label)[0] for x, label in test])
    weights = {}
    for number, (rows, bias) in enumerate(layers):  # PyTorch's names: activations are counted, too
        weights[f"{2 * number}.weight"] = describe(list(itertools.chain(*rows)))
        weights[f"{2 * number}.bias"] = describe(bias)
    return {"epochs": epochs, "test": tested, "weights": weights}
