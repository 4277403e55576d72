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
# one and none; batches of one, and of the data more than twice over; a seed of more than 32 bits; every optimiser and
# schedule; and whatever else makes a net train.
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
    {"momentum": 0.9, "learning-rate": 0.002, "seed": 14},
    {"momentum": 0.8, "nesterov": True, "schedule": "cosine", "layers": "12,8", "tail": "short", "seed": 15},
    {"weight-decay": 0.5, "schedule": "linear", "warmup-epochs": 1, "seed": 16},
    {"momentum": 0.9, "nesterov": True, "weight-decay": 0.1, "schedule": "step", "epochs": 4, "activation": "tanh",
     "learning-rate": 0.003, "shuffle": True, "seed": 17},
    {"optimizer": "adamw", "learning-rate": 0.003, "seed": 18},
    {"optimizer": "adamw", "weight-decay": 0.2, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4, "learning-rate": 0.01,
     "schedule": "cosine", "warmup-epochs": 1, "activation": "relu", "layers": "20,10", "color": "rgb", "seed": 19},
    {"label-smoothing": 0.2, "initial": "glorot", "activation": "tanh", "seed": 20},
    {"normalize": True, "initial": "he", "activation": "tanh", "color": "rgb", "learning-rate": 0.002, "seed": 21},
    {"normalize": True, "flip": True, "layers": "9,7", "seed": 22},
    {"flip": True, "shuffle": True, "color": "rgb", "tail": "short", "seed": 23},
    {"dropout": 0.3, "layers": "30,21", "activation": "tanh", "seed": 2 ** 33 + 24},
    {"clip-norm": 0.05, "momentum": 0.9, "layers": "10,6", "seed": 25},
    {"dropout": 0.2, "clip-norm": 0.2, "flip": True, "shuffle": True, "normalize": True, "label-smoothing": 0.1,
     "initial": "he", "optimizer": "adamw", "learning-rate": 0.002, "activation": "tanh", "layers": "18,11", "seed": 26},
)]


def main():
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    json.dump([{"options": run, "expected": workload.train(run)} for run in RUNS], sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
