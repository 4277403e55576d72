"""What a report says in words, whether it is a page or Markdown."""
from . import published, records
from .answers import sentences
from .words import clean, listed, memory, plural, unique_texts

TITLE = "How long a dense net takes to train on CIFAR-10"
WORKLOAD = (
    f"The workload is the public “{published.TITLE}”: 1024 grey pixels, layers of 64, 32 and 10, sigmoid "
    "and softmax, plain gradient descent on batches of 300 of the 50,000 images, at a rate of 0.01, in fp32. "
    "An epoch of it is 13.845 GFLOP.")
HOW = ("`tools/sweep` measures, and appends a record of each run to `results/NAME.jsonl`; `tools/report` "
       "makes this of such files.")
PUBLISHED = (
    f"The benchmark was published in {published.YEAR} with these rows, in seconds. They were not measured by "
    "us: other machines, other software, another clock. They stand here to be compared with, and are part of "
    "no median or ratio above.")
REFUSED = ("These rows are in no table, plot or median above: their commit or options are unknown, they are "
           "not complete, or their figures don't agree with each other.")
UNMEASURED = "What was to be measured and could not be, and why."
DEFINITIONS = (
    ("setup", "from the program's start until the first file is opened"),
    ("load dataset", "until all pixels and labels are decoded in host memory"),
    ("open", "the device is opened: libraries, compiled kernels, self-check, memory, first weights"),
    ("to batched input", "from decoded host data until every batch is ready on the device, as float32"),
    ("mean epoch", "a whole pass, from the idle device to the idle device with the pass's scores on the "
                   "host; the mean of a run's epochs, and of several runs the median"),
    ("release", "memory is given back"),
    ("evaluate", "the test set"))
TOGETHER = ("Together they are the run's wall time: a row whose phases don't add up to it within 2 % is "
            "refused. Samples/s and GFLOP/s are of the median epoch. The share of peak is that of what the "
            "processor's multiply-adds reach in registers, with its best instruction set and as many threads; "
            "where that was not measured, as for GPUs, that of what the device itself reaches on one large "
            "product. Both are measured on the same machine.")
MARKS = {
    "epochs": "Bars show the spread of runs. Hatched squares are published, and not measured by us.",
    "shapes": "Each device and peer at its best. Peers are dashed. Hollow marks: on a CPU, what could run on "
              "a GPU, too.",
    "threads": "Peers are dashed. On the straight line, each thread would be worth as much as the first.",
    "ranks": "On the straight line, each rank would be worth as much as the first.",
    "phases": "Medians of each phase. Shares too narrow for a label are in the table.",
    "targets": "Thin: each run, of a seed of its own. Strong: the median after each epoch, as long as half of the runs "
               "go on. Peers are dashed.",
    "losses": "Each mark is an epoch, of the run nearest to the median. Beside the name: the seconds that "
              "all epochs took. Peers are dashed."}


def facts(machine):
    """What a machine is, in a line."""
    hosts = machine.hosts
    cores = unique_texts(host.get("cores") for host in hosts)
    sizes = [host["memory_bytes"] for host in hosts if records.is_count(host.get("memory_bytes"))]
    words = [*unique_texts(host.get("cpu") for host in hosts),
             *(plural(int(count), "core") if count.isdecimal() else count for count in cores),
             *unique_texts(map(memory, sizes)), *unique_texts(host.get("os") for host in hosts),
             *map(clean, machine.gpus)]
    return "Hardware: " + ("; ".join(words) or "unknown") + "."


def counted(machine):
    """What the figures of a machine rest on."""
    everything = machine.rows + machine.targets + machine.ranked
    runs = sum(len(row.runs) for row in everything)
    words = [f"{plural(runs, 'run')} of {plural(len(everything), 'configuration')}",
             "commits " + listed(commit for commit, _ in machine.commits) if len(machine.commits) > 1
             else f"commit {machine.commits[0][0]}" if machine.commits else ""]
    if machine.superseded:
        words.append(f"{plural(machine.superseded, 'row')} of older commits superseded, not counted")
    if machine.refused:
        words.append(f"{plural(len(machine.refused), 'row')} refused")
    return "; ".join(word for word in words if word) + "."


def warned(machine):
    """What was warned of while it was measured, and how often."""
    return [f"{clean(warning)} ({plural(runs, 'run')})" for warning, runs in machine.warnings.items()]


def said(machines):
    """The sentences that the figures support, of the first machines that have any."""
    return [sentence for machine in machines for sentence in sentences(machine)][:4]
