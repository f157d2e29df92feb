"""Prints the measurements of a TID 1500 report as highdicom reads them: a JSON array of concept, value, unit."""

import json
import sys

import highdicom

report = highdicom.sr.srread(sys.argv[1])
content = report.content
groups = (
    content.get_image_measurement_groups()
    + content.get_planar_roi_measurement_groups()
    + content.get_volumetric_roi_measurement_groups()
)
rows = [
    {"concept": item.name.meaning, "value": float(item.value), "unit": item.unit.value}
    for group in groups
    for item in group.get_measurements()
]
json.dump(rows, sys.stdout)
