"""Records (src/report/README.md): reading them, what makes one unfit to be quoted, and the
statistics of several. Nothing here needs more than Python itself.

A line of a file is one of three sorts: a run, a peak (what the hardware can do at best), and what
could not be measured (status "failed" or "absent").
"""
import json
import math
import re
import statistics

SCHEMA = 1
# Epochs whose losses are compared: the benchmark's own. After hundreds of them rounding alone sets two
# devices apart: `cpu` and `opencl` agree to 2e-8 for 25 epochs of the default net, to 1e-3 for 145.
COMPARED = 5
LOSS_TOLERANCE = 1e-3  # relative
# Other steps set them apart sooner: relu with a great rate and momentum by 1.5e-3 in one epoch, where all are right.
COMPARED_OF_RECIPES = 1
RECIPE_TOLERANCE = 5e-3
WALL_TOLERANCE = 0.02
MEAN_TOLERANCE = 0.01
OWN_KINDS = ("cpu", "cuda", "opencl", "reference")
PHASES = ("setup", "load", "open", "batching", "epochs", "release", "evaluate")
BESIDE = ("warm_up", "validate", "meet", "checkpoint")  # with these they add up to "wall"
MAY_LACK = ("setup", "release", "evaluate")  # a program may have nothing to do there
OPTIONS = ("epochs", "batch_size", "layers", "activation", "learning_rate", "color", "tail", "batches")
UNMEASURED = ("failed", "absent")
# What else there is to how a net is trained, and what it is in the benchmark and in records of before.
RECIPE = {"optimizer": "sgd", "momentum": 0, "nesterov": False, "weight_decay": 0, "beta1": 0.9, "beta2": 0.999,
          "epsilon": 1e-8, "schedule": "constant", "warmup_epochs": 0, "initial": "normal", "normalize": False,
          "flip": False, "dropout": 0, "label_smoothing": 0, "clip_norm": None, "validation": 0,
          "target_accuracy": None, "patience": 0, "keep_best": False}
USUAL = {"shuffle": False, **RECIPE}  # of what an older record lacks
EARLY = ("target", "patience")  # ends of a run, before its last epoch
# What makes runs of the same options comparable: where, with what and on which images they were measured.
IDENTITY = {"host": ("name", "cpu", "cores", "os"),
            "device": ("kind", "name", "spec", "threads", "precision", "library", "platform", "driver",
                       "environment"),
            "dataset": ("name", "train", "fingerprint"),
            "ranks": ("count", "hosts", "library", "transport"),
            "sweep": ("launcher",)}  # which may bind ranks to cores, or send them to other hosts


# --- Reading ---

def not_json(name):
    raise ValueError(f"{name} is no JSON")


def parse_line(line):
    """(object or None, problem in words or None) of a line's bytes."""
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=not_json)
    except UnicodeDecodeError:
        return None, "not UTF-8"
    except RecursionError:
        return None, "no JSON: nested too deep"
    except ValueError as problem:
        return None, f"no JSON: {problem}"
    return (value, None) if isinstance(value, dict) else (None, "no JSON object")


def is_object(line):
    return parse_line(line)[0] is not None


