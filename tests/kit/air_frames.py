"""Compares the frames that key images and outlines name with those that a segment is on, and prints how many are the same.

Arguments: the enhanced image, the binary segmentation, the key object selection, the presentation state.
"""

import sys

import pydicom

image, segments, key_images, state = (pydicom.dcmread(path) for path in sys.argv[1:])


def frames(item):
    """The frames of the image that a reference names; without a number all of them."""
    if item.ReferencedSOPInstanceUID != image.SOPInstanceUID:
        print("another image is named")
    numbers = item.get("ReferencedFrameNumber", range(1, int(image.NumberOfFrames) + 1))
    return {int(number) for number in ([numbers] if isinstance(numbers, (int, str)) else numbers)}


with_segment = set()
for frame in segments.PerFrameFunctionalGroupsSequence:
    with_segment |= frames(frame.DerivationImageSequence[0].SourceImageSequence[0])
flagged = set()
for item in key_images.ContentSequence:
    if item.ValueType == "IMAGE":
        flagged |= frames(item.ReferencedSOPSequence[0])
drawn = set()
for annotation in state.GraphicAnnotationSequence:
    lines = [one for one in annotation.get("GraphicObjectSequence", []) if one.GraphicType == "POLYLINE"]
    for item in annotation.get("ReferencedImageSequence", []) if lines else []:
        drawn |= frames(item)
for name, found in (("KO", flagged), ("PR", drawn)):
    print(name, len(found) if found == with_segment else f"{sorted(found)} and not {sorted(with_segment)}")
