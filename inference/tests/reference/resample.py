# SimpleITK.Resample of each block on its grid "from" to the grid "onto", linear and nearest; outside it is said.
import SimpleITK as sitk

for at in range(said("cases")):
    source = image(f"{at}_from", f32(f"{at}_a", said(f"{at}_from")[0]))
    reference = image(f"{at}_onto", np.zeros(said(f"{at}_onto")[0], np.float32))
    for name, way in [("linear", sitk.sitkLinear), ("nearest", sitk.sitkNearestNeighbor)]:
        result = sitk.Resample(source, reference, sitk.Transform(), way, said("outside"), sitk.sitkFloat32)
        save(f"{at}_{name}", sitk.GetArrayFromImage(result))