def parse(lines):
    """(line number, object or None, problem in words or None) of each line that is not empty."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield (number, *parse_line(line))


def read(path):
    """The same of a file."""
    with open(path, "rb") as file:
        yield from parse(file)


def is_number(value):
    """A finite one; True is none."""
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:  # an integer that no float holds
        return False


def is_count(value, least=1):
    return type(value) is int and least <= value < 2**53


def is_unmeasured(record):
    """Whether it tells what could not be measured, and why: nothing is wrong with such a record."""
    return (is_schema(record) and record.get("status") in UNMEASURED
            and isinstance(record.get("error"), str))


def is_peak(record):
    return "peak" in record


def losses_of(record):
    return [epoch["loss"] for epoch in record["epochs"]]


# --- Refusing ---

def is_schema(record):
    return type(record.get("schema")) is int and record["schema"] == SCHEMA


def check_schema(record):
    """What comes before all else: of another schema, nothing is known."""
    return None if is_schema(record) else f"its schema is {record.get('schema')!r}, not {SCHEMA}"


def refusal(record):
    """Why a run or a peak is not to be counted, in words; None where nothing is wrong with it."""
    checks = (check_schema, check_status, check_origin, check_device)
    checks += (check_peak,) if is_peak(record) else (check_config, check_recipe, check_dataset, check_epochs,
                                                     check_target, check_wall, check_ranks)
    for check in checks:
        reason = check(record)
        if reason:
            return reason
    return None


def part(record, name):
    """The object of that name; an empty one, which fails every check, where there is none."""
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def check_status(record):
    status, error = record.get("status"), record.get("error")
    if status == "complete" and record.get("resumed") is not None:
        return "it was resumed: its epochs are of several runs"
    if status == "complete":
        return None
    return f"its status is {status!r}, not complete" + (f": {error}" if isinstance(error, str) else "")


def check_commit(commit):
    if not isinstance(commit, str) or not re.fullmatch(r"[0-9a-f]{7,64}(-dirty)?", commit):
        return f"its commit is unknown ({commit!r})"
    return f"its commit is unknown: {commit} has local changes" if commit.endswith("-dirty") else None


def check_origin(record):
    reason = check_commit(record.get("commit"))
    if reason:
        return reason
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", str(record.get("time"))):
        return f"it has no time ({record.get('time')!r})"
    return None if part(record, "host") else "its host is unknown"


def check_device(record):
    device = part(record, "device")
    for key in ("kind", "name", "spec", "precision"):
        if not isinstance(device.get(key), str) or not device[key].strip():
            return f"its device's {key} is unknown ({device.get(key)!r})"
    for key in ("step", "submission", "gemm", "library"):
        if not isinstance(device.get(key), (str, type(None))):
            return f"its device's {key} is no text ({device[key]!r})"
    if not isinstance(device.get("environment"), (dict, type(None))):
        return f"its device's environment is no object ({device['environment']!r})"
    if device.get("threads") is not None and not is_count(device["threads"]):
        return f"its number of threads is {device['threads']!r}"
    return None


def check_peak(record):
    peak = part(record, "peak")
    for key in ("gflops", "side", "bytes_per_second", "bytes"):
        if not is_number(peak.get(key)) or peak[key] <= 0:
            return f"its peak's {key} is {peak.get(key)!r}"
    rates = peak.get("arithmetic") or {}  # of a GPU, or from before it was measured, there is none
    if not isinstance(rates, dict) or not all(is_number(rate) and rate > 0 for rate in rates.values()):
        return f"its peak's arithmetic is {rates!r}"
    return None


def check_config(record):
    config = part(record, "config")
    missing = [key for key in OPTIONS if config.get(key) is None]
    if missing:
        return f"its options are unknown: no {', '.join(missing)}"
    layers, rate = config["layers"], config["learning_rate"]
    wrong = [key for key, fine in (
        ("epochs", is_count(config["epochs"], 0)), ("batch_size", is_count(config["batch_size"])),
        ("layers", isinstance(layers, list) and len(layers) >= 2 and all(map(is_count, layers))),
        ("learning_rate", is_number(rate)),
        *((key, isinstance(config[key], str)) for key in ("activation", "color", "tail", "batches")),
        ("seed", config.get("seed") is None or is_count(config["seed"], 0)),
    ) if not fine]
    return f"its options are unknown: {wrong[0]} is {config[wrong[0]]!r}" if wrong else None


def check_recipe(record):
    for key, usual in RECIPE.items():
        value = record["config"].get(key, usual)
        fine = isinstance(value, type(usual)) if isinstance(usual, (bool, str)) else is_number(value) or (
            value is None and usual is None)
        if not fine:
            return f"its options are unknown: {key} is {value!r}"
    return None


def check_dataset(record):
    dataset = part(record, "dataset")
    if not isinstance(dataset.get("name"), str) or not is_count(dataset.get("train")):
        return "its data set is unknown"
    if not isinstance(dataset.get("fingerprint"), (str, type(None))):
        return f"its data's fingerprint is no text ({dataset['fingerprint']!r})"
    return None


def check_epochs(record):
    config, seconds, epochs = record["config"], part(record, "seconds"), record.get("epochs")
    times = seconds.get("epochs")
    if not isinstance(times, list) or not times:
        return "it has no epoch times"
    for number, time in enumerate(times, 1):
        if not is_number(time) or time <= 0:
            return f"epoch {number} took {time!r} s"
    early = record.get("ended") in EARLY and len(times) < config["epochs"]
    if len(times) != config["epochs"] and not early:
        return f"it has the times of {len(times)} epochs, not of {config['epochs']}"
    if not isinstance(epochs, list) or len(epochs) != len(times):
        return "it has not one loss for each epoch"
    for number, epoch in enumerate(epochs, 1):
        loss = epoch.get("loss") if isinstance(epoch, dict) else None
        if not is_number(loss) or loss < 0:
            return f"the loss of epoch {number} is {loss!r}"
    mean, said = mean_epoch(record), seconds.get("mean_epoch")
    if not is_number(said) or abs(said - mean) > MEAN_TOLERANCE * mean:
        return f"its mean epoch is {said!r} s, that of its epochs {mean:.6g} s"
    return None


def check_target(record):
    """Of a run that ends at an accuracy: when it got there, and what it had after each epoch."""
    accuracy, seconds, reached = record["config"].get("target_accuracy"), record["seconds"], None
    if accuracy is None:
        return None
    for number, (epoch, time) in enumerate(zip(record["epochs"], seconds["epochs"]), 1):
        found = part(epoch, "validation").get("accuracy")
        if not is_number(found) or not 0 <= found <= 1:
            return f"the accuracy after epoch {number} is {found!r}"
        if epoch.get("seconds") != time:
            return f"epoch {number} took {epoch.get('seconds')!r} s and {time!r} s"
        reached = reached or (number if found >= accuracy else None)
    target = part(record, "target")
    if "epoch" not in target:
        return "it does not say whether it reached its target"
    if target["epoch"] != reached:
        return f"it reached its target after epoch {target['epoch']!r}, by its accuracies after {reached!r}"
    before = [seconds.get(name) for name in ("load", "open", "batching")]
    if reached is None or not all(map(is_number, before)):
        return None  # what these are is looked at with the wall time
    alone = math.fsum(seconds["epochs"][:reached])
    for key, expected in (("epochs_seconds", alone), ("seconds", alone + math.fsum(before))):
        if not is_number(target.get(key)) or abs(target[key] - expected) > MEAN_TOLERANCE * expected:
            return f"its {key} to the target are {target.get(key)!r}, by its phases {expected:.6g}"
    return None


def check_wall(record):
    seconds = record["seconds"]
    for name in PHASES:
        value = seconds.get(name)
        if name == "epochs" or (value is None and name in MAY_LACK):
            continue
        if not is_number(value) or value < 0:
            return f"its {name} took {value!r} s"
    beside = {name: seconds.get(name) or 0.0 for name in BESIDE}
    for name, value in beside.items():
        if not is_number(value) or value < 0:
            return f"its {name} took {value!r} s"
    wall = seconds.get("wall")
    if wall is None:
        return "it has no wall time"
    if not is_number(wall) or wall <= 0:
        return f"its wall time is {wall!r} s"
    total = sum(phases_of(record).values()) + sum(beside.values())
    if abs(total - wall) > WALL_TOLERANCE * wall:
        return f"its phases add up to {total:.6g} s, its wall time is {wall:.6g} s"
    return None


def check_ranks(record):
    ranks = record.get("ranks")
    if ranks is None:
        return None
    if not isinstance(ranks, dict) or not all(is_count(ranks.get(key)) for key in ("count", "hosts")):
        return f"its ranks are {ranks!r}"
    if not isinstance(ranks.get("library"), str):
        return f"the library of its ranks is no text ({ranks.get('library')!r})"
    if not isinstance(ranks.get("transport"), (str, type(None))):
        return f"the transport of its ranks is no text ({ranks['transport']!r})"
    for name in ("computing", "exchanging"):
        if name == "exchanging" and ranks.get(name) is None and "NCCL" in (ranks.get("transport") or ""):
            continue
        median = part(ranks, name).get("median")
        if not is_number(median) or median < 0:
            return f"its ranks were {name} for {median!r} s"
    return None


# --- Figures of a record that nothing is wrong with ---

def ranks_of(record):
    """How many; None of a process alone, which is another thing than one rank of a launcher."""
    return part(record, "ranks").get("count")


def exchange_of(record):
    """The share of its epochs in which the median rank exchanged, or waited for others to do so; None where GPUs
    did, as only they know."""
    if record["ranks"]["exchanging"] is None:
        return None
    exchanging, computing = (record["ranks"][name]["median"] for name in ("exchanging", "computing"))
    return exchanging / (exchanging + computing) if exchanging else 0.0


def mean_epoch(record):
    return math.fsum(record["seconds"]["epochs"]) / len(record["seconds"]["epochs"])


def is_warm(record):
    """Whether its device had a warm-up."""
    return bool(part(record, "seconds").get("warm_up"))


def phases_of(record):
    """{phase: seconds}, in the order in which they happen; a phase that there was not took none."""
    seconds = record["seconds"]
    return {name: math.fsum(seconds["epochs"]) if name == "epochs" else seconds.get(name) or 0.0
            for name in PHASES}


def samples_of(config, train):
    """Samples that an epoch computes, by what becomes of the last batch."""
    batch = config["batch_size"]
    return {"short": train, "drop": train // batch * batch}.get(config["tail"], -(-train // batch) * batch)


def work_of(layers, samples):
    """Floating-point operations of a step for so many samples: 2 in out for each layer forward, for its
    weights' gradient, and, in all layers but the first, for its inputs' gradient."""
    return samples * sum(
        (6 if i else 4) * before * after for i, (before, after) in enumerate(zip(layers, layers[1:])))


def recipe(config):
    """((key, value), ...) of all that is not as in the benchmark, but for layers, batch, rate and the like."""
    return tuple((key, config[key]) for key, usual in RECIPE.items() if config.get(key, usual) != usual)


def compared(record):
    """(of how many epochs the losses are to be those of others that trained the same, to which tolerance)."""
    of_steps = set(RECIPE) - {"validation", "target_accuracy", "patience", "keep_best"}
    is_recipe = any(key in of_steps for key, _ in recipe(record["config"]))
    return (COMPARED_OF_RECIPES, RECIPE_TOLERANCE) if is_recipe else (COMPARED, LOSS_TOLERANCE)


# --- Several records ---

def identity(record):
    """{"host cpu": value, ...}: records that differ in it are never runs of the same thing. A key that a
    record lacks, as those of before have not all, is as if it were null."""
    return {f"{name} {key}": part(record, name).get(key) for name, keys in IDENTITY.items() for key in keys}


def changes(before, now):
    """What has become another between two identities, in words. A device that has found its own kernels to be
    the faster ones names no library: that alone is no change."""
    return [f"{what} {after!r}, was {value!r}" for (what, value), after in zip(before.items(), now.values())
            if after != value and not (what == "device library" and None in (after, value))]



def first_difference(losses, others, tolerance=LOSS_TOLERANCE):
    """(epoch index, one, other) of the first epochs whose losses are not the same; None where they
    agree. What is not finite agrees with nothing, and None with None alone."""
    for index, (one, other) in enumerate(zip(losses[:COMPARED], others[:COMPARED])):
        if one is None and other is None:
            continue
        if not (is_number(one) and is_number(other) and abs(one - other) <= tolerance * abs(other)):
            return index, one, other
    return None


def median_and_spread(values):
    """(median, least, greatest)."""
    return statistics.median(values), min(values), max(values)


def outliers(values):
    """Indices of the values that are far off: more than three standard deviations, as the median
    absolute deviation tells them, and more than 5 % from the median."""
    if len(values) < 4:
        return []
    median = statistics.median(values)
    deviation = 1.4826 * statistics.median(abs(value - median) for value in values)
    return [index for index, value in enumerate(values)
            if abs(value - median) > max(3 * deviation, 0.05 * abs(median))]
