// Twins of voxels/resample.rs, separable.rs and oblique.rs.

// Where a voxel of the target lies along the axes of the source; `n` has the target's sides in their order.
static __device__ inline void along_source(index_t at, const int* n, const int* axes, int* along) {
    for (int a = 2; a >= 0; --a) along[axes[a]] = split(&at, n[axes[a]]);
}

// Weighted sums along the slow axis, then the middle, then the fast one. `taps` has for each voxel of the target
// its first voxel in the source and the end of its weights; none where it lies outside.
extern "C" __global__ void resample_taps(
    const float* source, int rows, int columns,
    const unsigned* taps_z, const float* weights_z, const unsigned* taps_y, const float* weights_y,
    const unsigned* taps_x, const float* weights_x,
    int nz, int ny, int nx, int axis0, int axis1, int axis2, float outside, float* out
) {
    index_t at = element();
    if (at >= (index_t)nz * ny * nx) return;
    const int n[3] = {nz, ny, nx}, axes[3] = {axis0, axis1, axis2};
    int t[3];
    along_source(at, n, axes, t);
    unsigned z0 = t[0] ? taps_z[2 * t[0] - 1] : 0, z1 = taps_z[2 * t[0] + 1];
    unsigned y0 = t[1] ? taps_y[2 * t[1] - 1] : 0, y1 = taps_y[2 * t[1] + 1];
    unsigned x0 = t[2] ? taps_x[2 * t[2] - 1] : 0, x1 = taps_x[2 * t[2] + 1];
    if (z0 == z1 || y0 == y1 || x0 == x1) {
        out[at] = outside;
        return;
    }
    index_t z = taps_z[2 * t[0]], y = taps_y[2 * t[1]], x = taps_x[2 * t[2]];
    float of_row = 0.0f;
    for (unsigned i = x0; i < x1; ++i) {
        float of_plane = 0.0f;
        for (unsigned j = y0; j < y1; ++j) {
            float of_block = 0.0f;
            for (unsigned k = z0; k < z1; ++k) {
                float voxel = source[((z + (k - z0)) * rows + y + (j - y0)) * columns + x + (i - x0)];
                float part = voxel * weights_z[k];
                of_block = k == z0 ? part : of_block + part;
            }
            float part = of_block * weights_y[j];
            of_plane = j == y0 ? part : of_plane + part;
        }
        float part = of_plane * weights_x[i];
        of_row = i == x0 ? part : of_row + part;
    }
    out[at] = of_row;
}

// The voxel of the source at each place along its axes; below 0 outside.
extern "C" __global__ void resample_places(
    const float* source, int rows, int columns, const int* places_z, const int* places_y, const int* places_x,
    int nz, int ny, int nx, int axis0, int axis1, int axis2, float outside, float* out
) {
    index_t at = element();
    if (at >= (index_t)nz * ny * nx) return;
    const int n[3] = {nz, ny, nx}, axes[3] = {axis0, axis1, axis2};
    int t[3];
    along_source(at, n, axes, t);
    index_t z = places_z[t[0]], y = places_y[t[1]], x = places_x[t[2]];
    out[at] = z < 0 || y < 0 || x < 0 ? outside : source[(z * rows + y) * columns + x];
}

// An index this near to a whole number, or to the border of a voxel, is taken for it.
#define TIE 1e-6
// A way of less than this along an axis is not worth dividing by.
#define STANDS 1e-3

// The voxel that an index lies in, the upper of two on their border; below 0 outside.
static __device__ inline index_t voxel_at(double at, int size) {
    at = at + 0.5 + TIE;
    return at >= 0.0 && at < (double)size ? (index_t)at : -1;
}

// Where the way of a target begins, and its steps by target axis, then by source axis: 12 numbers.
static __device__ inline void begin_of(const double* way, index_t row, int rows_out, double* begin) {
    double y = (double)split(&row, rows_out), z = (double)row;
    for (int a = 0; a < 3; ++a) begin[a] = way[a] + z * way[3 + a] + y * way[6 + a];
}

extern "C" __global__ void nearest_oblique(
    const float* source, int slices, int rows, int columns, const double* way,
    int nz, int ny, int nx, float outside, float* out
) {
    index_t at = element();
    if (at >= (index_t)nz * ny * nx) return;
    const int size[3] = {slices, rows, columns};
    index_t row = at;
    double begin[3], along_row = (double)split(&row, nx);
    begin_of(way, row, ny, begin);
    index_t voxel[3];
    for (int a = 0; a < 3; ++a) voxel[a] = voxel_at(begin[a] + along_row * way[9 + a], size[a]);
    bool outer = voxel[0] < 0 || voxel[1] < 0 || voxel[2] < 0;
    out[at] = outer ? outside : source[(voxel[0] * rows + voxel[1]) * columns + voxel[2]];
}

