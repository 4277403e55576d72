#!/usr/bin/env python3
"""Makes golden.json: what workload.py, an independent program in double precision, gives for small runs.

  make.py > golden.json
"""
import json
import sys

import workload

DEFAULT = {"samples": 50, "epochs": 3, "batch-size": 16, "layers": "12", "activation": "sigmoid",
           "learning-rate": 0.01, "color": "grey", "tail": "wrap", "shuffle": False, "seed": 1}

# The benchmark's net at its own batch size; every activation, color and tail, shuffled and not; many layers,
# one and none; batches of one, and of the data more than twice over; a seed of more than 32 bits.
RUNS = [{**DEFAULT, **options} for options in (
    {"samples": 400, "epochs": 2, "batch-size": 300, "layers": "64,32"},
    {"samples": 45, "batch-size": 20, "layers": "none", "learning-rate": 0.002, "seed": 4},
    {"samples": 20, "epochs": 2, "batch-size": 1, "layers": "10,10", "learning-rate": 0.1, "seed": 5},
    {"samples": 65, "epochs": 2, "batch-size": 17, "layers": "33,17,9", "activation": "relu",
     "learning-rate": 0.005, "tail": "drop", "seed": 3},
    {"activation": "tanh", "color": "rgb", "layers": "16", "tail": "short", "seed": 2},
    {"samples": 30, "epochs": 2, "activation": "relu", "color": "rgb", "layers": "70", "learning-rate": 0.002,
     "seed": 6},
    {"samples": 7, "batch-size": 20, "activation": "tanh", "seed": 7},
    {"samples": 7, "batch-size": 20, "activation": "tanh", "tail": "short", "seed": 8},
    {"samples": 7, "batch-size": 20, "activation": "tanh", "shuffle": True, "seed": 9},
    {"shuffle": True, "seed": 10},
    {"shuffle": True, "tail": "short", "activation": "tanh", "learning-rate": 0.05, "seed": 11},
    {"shuffle": True, "tail": "drop", "activation": "relu", "layers": "9,8,7,6,5", "seed": 12},
    {"samples": 35, "batch-size": 9, "shuffle": True, "color": "rgb", "activation": "tanh", "layers": "5",
     "seed": 2 ** 40 + 13},
)]


def main():
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    json.dump([{"options": run, "expected": workload.train(run)} for run in RUNS], sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
