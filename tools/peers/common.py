"""What the peers share: their command line, data and first weights, the phases and their times, and the
record of a run, in the trainer's own form and with its definitions (README.md, "What each second means", and
src/report/README.md).

A peer is a class, whose main program is run(START, __doc__, TheClass), START being the time at the
script's first lines:

  kind              what the record calls it
  recipes           whether it has the options of recipe.py
  modes, install    {device: its modes}, {device: what pip installs for it}, of the devices that it has
  __init__(args)    imports its libraries; only now, with the number of threads set
  library           the text of the record
  open()            opens the device, compiles what batches() needs; gives what the record says of it
  batches(mode, images)
                    all batches as float32 with their labels, ready on the device
  training(mode, weights, batches)
                    an object that is compiled, with
    epoch()           a pass: the sums of its losses and of its hits, with the device idle again
    restore()         puts the first weights back: the next pass is the first
    prepare(images)   images as they are to be scored, ready on the device
    score_of(them)    their sums of losses and of hits
"""
import argparse
import contextlib
import importlib
import json
import math
import os
import platform
import re
import struct
import subprocess
import sys
import time
from collections import namedtuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from peers import recipe  # noqa: E402
from reporting import lines, records  # noqa: E402

PIXELS, COLORS, CLASSES = 1024, 3, recipe.CLASSES
RECORD = 1 + COLORS * PIXELS  # bytes of an image in a file: its label, then red, green, blue
FILE_RECORDS, TRAINING_FILES = 10000, 5
SAMPLES = FILE_RECORDS * TRAINING_FILES
GREY = [weight / 255 for weight in (0.299, 0.587, 0.114)]  # of red, green and blue
ABSENT = 77  # the exit status where a peer, or its device, is not here
# What libraries read when they are loaded: OpenMP, OpenBLAS, MKL, Apple's BLAS, XLA, tinygrad (now and
# before 0.14), PoCL (now and before 4.0).
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                    "VECLIB_MAXIMUM_THREADS", "NPROC", "NUM_CPU_THREADS", "CPU_COUNT",
                    "POCL_CPU_MAX_CU_COUNT", "POCL_MAX_PTHREAD_COUNT")

# And what else they read that makes them faster or slower; names of places do not.
ENVIRONMENT = re.compile(r"(?!.*(DIR|PATH|HOME|FILE|VENDORS)$)(OMP|GOMP|KMP|OPENBLAS|MKL|BLIS|VECLIB|ATEN|TORCH|"
                         r"TORCHINDUCTOR|XLA|JAX|POCL|CUBLAS|CUDA_(VISIBLE|DEVICE|LAUNCH|MODULE)|NVIDIA_TF32)_\w+"
                         r"|BEAM|NOOPT|JIT")

Images = namedtuple("Images", "pixels labels")  # uint8 [count, 3, 1024] and [count]


# --- Its command line ---

def parse(text, modes, recipes):
    """The command line; `text` is the script's docstring, `modes` those of each device, and `recipes` says whether
    it has a recipe's options."""
    def count(word):
        value = int(word)
        if not 1 <= value <= 10**6:
            raise ValueError
        return value

    def widths(word):
        return [] if word == "none" else [count(one) for one in word.split(",")]

    parser = argparse.ArgumentParser(usage=text, add_help=False, allow_abbrev=False)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--mode", type=lambda word: word.split(","))
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--samples", type=count, default=SAMPLES)
    parser.add_argument("--device", choices=("cuda", "opencl", "cpu"), default="cuda")
    parser.add_argument("--threads", type=count)
    parser.add_argument("--batch-size", type=count, default=300)
    parser.add_argument("--layers", type=widths, default=[64, 32])
    parser.add_argument("--epochs", type=count, default=5)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--warm-up", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    if recipes:
        recipe.add_options(parser)
    args = parser.parse_args()
    recipe.set_defaults(args)
    if args.samples > SAMPLES:
        parser.error(f"argument --samples: there are {SAMPLES}")
    if args.threads and args.device == "cuda":
        parser.error("argument --threads: a GPU has none")
    known = modes.get(args.device, sum(modes.values(), ()))
    args.mode = args.mode or list(known)
    if not set(args.mode) <= set(known):
        parser.error(f"argument --mode: {','.join(args.mode)}: of {', '.join(known)}")
    wrong = recipe.check(args)
    if wrong:
        parser.error(wrong)
    args.inputs = PIXELS * recipe.CHANNELS[args.color]
    args.widths = [args.inputs, *args.layers, CLASSES]
    args.training = args.samples - args.validation
    args.steps = -(-args.training // args.batch_size)
    args.tests = min(args.samples, FILE_RECORDS)
    return args


def absent(reason, install):
    """Ends it, with one line."""
    print(f"absent: {reason}: python3 -m pip install {install}", file=sys.stderr)
    sys.exit(ABSENT)


def one_line(problem):
    return " ".join(str(problem).split()) or type(problem).__name__


# --- Threads ---

def first_of_core(processor, allowed):
    """Whether it is the first of its core's hardware threads that are allowed."""
    path = f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list"
    try:
        with open(path, encoding="ascii") as file:
            ranges = [part.split("-") for part in file.read().strip().split(",")]
    except OSError:
        return True
    return processor == min({one for ends in ranges for one in range(int(ends[0]), int(ends[-1]) + 1)}
                            & allowed)


def usable_cores():
    """As the system counts them, hardware threads and all: those in the process's affinity mask."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def physical_cores():
    """Those in the process's affinity mask."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    return sum(first_of_core(processor, allowed) for processor in allowed)


def set_threads(args):
    """For libraries that are not yet loaded; a GPU's have their own ways."""
    if args.device == "cuda":
        return
    args.threads = args.threads or physical_cores()
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(args.threads)))


