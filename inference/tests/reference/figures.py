# Figures of "values" under each wanted label of "labels": voxels, mL, mean, sd, least, most, percentiles.
size, _, steps = said("grid")
labels, values = f32("labels", size), f32("values", size).astype(np.float64)
of_voxel = abs(np.linalg.det(np.array(steps))) / 1000
rows = []
for label in said("wanted"):
    under = values[labels == label]
    row = [under.size, under.size * of_voxel]
    under = under[~np.isnan(under)]
    row += [under.mean(), under.std(), under.min(), under.max()]
    rows.append(row + np.percentile(under, said("percentiles"), method="linear").tolist())
save("figures", np.array(rows))
