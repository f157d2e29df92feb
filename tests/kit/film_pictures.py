"""Lays what was drawn of a film beside what a display shows of it, and prints what is other.

Arguments: what `coloured_films.py` wrote beside the film, the PNG file that `gantry show` drew of it, its secondary capture, and its segmentation.
"""

import sys

import highdicom
import numpy
import pydicom
from PIL import Image

truth = numpy.load(sys.argv[1])
shown, inside = truth["shown"].astype(int), truth["inside"]
drawn = numpy.asarray(Image.open(sys.argv[2])).astype(int)
drawn = drawn if drawn.ndim == 3 else numpy.repeat(drawn[..., None], 3, axis=-1)
# Of luminance and chrominance two readers make colours by other rounding.
if drawn.shape != shown.shape or numpy.abs(drawn - shown).max() > 1:
    print(f"drawn: {drawn.shape}, {numpy.abs(drawn - shown).max() if drawn.shape == shown.shape else ''}")

segments = highdicom.seg.segread(sys.argv[4])
source = segments.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
found = segments.get_pixels_by_source_instance([source], combine_segments=True)[0] == 1
if (found != inside).any() or not found.any():
    print(f"segments: {(found != inside).sum()} pixels of {inside.sum()}")

capture = pydicom.dcmread(sys.argv[3])
picture = capture.pixel_array.reshape(capture.Rows, capture.Columns, 3).astype(int)
factor = capture.Rows // shown.shape[0]
large = drawn.repeat(factor, 0).repeat(factor, 1)
# Between the words above and below, and beside what is tinted.
band = slice(capture.Rows * 2 // 5, capture.Rows * 3 // 5)
free = ~found.repeat(factor, 0).repeat(factor, 1)[band]
free[:, : 40] = free[:, -40:] = False
apart = numpy.abs(picture[band] - large[band])[free]
if apart.size < 10000 or apart.max() > 0:
    print(f"capture: {apart.size} values, at most {apart.max()} apart")
