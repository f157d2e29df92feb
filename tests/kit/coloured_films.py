"""Writes films of one study: with red, green and blue, with luminance and chrominance, with a palette, and a grey one with a window of its own.

Argument: the folder. Beside each film lies which of its pixels are red (or bright) and as what a display shows them, by pydicom.
"""

import sys

import numpy
import pydicom
from pydicom.pixels import apply_color_lut, apply_voi_lut, convert_color_space
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

ROWS, COLUMNS = 64, 96
rows, columns = numpy.mgrid[0:ROWS, 0:COLUMNS]
ellipse = ((rows - 32) / 9.0) ** 2 + ((columns - 40) / 20.0) ** 2 < 1


def film(name, sop_class, modality):
    image = pydicom.Dataset()
    image.file_meta = pydicom.dataset.FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID, image.SOPInstanceUID = sop_class, generate_uid(entropy_srcs=["film", name])
    image.StudyInstanceUID = generate_uid(entropy_srcs=["study of coloured films"])
    image.SeriesInstanceUID = generate_uid(entropy_srcs=["series", name])
    image.Modality, image.SeriesNumber, image.InstanceNumber = modality, 1, 1
    image.PatientName, image.PatientID, image.PatientBirthDate, image.PatientSex = "Test^Colours", "COLOURED", "", "O"
    image.StudyDate, image.StudyTime, image.StudyID, image.AccessionNumber = "20260101", "101112", "1", ""
    image.ReferringPhysicianName, image.Manufacturer, image.BodyPartExamined = "", "Test", "CHEST"
    image.PatientOrientation, image.ImageType = ["L", "F"], ["ORIGINAL", "PRIMARY"]
    image.Rows, image.Columns, image.PixelRepresentation = ROWS, COLUMNS, 0
    return image


def save(image, name, shown, inside):
    image.save_as(f"{sys.argv[1]}/{name}.dcm", enforce_file_format=True)
    numpy.savez(f"{sys.argv[1]}/{name}.npz", shown=shown, inside=inside)


def bits(image, allocated, stored, samples, photometric):
    image.BitsAllocated, image.BitsStored, image.HighBit = allocated, stored, stored - 1
    image.SamplesPerPixel, image.PhotometricInterpretation = samples, photometric


red = numpy.where(ellipse, 230, 20 + rows)
rgb = numpy.stack([red, 40 + columns, 200 - rows - columns], axis=-1).astype(numpy.uint8)
US = "1.2.840.10008.5.1.4.1.1.6.1"

image = film("rgb", US, "US")
bits(image, 8, 8, 3, "RGB")
image.PlanarConfiguration, image.PixelData = 0, rgb.tobytes()
save(image, "rgb", rgb, rgb[..., 0] >= 128)

image = film("ybr", US, "US")
bits(image, 8, 8, 3, "YBR_FULL")
ybr = convert_color_space(rgb, "RGB", "YBR_FULL")
image.PlanarConfiguration, image.PixelData = 0, ybr.tobytes()
shown = convert_color_space(ybr, "YBR_FULL", "RGB")
save(image, "ybr", shown, shown[..., 0] >= 128)

image = film("palette", US, "US")
bits(image, 8, 8, 1, "PALETTE COLOR")
for at, colour in enumerate(("Red", "Green", "Blue")):
    setattr(image, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
    table = numpy.roll(numpy.arange(256), 60 * at) * 257
    setattr(image, f"{colour}PaletteColorLookupTableData", table.astype("<u2").tobytes())
indices = numpy.where(ellipse, 240, 10 + columns).astype(numpy.uint8)
image.PixelData = indices.tobytes()
shown = apply_color_lut(indices, image) // 257
save(image, "palette", shown, shown[..., 0] >= 128)

image = film("grey", "1.2.840.10008.5.1.4.1.1.1", "CR")
bits(image, 16, 12, 1, "MONOCHROME1")
image.ViewPosition, image.WindowCenter, image.WindowWidth = "PA", "2000", "801"
image.PixelSpacing = [0.5, 0.5]
pixels = numpy.where(ellipse, 1650, 2300 - 3 * columns).astype("<u2")
image.PixelData = pixels.tobytes()
bright = 1 - (apply_voi_lut(pixels, image).astype(float) / 4095)
save(image, "grey", numpy.repeat((bright * 255).round()[..., None], 3, axis=-1), bright >= 0.5)
