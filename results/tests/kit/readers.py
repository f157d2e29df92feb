"""What readers of other makers find in a result, against what was put into it: highdicom, pydicom, pypdf, and what dcmqi wrote of it.

Reads a line with two paths and a tab between: the folder with what was put in (readers.rs writes it), and a result, beside which dcmqi's
answer lies. Answers with a line for each fault ("fault", tab, text) and for each thing that a reader cannot do ("cannot", tab, text), and an empty one.
"""

import functools
import glob
import io
import json
import os
import pathlib
import sys

import highdicom
import numpy
import pydicom
import pypdf
import SimpleITK

KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
TEXT_REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
DOCUMENTS = "1.2.840.10008.5.1.4.1.1.88."
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
STATE = "1.2.840.10008.5.1.4.1.1.11.1"
CAPTURES = "1.2.840.10008.5.1.4.1.1.7"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"

REPORTS = {
    DOCUMENTS + "22": highdicom.sr.EnhancedSR,
    DOCUMENTS + "33": highdicom.sr.ComprehensiveSR,
    DOCUMENTS + "34": highdicom.sr.Comprehensive3DSR,
}

# More lines of a mask on an image a presentation state does not draw.
MOST_LINES = 64

LEANS = (
    "dcmqi: an image of ITK is straight, and segimage2itkimage gives up on frames of a stack that leans (\"outside image geometry\"); highdicom "
    "finds their voxels by source image, and each frame where its image lies in the patient"
)
LEANS_IN_MAPS = (
    "dcmqi: paramap2itkimage stands a stack that leans upright: the same numbers by slice, row and column, at other places; highdicom puts each "
    "frame where its image lies in the patient"
)
NO_ANATOMY = (
    "dcmqi: paramap2itkimage ends without a word (status 245) on a map without Frame Anatomy, an optional macro, which is not written where the "
    "source names no part of the body; highdicom reads it"
)
NO_PLACE = (
    "dcmqi: without a frame of reference, as films and cines are, nothing lies in the patient; highdicom finds the voxels by source image and frame"
)
NO_VALUE = "highdicom: 0.28 reads no number without a value; pydicom reads those (dcmqi, too), and highdicom the rest of the report"

faults = []


def expect(holds, text):
    if not holds:
        faults.append(f"fault\t{text}")


def cannot(text):
    faults.append(f"cannot\t{text}")


