"""Writes a film that is dark where its numbers are high, wider than high, with a bright ellipse and a bright corner.

Arguments: a CT image whose patient and study it takes, and the file of the film.
"""

import sys

import numpy
import pydicom
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

image = pydicom.dcmread(sys.argv[1])
film = pydicom.Dataset()
for keyword in (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName", "Manufacturer",
):
    film[keyword] = image[keyword] if keyword in image else pydicom.DataElement(keyword, pydicom.datadict.dictionary_VR(keyword), None)
film.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
film.SOPInstanceUID = generate_uid(entropy_srcs=["bright film"])
film.SeriesInstanceUID = generate_uid(entropy_srcs=["series of the bright film"])
film.Modality, film.SeriesNumber, film.InstanceNumber = "CR", 1, 1
film.BodyPartExamined, film.ViewPosition, film.PatientOrientation = "CHEST", "PA", ["L", "F"]
film.PixelSpacing = [0.5, 0.4]
film.PixelSpacingCalibrationType, film.PixelSpacingCalibrationDescription = "FIDUCIAL", "a rod of known length"
film.Rows, film.Columns = 90, 140
film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME1"
film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
rows, columns = numpy.mgrid[0:90, 0:140]
pixels = 3800 - rows - columns
pixels[((rows - 40) / 20.0) ** 2 + ((columns - 60) / 33.0) ** 2 < 1] = 200
pixels[70:88, 120:139] = 300
film.PixelData = pixels.astype("<u2").tobytes()
film.file_meta = pydicom.dataset.FileMetaDataset()
film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
film.save_as(sys.argv[2], enforce_file_format=True)