def environment():
    """Those variables that the user has set, but for the number of threads; None where there are none."""
    return {name: value for name, value in sorted(os.environ.items())
            if ENVIRONMENT.fullmatch(name) and name not in THREAD_VARIABLES} or None


# --- Data and weights ---

def read_file(path, images, np):
    """Decodes a file's first records: the label and the pixels of each."""
    chunk = np.empty((200, RECORD), np.uint8)  # which stays in a core's cache on its way
    pixels = images.pixels.reshape(-1, COLORS * PIXELS)
    with open(path, "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size != FILE_RECORDS * RECORD:
            sys.exit(f"--data: {path}: not CIFAR-10's binary version")
        for first in range(0, len(pixels), len(chunk)):
            part = chunk[:len(pixels) - first]
            if file.readinto(part) != part.nbytes:
                sys.exit(f"--data: {path}: it ended while it was read")
            images.labels[first:first + len(part)] = part[:, 0]
            pixels[first:first + len(part)] = part[:, 1:]
    if images.labels.max(initial=0) >= CLASSES:
        sys.exit(f"--data: {path}: a label over {CLASSES - 1}: not CIFAR-10's binary version")


def load(args):
    """The training and the test images; random ones are good for times, but their losses are no one's."""
    import numpy as np
    if args.data == "synthetic":
        source = np.random.default_rng(1)
        return [Images(source.integers(0, 256, (count, COLORS, PIXELS), np.uint8),
                       source.integers(0, CLASSES, count, np.uint8))
                for count in (args.samples, args.tests)]
    train, test = (Images(np.empty((count, COLORS, PIXELS), np.uint8), np.empty(count, np.uint8))
                   for count in (args.samples, args.tests))
    try:
        for i in range(TRAINING_FILES):
            records = slice(i * FILE_RECORDS, (i + 1) * FILE_RECORDS)
            read_file(os.path.join(args.data, f"data_batch_{i + 1}.bin"),
                      Images(*(part[records] for part in train)), np)
        read_file(os.path.join(args.data, "test_batch.bin"), test, np)
    except OSError as problem:
        sys.exit(f"--data: {problem}")
    return train, test


def fingerprint(sets):
    """As dataset_fingerprint of include/trainer/dataset.h tells data sets apart."""
    value = 0xCBF29CE484222325
    for images in sets:
        for byte in images.labels.tobytes() + images.pixels.reshape(-1)[::4093].tobytes():
            value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def black(count):
    """Images for a first use."""
    import numpy as np
    return Images(np.zeros((count, COLORS, PIXELS), np.uint8), np.zeros(count, np.uint8))


def batch_order(args):
    """The samples of a pass: in the files' order, the last batch completed from the data's start."""
    import numpy as np
    return np.arange(args.steps * args.batch_size) % args.training


def split(images, args):
    """(those that are trained with, those that are held back)."""
    return (Images(*(part[:args.training] for part in images)), Images(*(part[args.training:] for part in images)))


def read_weights(args):
    """[(weight [out, in], bias [out]), ...] of the layers, from a safetensors file."""
    import numpy as np
    try:
        with open(args.weights, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
            data = file.read()
    except (OSError, ValueError, struct.error) as problem:
        sys.exit(f"--weights {args.weights}: {problem}")

    def tensor(name, shape):
        entry = header.get(name, {})
        if entry.get("dtype") != "F32" or entry["shape"] != shape:
            sys.exit(f"--weights {args.weights}: no '{name}' of the shape {shape}: not of --layers?")
        begin, end = entry["data_offsets"]
        return np.frombuffer(data[begin:end], "<f4").reshape(shape).copy()

    if f"{2 * len(args.widths) - 2}.weight" in header:
        sys.exit(f"--weights {args.weights}: of more layers than --layers")
    return [(tensor(f"{2 * i}.weight", [after, before]), tensor(f"{2 * i}.bias", [after]))
            for i, (before, after) in enumerate(zip(args.widths, args.widths[1:]))]


# --- The record ---

def cpu_model():
    """As the trainer names it."""
    if sys.platform == "darwin":
        return subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], stdout=subprocess.PIPE, text=True,
                              check=False).stdout.strip()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()[:100]
        with open("/sys/firmware/devicetree/base/model", encoding="utf-8") as file:
            return file.read().strip("\0\n")[:100]
    except OSError:
        return platform.processor() or "unknown"


