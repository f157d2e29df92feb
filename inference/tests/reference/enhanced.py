# Writes enhanced CT and MR images, "NAME.dcm", and what pydicom and numpy find in each: "NAME voxels" in the order
# of the places, "NAME geometry" (origin, row, column, spacing, step), "NAME frames" (the frame of each slice). Of
# those that are in order in the file SimpleITK says the same: "NAME sitk voxels", "NAME sitk geometry".
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

random = np.random.default_rng(11)


def of(**values):
    made = Dataset()
    for key, value in values.items():
        setattr(made, key, value)
    return made


def one(**values):
    return Sequence([of(**values)])


def enhanced(modality="CT", count=6, order=None, own=(), axis=(0, 0, 1), step=2.5, slopes=None, signed=False):
    """`own`: the macros that each frame has for itself; the others are shared."""
    order = list(range(count)) if order is None else order
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = "1.2.840.10008.5.1.4.1.1." + ("2.1" if modality == "CT" else "4.1")
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = "1.2.3.77"
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = "1.2.3", "1.2.3.4", "1.2.3.5"
    image.Modality, image.InstanceNumber, image.PatientName = modality, 3, "SECRET^NAME"
    image.NumberOfFrames, image.Rows, image.Columns = count, 40, 33
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, int(signed)
    image.LossyImageCompression = "00"
    row, column = ([1, 0, 0], [0, 1, 0]) if axis == (0, 0, 1) else ([0, 1, 0], [0, 0, -1])
    slopes = slopes or [1.0] * count
    macros = lambda at: {
        "PixelMeasuresSequence": one(PixelSpacing=[0.75, 0.5], SliceThickness=step),
        "PlaneOrientationSequence": one(ImageOrientationPatient=row + column),
        "PixelValueTransformationSequence": one(
            RescaleIntercept=-1024 if modality == "CT" else 3, RescaleSlope=slopes[at],
            RescaleType="HU" if modality == "CT" else "US"),
        "FrameVOILUTSequence": one(WindowCenter=40 + 9 * at, WindowWidth=400 + 50 * at),
    }
    image.SharedFunctionalGroupsSequence = Sequence([Dataset()])
    for name, macro in macros(0).items():
        if name not in own:
            setattr(image.SharedFunctionalGroupsSequence[0], name, macro)
    frames = []
    for at in range(count):
        frame = Dataset()
        place = [10.0 + axis[a] * step * order[at] for a in range(3)]
        frame.PlanePositionSequence = one(ImagePositionPatient=place)
        frame.FrameContentSequence = one(
            StackID="1", InStackPositionNumber=order[at] + 1, TemporalPositionIndex=1, DimensionIndexValues=[1, order[at] + 1])
        for name, macro in macros(at).items():
            if name in own:
                setattr(frame, name, macro)
        frames.append(frame)
    image.PerFrameFunctionalGroupsSequence = Sequence(frames)
    image.DimensionIndexSequence = Sequence([
        of(DimensionIndexPointer=0x00209056, FunctionalGroupPointer=0x00209111),
        of(DimensionIndexPointer=0x00209057, FunctionalGroupPointer=0x00209111),
    ])
    low, high = (-2048, 2048) if signed else (0, 4096)
    pixels = random.integers(low, high, (count, 40, 33)).astype("<i2" if signed else "<u2")
    image.PixelData = pixels.tobytes()
    image["PixelData"].VR = "OW"
    return image


def write(name, image):
    image.save_as(folder / f"{name}.dcm", enforce_file_format=True)


def found(name, image, pixels):
    shared = image.SharedFunctionalGroupsSequence[0]
    frames = image.PerFrameFunctionalGroupsSequence
    macro = lambda at, keyword: (frames[at] if keyword in frames[at] else shared)[keyword][0]
    orientation = np.array(macro(0, "PlaneOrientationSequence").ImageOrientationPatient, float)
    normal = np.cross(orientation[:3], orientation[3:])
    places = np.array([macro(at, "PlanePositionSequence").ImagePositionPatient for at in range(len(frames))], float)
    order = np.argsort(places @ normal)
    values = []
    for at in order:
        told = macro(at, "PixelValueTransformationSequence")
        values.append(pixels[at] * float(told.RescaleSlope) + float(told.RescaleIntercept))
    along = np.sort(places @ normal)
    spacing = macro(0, "PixelMeasuresSequence").PixelSpacing
    save(f"{name} voxels", np.stack(values))
    save(f"{name} geometry", np.concatenate([places[order[0]], orientation, spacing, [along[1] - along[0]]]))
    save(f"{name} frames", order + 1)


def both(name, image, **how):
    pixels = pydicom.pixels.pixel_array(image)
    write(name, image)
    found(name, image, pixels)
    if how.get("sitk"):
        import SimpleITK as sitk
        read = sitk.ReadImage(str(folder / f"{name}.dcm"))
        direction = np.array(read.GetDirection()).reshape(3, 3)
        spacing = np.array(read.GetSpacing())
        save(f"{name} sitk voxels", sitk.GetArrayFromImage(read))
        save(f"{name} sitk geometry", np.concatenate([read.GetOrigin(), direction[:, 0], direction[:, 1], spacing[[1, 0, 2]]]))


