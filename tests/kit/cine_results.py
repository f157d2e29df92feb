"""Lays the results of a cine beside what is bright in it, frame by frame, as highdicom and pydicom read them, and prints what is other.

Arguments: the cine, the report, the secondary capture, the key images and the segmentations.
"""

import sys

import highdicom
import numpy
import pydicom

cine = pydicom.dcmread(sys.argv[1])
report, capture, selection = (pydicom.dcmread(path) for path in sys.argv[2:5])
pixels = cine.pixel_array if cine.SamplesPerPixel == 3 else cine.pixel_array[..., None].repeat(3, axis=-1)
bright = pixels.max(axis=-1) / 255.0 >= 0.5
there = [at + 1 for at in range(len(bright)) if bright[at].any()]
count = cine.NumberOfFrames


def differ(what, found, expected):
    if found != expected:
        print(f"{what}: {found}, not {expected}")


segments = {}
for path in sys.argv[5:]:
    seg = highdicom.seg.segread(path)
    kind = seg.SegmentationType
    segments[kind] = seg
    planes = seg.get_pixels_by_source_frame(
        cine.SOPInstanceUID, range(1, count + 1), assert_missing_frames_are_empty=True, rescale_fractional=False
    )[..., 0]
    expected = pixels.max(axis=-1) if kind == "FRACTIONAL" else bright
    differ(kind, int((planes != expected).sum()), 0)
    differ(f"{kind} study", seg.StudyInstanceUID, cine.StudyInstanceUID)
    differ(f"{kind} frame of reference", "FrameOfReferenceUID" in seg, False)

binary = segments["BINARY"]
content = highdicom.sr.srread(sys.argv[2]).content
on_segments = {}
for group in content.get_planar_roi_measurement_groups():
    [frame], [area] = group.referenced_segmentation_frame[0].referenced_frame_numbers, group.get_measurements()
    of = binary.PerFrameFunctionalGroupsSequence[frame - 1].DerivationImageSequence[0].SourceImageSequence[0]
    on_segments[of.ReferencedFrameNumber] = float(area.value)
areas = {at: float(bright[at - 1].sum()) * 0.2 * 0.25 for at in there}
differ("frames of figures", sorted(on_segments), there)
for at in there:
    if abs(on_segments.get(at, 0) - areas[at]) > 1e-6:
        print(f"area of frame {at}: {on_segments.get(at)}, not {areas[at]}")
nothing = [float(group.get_measurements()[0].value) for group in content.get_image_measurement_groups()]
differ("areas of the other frames", nothing, [0.0] * (count - len(there)))

differ("captured frames", [int(at) for at in capture.PageNumberVector], there)
differ("study of the capture", capture.StudyInstanceUID, cine.StudyInstanceUID)
factor = capture.Columns // cine.Columns
middle = slice(cine.Rows * 2 // 5, cine.Rows * 3 // 5)
for shown, at in zip(capture.pixel_array, there):
    shown = shown[::factor, ::factor][middle]
    own, inside = pixels[at - 1][middle], bright[at - 1][middle]
    if cine.SamplesPerPixel == 3 and (shown[~inside] != own[~inside]).any():
        print(f"frame {at}: other colours")
    if not (shown[inside] != own[inside]).any(axis=-1).all():
        print(f"frame {at}: pixels without their tint")

images = [item for item in selection.ContentSequence if item.ValueType == "IMAGE"]
differ("key images", [list(item.ReferencedSOPSequence[0].ReferencedFrameNumber) for item in images], [there])
