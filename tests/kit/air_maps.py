"""Lays what the model of `air_model.py` made beside the images, and prints what is other, and at the end what was compared.

Arguments: the folder of the images, the label map, the segmentation in bits, the parametric map, and the folder of the pictures
that `gantry show` drew of the map.
"""

import pathlib
import sys

import highdicom
import numpy
import pydicom
from PIL import Image

probable = {}
for path in pathlib.Path(sys.argv[1]).rglob("*"):
    if path.is_file():
        image = pydicom.dcmread(path)
        units = image.pixel_array.astype(float) * float(image.RescaleSlope) + float(image.RescaleIntercept)
        probable[image.SOPInstanceUID] = 1 / (1 + numpy.exp(0.005 * units + 2.5))
sources = sorted(probable)
for path in sys.argv[2:4]:
    segments = highdicom.seg.segread(path)
    planes = segments.get_pixels_by_source_instance(sources, assert_missing_frames_are_empty=True)
    for source, plane in zip(sources, planes):
        if plane.shape[-1] != 1 or (plane[..., 0] != (probable[source] >= 0.5)).any():
            print(f"{segments.SegmentationType} is other on {source}")
    print(segments.SegmentationType, int(planes.sum()) > 0)
data = pydicom.dcmread(sys.argv[4])
frames = data.PerFrameFunctionalGroupsSequence
values = data.pixel_array.reshape(len(frames), data.Rows, data.Columns)
pictures = sorted(pathlib.Path(sys.argv[5]).glob(f"{data.SOPInstanceUID}-*.png"))
low = values.min() + (values.max() - values.min()) / 5
for frame, plane, picture in zip(frames, values, pictures):
    source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
    if numpy.abs(plane - probable[source]).max() > 1e-5:
        print(f"the map is other on {source}")
    pixels = numpy.asarray(Image.open(picture)).astype(int)
    factor = pixels.shape[0] // plane.shape[0]
    # A value at the border of a band may be on either side of it.
    above = (plane > low + 1e-5).repeat(factor, 0).repeat(factor, 1)
    below = (plane < low - 1e-5).repeat(factor, 0).repeat(factor, 1)
    half = pixels.shape[0] // 2
    coloured = (pixels.max(axis=-1) != pixels.min(axis=-1))[:half]
    if (above[:half] & ~coloured).any() or (below[:half] & coloured).any():
        print(f"{picture.name} is other")
print("MAP", len(frames) == len(sources) == len(pictures))
