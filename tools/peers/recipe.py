"""How a net is trained, beyond the benchmark: the trainer's options by their names and with their meaning (README.md,
"Options"), for peers that have them. The first weights, the order of the samples and which images are turned are the
trainer's own, from its generator (include/trainer/random.h). What dropout drops is drawn by the peer's library, from
the same seed each time, so losses with dropout are alike, not the same.

The order and the turned images of each epoch are made before the first one, and are no part of a peer's times.
"""
import math

CLASSES, SIDE = 10, 32
CHANNELS = {"grey": 1, "rgb": 3}
STREAM_ORDER, STREAM_FLIP = 2, 7  # of enum random_stream
FIRST_WORDS = 1 << 16  # of random numbers that are made at once
CHOICES = {"activation": ("sigmoid", "tanh", "relu"), "color": tuple(CHANNELS), "optimizer": ("sgd", "adamw"),
           "schedule": ("constant", "step", "cosine", "linear")}
FLAGS = ("nesterov", "normalize", "flip", "shuffle")
COUNTS = ("seed", "warmup-epochs", "validation")
# What each of them is where it is not given; all of it is the benchmark.
DEFAULTS = {
    "activation": "sigmoid", "color": "grey", "optimizer": "sgd", "momentum": 0.0, "nesterov": False,
    "weight-decay": 0.0, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "schedule": "constant", "warmup-epochs": 0,
    "label-smoothing": 0.0, "dropout": 0.0, "clip-norm": None, "normalize": False, "flip": False, "shuffle": False,
    "seed": 1, "validation": 0, "target-accuracy": None}
OWN_RANDOMNESS = ("dropout",)  # with these, losses are no longer those of the trainer
# What peers without recipes have as it is.
FIXED = {"patience": 0, "keep-best": False, "initial": "normal"}


def member(option):
    return option.replace("-", "_")


def add_options(parser):
    for option, default in DEFAULTS.items():
        if option in FLAGS:
            parser.add_argument("--" + option, action="store_true")
        elif option in CHOICES:
            parser.add_argument("--" + option, choices=CHOICES[option], default=default)
        else:
            parser.add_argument("--" + option, type=int if option in COUNTS else float, default=default)
    parser.add_argument("--initial", default="normal")  # --weights has it; the record names it


def set_defaults(args):
    """For a peer that has no such options."""
    for option, default in (*DEFAULTS.items(), *FIXED.items()):
        if not hasattr(args, member(option)):
            setattr(args, member(option), default)


def check(args):
    """What is wrong with these options, in words; None where nothing is. What may be 0 for nothing becomes None."""
    args.clip_norm, args.target_accuracy = args.clip_norm or None, args.target_accuracy or None
    shares = ("momentum", "beta1", "beta2", "dropout")
    wrong = [option for option in shares if not 0 <= getattr(args, option) < 1]
    wrong += [option for option in ("label-smoothing", "target-accuracy")
              if not 0 <= (getattr(args, member(option)) or 0) <= 1]
    wrong += [option for option in ("weight-decay", "epsilon", "clip-norm")
              if not 0 <= (getattr(args, member(option)) or 0) < math.inf]
    wrong += [option for option in COUNTS if getattr(args, member(option)) < 0]
    if wrong:
        return f"argument --{wrong[0]}: {getattr(args, member(wrong[0]))} makes no sense"
    adamw = args.optimizer == "adamw"
    others = ("momentum", "nesterov") if adamw else ("beta1", "beta2", "epsilon")
    ignored = [option for option in others if getattr(args, option) != DEFAULTS[option]]
    for is_wrong, words in (
            (ignored, f"argument --{(ignored or [''])[0]}: {args.optimizer} has none"),
            (args.nesterov and not args.momentum, "argument --nesterov: it needs a --momentum"),
            (args.warmup_epochs > args.epochs, f"argument --warmup-epochs: there are only {args.epochs} --epochs"),
            (args.validation >= args.samples, f"argument --validation: nothing is left of {args.samples} images"),
            (args.target_accuracy and not args.validation,
             "argument --target-accuracy: it needs images that are held back: --validation"),
            (args.seconds < math.inf and args.schedule != "constant",
             "argument --seconds: a --schedule is of a number of epochs")):
        if is_wrong:
            return words
    return None


