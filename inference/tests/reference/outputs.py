# A model that answers each voxel by itself, on a grid of its own: there and back by SimpleITK; figures by scipy.
import SimpleITK as sitk
from scipy import ndimage

size, _, _ = said("images")
voxels = f32("voxels", size)
images = image("images", voxels)
grid = image("grid", np.zeros(said("grid")[0], "<f4"))


def onto(moving, target, how, outside):
    back = sitk.Resample(moving, target, sitk.Transform(), how, outside)
    return sitk.GetArrayFromImage(back)


def like(array):
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(grid)
    return made


seen = onto(images, grid, sitk.sitkLinear, 0.0)
# What every voxel of the images finds in the mask on the grid, and whether rounding may decide there.
masks = {
    "label": (seen.astype("<u1") == 120, np.abs(seen - np.round(seen)) < 1e-3),
    "class": (seen > 0, np.abs(seen) < 1e-3),
    "mask": (seen >= 120, np.abs(seen - 120) < 1e-3),
}
for name, (mask, near) in masks.items():
    for what, array in ((name, mask), (f"{name} near", near)):
        save(what, onto(like(array.astype("<u1")), images, sitk.sitkNearestNeighbor, 0))
back = onto(like(seen), images, sitk.sitkLinear, -1.0)
save("probability", back >= 120)
save("probability near", np.abs(back - 120) < 1e-3)
save("back", np.where(back < 0, voxels, back))

mask = voxels >= 200
_, count = ndimage.label(mask, np.ones((3, 3, 3)))
save("figures", np.array([count, voxels[mask].astype("<f8").sum()]))
