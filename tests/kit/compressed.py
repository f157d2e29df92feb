"""Images to compress without loss, and what became of them.

compressed.py make FOLDER: native images of one series, one for each kind of pixels, and one of single bits.
compressed.py compare SOURCE OURS PLAIN: fails where the compressed file, as pydicom decodes it if it can, or what DCMTK made of it differs
from the source in a pixel, or the compressed file in another element."""

import sys

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import get_decoder
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

SINGLE, BIT, BYTE, WORD, COLOUR = ("1.2.840.10008.5.1.4.1.1.7" + end for end in ("", ".1", ".2", ".3", ".4"))
STUDY, SERIES = generate_uid(), generate_uid()


def image(sop_class, pixels, number, planar=None, frames=None):
    """Of an array of rows and columns behind which the colours are, or planes of them before."""
    it = Dataset()
    it.file_meta = FileMetaDataset()
    it.SOPClassUID, it.SOPInstanceUID = sop_class, generate_uid()
    it.StudyInstanceUID, it.SeriesInstanceUID = STUDY, SERIES
    it.Modality, it.PatientID, it.InstanceNumber = "OT", "COMPRESSED", number
    it.PatientName, it.StudyDate, it.ConversionType = "Test^Compressed", "20260101", "WSD"
    it.ImageComments = "not of even length"
    it.add_new(0x00091001, "UN", b"private")
    it.add_new(0x00090010, "LO", "GANTRY TEST")
    size = pixels.shape if frames is None else pixels.shape[1:]
    if planar is not None:
        it.PlanarConfiguration = planar
        size = size[1:] if planar else size[:-1]
    it.SamplesPerPixel = 1 if planar is None else 3
    it.PhotometricInterpretation = "MONOCHROME2" if planar is None else "RGB"
    if frames is not None:
        it.NumberOfFrames = frames
    it.Rows, it.Columns = size
    it.BitsAllocated = it.BitsStored = 8 * pixels.dtype.itemsize
    it.HighBit = it.BitsStored - 1
    it.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = pixels.tobytes()
    it.PixelData = data + b"\0" * (len(data) % 2)
    it["PixelData"].VR = "OW"
    return it


def make(folder):
    chance = np.random.default_rng(7)
    y, x = np.mgrid[0:61, 0:97]
    extremes = np.where((x + y) % 2, np.int16(-32768), np.int16(32767)).astype(np.int16)
    waves = (1000 * np.sin(x / 9) + 3 * y - 800).astype(np.int16)
    colours = np.stack([2 * x + 20, 3 * y + 30, (x * y) % 251], axis=-1).astype(np.uint8)
    noise = chance.integers(0, 65536, (3, 61, 97)).astype(np.uint16)
    frames = np.stack([(x + at) % 256 for at in range(5)]).astype(np.uint8)
    bits = np.zeros(8 * 8 * 2 // 8, np.uint8)
    images = [
        image(SINGLE, extremes, 1),
        image(SINGLE, waves, 2),
        image(SINGLE, (x // 30 * 77).astype(np.uint8), 3),
        image(SINGLE, colours, 4, planar=0),
        image(SINGLE, np.moveaxis(colours, -1, 0).copy(), 5, planar=1),
        image(WORD, noise, 6, frames=3),
        image(BYTE, frames, 7, frames=5),
        image(COLOUR, np.stack([colours, colours[::-1]]), 8, planar=0, frames=2),
    ]
    single = image(BIT, bits.reshape(2, 8, 1), 9, frames=2)
    single.Rows = single.Columns = 8
    single.BitsAllocated = single.BitsStored = 1
    single.HighBit = 0
    for number, it in enumerate([*images, single]):
        syntax = ImplicitVRLittleEndian if number == 1 else ExplicitVRLittleEndian
        it.file_meta.TransferSyntaxUID = syntax
        it.save_as(f"{folder}/{number}.dcm", enforce_file_format=True)


def compare(source, ours, plain):
    source, ours, plain = dcmread(source), dcmread(ours), dcmread(plain)
    assert ours.file_meta.TransferSyntaxUID.is_compressed
    if get_decoder(ours.file_meta.TransferSyntaxUID).is_available:
        assert np.array_equal(ours.pixel_array, source.pixel_array), "pydicom"
    assert np.array_equal(plain.pixel_array, source.pixel_array), "DCMTK"
    assert ours.get("PlanarConfiguration") in (source.get("PlanarConfiguration"), 0)
    for it in (source, ours):
        del it.PixelData
        if "PlanarConfiguration" in it:
            del it.PlanarConfiguration
    assert list(ours.keys()) == list(source.keys())
    for tag in source.keys():
        assert ours[tag].value == source[tag].value, tag


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    compare(*sys.argv[2:])
