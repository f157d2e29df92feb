# Put in front of every script: files of numbers in the folder that is the first argument.
import json
import pathlib
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])


def f32(name, size=-1):
    return np.fromfile(folder / name, dtype="<f4").reshape(size)


def said(name):
    return json.loads((folder / name).read_text().replace("NaN", "null"))


def save(name, array):
    np.ascontiguousarray(array, dtype="<f8").tofile(folder / name)


def image(name, array):
    """A SimpleITK image of an array [slow, middle, fast] on the grid that was said under this name."""
    import SimpleITK as sitk

    _, origin, steps = said(name)
    steps = np.array(steps)[::-1]
    spacing = np.linalg.norm(steps, axis=1)
    made = sitk.GetImageFromArray(array)
    made.SetOrigin(origin)
    made.SetSpacing(spacing.tolist())
    made.SetDirection((steps / spacing[:, None]).T.flatten().tolist())
    return made
