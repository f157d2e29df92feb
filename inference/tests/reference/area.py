# The mean over footprints, by cutting each source voxel into a dense sum along each axis in turn: weights
# come from the integral of boxes, in mm along each axis of the patient. Both grids lie along those axes.
size, origin, steps = said("from")
onto_size, onto_origin, onto_steps = said("onto")
value = f32("a", size).astype(np.float64)


def faces(n, o, step):
    centres = o + np.arange(n) * step
    return centres - abs(step) / 2, centres + abs(step) / 2


patient = [int(np.argmax(np.abs(s))) for s in steps]
onto_patient = [int(np.argmax(np.abs(s))) for s in onto_steps]
# To x, y, z of the patient.
value = value.transpose([patient.index(p) for p in range(3)])
for p in range(3):
    a, b = patient.index(p), onto_patient.index(p)
    step, onto_step = steps[a][p], onto_steps[b][p]
    low, high = faces(size[a], origin[p], step)
    to_low, to_high = faces(onto_size[b], onto_origin[p], onto_step)
    centre = (to_low + to_high) / 2
    inside = (centre >= low.min()) & (centre <= high.max())
    if abs(onto_step) > abs(step):
        weights = np.minimum(high[None], to_high[:, None]) - np.maximum(low[None], to_low[:, None])
        weights = np.maximum(weights, 0)
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    else:
        # Linear: a tent around each source centre, the outer ones held.
        at = np.clip((centre - origin[p]) / step, 0, size[a] - 1)
        weights = np.maximum(1 - np.abs(at[:, None] - np.arange(size[a])[None]), 0)
    weights[~inside] = np.nan
    value = np.moveaxis(np.tensordot(weights, value, axes=(1, p)), 0, p)
save("area", np.nan_to_num(value.transpose(onto_patient), nan=said("outside")))