MEASURES, ORIENTATION = "PixelMeasuresSequence", "PlaneOrientationSequence"
TRANSFORMATION, WINDOW = "PixelValueTransformationSequence", "FrameVOILUTSequence"
both("ct-shared", enhanced(), sitk=True)
both("ct-own", enhanced(own=(MEASURES, ORIENTATION, TRANSFORMATION, WINDOW), order=[3, 0, 5, 1, 4, 2]))
both("ct-sagittal", enhanced(axis=(-1, 0, 0), signed=True, order=[1, 0, 3, 2, 5, 4]))
slopes = [1.0, 0.5, 2.0, 3.25, 1.5, 0.125]
mr = enhanced("MR", own=(TRANSFORMATION, WINDOW), slopes=slopes)
both("mr-slopes", mr)
# As a cine: each frame by its own rescale and window (PS3.3 C.11.2.1.2.1).
shown = []
for at, frame in enumerate(pydicom.pixels.pixel_array(mr)):
    centre, width = 40 + 9 * at, 400 + 50 * at
    shown.append(np.clip((frame * slopes[at] + 3 - (centre - 0.5)) / (width - 1) + 0.5, 0, 1))
save("mr-slopes shown", np.stack(shown))

# Transfer syntaxes: what pydicom compresses, in one fragment or several, with and without tables.
implicit = enhanced(own=(MEASURES,))
implicit.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
both("ct-implicit", implicit)
big = enhanced(own=(MEASURES,))
swapped = np.frombuffer(big.PixelData, "<u2")
big.PixelData = swapped.astype(">u2").tobytes()
big.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
big.save_as(folder / "ct-big.dcm", implicit_vr=False, little_endian=False, enforce_file_format=True)
found("ct-big", big, swapped.reshape(6, 40, 33))
for name, syntax in [("rle", RLELossless), ("jpeg-ls", JPEGLSLossless), ("j2k", JPEG2000Lossless)]:
    image = enhanced(order=[5, 4, 3, 2, 1, 0])
    pixels = pydicom.pixels.pixel_array(image)
    image.compress(syntax, generate_instance_uid=False)
    both(f"ct-{name}", image)
    frames = list(pydicom.encaps.generate_frames(image.PixelData, number_of_frames=6))
    image.PixelData = encapsulate(frames, has_bot=False)
    both(f"ct-{name}-no-table", image)
    if name == "rle":
        continue
    image.PixelData = encapsulate(frames, fragments_per_frame=2, has_bot=True)
    both(f"ct-{name}-fragments", image)
    image.PixelData = encapsulate(frames, fragments_per_frame=3, has_bot=False)
    write(f"ct-{name}-fragments-no-table", image)
    found(f"ct-{name}-fragments-no-table", image, pixels)
    image.PixelData, image.ExtendedOffsetTable, image.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    both(f"ct-{name}-extended", image)

# What is refused.
def changed(name, change, **how):
    image = enhanced(**how)
    change(image)
    write(name, image)


def content(image, **values):
    for at, frame in enumerate(image.PerFrameFunctionalGroupsSequence):
        for key, value in values.items():
            setattr(frame.FrameContentSequence[0], key, value(at))


def third_dimension(image):
    image.DimensionIndexSequence.append(of(DimensionIndexPointer=0x00189087, FunctionalGroupPointer=0x00189117))
    content(image, DimensionIndexValues=lambda at: [1, at + 1, 1 + at % 2])


def frame_types(image):
    for at, frame in enumerate(image.PerFrameFunctionalGroupsSequence):
        kind = "LOCALIZER" if at == 2 else "VOLUME"
        frame.CTImageFrameTypeSequence = one(FrameType=["ORIGINAL", "PRIMARY", kind, "NONE"])


def place(image, at, place):
    image.PerFrameFunctionalGroupsSequence[at].PlanePositionSequence[0].ImagePositionPatient = place


def without(image, keyword):
    delattr(image.SharedFunctionalGroupsSequence[0], keyword)


changed("refused-stacks", lambda image: content(image, StackID=lambda at: str(at // 3)))
changed("refused-times", lambda image: content(image, TemporalPositionIndex=lambda at: 1 + at // 3))
changed("refused-dimension", third_dimension)
changed("refused-types", frame_types)
changed("refused-gap", lambda image: place(image, 5, [10.0, 10.0, 30.0]))
changed("refused-same", lambda image: place(image, 5, [10.0, 10.0, 10.0]))
changed("refused-tilt", lambda image: [place(image, at, [10.0, 10.0 + at, 10.0 + 2.5 * at]) for at in range(6)])
changed("refused-count", lambda image: image.PerFrameFunctionalGroupsSequence.pop())
changed("refused-measures", lambda image: without(image, "PixelMeasuresSequence"))
changed("refused-transformation", lambda image: without(image, "PixelValueTransformationSequence"))
changed("refused-modality", lambda image: None, modality="MR")
changed("refused-lossy", lambda image: setattr(image, "LossyImageCompression", "01"))
cut = enhanced()
cut.PixelData = cut.PixelData[:-130]
write("refused-cut", cut)
unclear = enhanced()
unclear.compress(RLELossless, generate_instance_uid=False)
frames = list(pydicom.encaps.generate_frames(unclear.PixelData, number_of_frames=6))
unclear.PixelData = encapsulate(frames + frames[:1], has_bot=False)
write("refused-fragments", unclear)
