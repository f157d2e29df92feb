"""Writes two ultrasound images of eight frames each, one in grey and one in colours, in which something bright moves.

Arguments: an image whose patient and study they take, and the files of both.
"""

import sys

import numpy
import pydicom
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

image = pydicom.dcmread(sys.argv[1])
rows, columns = numpy.mgrid[0:60, 0:90]
background = numpy.stack([(rows + columns) * 2 // 3, rows, columns], axis=-1)
frames = numpy.repeat(background[None], 8, axis=0).astype(numpy.uint8)
# On the first frame and on the last one there is nothing.
for at in range(1, 7):
    frames[at][((rows - 30) / 9.0) ** 2 + ((columns - 15 - 9 * at) / (5.0 + at)) ** 2 < 1] = [250, 190, 40]

for path, photometric in zip(sys.argv[2:], ("MONOCHROME2", "RGB")):
    cine = pydicom.Dataset()
    for keyword in (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID",
        "AccessionNumber", "ReferringPhysicianName", "Manufacturer",
    ):
        cine[keyword] = image[keyword] if keyword in image else pydicom.DataElement(keyword, pydicom.datadict.dictionary_VR(keyword), None)
    cine.SOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    cine.SOPInstanceUID = generate_uid(entropy_srcs=["cine", photometric])
    cine.SeriesInstanceUID = generate_uid(entropy_srcs=["series of the cine", photometric])
    cine.Modality, cine.SeriesNumber, cine.InstanceNumber = "US", 1, 1
    cine.ImageType, cine.LossyImageCompression = ["ORIGINAL", "PRIMARY"], "00"
    cine.BodyPartExamined = "CHEST"
    region = pydicom.Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0, region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 0, 0, 89, 59
    region.PhysicalUnitsXDirection, region.PhysicalUnitsYDirection = 3, 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.025, 0.02
    cine.SequenceOfUltrasoundRegions = [region]
    cine.NumberOfFrames, cine.FrameTime, cine.FrameIncrementPointer = 8, 40, 0x00181063
    cine.Rows, cine.Columns = 60, 90
    cine.BitsAllocated, cine.BitsStored, cine.HighBit, cine.PixelRepresentation = 8, 8, 7, 0
    cine.PhotometricInterpretation = photometric
    cine.SamplesPerPixel = 1 if photometric == "MONOCHROME2" else 3
    if cine.SamplesPerPixel == 3:
        cine.PlanarConfiguration = 0
    pixels = frames if cine.SamplesPerPixel == 3 else frames.max(axis=-1)
    cine.PixelData = pixels.tobytes()
    cine.file_meta = pydicom.dataset.FileMetaDataset()
    cine.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    cine.save_as(path, enforce_file_format=True)
