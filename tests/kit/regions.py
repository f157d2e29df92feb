"""Prints the regions of a TID 1500 report as highdicom reads them, and what was looked for and is not there.

A JSON array of [tracking identifier, image, least column, least row, largest column, largest row, number], or of
[tracking identifier, answer].
"""

import json
import sys

import highdicom

content = highdicom.sr.srread(sys.argv[1]).content
groups = content.get_volumetric_roi_measurement_groups() + content.get_planar_roi_measurement_groups()
rows = []
for group in groups:
    regions = group.roi if isinstance(group.roi, list) else [group.roi]
    for region in regions:
        image = region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        ends = [*region.value.min(axis=0).tolist(), *region.value.max(axis=0).tolist()]
        number = float(group.get_measurements()[0].value)
        rows.append([group.tracking_identifier, str(image), *ends, number])
for group in content.get_image_measurement_groups():
    for answer in group.get_qualitative_evaluations():
        rows.append([group.tracking_identifier, answer.value.meaning])
json.dump(rows, sys.stdout)
