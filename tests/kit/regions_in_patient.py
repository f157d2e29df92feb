"""Prints the regions of a TID 1500 report that lie in the patient, as highdicom reads them, on the images that they go through.

Arguments: the report, the folder of the images. A JSON array of [tracking identifier, image, least column, least row, largest
column, largest row, number], in pixels from the outer edge of the first one, computed from the header of the image whose plane
a region lies in; or of [tracking identifier, answer].
"""

import json
import pathlib
import sys

import highdicom
import numpy
import pydicom

paths = (path for path in pathlib.Path(sys.argv[2]).rglob("*") if path.is_file())
images = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]


def on_its_image(points, frame_of_reference):
    """The image, and columns and rows of the points on it."""
    for image in images:
        assert image.FrameOfReferenceUID == frame_of_reference
        along, down = numpy.array(image.ImageOrientationPatient, dtype=float).reshape(2, 3)
        way = numpy.array(points, dtype=float) - numpy.array(image.ImagePositionPatient, dtype=float)
        if abs(way @ numpy.cross(along, down)).max() < 0.01:
            between_rows, between_columns = map(float, image.PixelSpacing)
            pixels = numpy.stack([way @ along / between_columns, way @ down / between_rows], axis=1)
            return str(image.SOPInstanceUID), pixels + 0.5
    raise AssertionError("a region lies in the plane of no image")


content = highdicom.sr.srread(sys.argv[1]).content
rows = []
for group in content.get_volumetric_roi_measurement_groups() + content.get_planar_roi_measurement_groups():
    several = isinstance(group.roi, highdicom.sr.VolumeSurface)
    planes = group.roi.graphic_data if several else [group.roi.value]
    found = [on_its_image(plane, group.roi.frame_of_reference_uid) for plane in planes]
    named = [item for item in group[0].ContentSequence if item.name.value == "121233"]
    named = [str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) for item in named]
    assert named == [image for image, _ in found], "the images that it names are those that it lies on"
    number = float(group.get_measurements()[0].value)
    for image, pixels in found:
        ends = [*pixels.min(axis=0).round(3).tolist(), *pixels.max(axis=0).round(3).tolist()]
        rows.append([group.tracking_identifier, image, *ends, number])
for group in content.get_image_measurement_groups():
    for answer in group.get_qualitative_evaluations():
        rows.append([group.tracking_identifier, answer.value.meaning])
json.dump(rows, sys.stdout)
