"""Colour images to compress, and what became of them.

coloured.py make FOLDER NUMBER: NUMBER native RGB images of one series.
coloured.py compare OURS REFERENCE: as JSON, how far the pixels of two native files are apart, and what ours says of itself."""

import json
import sys

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid


def make(folder, number):
    rows, columns = 64, 96
    y, x = np.mgrid[0:rows, 0:columns]
    study, series = generate_uid(), generate_uid()
    for at in range(number):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
        image.StudyInstanceUID, image.SeriesInstanceUID = study, series
        image.Modality, image.PatientID, image.InstanceNumber = "OT", "COLOURED", at + 1
        image.PatientName, image.StudyDate, image.ConversionType = "Test^Colours", "20260101", "WSD"
        image.SamplesPerPixel, image.PhotometricInterpretation = 3, "RGB"
        image.PlanarConfiguration, image.Rows, image.Columns = 0, rows, columns
        image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
        image.PixelRepresentation = 0
        pixels = np.stack([2 * x + 20, 3 * y + 30, 200 - x - y + 9 * at], axis=-1).astype(np.uint8)
        image.PixelData = pixels.tobytes()
        image.save_as(f"{folder}/{at}.dcm", enforce_file_format=True)


def compare(ours, reference):
    ours, reference = dcmread(ours), dcmread(reference)
    apart = np.abs(ours.pixel_array.astype(int) - reference.pixel_array.astype(int))
    json.dump(
        {
            "most": int(apart.max()),
            "mean": float(apart.mean()),
            "photometric": ours.PhotometricInterpretation,
            "reference": reference.PhotometricInterpretation,
            "planar": ours.PlanarConfiguration,
            "lossy": ours.get("LossyImageCompression", ""),
        },
        sys.stdout,
    )


if sys.argv[1] == "make":
    make(sys.argv[2], int(sys.argv[3]))
else:
    compare(*sys.argv[2:])
