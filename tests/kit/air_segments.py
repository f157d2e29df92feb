"""Lays segmentations of the model of `air_model.py` beside the frames that they refer to, and prints what is other.

Arguments: the enhanced image, the binary segmentation, the fractional one. Each frame is compared with the frame that it names.
"""

import sys

import highdicom
import numpy
import pydicom

image = highdicom.imread(sys.argv[1])
for path, scale in ((sys.argv[2], 1), (sys.argv[3], 255)):
    data = pydicom.dcmread(path)
    frames = data.PerFrameFunctionalGroupsSequence
    pixels = highdicom.seg.segread(path).pixel_array.reshape(len(frames), data.Rows, data.Columns)
    for number, (frame, found) in enumerate(zip(frames, pixels), 1):
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        if source.ReferencedSOPInstanceUID != image.SOPInstanceUID:
            print(f"frame {number} is of another image")
        at = int(source.ReferencedFrameNumber)
        own = frame.PlanePositionSequence[0].ImagePositionPatient
        there = image.PerFrameFunctionalGroupsSequence[at - 1].PlanePositionSequence[0].ImagePositionPatient
        if numpy.abs(numpy.array(own, float) - numpy.array(there, float)).max() > 1e-3:
            print(f"frame {number} lies elsewhere than frame {at} of the image")
        units = image.get_frame(at, apply_real_world_transform=False, apply_modality_transform=True)
        probable = 1 / (1 + numpy.exp(0.005 * units.astype(float) + 2.5))
        expected = numpy.round(probable * 255) if scale == 255 else probable >= 0.5
        if numpy.abs(found.astype(int) - expected.astype(int)).max() > (scale == 255):
            print(f"frame {number} of {data.SegmentationType} has other voxels")
    print(data.SegmentationType, len(frames))
