"""Lays an image of many frames beside the one that it was derived of, half as bright, as pydicom reads both, and prints what is other.

Arguments: the original, and what was made.
"""

import sys

import numpy
import pydicom

original, made = (pydicom.dcmread(path) for path in sys.argv[1:])
off = numpy.abs(made.pixel_array - original.pixel_array * 0.5).max()
if made.pixel_array.dtype != numpy.uint8 or off > 0.5:
    print("off by", off)
for name in (
    "SOPClassUID", "StudyInstanceUID", "PatientID", "NumberOfFrames", "FrameTime", "FrameIncrementPointer", "BitsStored",
    "PhotometricInterpretation", "SequenceOfUltrasoundRegions",
):
    if made[name].value != original[name].value:
        print("another", name)
if "WindowCenter" in made:
    print("a window where the original has none")
[source] = made.SourceImageSequence
if source.ReferencedSOPInstanceUID != original.SOPInstanceUID or "ReferencedFrameNumber" in source:
    print("not of all frames of its original")
if made.ImageType != ["DERIVED", "SECONDARY"] or made.SeriesInstanceUID == original.SeriesInstanceUID:
    print("not a derived series of its own")
