"""Lays segmentations of a film beside what is bright in it, as highdicom and pydicom read them, and prints what is other.

Arguments: the film and the segmentations. In the end the area of what is bright in mm2.
"""

import sys

import highdicom
import pydicom

film = pydicom.dcmread(sys.argv[1])
most = 2**film.BitsStored - 1
bright = (most - film.pixel_array.astype(float)) / most >= 0.5
for path in sys.argv[2:]:
    segments = highdicom.seg.segread(path)
    planes = segments.get_pixels_by_source_instance([film.SOPInstanceUID], combine_segments=True)
    if planes.shape[1:] != bright.shape:
        print(f"{segments.SegmentationType}: {planes.shape}")
    elif ((planes[0] == 1) != bright).any():
        print(f"{segments.SegmentationType}: {((planes[0] == 1) != bright).sum()} pixels")
    if "FrameOfReferenceUID" in segments:
        print(f"{segments.SegmentationType}: a frame of reference")
    if segments.PatientOrientation != film.PatientOrientation:
        print(f"{segments.SegmentationType}: {segments.PatientOrientation}")
print(f"{bright.sum() * float(film.PixelSpacing[0]) * float(film.PixelSpacing[1]):.1f}")
