"""A net, as a file has it (src/checkpoint/README.md), and what it makes of images."""
import json
import math
import os
import struct
from dataclasses import dataclass

import numpy

GREY, RGB = 1024, 3072  # inputs
ACTIVATIONS = {
    "sigmoid": lambda z: 1 / (1 + numpy.exp(-numpy.clip(z, -80, 80))),
    "tanh": numpy.tanh,
    "relu": lambda z: numpy.maximum(z, 0),
}
HEADER_MOST = 100_000_000  # bytes


@dataclass
class Net:
    layers: list       # (weights [out, in], bias [out])
    activation: str
    scaling: object    # (means, deviations) of each channel; None: images are not scaled

    @property
    def color(self):
        return "grey" if self.layers[0][0].shape[1] == GREY else "rgb"

    @property
    def widths(self):
        return [self.layers[0][0].shape[1], *(bias.size for _, bias in self.layers)]

    def probabilities(self, inputs):
        """[images, classes] of inputs [images, inputs]."""
        with numpy.errstate(all="ignore"):
            return self.softmax_of(inputs)

    def softmax_of(self, values):
        if self.scaling:
            means, deviations = (numpy.repeat(numpy.float32(of), 1024) for of in self.scaling)
            values = (values - means) / deviations
        for number, (weights, bias) in enumerate(self.layers):
            values = values @ weights.T + bias
            if number + 1 < len(self.layers):
                values = ACTIVATIONS[self.activation](values)
        if not numpy.isfinite(values).all():
            raise ValueError("what the net makes of the test images is not finite: its weights are too large")
        terms = numpy.exp(values - values.max(axis=1, keepdims=True))
        return terms / terms.sum(axis=1, keepdims=True)


def parse(blob, path):
    """(metadata, {name: tensor}) of a safetensors file, whose tensors lie one behind the other, without a gap."""
    (length,) = struct.unpack("<Q", blob[:8]) if len(blob) >= 8 else (HEADER_MOST + 1,)
    try:
        if length > min(HEADER_MOST, len(blob) - 8):
            raise ValueError("its header is longer than the file")
        header, data = json.loads(blob[8:8 + length]), blob[8 + length:]
        metadata = header.pop("__metadata__", {})
        if not all(isinstance(text, str) for text in metadata.values()):
            raise ValueError("its metadata are no texts")
        tensors, at = {}, 0
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            begin, end = entry["data_offsets"]
            if begin != at or not at <= end <= len(data):
                raise ValueError(f"{name} is from {begin} to {end} of {len(data)} bytes, after {at}")
            if entry["dtype"] == "F32":
                tensors[name] = tensor(data[begin:end], entry["shape"], name)
            at = end
        if at != len(data):
            raise ValueError(f"there are {len(data)} bytes of tensors, not {at}")
        return metadata, tensors
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise ValueError(f"{path} is no weights file: {problem}; trainer --save writes one") from None


def tensor(data, shape, name):
    if not all(type(size) is int and size >= 0 for size in shape) or 4 * math.prod(shape) != len(data):
        raise ValueError(f"{name} has {len(data)} bytes for {shape}")
    return numpy.frombuffer(data, "<f4").reshape(shape)


def scaling_of(metadata, inputs, path):
    texts = [metadata[name] for name in ("trainer.means", "trainer.deviations") if name in metadata]
    if not texts:
        return None
    try:
        means, deviations = ([float(word) for word in text.split()] for text in texts)
        if not len(means) == len(deviations) == inputs // GREY or min(deviations) <= 0 or not all(
                map(math.isfinite, means + deviations)):
            raise ValueError
    except ValueError:
        raise ValueError(f"{path}: trainer.means and trainer.deviations are not a number for each of "
                         f"{inputs // GREY} channels: {' | '.join(map(str, texts))}") from None
    return means, deviations


def layers_of(tensors, path):
    layers = []
    while f"{2 * len(layers)}.weight" in tensors:
        weights, bias = (tensors.get(f"{2 * len(layers)}.{what}") for what in ("weight", "bias"))
        inputs = layers[-1][1].size if layers else weights.shape[-1] if weights.ndim else 0
        if bias is None or weights.ndim != 2 or bias.ndim != 1 or weights.shape != (bias.size, inputs):
            raise ValueError(f"{path}: \"{2 * len(layers)}.weight\" and its bias are no layer after {inputs} inputs")
        if not (numpy.isfinite(weights).all() and numpy.isfinite(bias).all()):
            raise ValueError(f"{path}: \"{2 * len(layers)}.weight\" or its bias has numbers that are not finite")
        layers.append((weights, bias))
    if not layers or layers[0][0].shape[1] not in (GREY, RGB) or layers[-1][1].size != 10:
        raise ValueError(f"{path} has no net of {GREY} or {RGB} inputs and 10 classes")
    return layers


def read(path, activation=None):
    with open(path, "rb") as file:
        metadata, tensors = parse(file.read(), os.path.basename(path))
    found = activation or metadata.get("trainer.activation") or metadata.get("--activation")
    layers = layers_of(tensors, path)
    if found not in ACTIVATIONS and len(layers) > 1:
        raise ValueError(f"{path} does not say what its hidden layers apply: name it, --activation "
                         f"{'|'.join(ACTIVATIONS)}")
    return Net(layers, found, scaling_of(metadata, layers[0][0].shape[1], path))
