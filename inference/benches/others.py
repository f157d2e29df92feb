# The work of voxels.rs by SimpleITK, scipy, numpy and Pillow: a line "name TAB ms (who)" for each.
import pathlib
import statistics
import sys
import time

import numpy as np
import SimpleITK as sitk
from PIL import Image
from scipy import ndimage

folder = pathlib.Path(sys.argv[1])
scan = np.fromfile(folder / "scan", "<f4").reshape(200, 512, 512)
cube = np.fromfile(folder / "cube", "<f4").reshape(256, 256, 256)


def measure(name, who, work):
    work()
    taken = []
    for _ in range(7):
        begin = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begin) * 1e3)
    print(f"{name}\t{statistics.median(taken):.1f} ({who})")


def image(array, spacing, origin, direction=None):
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(spacing)
    made.SetOrigin(origin)
    if direction is not None:
        made.SetDirection(np.array(direction).flatten().tolist())
    return made


def resample(name, source, size, spacing, origin, way, direction=np.eye(3)):
    direction = np.array(direction).flatten().tolist()
    work = lambda: sitk.Resample(source, size, sitk.Transform(), way, origin, spacing, direction, 0.0)
    measure(name, "SimpleITK", work)


images = image(scan, [0.7, 0.7, 1.5], [-179.0, -179.0, -150.0])
wide = [0.7 * 2, 0.7 * 2, 1.5 * 200 / 256]
first = [-179.0 + 0.35, -179.0 + 0.35, -150.0 - 0.75 + wide[2] / 2]
of_cube = image(cube, wide, first)
shifted = [first[0] + 0.6 * wide[0], first[1] + 0.4 * wide[1], first[2] + 0.3 * wide[2]]
resample("trilinear, 256^3 onto 256^3", of_cube, [256] * 3, wide, shifted, sitk.sitkLinear)
steps = np.array([[0.9848, -0.1632, -0.0594], [0.1736, 0.9254, 0.3368], [0.0, -0.3420, 0.9397]])
resample("trilinear, 256^3 onto 256^3, oblique", of_cube, [256] * 3, [1.0] * 3, [-100.0, -120.0, -90.0],
         sitk.sitkLinear, steps.T)
resample("trilinear, scan onto 256^3", images, [256] * 3, wide, first, sitk.sitkLinear)
centre = [-179.0 + 0.7 * 255.5, -179.0 + 0.7 * 255.5, -150.0 + 1.5 * 99.5]
corner = [centre[0] - 127.5, centre[1] + 127.5, centre[2] + 127.5]
# LIA as x, y, z of SimpleITK: fastest axis first, to A, to I, to L.
resample("trilinear, scan conformed to 256^3 LIA", images, [256] * 3, [1.0] * 3, corner, sitk.sitkLinear,
         [[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
resample("nearest, 256^3 onto scan", of_cube, [512, 512, 200], [0.7, 0.7, 1.5], [-179.0, -179.0, -150.0],
         sitk.sitkNearestNeighbor)


def scaled(a, low, high):
    low, high = np.quantile(a, [low, high])
    return np.clip((a - low) / (high - low + 1e-3), 0, 1)


measure("window, 256^3", "numpy", lambda: np.clip((cube + 160) / 400, 0, 1))
measure("z-score, 256^3", "numpy", lambda: (cube - cube.mean()) / cube.std())
measure("quantiles 0.02 and 0.98, 256^3", "numpy", lambda: scaled(cube, 0.02, 0.98))
knots = np.float32([[-1000, 0], [-100, 900], [100, 3100], [1300, 4300]]).T
measure("piecewise map, 256^3", "numpy", lambda: np.interp(cube, *knots).astype(np.float32))
measure("turned to LIA, 256^3", "numpy", lambda: np.ascontiguousarray(cube.transpose(2, 0, 1)[:, ::-1, ::-1]))
mask = cube > 300
measure("components, 26 neighbours, 256^3", "scipy", lambda: ndimage.label(mask, np.ones((3, 3, 3))))
measure("holes filled, 256^3", "scipy", lambda: ndimage.binary_fill_holes(mask))


def figures():
    under = cube[mask]
    return under.mean(), under.std(), under.min(), under.max(), np.percentile(under, [5, 50, 95])


measure("figures of a label, 256^3", "numpy", figures)
scores = np.stack([cube, np.roll(cube.ravel(), -1).reshape(cube.shape)])
measure("argmax of 2 classes, 256^3", "numpy", lambda: scores.argmax(axis=0))
one = Image.fromarray(scan[0])
for name in ["bicubic", "bilinear"]:
    way = getattr(Image.Resampling, name.upper())
    measure(f"image of 512^2 to 224^2, {name}", "Pillow", lambda: one.resize((224, 224), way))
