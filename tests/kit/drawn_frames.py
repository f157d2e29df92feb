"""Lays the pictures that `gantry show` drew of a segmentation of a cine beside its frames, and prints what is other.

Arguments: the folder of the PNG files, the segmentation and the cine. Where no segment is a picture has the colours of the frame; the
legend in the lower half is left out.
"""

import pathlib
import sys

import highdicom
import numpy
import pydicom
from PIL import Image

segments, cine = highdicom.seg.segread(sys.argv[2]), pydicom.dcmread(sys.argv[3])
frames = []
for group in segments.PerFrameFunctionalGroupsSequence:
    number = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
    if number not in frames:
        frames.append(number)
pictures = sorted(pathlib.Path(sys.argv[1]).glob(f"{segments.SOPInstanceUID}-*.png"))
if len(pictures) != len(frames):
    print(f"{len(pictures)} pictures of {len(frames)} frames")
planes = segments.get_pixels_by_source_frame(cine.SOPInstanceUID, frames, assert_missing_frames_are_empty=True)
for picture, frame, plane in zip(pictures, frames, planes):
    drawn = numpy.asarray(Image.open(picture)).astype(int)
    factor, half = drawn.shape[0] // plane.shape[0], plane.shape[0] // 2
    own = cine.pixel_array[frame - 1].astype(int)
    own = own if own.ndim == 3 else own[..., None].repeat(3, axis=-1)
    drawn, own, inside = drawn[::factor, ::factor][:half], own[:half], plane.any(axis=-1)[:half]
    if (abs(drawn[~inside] - own[~inside]) > 1).any():
        print(f"{picture.name}: other colours than frame {frame}")
    if not inside.any() or (drawn[inside] == own[inside]).all(axis=-1).any():
        print(f"{picture.name}: pixels of a segment without its colour")
