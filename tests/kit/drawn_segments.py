"""Lays the pictures that `gantry show` drew of a segmentation beside what highdicom reads of it, and prints what is other.

Arguments: the folder of the PNG files and the segmentation. Colours have to be where a segment is, and greys where none is; the
legend in the lower half is left out.
"""

import pathlib
import sys

import highdicom
import numpy
from PIL import Image

segments = highdicom.seg.segread(sys.argv[2])
sources = []
for frame in segments.PerFrameFunctionalGroupsSequence:
    uid = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
    if uid not in sources:
        sources.append(uid)
pictures = sorted(pathlib.Path(sys.argv[1]).glob(f"{segments.SOPInstanceUID}-*.png"))
if len(pictures) != len(sources):
    print(f"{len(pictures)} pictures of {len(sources)} images")
planes = segments.get_pixels_by_source_instance(sources, assert_missing_frames_are_empty=True)
for picture, plane in zip(pictures, planes):
    pixels = numpy.asarray(Image.open(picture)).astype(int)
    factor = pixels.shape[0] // plane.shape[0]
    inside = plane.any(axis=-1).repeat(factor, 0).repeat(factor, 1)
    half = pixels.shape[0] // 2
    coloured = (pixels.max(axis=-1) != pixels.min(axis=-1))[:half]
    if (coloured != inside[:half]).any():
        print(f"{picture.name}: {(coloured != inside[:half]).sum()} pixels")
