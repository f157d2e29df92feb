"""Prints what a document names as its predecessors, as pydicom reads it: a SOP Instance UID a line."""

import sys

import pydicom

document = pydicom.dcmread(sys.argv[1])
for study in document.get("PredecessorDocumentsSequence", []):
    for series in study.ReferencedSeriesSequence:
        for instance in series.ReferencedSOPSequence:
            assert series.SeriesInstanceUID != document.SeriesInstanceUID
            assert study.StudyInstanceUID == document.StudyInstanceUID
            assert instance.ReferencedSOPClassUID == document.SOPClassUID
            print(instance.ReferencedSOPInstanceUID)
