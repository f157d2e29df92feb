"""Prints what pydicom reads of each DICOM file below a folder: a JSON array of path, UIDs and a few attributes."""

import json
import pathlib
import sys
import warnings

import pydicom

warnings.simplefilter("ignore")
KEYWORDS = [
    "SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "StudyInstanceUID", "Modality",
    "BodyPartExamined", "SeriesDescription", "PatientName", "PatientID", "NumberOfFrames",
]


def text(value):
    if value is None:
        return ""
    if isinstance(value, pydicom.multival.MultiValue):
        return "\\".join(str(one) for one in value)
    return str(value)


root = pathlib.Path(sys.argv[1])
rows = []
for path in sorted(root.rglob("*")):
    if not path.is_file() or path.suffix in {".xml", ".tsv", ".json", ".gz", ".bin"}:
        continue
    row = {"path": str(path.relative_to(root))}
    try:
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        row.update({keyword: text(dataset.get(keyword)) for keyword in KEYWORDS})
    except Exception as error:  # whatever pydicom cannot read
        row["error"] = type(error).__name__
    rows.append(row)
json.dump(rows, sys.stdout)
