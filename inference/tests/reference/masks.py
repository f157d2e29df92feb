# scipy.ndimage on each mask: labels for each kind of neighbours, holes filled.
from scipy import ndimage

for at in range(said("cases")):
    mask = f32(f"{at}_mask", said(f"{at}_size")) > 0
    for reach in [1, 2, 3]:
        numbered, count = ndimage.label(mask, ndimage.generate_binary_structure(3, reach))
        save(f"{at}_numbered_{reach}", numbered)
        save(f"{at}_sizes_{reach}", np.bincount(numbered.ravel(), minlength=count + 1)[1:])
    save(f"{at}_filled", ndimage.binary_fill_holes(mask))
