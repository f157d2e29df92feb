"""Prints what a presentation state outlines on which image, as pydicom reads it.

A JSON array of [text, image, least column, least row, largest column, largest row].
"""

import json
import sys

import pydicom

state = pydicom.dcmread(sys.argv[1])
rows = []
for annotation in state.GraphicAnnotationSequence:
    for line in annotation.get("GraphicObjectSequence", []):
        points = [float(number) for number in line.GraphicData]
        columns, lines = points[0::2], points[1::2]
        text = annotation.TextObjectSequence[0].UnformattedTextValue
        image = annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID
        rows.append([text, str(image), min(columns), min(lines), max(columns), max(lines)])
json.dump(rows, sys.stdout)
