"""CIFAR-10's binary version: where it is, and its images as inputs and as pictures."""
import base64
import io
import os

import matplotlib.image
import numpy

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RECORD, SIDE = 3073, 32
WEIGHTS = numpy.float32([0.299, 0.587, 0.114])  # of red, green and blue in grey


def find_folder(asked):
    """Where the program looks, in its order; None: there is none. One that is asked for must be there."""
    if asked and not os.path.isdir(asked):
        raise ValueError(f"--data {asked}: there is no such folder")
    cache = os.environ.get("XDG_CACHE_HOME", "")
    cache = cache if os.path.isabs(cache) else os.path.expanduser("~/.cache")
    folders = (asked, os.environ.get("TRAINER_DATA_DIR"),
               os.path.join(cache, "trainer", "cifar-10-batches-bin"))
    return next((folder for folder in folders if folder and os.path.isdir(folder)), None)


def read(path):
    """(labels [images], pixels [images, 3, 1024])."""
    blob = numpy.fromfile(path, numpy.uint8)
    if blob.size == 0 or blob.size % RECORD or blob[::RECORD].max() >= len(CLASSES):
        raise ValueError(f"{path} is no file of CIFAR-10's binary version: tools/fetch-cifar10 fetches it")
    records = blob.reshape(-1, RECORD)
    return records[:, 0], records[:, 1:].reshape(-1, 3, SIDE * SIDE)


def read_test(folder):
    return read(os.path.join(folder, "test_batch.bin"))


def inputs(pixels, color):
    """[images, 1024 or 3072], from 0 to 1."""
    values = pixels.astype(numpy.float32)
    if color == "grey":
        values = numpy.tensordot(values, WEIGHTS, axes=(1, 0))
    return values.reshape(len(pixels), -1) / 255


def picture(rows):
    """An image [32, 32, 3] of bytes, as the address of a PNG that is part of the page."""
    file = io.BytesIO()
    matplotlib.image.imsave(file, rows, format="png", metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def photo(pixels):
    """That of a test image [3, 1024]."""
    return picture(pixels.reshape(3, SIDE, SIDE).transpose(1, 2, 0))


def pattern(weights):
    """That of the weights of a unit: in grey, black takes off and white adds; in colour, each channel likewise.
    Middle grey is 0, and the largest is as far from it as can be."""
    largest = float(numpy.abs(weights).max()) or 1.0
    planes = numpy.clip(numpy.rint(127.5 + 127.5 * weights / largest), 0, 255).astype(numpy.uint8)
    planes = planes.reshape(-1, SIDE, SIDE)
    return picture((planes if len(planes) == 3 else numpy.repeat(planes, 3, axis=0)).transpose(1, 2, 0))
