"""The trainer and its peers, as programs: what they have, and the commands that run them."""
import json
import os
import re
import shutil
import subprocess
import sys

from peers import recipe

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NOT_SWEPT = {"save", "format", "quiet", "peak", "list-devices", "version", "help"}

# {peer: (its script, {device: its modes there})}
PEERS = {
    "numpy": ("numpy_blas.py", {"cpu": ["blas"]}),
    "pytorch": ("pytorch.py", {"cpu": ["eager", "compile"],
                               "cuda": ["graph", "eager", "compile", "compile-graph"]}),
    "jax": ("jax_scan.py", {"cpu": ["scan", "step"], "cuda": ["scan"]}),
    "tinygrad": ("tinygrad_jit.py", {"cpu": ["jit"], "opencl": ["jit"], "cuda": ["jit"]}),
}
# What all peers have, and those that know recipes, in their modes that do; of all else only the trainer's default.
PEERS_KNOW = {"device", "threads", "batch-size", "layers", "learning-rate", "epochs", "warm-up", "samples", "data",
              "seed"}
RECIPES_KNOW = PEERS_KNOW | {*recipe.DEFAULTS, "initial"}
RECIPES = {"pytorch": ("eager", "compile"), "jax": ("scan", "step")}
DEFAULTS = {"activation": "sigmoid", "color": "grey", "tail": "wrap", "batches": "resident", "initial": "normal",
            **{name: str(value) for name, value in recipe.DEFAULTS.items() if value is not None}}
# Ways of a device to do the same: they are nothing to its peers.
OWN_WAYS = {"gemm", "precision", "step", "submission", "batches"}


class Trainer:
    def __init__(self, program, folder):
        self.program = os.path.abspath(program)
        self.folder = folder  # of first weights
        self.found_data = None
        # "(commit 0123456789ab)", "(commit unknown: why)"
        commit = re.search(r"\(commit ([^\s:)]+)(?:: (.*))?\)", self.output("--version"))
        self.commit, self.why = (commit[1], commit[2] or "") if commit else ("unknown", "")
        names = re.findall(r"(?m)^  --(\S+)( \S+)?$", self.output("--help"))
        self.options = {name: bool(value) for name, value in names if name not in NOT_SWEPT}
        self.lines = self.output("--list-devices").split("\n")
        self.files = [self.program, *own_libraries(self.program)]

    def output(self, *arguments):
        """Raises OSError, with what the program says, when it fails."""
        done = subprocess.run([self.program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", errors="replace", timeout=300, check=False)
        if done.returncode != 0:
            raise OSError(f"{self.program} {arguments[0]}: exit status {done.returncode}: "
                          f"{done.stderr.strip()}")
        return done.stdout

    def plan(self, *more):
        return json.loads(self.output("--dry-run", "--device", "reference", "--format", "json", "--quiet", *more))

    def host(self):
        """As its records describe it."""
        return self.plan("--data", "synthetic")["host"]

    def data(self):
        """CIFAR-10's folder, where the trainer looks for it; else "synthetic"."""
        if self.found_data is None:
            self.found_data = self.plan()["dataset"]["path"] or "synthetic"
            if self.found_data != "synthetic" and not os.path.isdir(self.found_data):
                raise OSError(f"{self.found_data}: its name is not UTF-8: give it with --data")
        return self.found_data

    def missing(self, device):
        """Why a kind of device is not here; None when it is, or when only a run can tell."""
        kind = device.split(":")[0]
        lines = [line for line in self.lines if re.match(rf"{re.escape(kind)}[: ]", line)]
        absent = [line for line in lines if "not here: " in line]
        return absent[0].split("not here: ")[1] if absent and len(absent) == len(lines) else None

    def has_threads(self, device):
        """Whether a number of threads means anything there."""
        kind = device.split(":")[0]
        return kind == "auto" or any(re.match(rf"{re.escape(kind)}[: ].*\d threads?$", line)
                                     for line in self.lines)

    def command(self, options, epochs=None):
        more = [] if epochs is None else ["--epochs", str(epochs)]  # the last one counts
        return [self.program, *options, *more, "--format", "json"]

    def first_weights(self, options):
        """A file with what the trainer starts from, with these options."""
        more = {name: options[name] for name in ("layers", "seed", "color", "initial") if name in options}
        path = os.path.join(self.folder, "-".join(["first", *more.values()]) + ".safetensors")
        if not os.path.exists(path):
            self.output("--device", "reference", "--data", "synthetic", "--samples", "1", "--batch-size", "1",
                        "--epochs", "0", *(word for name, value in more.items() for word in (f"--{name}", value)),
                        "--quiet", "--save", path)
        return path


def own_libraries(program):
    """Of this project, those that the program is linked with when it runs."""
    for tool in (["ldd"], ["otool", "-L"]):
        if shutil.which(tool[0]):
            done = subprocess.run([*tool, program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  encoding="utf-8", errors="surrogateescape", check=False)
            # "	libtrainer.so.1 => /usr/lib/libtrainer.so.1 (0x00007f)"
            return re.findall(r"(?m)^\s.*?(/.*/libtrainer\.[^/]*) \(", done.stdout)
    return []


def peer_files(peer):
    return [os.path.join(TOOLS, "peers", name) for name in (PEERS[peer][0], "common.py", "recipe.py")]


def peer_modes(text):
    """{(peer, device): modes} of "numpy,pytorch:eager,..."."""
    chosen = {}
    for word in text.split(","):
        name, _, mode = word.partition(":")
        if name not in PEERS:
            raise ValueError(f"--peers {word}: there are {', '.join(PEERS)}")
        devices = PEERS[name][1]
        found = {device: [mode] if mode else modes for device, modes in devices.items()
                 if not mode or mode in modes}
        if not found:
            modes = sorted(set(sum(devices.values(), [])))
            raise ValueError(f"--peers {word}: {name} has {', '.join(modes)}")
        for device, modes in found.items():
            chosen.setdefault((name, device), []).extend(m for m in modes
                                                         if m not in chosen.get((name, device), []))
    return chosen


def peer_options(options, peer, mode):
    """Those of the trainer's options that a peer of its device is to have, in that mode; None where it can't do the
    same."""
    known = RECIPES_KNOW if mode in RECIPES.get(peer, ()) else PEERS_KNOW
    for name, value in options.items():
        if name not in known | OWN_WAYS and (name not in DEFAULTS or DEFAULTS[name] != value):
            return None  # a flag's value is None
    if options.get("batches") == "streamed":
        return None
    kept = {name: value for name, value in options.items() if name in known}
    return {**kept, "device": options["device"].split(":")[0]}


def peer_command(trainer, peer, mode, options, threads, epochs=None):
    unknown = {"threads"} | (set() if mode in RECIPES.get(peer, ()) else {"seed"})
    more = {name: value for name, value in options.items() if name not in unknown}
    if "data" not in more:
        more["data"] = trainer.data()
    if epochs is not None:
        more["epochs"] = str(epochs)
    weights = trainer.first_weights(options)
    words = [word for name, value in more.items() for word in ([f"--{name}"] if value is None else [f"--{name}", value])]
    return [sys.executable, os.path.join(TOOLS, "peers", PEERS[peer][0]), "--weights", weights, "--mode", mode,
            *words, *(["--threads", str(threads)] if threads else [])]
