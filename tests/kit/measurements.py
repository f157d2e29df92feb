"""Prints the measurements of a TID 1500 report as highdicom reads them: a JSON array of code, value, unit."""

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
    {"code": item.name.value, "value": float(item.value), "unit": item.unit.value}
    for group in groups
    for item in group.get_measurements()
]
json.dump(rows, sys.stdout)
