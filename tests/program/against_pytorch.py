"""Ten steps of each optimiser, schedule and objective, against PyTorch itself: the weights after them.

  against_pytorch.py TRAINER

Where no Python here has PyTorch, the exit status is 77.
"""
import math
import os
import shutil
import sys
import tempfile
import unittest

from fixtures.interpreters import python_with, skip

PYTHON = python_with("torch", "numpy")
if PYTHON is None:
    skip("pytorch", "no Python here has PyTorch: python3 -m pip install numpy torch")
if PYTHON != sys.executable:
    os.execv(PYTHON, [PYTHON, "-B", *sys.argv])

HERE = sys.path.pop(0)  # whose cuda.py is not what PyTorch would import
import numpy  # noqa: E402
import torch  # noqa: E402

sys.path.insert(0, HERE)
from common import devices, kind_of, read_safetensors, record  # noqa: E402
from fixtures.cifar import RECORD_BYTES, make_folder  # noqa: E402

SEED = 20261201  # of the images
STEPS, BATCH = 10, 30
CLOSE = 1e-5
DATA = tempfile.mkdtemp(prefix="trainer-pytorch-")
TRAINING = ("--data", DATA, "--samples", STEPS * BATCH, "--batch-size", BATCH, "--epochs", 1, "--layers", "40,20",
            "--quiet")


def setUpModule():
    print(f"seed {SEED}", file=sys.stderr)
    make_folder(DATA, SEED)


def tearDownModule():
    shutil.rmtree(DATA, ignore_errors=True)


def batches():
    """(x [batch, 1024], labels [batch]) of each step."""
    with open(os.path.join(DATA, "data_batch_1.bin"), "rb") as file:
        rows = numpy.frombuffer(file.read(STEPS * BATCH * RECORD_BYTES), numpy.uint8).reshape(-1, RECORD_BYTES)
    grey = numpy.tensordot(rows[:, 1:].reshape(-1, 3, 1024), [0.299, 0.587, 0.114], axes=(1, 0)) / 255
    x, labels = torch.tensor(grey, dtype=torch.float32), torch.tensor(rows[:, 0].astype(int))
    return zip(x.split(BATCH), labels.split(BATCH))


class Weights(unittest.TestCase):
    def trained(self, device, *options):
        """(weights before, weights after) of the trainer's ten steps."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        before, after = (os.path.join(folder, name) for name in ("before", "after"))
        record("--device", device, *TRAINING, "--epochs", 0, "--save", before)
        record("--device", device, *TRAINING, *options, "--init", before, "--save", after)
        return read_safetensors(before), read_safetensors(after)

    def check(self, options, make, smoothing=0.0, clip=None, factor=lambda step: 1.0):
        for device in devices():
            with self.subTest(device=device, options=options):
                before, after = self.trained(device, *options)
                model = torch.nn.Sequential(torch.nn.Linear(1024, 40), torch.nn.Sigmoid(), torch.nn.Linear(40, 20),
                                            torch.nn.Sigmoid(), torch.nn.Linear(20, 10))
                model.load_state_dict({name: torch.tensor(values).reshape(shape)
                                       for name, (shape, values) in before.items()})
                optimizer = make(model.parameters())
                rate = optimizer.param_groups[0]["lr"]
                for step, (x, labels) in enumerate(batches()):
                    optimizer.zero_grad()
                    torch.nn.functional.cross_entropy(model(x), labels, reduction="sum",
                                                      label_smoothing=smoothing).div(10).backward()
                    if clip:
                        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
                    optimizer.param_groups[0]["lr"] = rate * factor(step)
                    optimizer.step()
                moved = 0.0
                for name, parameter in model.state_dict().items():
                    found, first = (numpy.reshape(of[name][1], of[name][0]) for of in (after, before))
                    self.assertLessEqual(abs(found - parameter.numpy()).max(), CLOSE, name)
                    moved = max(moved, abs(found - first).max())
                self.assertGreater(moved, 100 * CLOSE)  # it has learnt something that could be wrong

    def test_sgd(self):
        for words, options in (((), {}), (("--momentum", 0.9), {"momentum": 0.9}),
                               (("--weight-decay", 0.1), {"weight_decay": 0.1}),
                               (("--momentum", 0.9, "--nesterov", "--weight-decay", 0.1),
                                {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1})):
            self.check(("--learning-rate", 0.01, *words), lambda all_of, options=options: torch.optim.SGD(
                all_of, lr=0.01, **options))

    def test_adamw(self):
        for words, options in (((), {"weight_decay": 0.0}), (("--weight-decay", 0.1), {"weight_decay": 0.1}),
                               (("--beta1", 0.8, "--beta2", 0.9, "--epsilon", 0.001, "--weight-decay", 0.5),
                                {"betas": (0.8, 0.9), "eps": 0.001, "weight_decay": 0.5})):
            self.check(("--optimizer", "adamw", "--learning-rate", 0.001, *words),
                       lambda all_of, options=options: torch.optim.AdamW(all_of, lr=0.001, **options))

    def test_schedules(self):
        for name, factor in (("cosine", lambda step: (1 + math.cos(math.pi * step / STEPS)) / 2),
                             ("linear", lambda step: 1 - step / STEPS),
                             ("step", lambda step: 1.0 if step < 5 else 0.1 if step < 7.5 else 0.01)):
            self.check(("--learning-rate", 0.01, "--momentum", 0.5, "--schedule", name),
                       lambda all_of: torch.optim.SGD(all_of, lr=0.01, momentum=0.5), factor=factor)

    def test_objectives(self):
        self.check(("--learning-rate", 0.01, "--label-smoothing", 0.2),
                   lambda all_of: torch.optim.SGD(all_of, lr=0.01), smoothing=0.2)
        for limit in (0.5, 1000.0):  # which is always met, and never
            self.check(("--learning-rate", 0.02, "--clip-norm", limit, "--momentum", 0.9),
                       lambda all_of: torch.optim.SGD(all_of, lr=0.02, momentum=0.9), clip=limit)
        self.check(("--optimizer", "adamw", "--learning-rate", 0.001, "--clip-norm", 0.5, "--label-smoothing", 0.1),
                   lambda all_of: torch.optim.AdamW(all_of, lr=0.001, weight_decay=0.0), clip=0.5, smoothing=0.1)


if __name__ == "__main__":
    kinds = sorted({kind_of(device) for device in devices()})
    print(f"PyTorch {torch.__version__}; {', '.join(kinds)}", file=sys.stderr)
    unittest.main()
