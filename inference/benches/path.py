# The whole path from DICOM files to figures, as one would write it with pydicom, SimpleITK, scipy and ONNX Runtime.
#
# path.py phantom FOLDER SLICES           writes a chest of that many CT images
# path.py lungs|brain GRAPH SERIES THREADS ARRAY
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


class Lungs:
    """Lung densitometry: the graph measures, masks are taken beside it."""

    def __init__(self, session):
        self.session = session

    def tensors(self, volume):
        spacing = np.array(volume.GetSpacing()[::-1], dtype=np.float32)
        return {"hu": sitk.GetArrayFromImage(volume), "spacing": spacing}

    def run(self, tensors):
        return self.session.run(["metrics", "lung_mask", "laa950_mask"], tensors)

    def figures(self, volume, answers):
        return [float(figure) for figure in answers[0]]


class Brain:
    """White and grey matter: a cube of 256 mm, LIA, in it quantiles to 0 and 1; labels back onto the images."""

    def __init__(self, session):
        self.session = session

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


def serve(kind, graph, series, threads, array):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    work = {"lungs": Lungs, "brain": Brain}[kind](session)
    volume = read(series)
    kept = work.tensors(volume)
    largest = max(kept.values(), key=np.size)
    largest.tofile(array)
    sides = largest.shape[-3:]
    print(*sides, *volume.GetSpacing()[::-1], flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        if line.strip() == "path":
            volume = read(series)
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
else:
    serve(*sys.argv[1:])
