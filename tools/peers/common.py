"""What the peers share: their command line, data and first weights, and the record of a run, in the
trainer's own form (README.md, "The record").

The data are decoded as the trainer does it, all batches are on the device before the first epoch,
and an epoch begins and ends with the device idle; its loss and accuracy are read once, at its end.
"""
import argparse
import json
import os
import platform
import struct
import sys
import time

INPUTS, CLASSES, SAMPLES = 1024, 10, 50000
ABSENT = 77  # the exit status where a peer, or its device, is not here


def parse(text, modes):
    """The command line; `text` is the script's docstring, `modes` what --mode may list."""
    def count(word):
        value = int(word)
        if not 1 <= value <= 10**6:
            raise ValueError
        return value

    def widths(word):
        return [] if word == "none" else [count(one) for one in word.split(",")]

    def listed(word):
        if not set(word.split(",")) <= set(modes):
            raise ValueError
        return word.split(",")

    parser = argparse.ArgumentParser(usage=text, add_help=False, allow_abbrev=False)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--mode", type=listed, default=list(modes))
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--samples", type=count, default=SAMPLES)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--batch-size", type=count, default=300)
    parser.add_argument("--layers", type=widths, default=[64, 32])
    parser.add_argument("--epochs", type=count, default=5)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--warm-up", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    args = parser.parse_args()
    if args.samples > SAMPLES:
        parser.error(f"argument --samples: there are {SAMPLES}")
    args.widths = [INPUTS, *args.layers, CLASSES]
    args.steps = -(-args.samples // args.batch_size)
    return args


def absent(message):
    print(f"absent: {message}", file=sys.stderr)
    sys.exit(ABSENT)


def read_batches(args):
    """Pixels [steps, batch size, 1024] as float32 and labels [steps, batch size] as int64, in the
    files' order; the last batch is completed from the start of the data."""
    import numpy as np
    if args.data == "synthetic":  # random: good for times, but the losses are no one's
        source = np.random.default_rng(1)
        pixels = source.random((args.samples, INPUTS), np.float32)
        labels = source.integers(0, CLASSES, args.samples)
    else:
        paths = [os.path.join(args.data, f"data_batch_{i}.bin") for i in range(1, 6)]
        try:
            data = np.concatenate([np.fromfile(path, np.uint8) for path in paths])
        except OSError as problem:
            sys.exit(f"--data: {problem}")
        if data.size != SAMPLES * (1 + 3 * INPUTS):
            sys.exit(f"--data {args.data}: not CIFAR-10's binary version")
        data = data.reshape(SAMPLES, 1 + 3 * INPUTS)[:args.samples]
        labels = data[:, 0].astype(np.int64)
        red, green, blue = (data[:, 1 + i * INPUTS:][:, :INPUTS].astype(np.float32)
                            for i in range(3))
        pixels = (np.float32(0.299) * red + np.float32(0.587) * green
                  + np.float32(0.114) * blue) / np.float32(255)
    order = np.arange(args.steps * args.batch_size) % args.samples
    return (pixels[order].reshape(args.steps, args.batch_size, INPUTS),
            labels[order].reshape(args.steps, args.batch_size))


def read_weights(args):
    """[(weight [out, in], bias [out]), ...] of the layers, from a safetensors file."""
    import numpy as np
    with open(args.weights, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()

    def tensor(name, shape):
        entry = header.get(name, {})
        if entry.get("dtype") != "F32" or entry["shape"] != shape:
            sys.exit(f"--weights {args.weights}: no '{name}' of the shape {shape}: not of --layers?")
        begin, end = entry["data_offsets"]
        return np.frombuffer(data[begin:end], "<f4").reshape(shape).copy()

    return [(tensor(f"{2 * i}.weight", [after, before]), tensor(f"{2 * i}.bias", [after]))
            for i, (before, after) in enumerate(zip(args.widths, args.widths[1:]))]


def measure(args, device, seconds, epoch):
    """Runs the epochs and prints the record. `device` is what it says of the device, `seconds` of the
    phases before; epoch() gives the sums of the losses and hits, with the device idle again. With
    --warm-up there are so many more as begin in these seconds, and at least one. No epoch begins
    after --seconds, but for the first three."""
    samples = args.steps * args.batch_size
    epochs, start, wanted = [], time.perf_counter(), args.epochs
    while len(epochs) < wanted:
        before = time.perf_counter()
        if len(epochs) >= 3 and before - start > args.seconds:
            break
        wanted += before - start < args.warm_up
        loss, hits = epoch()
        epochs.append({"seconds": time.perf_counter() - before, "loss": float(loss) / samples,
                       "accuracy": float(hits) / samples})
    finite = all(one["loss"] < float("inf") for one in epochs)  # and no NaN, of which nothing is true
    for one in epochs:
        one["loss"] = one["loss"] if one["loss"] < float("inf") else None
    times = [one["seconds"] for one in epochs]
    mean = sum(times) / len(times)
    work = sum((6 if i else 4) * before * after
               for i, (before, after) in enumerate(zip(args.widths, args.widths[1:])))
    synthetic = args.data == "synthetic"
    print(json.dumps({
        "schema": 1, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": None,
        "host": {"name": platform.node(), "os": platform.platform(), "cpu": platform.processor(),
                 "cores": os.cpu_count(),
                 "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")},
        "device": {"spec": args.device, "type": "gpu" if args.device == "cuda" else "cpu",
                   "vendor": None, "kernels": None, "gemm": None, "platform": None, "driver": None,
                   "threads": None, "compute_units": None, "memory_bytes": None,
                   "precision": "fp32", **device},
        "config": {"epochs": len(epochs), "batch_size": args.batch_size, "layers": args.widths,
                   "activation": "sigmoid", "learning_rate": args.learning_rate, "color": "grey",
                   "tail": "wrap", "batches": "resident", "seed": None, "shuffle": False},
        "dataset": {"name": "random" if synthetic else "CIFAR-10",
                    "source": "random" if synthetic else "files",
                    "path": None if synthetic else args.data, "train": args.samples, "test": 0},
        "seconds": {**seconds, "epochs": times, "mean_epoch": mean, "evaluate": None},
        "epochs": epochs, "test": None, "samples_per_second": samples / mean,
        "gflops": samples * work / mean / 1e9,
        "status": "complete" if finite else "diverged"}), flush=True)