def finite(value):
    return value if math.isfinite(value) else None


def describe(args, device, seconds, epochs, test):
    """The record; what the peers have no word for is null."""
    host, samples, mean = os.uname(), args.steps * args.batch_size, seconds["mean_epoch"]
    files = args.data != "synthetic"
    losses = [test["loss"], *(one["loss"] for one in epochs)]
    best, target, ended = outcome(args, seconds, epochs)
    return {
        "schema": 1, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": None,
        "host": {"name": host.nodename, "os": f"{host.sysname} {host.release} {host.machine}",
                 "cpu": cpu_model(), "cores": os.cpu_count(),
                 "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")},
        "device": {"spec": args.device, "kind": None, "type": "gpu" if args.device == "cuda" else "cpu",
                   "name": cpu_model(), "vendor": None, "kernels": None, "library": None, "gemm": None,
                   "platform": None, "driver": None, "threads": None, "compute_units": None,
                   "memory_bytes": None, "precision": "fp32", "step": None, "submission": None,
                   "environment": args.environment,
                   **device},
        "config": {"epochs": args.epochs if ended == "target" else len(epochs), "batch_size": args.batch_size,
                   "layers": args.widths, "learning_rate": args.learning_rate, "tail": "wrap", "batches": "resident",
                   "seed": None if recipe.is_plain(args) else args.seed, **recipe.config(args)},
        "memory": None, "resumed": None, "ranks": None, "clocks": None,
        "dataset": {"name": "CIFAR-10" if files else "random", "source": "files" if files else "random",
                    "path": args.data if files else None, "train": args.training, "validation": args.validation,
                    "test": args.tests, "fingerprint": args.fingerprint},
        "seconds": seconds, "epochs": epochs, "best": best, "target": target, "ended": ended,
        "test": None if test["loss"] is None else test,
        "samples_per_second": samples / mean, "gflops": records.work_of(args.widths, samples) / mean / 1e9,
        "status": "diverged" if None in losses else "complete"}


def is_target(args, epoch):
    return args.target_accuracy is not None and epoch["validation"]["accuracy"] >= args.target_accuracy


def outcome(args, seconds, epochs):
    """(best, target, ended) of the record."""
    if not args.validation:
        return None, None, "epochs"
    number = max(range(len(epochs)), key=lambda n: epochs[n]["validation"]["accuracy"])
    best = {"epoch": number + 1, **{key: epochs[number]["validation"][key] for key in ("loss", "accuracy")}}
    if args.target_accuracy is None:
        return best, None, "epochs"
    reached = is_target(args, epochs[-1])  # which ends it
    spent = math.fsum(one["seconds"] for one in epochs) if reached else None
    before = math.fsum(seconds[name] for name in ("load", "open", "batching"))
    return best, {"accuracy": args.target_accuracy, "epoch": len(epochs) if reached else None, "epochs_seconds": spent,
                  "seconds": spent + before if reached else None}, "target" if reached else "epochs"