class Put:
    """What was put into the results of one source."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.rows, self.columns = (int(n) for n in (self.folder / "size").read_text().split())
        # Of each slice: the image, the number of its frame or 0, and where it lies.
        self.slices, self.places = [], []
        for line in (self.folder / "slices").read_text().splitlines():
            image, frame, *place = line.split()
            self.slices.append((image, int(frame)))
            self.places.append([float(mm) for mm in place])
        plane = [float(number) for number in (self.folder / "plane").read_text().split()]
        self.row, self.column, self.spacing = (numpy.array(plane[a:b]) for a, b in ((0, 3), (3, 6), (6, 8)))
        numbers = (self.folder / "numbers").read_text().splitlines()
        self.numbers = [line.split("\t") for line in numbers]
        self.labels = (self.folder / "labels").read_text().splitlines()
        self.flagged = {tuple(line.split("\t")) for line in (self.folder / "flagged").read_text().splitlines()}

    @functools.cache
    def array(self, name, kind="u1"):
        size = (-1, len(self.slices), self.rows, self.columns)
        return numpy.fromfile(self.folder / name, kind).reshape(size)

    def has_planes(self):
        return len(self.spacing) == 2

    def leans(self):
        """Each slice lies beside where a straight stack had it."""
        step = numpy.diff(numpy.array(self.places), axis=0)
        return len(step) > 0 and max(abs(step @ self.row).max(), abs(step @ self.column).max()) > 1e-3

    def centres(self, at):
        """Of the pixels at these rows and columns of a slice, rows of [slice, row, column]."""
        down, along = self.spacing
        first = numpy.array(self.places)[at[:, 0]]
        return first + at[:, 1:2] * down * self.column + at[:, 2:3] * along * self.row

    def slice_of(self, image, frame):
        return self.slices.index((image, int(frame or 0)))


@functools.lru_cache(maxsize=4)
def put_in(folder):
    return Put(folder)


def shortened(value):
    """As 16 characters hold it (PS3.5 6.2, DS)."""
    texts = (f"{value:.{digits}g}" for digits in range(17, 0, -1))
    return next(text for text in texts if len(text) <= 16)


def without_values(item):
    """Numbers without a value below this item, taken away: the concept of each and why it has none."""
    found = []
    for child in list(item.get("ContentSequence", [])):
        if child.ValueType == "NUM" and not child.MeasuredValueSequence:
            why = child.NumericValueQualifierCodeSequence[0].CodeMeaning
            found.append((child.ConceptNameCodeSequence[0].CodeValue, why))
            item.ContentSequence.remove(child)
        else:
            found += without_values(child)
    return found


def report(path, data_set, put):
    failed = data_set.CompletionFlag == "PARTIAL"
    numbers = [(*said[:4], "-" if failed else said[4]) for said in put.numbers]
    missing = without_values(data_set)
    expect(
        sorted(missing) == sorted((concept, "Measurement failure") for _, concept, _, _, value in numbers if value == "-"),
        f"without a value: {missing}",
    )
    if missing:
        cannot(NO_VALUE)
    content = REPORTS[data_set.SOPClassUID].from_dataset(data_set, copy=False).content
    groups = [
        *content.get_image_measurement_groups(),
        *content.get_planar_roi_measurement_groups(),
        *content.get_volumetric_roi_measurement_groups(),
    ]
    read = [
        (group.tracking_identifier, number.name.value, number.name.scheme_designator, number.unit.value, float(number.value))
        for group in groups
        for number in group.get_measurements()
    ]
    valued = [(*said[:4], float(said[4])) for said in numbers if said[4] != "-"]
    expect(sorted(read) == sorted(valued), f"highdicom reads {read}, not {valued}")
    measurements(path, numbers)


def measurements(path, numbers):
    """By dcmqi's tid1500reader."""
    said = pathlib.Path(f"{path}.said").read_text()
    try:
        groups = json.loads(pathlib.Path(f"{path}.json").read_text())["Measurements"]
    except (OSError, ValueError, KeyError):
        expect(False, f"tid1500reader: {said}")
        return
    read = [
        (
            group["TrackingIdentifier"],
            item["quantity"]["CodeValue"],
            item["quantity"]["CodingSchemeDesignator"],
            item["units"]["CodeValue"],
            item["value"],
        )
        for group in groups
        for item in group["measurementItems"]
    ]
    # One without a value has neither value nor unit.
    valued = [
        (*said[:3], "", "") if said[4] == "-" else (*said[:4], shortened(float(said[4]))) for said in numbers
    ]
    expect(sorted(read) == sorted(valued), f"tid1500reader reads {read}, not {valued}")


def text_report(path, data_set, put):
    sections = [item for item in data_set.ContentSequence if item.ValueType == "CONTAINER"]
    said = [item.TextValue for section in sections for item in section.ContentSequence if item.ValueType == "TEXT"]
    for label in put.labels:
        expect(any(text.startswith(label) for text in said), f"{label} is not in {said}")


def pdf(path, data_set, put):
    document = io.BytesIO(data_set.EncapsulatedDocument[: data_set.EncapsulatedDocumentLength])
    said = " ".join(page.extract_text() for page in pypdf.PdfReader(document, strict=True).pages)
    said = " ".join(said.split())
    for label in put.labels:
        expect(label in said, f"{label} is not in {said}")


def key_objects(path, data_set, put):
    document = highdicom.ko.KeyObjectSelectionDocument.from_dataset(data_set)
    found = set()
    for item in document.content.get_references():
        frames = item.referenced_frame_numbers or [0]
        found |= {(str(item.referenced_sop_instance_uid), str(frame)) for frame in frames}
    expect(found == put.flagged, f"key objects are {found}, not {put.flagged}")


def segments(path, data_set, put):
    kind = data_set.SegmentationType
    given = put.array({"BINARY": "masks", "FRACTIONAL": "probabilities", "LABELMAP": "apart"}[kind])
    seg = highdicom.seg.Segmentation.from_dataset(data_set, copy=False)
    options = {"assert_missing_frames_are_empty": True, "rescale_fractional": False}
    images = [image for image, _ in put.slices]
    if put.slices[0][1]:
        frames = [frame for _, frame in put.slices]
        planes = seg.get_pixels_by_source_frame(images[0], frames, **options)
    else:
        planes = seg.get_pixels_by_source_instance(images, **options)
    found = numpy.moveaxis(planes, -1, 0)
    expect(found.shape == given.shape and (found == given).all(), f"highdicom finds other voxels: {found.shape}, {(found != 0).sum()}, not {(given != 0).sum()}")
    if not put.has_planes():
        expect(not glob.glob(f"{path}.d/*.nrrd"), "segimage2itkimage has a place for what lies nowhere")
        cannot(NO_PLACE)
        return
    if kind != "LABELMAP":
        each_plane(data_set, put, given)
    volumes(path, data_set, put, given, kind)


