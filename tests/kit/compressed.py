"""Images to compress without loss, and what became of them.

compressed.py make FOLDER: native images, one for each kind of pixels; objects of single bits, of fractions and without pixels in "further" below it.
compressed.py compare SOURCE OURS PLAIN: fails where the compressed file, as pydicom decodes it if it can, or what DCMTK made of it differs
from the native source in a pixel, a bit above those stored included, or the compressed file in another element."""

import sys
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import get_decoder
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

SINGLE, BIT, BYTE, WORD, COLOUR = ("1.2.840.10008.5.1.4.1.1.7" + end for end in ("", ".1", ".2", ".3", ".4"))
MAP, REPORT = "1.2.840.10008.5.1.4.1.1.30", "1.2.840.10008.5.1.4.1.1.88.11"
STUDY = generate_uid()


def instance(sop_class, series, number):
    it = Dataset()
    it.file_meta = FileMetaDataset()
    it.SOPClassUID, it.SOPInstanceUID = sop_class, generate_uid()
    it.StudyInstanceUID, it.SeriesInstanceUID = STUDY, series
    it.Modality, it.PatientID, it.InstanceNumber = "OT", "COMPRESSED", number
    it.PatientName, it.StudyDate, it.ConversionType = "Test^Compressed", "20260101", "WSD"
    return it


def image(sop_class, series, pixels, number, planar=None, frames=None, stored=None):
    """Of an array of rows and columns behind which the colours are, or planes of them before."""
    it = instance(sop_class, series, number)
    it.ImageComments = "not of even length"
    it.add_new(0x00091001, "UN", b"private ")
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
    it.BitsAllocated = 8 * pixels.dtype.itemsize
    it.BitsStored = stored or it.BitsAllocated
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
    # An overlay, as it was once laid into the bits above those stored, and signs that do not reach into them.
    overlaid = ((x * 40) % 4096 + ((x + y) % 16 << 12)).astype(np.uint16)
    short = ((x * 67 - 3000) % 4096).astype(np.int16)
    series = generate_uid()
    images = [
        image(SINGLE, series, extremes, 1),
        image(SINGLE, series, waves, 2),
        image(SINGLE, series, (x // 30 * 77).astype(np.uint8), 3),
        image(SINGLE, series, colours, 4, planar=0),
        image(SINGLE, series, np.moveaxis(colours, -1, 0).copy(), 5, planar=1),
        image(WORD, series, noise, 6, frames=3),
        image(BYTE, series, frames, 7, frames=5),
        image(COLOUR, series, np.stack([colours, colours[::-1]]), 8, planar=0, frames=2),
        image(SINGLE, series, overlaid, 9, stored=12),
        image(SINGLE, series, short, 10, stored=12),
        image(COLOUR, series, np.stack([np.moveaxis(colours, -1, 0)] * 2), 11, planar=1, frames=2),
    ]
    single = image(BIT, generate_uid(), np.zeros((2, 8, 1), np.uint8), 1, frames=2)
    single.Rows = single.Columns = 8
    single.BitsAllocated = single.BitsStored = 1
    single.HighBit = 0
    fractions = image(MAP, generate_uid(), np.zeros((8, 8), np.float32), 1, frames=None)
    fractions.FloatPixelData = fractions.PixelData
    for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(fractions, keyword)
    further = Path(folder) / "further"
    further.mkdir()
    for at, it in enumerate(images):
        save(it, Path(folder) / f"{at:02}.dcm", at == 1)
    for at, it in enumerate([single, fractions, instance(REPORT, generate_uid(), 1)]):
        save(it, further / f"{at}.dcm")


def save(it, path, implicit=False):
    it.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    it.save_as(path, enforce_file_format=True)


def compare(source, ours, plain):
    source, ours, plain = dcmread(source), dcmread(ours), dcmread(plain)
    assert ours.file_meta.TransferSyntaxUID.is_compressed
    # Of what is above the bits stored readers make what they like.
    def stored(it):
        return it.pixel_array.astype(np.int64) & ((1 << source.BitsStored) - 1)

    if get_decoder(ours.file_meta.TransferSyntaxUID).is_available:
        assert np.array_equal(stored(ours), stored(source)), f"pydicom, image {source.InstanceNumber}"
    assert np.array_equal(plain.pixel_array, source.pixel_array), f"DCMTK, image {source.InstanceNumber}"
    if source.SamplesPerPixel == 1:
        assert plain.PixelData == source.PixelData, "bits above those stored"
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
