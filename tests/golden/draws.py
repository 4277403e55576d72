"""What a seed gives: the numbers, the order, the first weights and the synthetic images of a run.

Written apart from the trainer, from what its headers define (include/trainer/random.h, dataset.h, network.h)
and the papers that these name, so that neither can be wrong unseen. Python's standard library, and slow.
"""
import itertools
import math
import struct

WORD = 2 ** 32
PARAMETERS, ORDER, PROTOTYPES, NOISE, DROPOUT, FLIP = 1, 2, 3, 4, 6, 7  # streams

SIDE, COLOURS, CLASSES = 32, 3, 10
CELL = 8                    # pixels between two corners of a prototype
CORNERS = SIDE // CELL + 1  # in a row of them


def philox(counter, key):
    """Four words: ten rounds of Philox4x32 over a counter of four with a key of two."""
    (a, b, c, d), (low, high) = counter, key
    for _ in range(10):
        (upper_a, lower_a), (upper_c, lower_c) = divmod(a * 0xD2511F53, WORD), divmod(c * 0xCD9E8D57, WORD)
        a, b, c, d = upper_c ^ b ^ low, lower_c, upper_a ^ d ^ high, lower_a
        low, high = (low + 0x9E3779B9) % WORD, (high + 0xBB67AE85) % WORD
    return a, b, c, d


def block(seed, stream, part, number):
    return philox((number % WORD, number // WORD, part, stream), (seed % WORD, seed // WORD))


def words(seed, stream, part):
    """All of a stream's, block after block."""
    for number in itertools.count():
        yield from block(seed, stream, part, number)


def random_bytes(seed, stream, part, first, count):
    """`count` bytes from block `first` on: words have their low byte first."""
    blocks = range(first, first + -(-count // 16))
    return b"".join(struct.pack("<4I", *block(seed, stream, part, number)) for number in blocks)[:count]


def single(value):
    """A number rounded to float32."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def normal(seed, stream, part, deviation, count):
    """Box and Muller: two values of each block, as float32."""
    values = []
    for number in range((count + 1) // 2):
        a, b, c, d = block(seed, stream, part, number)
        u = ((a * WORD + b) // 2 ** 11 + 1) / 2 ** 53  # in (0, 1]
        v = ((c * WORD + d) // 2 ** 11) / 2 ** 53      # in [0, 1)
        radius, angle = deviation * math.sqrt(-2 * math.log(u)), 2 * math.pi * v
        values += single(radius * math.cos(angle)), single(radius * math.sin(angle))
    return values[:count]


def below(source, bound):
    """Lemire: a word times the bound; the few whose low half makes some results likelier are passed over."""
    while True:
        result, rest = divmod(next(source) * bound, WORD)
        if rest >= WORD % bound:
            return result


def permutation(seed, stream, part, count):
    """Fisher and Yates, from the end: each place takes what a random place up to it has."""
    order, source = list(range(count)), words(seed, stream, part)
    for last in reversed(range(1, count)):
        chosen = below(source, last + 1)
        order[last], order[chosen] = order[chosen], order[last]
    return order


def first_parameters(seed, widths, initial="normal"):
    """[(weights, bias)] of each layer; weights[out] are a list of the inputs'."""
    layers = []
    for number, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        deviation = {"normal": 0.1, "glorot": math.sqrt(2 / (inputs + outputs)), "he": math.sqrt(2 / inputs)}[initial]
        drawn = normal(seed, PARAMETERS, 2 * number, deviation, inputs * outputs)  # [inputs, outputs]
        bias = normal(seed, PARAMETERS, 2 * number + 1, 0.1, outputs) if initial == "normal" else [0.0] * outputs
        layers.append(([drawn[output::outputs] for output in range(outputs)], bias))
    return layers


def is_flipped(seed, epoch, sample):
    """Sample number `sample` of the epoch's pass."""
    return block(seed, FLIP, epoch, sample)[0] >= WORD // 2


def kept(seed, epoch, sample, layer, width, share):
    """Of each output of a hidden layer, what dropout multiplies it by."""
    drawn = []
    for number in range((width + 3) // 4):
        drawn += block(seed, DROPOUT, epoch, sample * WORD + layer * 2 ** 16 + number)
    return [0.0 if word < math.floor(share * WORD) else 1 / (1 - share) for word in drawn[:width]]


def prototype(seed, label):
    """Colours of the class, from -128 to 127: red, green, blue plane."""
    colours = []
    for plane in range(COLOURS):
        corners = random_bytes(seed, PROTOTYPES, label, 2 * plane, CORNERS * CORNERS)
        for y, x in itertools.product(range(SIDE), repeat=2):
            (row, down), (column, right) = divmod(y, CELL), divmod(x, CELL)
            weighted = sum(corners[(row + i) * CORNERS + column + j] * (down if i else CELL - down)
                           * (right if j else CELL - right) for i in (0, 1) for j in (0, 1))
            colours.append(weighted // CELL ** 2 - 128)
    return colours


def synthetic_images(seed, part, count):
    """[(label, its 3072 bytes)] of the training set (part 0) or the test set (part 1)."""
    prototypes = [prototype(seed, label) for label in range(CLASSES)]
    size = COLOURS * SIDE * SIDE
    images = []
    for number in range(count):
        drawn = random_bytes(seed, NOISE, part, number * (1 + size // 16), 16 + size)
        label, contrast = drawn[0] % CLASSES, 16 + drawn[1] % 48
        pixels = (64 + math.trunc((contrast * colour + 64 * (noise - 128)) / 128)
                  for colour, noise in zip(prototypes[label], drawn[16:]))
        images.append((label, bytes(min(max(pixel, 0), 255) for pixel in pixels)))
    return images
