# The whole path from DICOM files to figures, as one would write it with pydicom, SimpleITK, scipy and ONNX Runtime.
#
# path.py phantom FOLDER SLICES           writes a chest of that many CT images
# path.py film FOLDER SIDE                writes a chest film, so many pixels wide and high
# path.py once lungs|brain|film GRAPH SERIES THREADS
#     one series and no more, as where a process is started for each study: its figures
# path.py lungs|brain|film GRAPH SERIES THREADS ARRAY
#     loads the graph, writes what goes into it to ARRAY (float32) and its sides and spacing to standard output; then, for each
#     line of standard input: "path" reads the series, runs the model and measures, "run" only runs the graph on
#     the same array. Answers: ms, ms of them in the graph, figures.
import pathlib
import sys
import time

import numpy as np
import onnxruntime
import pydicom
import SimpleITK as sitk
from PIL import Image
from pydicom.pixels import apply_voi_lut


def read(folder):
    """Voxels behind the modality LUT, as a SimpleITK image."""
    images = [pydicom.dcmread(path) for path in pathlib.Path(folder).iterdir()]
    row, column = np.reshape([float(x) for x in images[0].ImageOrientationPatient], (2, 3))
    normal = np.cross(row, column)
    images.sort(key=lambda image: np.dot(normal, [float(x) for x in image.ImagePositionPatient]))
    voxels = np.stack([
        image.pixel_array.astype(np.float32) * float(image.get("RescaleSlope", 1))
        + float(image.get("RescaleIntercept", 0))
        for image in images
    ])
    first, last = (np.array([float(x) for x in image.ImagePositionPatient]) for image in (images[0], images[-1]))
    step = np.linalg.norm(last - first) / (len(images) - 1)
    volume = sitk.GetImageFromArray(voxels)
    rows, columns = (float(x) for x in images[0].PixelSpacing)
    volume.SetSpacing([columns, rows, step])
    volume.SetOrigin(first)
    volume.SetDirection(np.array([row, column, normal]).T.flatten())
    return volume


class Work:
    def __init__(self, session):
        self.session = session

    def read(self, folder):
        return read(folder)

    def spacing(self, volume):
        return volume.GetSpacing()[::-1]


class Lungs(Work):
    """Lung densitometry: the graph measures, masks are taken beside it."""

    def tensors(self, volume):
        spacing = np.array(volume.GetSpacing()[::-1], dtype=np.float32)
        return {"hu": sitk.GetArrayFromImage(volume), "spacing": spacing}

    def run(self, tensors):
        return self.session.run(["metrics", "lung_mask", "laa950_mask"], tensors)

    def figures(self, volume, answers):
        return [float(figure) for figure in answers[0]]


class Brain(Work):
    """White and grey matter: a cube of 256 mm, LIA, in it quantiles to 0 and 1; labels back onto the images."""

    def grid(self, volume):
        centre = np.array(volume.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in volume.GetSize()]))
        corner = centre + [-127.5, 127.5, 127.5]
        return [256] * 3, corner.tolist(), [1.0] * 3, [0, 0, 1, -1, 0, 0, 0, -1, 0]

    def tensors(self, volume):
        size, origin, spacing, direction = self.grid(volume)
        cube = sitk.Resample(volume, size, sitk.Transform(), sitk.sitkLinear, origin, spacing, direction, 0.0)
        cube = sitk.GetArrayFromImage(cube)
        low, high = np.quantile(cube, [0.02, 0.98])
        scaled = np.clip((cube - low) / (high - low + 0.001), 0, 1).astype(np.float32)
        return {"image": scaled[None, None]}

    def run(self, tensors):
        return self.session.run(["labels"], tensors)

    def figures(self, volume, answers):
        size, origin, spacing, direction = self.grid(volume)
        labels = sitk.GetImageFromArray(answers[0][0, 0])
        labels.SetOrigin(origin)
        labels.SetSpacing(spacing)
        labels.SetDirection(direction)
        back = sitk.GetArrayFromImage(sitk.Resample(labels, volume, sitk.Transform(), sitk.sitkNearestNeighbor, 0))
        voxel = np.prod(volume.GetSpacing()) / 1000
        return [float((back == label).sum() * voxel) for label in (1, 2)]


