"""Lays what `gantry show` printed and drew beside what pydicom reads, and prints what is other than expected.

Arguments: a file with what was printed, the folder of the PNG files, and the DICOM files that were shown.
"""

import pathlib
import sys

import numpy
import pydicom
from PIL import Image


def items(content):
    for item in content.get("ContentSequence", []):
        yield item
        yield from items(item)


def expected(item):
    """What the line of a content item has to have in it."""
    names = [code.CodeMeaning for code in item.get("ConceptNameCodeSequence", [])]
    kind = item.get("ValueType")
    if kind == "NUM" and item.get("MeasuredValueSequence"):
        return names + [str(item.MeasuredValueSequence[0].NumericValue.original_string)]
    if kind == "CODE":
        code = item.ConceptCodeSequence[0]
        return names + [code.CodeMeaning, code.CodeValue, code.CodingSchemeDesignator]
    if kind == "TEXT":
        return names + [item.TextValue]
    if kind == "IMAGE":
        return names + [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID]
    if kind == "UIDREF":
        return names + [item.UID]
    return names


lines = pathlib.Path(sys.argv[1]).read_text().splitlines()
pictures = pathlib.Path(sys.argv[2])
for path in sys.argv[3:]:
    dataset = pydicom.dcmread(path)
    uid = dataset.SOPInstanceUID
    begin = next(at for at, line in enumerate(lines) if line.startswith(uid))
    below = [line for line in lines[begin + 1 :]]
    end = next((at for at, line in enumerate(below) if not line.startswith(" ")), len(below))
    below = below[:end]
    if "ContentSequence" in dataset:
        wanted = [dataset, *items(dataset)]
        # Flags stand in the first line.
        if len(below) != len(wanted) + 1:
            print(f"{len(below)} lines of {len(wanted)} content items")
        for line, item in zip(below[1:], wanted):
            if not all(part in line for part in expected(item)):
                print(f"{line!r} lacks one of {expected(item)}")
    else:
        frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns, 3)
        found = sorted(pictures.glob(f"{uid}*.png"))
        if len(found) != len(frames):
            print(f"{len(found)} pictures of {len(frames)} frames")
        for picture, frame in zip(found, frames):
            if not numpy.array_equal(numpy.asarray(Image.open(picture)), frame):
                print(f"{picture.name} differs")
