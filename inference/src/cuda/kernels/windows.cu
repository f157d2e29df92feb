// Twins of voxels/windows.rs, slices.rs and argmax.rs.

// A window of a block, with `padding` where the block does not reach. `start` is below 0 where it begins before it.
extern "C" __global__ void cut(
    const float* block, int slices, int rows, int columns, int start_z, int start_y, int start_x,
    int wz, int wy, int wx, float padding, float* out
) {
    index_t at = element(), z = at;
    if (at >= (index_t)wz * wy * wx) return;
    index_t x = split(&z, wx) + start_x, y = split(&z, wy) + start_y;
    z += start_z;
    bool inside = z >= 0 && z < slices && y >= 0 && y < rows && x >= 0 && x < columns;
    out[at] = inside ? block[(z * rows + y) * columns + x] : padding;
}

// A slice and `neighbours` on either side; beyond the ends the outermost stands again.
extern "C" __global__ void slices_of(
    const float* block, int slices, int plane, int slice, int neighbours, float* out
) {
    index_t at = element(), from = at;
    if (at >= (index_t)plane * (2 * neighbours + 1)) return;
    int in_plane = split(&from, plane);
    from += slice - neighbours;
    from = from < 0 ? 0 : (from > slices - 1 ? slices - 1 : from);
    out[at] = block[from * plane + in_plane];
}

// Adds the answer to a window to the sums of all channels, and its weights to those behind them.
extern "C" __global__ void blend(
    const float* answer, const float* weights, int channels, int slices, int rows, int columns,
    int start_z, int start_y, int start_x, int wz, int wy, int wx, float* sums
) {
    index_t of_window = (index_t)wz * wy * wx, of_block = (index_t)slices * rows * columns;
    index_t at = element(), z = at;
    if (at >= of_window) return;
    index_t x = split(&z, wx) + start_x, y = split(&z, wy) + start_y;
    z += start_z;
    if (z < 0 || z >= slices || y < 0 || y >= rows || x < 0 || x >= columns) return;
    index_t to = (z * rows + y) * columns + x;
    for (int channel = 0; channel < channels; ++channel) {
        sums[channel * of_block + to] += answer[channel * of_window + at] * weights[at];
    }
    sums[channels * of_block + to] += weights[at];
}

// NaN where no window was added.
extern "C" __global__ void divide(float* sums, int channels, index_t of_block) {
    index_t at = element();
    if (at >= of_block) return;
    float weight = sums[channels * of_block + at];
    for (int channel = 0; channel < channels; ++channel) sums[channel * of_block + at] /= weight;
}

// The class with the highest score of each voxel, of equal ones the first; a NaN is below every number.
extern "C" __global__ void argmax(const float* scores, int classes, index_t voxels, unsigned short* labels) {
    index_t at = element();
    if (at >= voxels) return;
    float best = -INFINITE;
    unsigned short label = 0;
    for (int c = 0; c < classes; ++c) {
        float score = scores[c * voxels + at];
        if (score > best) {
            best = score;
            label = (unsigned short)c;
        }
    }
    labels[at] = label;
}

// Of what is NaN or infinite the difference from itself is NaN.
extern "C" __global__ void any_not_finite(const float* values, index_t count, int* found) {
    index_t at = element();
    if (at < count && is_nan(values[at] - values[at])) *found = 1;
}