def is_plain(args):
    """Whether each step is the benchmark's: plain descent, always the same batches."""
    steps = ("optimizer", "momentum", "weight-decay", "schedule", "warmup-epochs", "label-smoothing", "dropout",
             "clip-norm", "flip", "shuffle")
    return all(getattr(args, member(option)) == DEFAULTS[option] for option in steps)


def config(args):
    """What the record's "config" has of it."""
    return {member(option): getattr(args, member(option)) for option in (*DEFAULTS, *FIXED) if option != "seed"}


# --- What the generator gives ---

def philox(numbers, part, stream, seed):
    """Words [blocks, 4] of these blocks: Philox4x32-10, over arrays."""
    import numpy as np
    low32 = np.uint64(0xFFFFFFFF)
    a, b = numbers & low32, numbers >> np.uint64(32)
    c, d = np.full_like(numbers, part), np.full_like(numbers, stream)
    low, high = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        upper_a, upper_c = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b, c, d = ((upper_c >> np.uint64(32)) ^ b ^ np.uint64(low), upper_c & low32,
                      (upper_a >> np.uint64(32)) ^ d ^ np.uint64(high), upper_a & low32)
        low, high = (low + 0x9E3779B9) & 0xFFFFFFFF, (high + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack((a, b, c, d), axis=1)


def words(seed, stream, part):
    """A stream's words, one after the other."""
    import numpy as np
    first = 0
    while True:
        yield from philox(np.arange(first, first + FIRST_WORDS // 4, dtype=np.uint64), part, stream,
                          seed).ravel().tolist()
        first += FIRST_WORDS // 4


def permutation(seed, epoch, count):
    """The trainer's shuffle: each place, from the end, takes what a random place up to it has."""
    order, source = list(range(count)), words(seed, STREAM_ORDER, epoch)
    for last in range(count - 1, 0, -1):
        bound = last + 1
        while True:  # words that make some results likelier are passed over
            product = next(source) * bound
            if product & 0xFFFFFFFF >= (1 << 32) % bound:
                break
        chosen = product >> 32
        order[last], order[chosen] = order[chosen], order[last]
    return order


def order_of(args, epoch):
    """The samples of a pass [steps, batch size], the last batch completed from its own start."""
    import numpy as np
    order = np.array(permutation(args.seed, epoch, args.training)) if args.shuffle else np.arange(args.training)
    return np.resize(order, args.steps * args.batch_size).reshape(args.steps, -1)


def turned_of(args, epoch):
    """Of each of these whether it is turned left to right, in this pass."""
    import numpy as np
    numbers = np.arange(args.steps * args.batch_size, dtype=np.uint64)
    drawn = philox(numbers, epoch, STREAM_FLIP, args.seed)[:, 0] >> np.uint64(31)
    return drawn.astype(bool).reshape(args.steps, -1)


def passes(args):
    """[(order, turned or None)] of each epoch; None where all passes are alike."""
    if not args.shuffle and not args.flip:
        return None
    return [(order_of(args, epoch), turned_of(args, epoch) if args.flip else None) for epoch in range(args.epochs)]


# --- Steps ---

def factor(args, step):
    """Of the learning rate, in step number `step` of the run, from 0 on."""
    rising, steps = args.warmup_epochs * args.steps, args.epochs * args.steps
    if step < rising:
        return (step + 1) / rising
    done = (step - rising) / max(steps - rising, 1)
    return {"constant": 1.0, "step": 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01,
            "cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done}[args.schedule]


def learning_rates(args):
    """Of each step of the run."""
    return [args.learning_rate * factor(args, step) for step in range(args.epochs * args.steps)]


def adamw_rates(args):
    """[learning rate, its first moment's correction, its second's] of each step of the run, of which it takes
    rate * first * m / (sqrt(second * v) + epsilon)."""
    return [[rate, 1 / (1 - args.beta1 ** step), 1 / (1 - args.beta2 ** step)]
            for step, rate in enumerate(learning_rates(args), 1)]
