# What models/brain-mask-ct/model.toml says, by pydicom, SimpleITK, numpy, scipy and onnxruntime: "slice-N" of a head on CT in; "mask" over the slices
# in the order of their normal, and "millilitres", out. "cube" says how many voxels of how many mm; "graph.onnx" is the graph.
import onnxruntime
import pydicom
import SimpleITK as sitk
from scipy import ndimage

slices = [pydicom.dcmread(path) for path in folder.glob("slice-*")]
row, column = np.array(slices[0].ImageOrientationPatient, float).reshape(2, 3)
normal = np.cross(row, column)
slices.sort(key=lambda one: normal @ np.array(one.ImagePositionPatient, float))
first, last = (np.array(one.ImagePositionPatient, float) for one in (slices[0], slices[-1]))
spacing = [float(mm) for mm in slices[0].PixelSpacing[::-1]] + [float(normal @ (last - first)) / (len(slices) - 1)]
hu = np.stack([one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept) for one in slices])
seen = np.clip(hu, -1000, 1300)
seen = np.where(seen < -100, seen + 1000, np.where(seen <= 100, 900 + 11 * (seen + 100), 3100 + (seen - 100)))
images = sitk.GetImageFromArray(seen.astype("<f4"))
images.SetSpacing(spacing)
images.SetOrigin(first.tolist())
images.SetDirection(np.stack([row, column, normal], axis=1).flatten().tolist())

# A cube around the same centre: slowest to the left, then down, fastest to the front (LIA).
side, mm = said("cube")
side = int(side)
left, down, front = np.array([1.0, 0, 0]), np.array([0, 0, -1.0]), np.array([0, -1.0, 0])
centre = np.array(images.TransformContinuousIndexToPhysicalPoint([(count - 1) / 2 for count in images.GetSize()]))
cube = sitk.Image(side, side, side, sitk.sitkFloat32)
cube.SetSpacing([mm] * 3)
cube.SetDirection(np.stack([front, down, left], axis=1).flatten().tolist())
cube.SetOrigin((centre - (side - 1) / 2 * mm * (left + down + front)).tolist())
seen = sitk.GetArrayFromImage(sitk.Resample(images, cube, sitk.Transform(), sitk.sitkLinear, 0.0))
low, high = np.quantile(seen.astype("<f8"), [0.02, 0.98])
seen = np.clip((seen - low) / (high - low + 0.001), 0, 1).astype("<f4")

session = onnxruntime.InferenceSession(str(folder / "graph.onnx"), providers=["CPUExecutionProvider"])
labels = session.run(["labels"], {"image": seen[None, None]})[0][0, 0]
parts, _ = ndimage.label(labels == 1, np.ones((3, 3, 3)))
brain = parts == 1 + np.argmax(np.bincount(parts.flatten())[1:])
mask = sitk.GetImageFromArray(brain.astype("u1"))
mask.CopyInformation(cube)
mask = sitk.GetArrayFromImage(sitk.Resample(mask, images, sitk.Transform(), sitk.sitkNearestNeighbor, 0))
save("mask", mask)
save("millilitres", mask.sum() * np.prod(spacing) / 1000)
