"""Lays the frames of a denoised image beside what ONNX Runtime says of the same frames. Prints what is other than expected.

Arguments: the graph, the image as sent, and as made.
"""

import sys

import numpy
import onnxruntime
import pydicom

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
sent, made = (pydicom.dcmread(path) for path in sys.argv[2:])


def said(image, frame, name):
    own = image.PerFrameFunctionalGroupsSequence[frame]
    return getattr(own if name in own else image.SharedFunctionalGroupsSequence[0], name)[0]


def hounsfield(image, frame):
    values = said(image, frame, "PixelValueTransformationSequence")
    return image.pixel_array[frame] * float(values.RescaleSlope) + float(values.RescaleIntercept)


if made.NumberOfFrames != sent.NumberOfFrames or made.SeriesInstanceUID == sent.SeriesInstanceUID:
    print("another number of frames, or the same series")
if made.ImageType[0] != "DERIVED" or made.StudyInstanceUID != sent.StudyInstanceUID:
    print("not derived, or in another study")
for frame in range(int(sent.NumberOfFrames)):
    [source] = said(made, frame, "DerivationImageSequence").SourceImageSequence
    if (source.ReferencedSOPInstanceUID, source.ReferencedFrameNumber) != (sent.SOPInstanceUID, frame + 1):
        print("frame", frame, "is of", source.ReferencedSOPInstanceUID, source.ReferencedFrameNumber)
    places = [said(image, frame, "PlanePositionSequence").ImagePositionPatient for image in (sent, made)]
    if places[0] != places[1]:
        print("frame", frame, "lies at", places)
    noisy = hounsfield(sent, frame).astype(numpy.float32)
    rows, columns = noisy.shape
    even = numpy.pad(noisy, [(0, rows % 2), (0, columns % 2)], constant_values=-1000)
    expected = session.run(None, {"hu": even[None, None]})[0][0, 0, :rows, :columns]
    off = numpy.abs(hounsfield(made, frame) - expected).max()
    if off > 0.51:
        print("frame", frame, "is off by", off, "HU")
