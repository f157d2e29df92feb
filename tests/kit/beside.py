"""Lays a derived series beside its originals as SimpleITK and pydicom read them, and prints what is other than expected.

Arguments: the folder of the originals, the folder of the derived images, what each value was multiplied with.
"""

import pathlib
import sys

import numpy
import pydicom
import SimpleITK


def volume(folder):
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(folder)
    return SimpleITK.ReadImage(names)


before, after = volume(sys.argv[1]), volume(sys.argv[2])
for name in ("GetSize", "GetOrigin", "GetSpacing", "GetDirection"):
    own, other = getattr(after, name)(), getattr(before, name)()
    if not numpy.allclose(own, other, atol=1e-4):
        print(name, own, other)
expected = SimpleITK.GetArrayFromImage(before) * float(sys.argv[3])
off = numpy.abs(SimpleITK.GetArrayFromImage(after) - expected).max()
if off > 0.5:
    print("off by", off)

originals = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, pathlib.Path(sys.argv[1]).glob("*.dcm"))}
for path in pathlib.Path(sys.argv[2]).iterdir():
    image = pydicom.dcmread(path)
    source = originals.pop(image.SourceImageSequence[0].ReferencedSOPInstanceUID)
    if image.ImagePositionPatient != source.ImagePositionPatient:
        print("another place", path)
    if image.ImageType[0] != "DERIVED" or image.StudyInstanceUID != source.StudyInstanceUID:
        print("another kind or study", path)
if originals:
    print("no image of", len(originals))