def each_plane(data_set, put, given):
    """Where highdicom puts the pixels of each frame, in the patient."""
    for number, frame in enumerate(data_set.PerFrameFunctionalGroupsSequence, 1):
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        at = put.slice_of(source.ReferencedSOPInstanceUID, source.get("ReferencedFrameNumber"))
        segment = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber if "SegmentIdentificationSequence" in frame else 1
        there = numpy.argwhere(given[segment - 1, at])
        if not len(there):
            continue
        transformer = highdicom.spatial.PixelToReferenceTransformer.for_image(data_set, frame_number=number)
        places = transformer(there[:, ::-1])
        expected = put.centres(numpy.c_[numpy.full(len(there), at), there])
        expect(abs(places - expected).max() < 1e-3, f"highdicom puts frame {number} elsewhere")


def by_place(name, put):
    """The voxels of an image of ITK by slice, row and column of the source, and whether they lie at their centres."""
    image = SimpleITK.ReadImage(name)
    voxels = SimpleITK.GetArrayFromImage(image)
    size = (len(put.slices), put.rows, put.columns)
    at = numpy.stack(numpy.unravel_index(numpy.arange(numpy.prod(size)), size), 1)
    direction = numpy.array(image.GetDirection()).reshape(3, 3) * numpy.array(image.GetSpacing())
    index = numpy.linalg.solve(direction, (put.centres(at) - numpy.array(image.GetOrigin())).T).T
    whole = numpy.rint(index).astype(int)
    inside = ((whole >= 0) & (whole < voxels.shape[::-1])).all(1)
    values = numpy.zeros(len(at), voxels.dtype)
    values[inside] = voxels[tuple(whole[inside, ::-1].T)]
    # Beyond the source there is nothing.
    return values.reshape(size), abs(index - whole).max(), numpy.count_nonzero(voxels)


def volumes(path, data_set, put, given, kind):
    """By dcmqi's segimage2itkimage."""
    said = pathlib.Path(f"{path}.said").read_text()
    names = sorted(glob.glob(f"{path}.d/*.nrrd"), key=lambda name: int(pathlib.Path(name).stem.split("-")[-1]))
    if put.leans() and not names and "is outside image geometry" in said:
        cannot(LEANS)
        return
    if not names:
        expect(False, f"segimage2itkimage: {said}")
        return
    if kind == "LABELMAP":
        # One image, with the numbers of its segments.
        numbers = numpy.arange(1, len(given) + 1, dtype="u1").reshape(-1, 1, 1, 1)
        given = (given * numbers).sum(0, keepdims=True)
    expect(len(names) == len(given), f"segimage2itkimage finds {len(names)} segments")
    for name, own in zip(names, given):
        found, off, count = by_place(name, put)
        same = ((found != 0) == (own != 0)).all() if kind == "BINARY" else (found == own).all()
        expect(same and off < 0.02 and count == numpy.count_nonzero(own), f"segimage2itkimage: {name} has {count} voxels, {off} off, {numpy.count_nonzero(own)} were given")


def parametric_map(path, data_set, put):
    values = put.array("map", "<f4")[0]
    image = highdicom.pm.ParametricMap.from_dataset(data_set, copy=True)
    found = image.get_frames(apply_real_world_transform=True)
    for frame, own, number in zip(data_set.PerFrameFunctionalGroupsSequence, found, range(1, 1 << 16)):
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        at = put.slice_of(source.ReferencedSOPInstanceUID, source.get("ReferencedFrameNumber"))
        expect((own == values[at]).all(), f"highdicom reads other numbers in frame {number}")
        transformer = highdicom.spatial.PixelToReferenceTransformer.for_image(data_set, frame_number=number)
        corners = numpy.array([[0, 0], [put.rows - 1, put.columns - 1]])
        expected = put.centres(numpy.c_[[at, at], corners])
        expect(abs(transformer(corners[:, ::-1]) - expected).max() < 1e-3, f"highdicom puts frame {number} elsewhere")
    said = pathlib.Path(f"{path}.said").read_text()
    names = glob.glob(f"{path}.d/*.nrrd")
    anatomy = "FrameAnatomySequence" in data_set.SharedFunctionalGroupsSequence[0]
    if not anatomy and not names and "exit status: 245" in said:
        cannot(NO_ANATOMY)
        return
    if not names:
        expect(False, f"paramap2itkimage: {said}")
        return
    if put.leans():
        voxels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(names[0]))
        expect((voxels == values).all(), "paramap2itkimage reads other numbers")
        cannot(LEANS_IN_MAPS)
        return
    found, off, _ = by_place(names[0], put)
    expect((found == values).all() and off < 0.02, f"paramap2itkimage reads other numbers, or {off} off")


