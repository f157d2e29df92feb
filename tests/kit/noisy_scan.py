"""Gives a series the pixels of a phantom without noise, and of the same phantom scanned with few photons.

Arguments: the folder of phantoms.py, the series, and two new folders: without noise, and with.
"""

import pathlib
import sys

import numpy
import pydicom

sys.path.insert(0, sys.argv[1])
import phantoms

rng = numpy.random.default_rng(20)
kinds = list(phantoms.HELD_OUT.values())
files = sorted(pathlib.Path(sys.argv[2]).glob("*.dcm"))
for folder in sys.argv[3:]:
    pathlib.Path(folder).mkdir()
for number, path in enumerate(files):
    image = pydicom.dcmread(path)
    side = max(image.Rows, image.Columns)
    side += side % 2
    truth = kinds[number % len(kinds)](rng, side)
    noise = phantoms.quantum_noise(rng, truth, 1e5, 1.0, 0.9, 180)
    for folder, hu in zip(sys.argv[3:], (truth, truth + noise)):
        stored = numpy.round(hu[: image.Rows, : image.Columns] - float(image.RescaleIntercept))
        image.PixelData = stored.clip(0, 4095).astype("<u2").tobytes()
        image.save_as(pathlib.Path(folder) / path.name)
