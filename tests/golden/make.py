#!/usr/bin/env python3
"""Makes golden.json: what an independent float64 implementation gives for small runs.

  make.py REFERENCE.py TRAINER EXPORT > golden.json

REFERENCE.py is the workload in NumPy float64 (it takes --data, --init, --epochs, --batch-size,
--learning-rate, --activation, --color, --tail, --files, and prints a JSON object with "epochs",
"test" and the "weights"' sums and norms). TRAINER is the program: it writes the first weights only.
EXPORT is tests/golden/export: it writes the synthetic set as files. Made once; kept in the
repository, so that the tests need neither NumPy nor the reference.
"""
import json
import subprocess
import sys
import tempfile

# Three shapes of net and more: every activation, colour and tail, a deep net, none hidden, batch 1.
RUNS = [
    {"samples": 1000, "epochs": 3, "batch-size": 300, "layers": "64,32", "activation": "sigmoid",
     "learning-rate": 0.01, "color": "grey", "tail": "wrap", "seed": 1},
    {"samples": 500, "epochs": 3, "batch-size": 64, "layers": "16", "activation": "tanh",
     "learning-rate": 0.01, "color": "rgb", "tail": "short", "seed": 2},
    {"samples": 700, "epochs": 2, "batch-size": 77, "layers": "33,17,9", "activation": "relu",
     "learning-rate": 0.005, "color": "grey", "tail": "drop", "seed": 3},
    {"samples": 450, "epochs": 4, "batch-size": 200, "layers": "none", "activation": "sigmoid",
     "learning-rate": 0.002, "color": "grey", "tail": "wrap", "seed": 4},
    {"samples": 60, "epochs": 2, "batch-size": 1, "layers": "10,10", "activation": "sigmoid",
     "learning-rate": 0.1, "color": "grey", "tail": "wrap", "seed": 5},
    {"samples": 130, "epochs": 2, "batch-size": 100, "layers": "200", "activation": "relu",
     "learning-rate": 0.002, "color": "rgb", "tail": "wrap", "seed": 6},
]


def options(run, names):
    return [word for name in names for word in (f"--{name}", str(run[name]))]


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    reference, trainer, export = sys.argv[1:]
    golden = []
    for run in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([export, str(run["samples"]), str(run["seed"]), folder], check=True)
            init = f"{folder}/init.safetensors"
            subprocess.run(
                [trainer, "--device", "reference", "--data", "synthetic", "--epochs", "0", "--quiet",
                 "--save", init, *options(run, ["samples", "seed", "layers", "color", "batch-size",
                                                "tail"])],
                check=True, stdout=subprocess.DEVNULL)
            out = subprocess.run(
                [sys.executable, reference, "--data", folder, "--files", "1", "--init", init,
                 *options(run, ["epochs", "batch-size", "learning-rate", "activation", "color",
                                "tail"])],
                check=True, stdout=subprocess.PIPE, text=True).stdout
            golden.append({"options": run, "expected": json.loads(out)})
    json.dump(golden, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