// Of each row of the target the voxels that may lie in the source, and those of them that have all eight neighbours
// for certain: four numbers, of which the twin on the CPU makes the same use.
extern "C" __global__ void oblique_rows(
    int slices, int rows, int columns, const double* way, int nz, int ny, int nx, int* ranges
) {
    index_t row = element();
    if (row >= (index_t)nz * ny) return;
    const int size[3] = {slices, rows, columns};
    double begin[3];
    const double* step = way + 9;
    begin_of(way, row, ny, begin);
    index_t any0 = 0, any1 = nx;
    for (int a = 0; a < 3; ++a) {
        if (!(fabs(step[a]) * (double)nx >= STANDS)) continue;
        double x = (-0.5 - begin[a]) / step[a], y = ((double)size[a] - 0.5 - begin[a]) / step[a];
        index_t first = to_index(floor(fmin(x, y)) - 1.0), end = to_index(ceil(fmax(x, y)) + 2.0);
        if (first > any0) any0 = first;
        if (end < any1) any1 = end;
    }
    if (any1 < any0) any0 = any1;
    index_t inner0 = any0, inner1 = any1;
    for (int a = 0; a < 3; ++a) {
        double last = (double)size[a] - 1.0 - 4.0 * TIE;
        double e0 = begin[a] + step[a] * (double)any0, e1 = begin[a] + step[a] * (double)any1;
        if (e0 >= 0.0 && e0 <= last && e1 >= 0.0 && e1 <= last) continue;
        if (fabs(step[a]) * (double)(any1 - any0) <= STANDS) {
            inner1 = inner0 = any0;
            break;
        }
        double x = -begin[a] / step[a], y = (last - begin[a]) / step[a];
        index_t first = to_index(ceil(fmin(x, y)) + 1.0), end = to_index(floor(fmax(x, y)));
        if (first > inner0) inner0 = first;
        if (end < inner1) inner1 = end;
    }
    if (!(inner0 < inner1)) inner0 = inner1 = any0;
    ranges[4 * row] = (int)any0;
    ranges[4 * row + 1] = (int)any1;
    ranges[4 * row + 2] = (int)inner0;
    ranges[4 * row + 3] = (int)inner1;
}

static __device__ inline float mixed(float a, float b, float weight) {
    return a + (b - a) * weight;
}

// False where a neighbour is missing after all.
static __device__ inline bool linear_inner(
    const float* source, const int* size, const double* at, float* value
) {
    index_t below[3];
    float weight[3];
    for (int a = 0; a < 3; ++a) {
        below[a] = to_index(at[a] + TIE);
        double part = at[a] - (double)below[a];
        weight[a] = part <= TIE ? 0.0f : (float)part;
    }
    index_t voxels = (index_t)size[0] * size[1] * size[2];
    index_t first = (below[0] * size[1] + below[1]) * size[2] + below[2];
    index_t down = weight[1] > 0.0f ? size[2] : 0, behind = weight[0] > 0.0f ? (index_t)size[1] * size[2] : 0;
    float plane[2];
    for (int z = 0; z < 2; ++z) {
        float row[2];
        for (int y = 0; y < 2; ++y) {
            index_t from = first + z * behind + y * down;
            if (from + 2 > voxels) return false;
            // A neighbour of weight 0 is not taken: it may be NaN.
            row[y] = mixed(source[from], weight[2] > 0.0f ? source[from + 1] : source[from], weight[2]);
        }
        plane[z] = mixed(row[0], row[1], weight[1]);
    }
    *value = mixed(plane[0], plane[1], weight[0]);
    return true;
}

// False outside of the source.
static __device__ inline bool linear_any(
    const float* source, const int* size, const double* at, float* value
) {
    index_t below[3];
    float weight[3];
    for (int a = 0; a < 3; ++a) {
        if (voxel_at(at[a], size[a]) < 0) return false;
        double last = (double)(size[a] - 1);
        double inside = (at[a] < 0.0 ? 0.0 : (at[a] > last ? last : at[a])) + TIE;
        below[a] = (index_t)inside;
        double part = inside - (double)below[a];
        weight[a] = part <= 2.0 * TIE ? 0.0f : (float)(part - TIE);
    }
    index_t first = (below[0] * size[1] + below[1]) * size[2] + below[2];
    index_t next[3] = {weight[0] > 0.0f ? (index_t)size[1] * size[2] : 0, weight[1] > 0.0f ? size[2] : 0,
                       weight[2] > 0.0f ? 1 : 0};
    float plane[2];
    for (int z = 0; z < 2; ++z) {
        float row[2];
        for (int y = 0; y < 2; ++y) {
            index_t from = first + z * next[0] + y * next[1];
            // A neighbour of weight 0 is not read: it may be NaN, or not be there.
            row[y] = weight[2] > 0.0f ? mixed(source[from], source[from + next[2]], weight[2]) : source[from];
        }
        plane[z] = weight[1] > 0.0f ? mixed(row[0], row[1], weight[1]) : row[0];
    }
    *value = weight[0] > 0.0f ? mixed(plane[0], plane[1], weight[0]) : plane[0];
    return true;
}

extern "C" __global__ void linear_oblique(
    const float* source, int slices, int rows, int columns, const double* way, const int* ranges,
    int nz, int ny, int nx, float outside, float* out
) {
    index_t at = element();
    if (at >= (index_t)nz * ny * nx) return;
    out[at] = outside;
    index_t row = at, i = split(&row, nx);
    const int* range = ranges + 4 * row;
    if (i < range[0] || i >= range[1]) return;
    const int size[3] = {slices, rows, columns};
    double begin[3], place[3];
    begin_of(way, row, ny, begin);
    for (int a = 0; a < 3; ++a) place[a] = begin[a] + (double)i * way[9 + a];
    float value;
    bool inner = i >= range[2] && i < range[3];
    if ((inner && linear_inner(source, size, place, &value)) || linear_any(source, size, place, &value)) {
        out[at] = value;
    }
}