def capture(path, data_set, put):
    pixels = highdicom.Image.from_dataset(data_set, copy=False).get_frames()
    if "PageNumberVector" in data_set:
        shown = [int(number) - 1 for number in data_set.PageNumberVector]
    elif data_set.SOPClassUID == CAPTURES or len(pixels) < len(put.slices):
        source = data_set.SourceImageSequence[0]
        frame = source.get("ReferencedFrameNumber", put.slices[0][1] and 1)
        shown = [put.slice_of(source.ReferencedSOPInstanceUID, frame)]
    else:
        shown = range(len(put.slices))
    expect(len(pixels) == len(shown), f"{len(pixels)} pictures, not {len(shown)}")
    for picture, at in zip(pixels, shown):
        drawn = numpy.fromfile(put.folder / f"picture-{at}", "u1")
        expect(drawn.size == picture.size and (drawn == picture.ravel()).all(), f"the picture of {at} is another one")


def state(path, data_set, put):
    masks = put.array("masks")
    drawn = set()
    y, x = numpy.mgrid[0 : put.rows, 0 : put.columns] + 0.5
    for annotation in data_set.GraphicAnnotationSequence:
        name, number = (annotation.GraphicLayer.split("_") + ["0"])[:2]
        if name != "FINDING" or int(number) > len(masks):
            continue
        for image in annotation.ReferencedImageSequence:
            at = put.slice_of(image.ReferencedSOPInstanceUID, image.get("ReferencedFrameNumber"))
            mask = masks[int(number) - 1, at] != 0
            inside = numpy.zeros_like(mask)
            for line in annotation.GraphicObjectSequence:
                points = numpy.array(line.GraphicData).reshape(-1, 2)
                for (a, b), (c, d) in zip(points, points[1:]):
                    if b != d:
                        crossed = (min(b, d) < y) & (y < max(b, d))
                        inside ^= crossed & (x < a + (y - b) * (c - a) / (d - b))
            all_lines = len(annotation.GraphicObjectSequence) < MOST_LINES
            expect((inside == mask).all() if all_lines else not (inside & ~mask).any(), f"what is drawn on {at} is not mask {number}")
            drawn.add((int(number), at))
    there = {(number, at) for number, mask in enumerate(masks, 1) for at, plane in enumerate(mask) if plane.any()}
    expect(drawn == there, f"masks are drawn on {sorted(drawn)}, not on {sorted(there)}")


def derived_image(path, data_set, put):
    values = put.array("derived", "<f4")[0]
    image = highdicom.Image.from_dataset(data_set, copy=False)
    groups = data_set.get("PerFrameFunctionalGroupsSequence")
    # Films say of their stored values no other ones.
    for number in range(1, image.number_of_frames + 1):
        if groups:
            source = groups[number - 1].DerivationImageSequence[0].SourceImageSequence[0]
            frame = source.ReferencedFrameNumber
        else:
            [source] = data_set.SourceImageSequence
            frame = number if image.number_of_frames > 1 else 0
        at = put.slice_of(source.ReferencedSOPInstanceUID, frame)
        found = image.get_frame(number, apply_voi_transform=False, apply_presentation_lut=False)
        slope = float(data_set.get("RescaleSlope", 1))
        off = abs(found.astype("f8") - values[at]).max()
        expect(off <= 0.501 * slope, f"highdicom reads other values in frame {number}: {off} off")


KINDS = {
    TEXT_REPORT: text_report,
    KEY_OBJECTS: key_objects,
    PARAMETRIC_MAP: parametric_map,
    STATE: state,
    PDF: pdf,
    **dict.fromkeys(SEGMENTATIONS, segments),
}


def look(folder, path):
    data_set = pydicom.dcmread(path)
    kind = data_set.SOPClassUID
    reader = KINDS.get(kind)
    if reader is None and kind.startswith(DOCUMENTS):
        reader = report
    elif reader is None and (kind == CAPTURES or kind.startswith(CAPTURES + ".")):
        reader = capture
    (reader or derived_image)(path, data_set, put_in(folder))


def main():
    for line in sys.stdin:
        faults.clear()
        folder, path = line.rstrip("\n").split("\t")
        try:
            look(folder, path)
        except Exception as error:
            where = error.__traceback__
            while where.tb_next:
                where = where.tb_next
            expect(False, f"{type(error).__name__}: {error} ({os.path.basename(where.tb_frame.f_code.co_filename)}:{where.tb_lineno})")
        for fault in dict.fromkeys(faults):
            print(" ".join(fault.split("\n")))
        print(flush=True)


main()
