"""Prints the segments that a TID 1500 report refers to, as highdicom reads both.

Takes a report and a segmentation. A JSON array of objects: the group's tracking identifier, whether the object is this one,
the segment's number and label, its tracking UID and that of the group, the source series, and the volume of its voxels in mL.
"""

import json
import sys

import highdicom

content = highdicom.sr.srread(sys.argv[1]).content
segments = highdicom.seg.segread(sys.argv[2])
rows = []
for group in content.get_volumetric_roi_measurement_groups():
    reference = group.referenced_segment
    number = int(reference.referenced_segment_numbers[0])
    described = segments.get_segment_description(number)
    voxels = segments.get_volume(segment_numbers=[number])
    rows.append(
        {
            "label": group.tracking_identifier,
            "same": str(reference.referenced_sop_instance_uid) == str(segments.SOPInstanceUID),
            "segment": number,
            "called": described.segment_label,
            "tracking": [str(group.tracking_uid), str(described.tracking_uid)],
            "series": str(reference.source_series_for_segmentation.value),
            "millilitres": float((voxels.array != 0).sum()) * float(voxels.voxel_volume) / 1000.0,
        }
    )
json.dump(rows, sys.stdout)