class Film(Work):
    """Pneumonia on a chest film: as its window shows it, the square in the middle, 28 pixels wide."""

    def read(self, folder):
        (path,) = pathlib.Path(folder).iterdir()
        return pydicom.dcmread(path)

    def spacing(self, film):
        return [1.0, 1.0, 1.0]

    def tensors(self, film):
        shown = apply_voi_lut(film.pixel_array, film).astype(np.float64) / ((1 << film.BitsStored) - 1)
        if film.PhotometricInterpretation == "MONOCHROME1":
            shown = 1 - shown
        side = min(shown.shape)
        top, left = ((sides - side) // 2 for sides in shown.shape)
        square = np.ascontiguousarray(shown[top : top + side, left : left + side], dtype=np.float32)
        small = np.asarray(Image.fromarray(square).resize((28, 28), Image.Resampling.BICUBIC))
        return {"image": np.clip(small, 0, 1)[None, None]}

    def run(self, tensors):
        return self.session.run(None, tensors)

    def figures(self, film, answers):
        return [float(answers[0][0, 0]) * 100]


def film(folder, side):
    """Two dark lungs in a bright chest, 12 bits, without a window."""
    rng = np.random.default_rng(6)
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    lungs = sum(((x - c) / 0.17) ** 2 + ((y + 0.03) / 0.33) ** 2 < 1 for c in (-0.21, 0.21)) > 0
    pixels = np.where(lungs, 900, 2600) + 500 * np.cos(3 * x) + rng.normal(0, 60, x.shape)
    image = pydicom.Dataset()
    image.file_meta = pydicom.dataset.FileMetaDataset()
    image.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = pydicom.uid.ComputedRadiographyImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = "1.2.3.6.1"
    image.Modality = "CR"
    image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.3", "1.2.3.6"
    image.Rows, image.Columns, image.SamplesPerPixel = side, side, 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.PixelData = np.clip(pixels, 0, 4095).astype("<u2").tobytes()
    image.save_as(folder / "film.dcm", enforce_file_format=True)


def phantom(folder, slices):
    """A body of soft tissue with two lungs, 512 squared, 0.7 mm, every 1.5 mm, as files of CT images."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:512, 0:512]
    body = ((x - 256) / 230) ** 2 + ((y - 256) / 170) ** 2 < 1
    for at in range(slices):
        wide = np.sin(np.pi * (at + 1) / (slices + 1)) ** 0.5
        lungs = sum(((x - c) / (85 * wide)) ** 2 + ((y - 250) / (120 * wide)) ** 2 < 1 for c in (150, 362)) > 0
        hu = np.where(lungs, -850, np.where(body, 40, -1000)) + rng.normal(0, 25, body.shape)
        image = pydicom.Dataset()
        image.file_meta = pydicom.dataset.FileMetaDataset()
        image.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = pydicom.uid.CTImageStorage
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = f"1.2.3.4.{at + 1}"
        image.Modality = "CT"
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = "1.2.3", "1.2.3.4", "1.2.3.5"
        image.InstanceNumber = at + 1
        image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.ImagePositionPatient, image.ImageOrientationPatient = [-179, -179, at * 1.5], [1, 0, 0, 0, 1, 0]
        image.PixelSpacing = [0.7, 0.7]
        image.Rows, image.Columns, image.SamplesPerPixel = 512, 512, 1
        image.PhotometricInterpretation = "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
        image.RescaleSlope, image.RescaleIntercept, image.RescaleType = 1, -1024, "HU"
        image.PixelData = np.clip(hu + 1024, 0, 4095).astype("<u2").tobytes()
        image.save_as(folder / f"{at + 1:04}.dcm", enforce_file_format=True)


def opened(kind, graph, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return {"lungs": Lungs, "brain": Brain, "film": Film}[kind](session)


def once(kind, graph, series, threads):
    work = opened(kind, graph, threads)
    volume = work.read(series)
    print(*work.figures(volume, work.run(work.tensors(volume))))


def serve(kind, graph, series, threads, array):
    work = opened(kind, graph, threads)
    volume = work.read(series)
    kept = work.tensors(volume)
    largest = max(kept.values(), key=np.size)
    largest.tofile(array)
    sides = largest.shape[-3:]
    print(*sides, *work.spacing(volume), flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        if line.strip() == "path":
            volume = work.read(series)
            tensors = work.tensors(volume)
            ran = time.perf_counter()
            answers = work.run(tensors)
            in_graph = time.perf_counter() - ran
            figures = work.figures(volume, answers)
        else:
            work.run(kept)
            figures, in_graph = [], time.perf_counter() - begin
        taken = time.perf_counter() - begin
        print(taken * 1e3, in_graph * 1e3, *figures, flush=True)


if sys.argv[1] == "phantom":
    phantom(pathlib.Path(sys.argv[2]), int(sys.argv[3]))
elif sys.argv[1] == "film" and len(sys.argv) == 4:
    film(pathlib.Path(sys.argv[2]), int(sys.argv[3]))
elif sys.argv[1] == "once":
    once(*sys.argv[2:])
else:
    serve(*sys.argv[1:])