# --- A run ---

def warm_up(args, training):
    """Epochs for so many seconds, of which nothing is kept, as in the trainer."""
    start = time.perf_counter()
    while time.perf_counter() - start < args.warm_up:
        training.epoch()
        training.restore()


def train(args, training, held_back, seconds):
    """The epochs. None begins after --seconds, but for the first three, nor once the target is reached."""
    samples = args.steps * args.batch_size
    epochs, start = [], time.perf_counter()
    while len(epochs) < args.epochs:
        before = time.perf_counter()
        if len(epochs) >= 3 and before - start > args.seconds:
            break
        loss, hits = training.epoch()
        epochs.append({"seconds": time.perf_counter() - before, "loss": finite(loss / samples),
                       "accuracy": hits / samples, "validation": None})
        if args.validation:
            epochs[-1]["validation"] = validate(args, training, held_back)
            seconds["validate"] += epochs[-1]["validation"]["seconds"]
            if is_target(args, epochs[-1]):
                break
    return epochs


def validate(args, training, held_back):
    before = time.perf_counter()
    loss, hits = training.score_of(held_back)
    return {"seconds": time.perf_counter() - before, "loss": finite(loss / args.validation),
            "accuracy": hits / args.validation}


@contextlib.contextmanager
def phase(seconds, name):
    before = time.perf_counter()
    yield
    seconds[name] += time.perf_counter() - before


def run_mode(args, mode, peer, device, images, shared):
    """Trains and evaluates. `shared` are the seconds of what all modes begin with: each record is that of
    a process with this mode alone."""
    args.passes = recipe.passes(args)  # before all times
    start, seconds = time.perf_counter(), dict(shared)
    trained, held_back = split(images[0], args)
    with phase(seconds, "batching"):
        batches = peer.batches(mode, trained)
        held_back = peer.prepare(held_back) if args.validation else None
    with phase(seconds, "open"):
        training = peer.training(mode, read_weights(args), batches)
    with phase(seconds, "warm_up"):
        warm_up(args, training)
    epochs = train(args, training, held_back, seconds)
    with phase(seconds, "evaluate"):
        loss, hits = training.score_of(peer.prepare(images[1]))
    seconds["wall"] += time.perf_counter() - start
    seconds["epochs"] = [one["seconds"] for one in epochs]
    seconds["mean_epoch"] = sum(seconds["epochs"]) / len(epochs)
    test = {"loss": finite(loss / args.tests), "accuracy": hits / args.tests, "confusion": None}
    record = describe(args, {**device, "submission": mode}, seconds, epochs, test)
    lines.print_record(record)


def run(start, text, kind):
    """The main program of the peer that is the class `kind`."""
    args = parse(text, kind.modes, getattr(kind, "recipes", False))
    install = kind.install.get(args.device, kind.install["cpu"])
    if args.device not in kind.modes:
        absent(f"{kind.kind} has no device {args.device}", install)
    args.environment = environment()
    set_threads(args)
    try:
        importlib.import_module("numpy")
        peer = kind(args)
    except Exception as problem:  # whatever a library ends with that is not here, or only half of it
        absent(one_line(problem), install)
    # Nothing is freed before the test set is used, nor kept of a run that does not end: those stay 0.
    seconds = dict.fromkeys(("setup", "load", "open", "batching", "warm_up", "unfinished", "validate", "meet",
                             "checkpoint", "release", "evaluate"), 0.0)
    seconds["setup"] = time.perf_counter() - start
    with phase(seconds, "load"):
        images = load(args)
    with phase(seconds, "setup"):
        args.fingerprint = fingerprint(images)
    try:
        with phase(seconds, "open"):
            device = {"kind": kind.kind, "library": peer.library, **peer.open()}
    except Exception as problem:  # as above, of a driver or a compiler
        absent(f"{peer.library}, device {args.device}: {one_line(problem)}", install)
    seconds["wall"] = time.perf_counter() - start
    failed = False
    for mode in args.mode:
        try:
            run_mode(args, mode, peer, device, images, seconds)
        except Exception as problem:  # no memory, no compiler; the other modes may do
            print(f"{mode}: {one_line(problem)}", file=sys.stderr)
            failed = True
    sys.exit(1 if failed else 0)
