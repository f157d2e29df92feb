"""Lays a denoised series beside what ONNX Runtime says of the same images, and beside the truth. Prints what is other than expected,
and last the PSNR before and after, in dB of 1400 HU.

Arguments: the graph, the folders of the images without noise, as sent, and as made.
"""

import pathlib
import sys

import numpy
import onnxruntime
import pydicom

PLACE = ["FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]
SAME = [*PLACE, "StudyInstanceUID", "SOPClassUID", "Modality"]

graph, *folders = sys.argv[1:]
session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def files(folder):
    return [pydicom.dcmread(path) for path in pathlib.Path(folder).iterdir()]


def hounsfield(image):
    return image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)


truths, sent = ({image.SOPInstanceUID: image for image in files(folder)} for folder in folders[:2])
made = files(folders[2])
if len({image.SeriesInstanceUID for image in made}) != 1:
    print("not one series")
before, after = [], []
for image in made:
    [reference] = image.SourceImageSequence
    source = sent.pop(reference.ReferencedSOPInstanceUID)
    truth = hounsfield(truths[source.SOPInstanceUID])
    noisy = hounsfield(source).astype(numpy.float32)
    rows, columns = noisy.shape
    # Even sides, what is missing behind.
    even = numpy.pad(noisy, [(0, rows % 2), (0, columns % 2)], constant_values=-1000)
    expected = session.run(None, {"hu": even[None, None]})[0][0, 0, :rows, :columns]
    off = numpy.abs(hounsfield(image) - expected).max()
    if off > 0.51:
        print("off by", off, "HU")
    for name in SAME:
        if image[name].value != source[name].value:
            print("another", name)
    if image.SeriesInstanceUID == source.SeriesInstanceUID or image.ImageType[:2] != ["DERIVED", "SECONDARY"]:
        print("not a derived series of its own")
    if reference.PurposeOfReferenceCodeSequence[0].CodeValue != "121322":
        print("not of its source image")
    texts = ((image.SeriesDescription, "(RUO)"), (image.DerivationDescription, "FOR RESEARCH USE ONLY"))
    for text, mark in texts:
        if mark not in text or "less noise" not in text:
            print("does not say what it is:", text)
    before.append(noisy - truth)
    after.append(hounsfield(image) - truth)
if sent:
    print("no image of", len(sent))
for errors in (before, after):
    print(20 * numpy.log10(1400 / numpy.sqrt(numpy.square(errors).mean())))
