"""Writes segmentations as another maker's program does: one that names the images of its frames, one that has their planes alone, and one whose
planes lie where no image is.

Arguments: the folder of a CT series, and the three files.
"""

import pathlib
import sys

import highdicom
import numpy
import pydicom
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

images = sorted((pydicom.dcmread(path) for path in pathlib.Path(sys.argv[1]).iterdir()), key=lambda image: image.ImagePositionPatient[2])[:3]
rows, columns = images[0].Rows, images[0].Columns
voxels = numpy.zeros((3, rows, columns), bool)
for at in range(3):
    voxels[at, rows // 4 + at : rows // 3 + at, columns // 3 : columns // 2] = True
described = highdicom.seg.SegmentDescription(
    1, "Lung", codes.SCT.AnatomicalStructure, codes.SCT.Lung, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL
)
for number, path in enumerate(sys.argv[2:]):
    seg = highdicom.seg.Segmentation(
        images, voxels, "BINARY", [described], generate_uid(entropy_srcs=["foreign series", str(number)]), 50 + number,
        generate_uid(entropy_srcs=["foreign", str(number)]), 1, "Elsewhere", "By hand", "1", "77",
    )  # fmt: skip
    for frame in seg.PerFrameFunctionalGroupsSequence:
        if number:
            del frame.DerivationImageSequence
        if number == 2:
            frame.PlanePositionSequence[0].ImagePositionPatient[2] += 0.4
    seg.save_as(path)
