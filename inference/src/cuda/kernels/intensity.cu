// Twins of voxels/intensity.rs.

// `over`: 0 all, 1 what is not 0, 2 what is above `least`; a NaN never.
static __device__ inline bool holds(float x, int over, float least) {
    return over == 0 ? !is_nan(x) : (over == 1 ? x != 0.0f && !is_nan(x) : x > least);
}

extern "C" __global__ void window(float* values, index_t count, float low, float wide) {
    IN_PLACE(values, count, clamped((x[i] - low) / wide, 0.0f, 1.0f))
}

extern "C" __global__ void clip(float* values, index_t count, float low, float high) {
    IN_PLACE(values, count, clamped(x[i], low, high))
}

// Knots are pairs of growing x, as `numpy.interp`.
extern "C" __global__ void piecewise(float* values, index_t count, const float* knots, int number) {
    index_t at = element();
    if (at >= count || is_nan(values[at])) return;
    float x = values[at];
    int low = 0, high = number;
    while (low < high) {
        int middle = (low + high) / 2;
        if (knots[2 * middle] <= x) low = middle + 1; else high = middle;
    }
    if (low == 0) {
        values[at] = knots[1];
    } else if (low == number) {
        values[at] = knots[2 * number - 1];
    } else {
        float x0 = knots[2 * low - 2], y0 = knots[2 * low - 1];
        float x1 = knots[2 * low], y1 = knots[2 * low + 1];
        values[at] = y0 + (x - x0) * ((y1 - y0) / (x1 - x0));
    }
}

// Each thread looks at every `threads`-th value; `ends` has its least and its greatest.
extern "C" __global__ void ends_of(const float* values, index_t count, float* ends, int threads) {
    index_t thread = element();
    if (thread >= threads) return;
    float least = INFINITE, most = -INFINITE;
    for (index_t at = thread; at < count; at += threads) {
        float x = values[at];
        if (x < least) least = x;
        if (x > most) most = x;
    }
    ends[2 * thread] = least;
    ends[2 * thread + 1] = most;
}

extern "C" __global__ void fold_ends(const float* ends, int number, float* folded, int threads) {
    index_t thread = element();
    if (thread >= threads) return;
    float least = INFINITE, most = -INFINITE;
    for (index_t at = thread; at < number; at += threads) {
        if (ends[2 * at] < least) least = ends[2 * at];
        if (ends[2 * at + 1] > most) most = ends[2 * at + 1];
    }
    folded[2 * thread] = least;
    folded[2 * thread + 1] = most;
}

extern "C" __global__ void min_max(float* values, index_t count, const float* ends) {
    float least = ends[0], most = ends[1], wide = most > least ? most - least : 1.0f;
    IN_PLACE(values, count, (x[i] - least) / wide)
}

// How many values each thread counts, and their sum.
extern "C" __global__ void sums_of(
    const float* values, index_t count, int over, float least, double* sums, int threads
) {
    index_t thread = element();
    if (thread >= threads) return;
    double number = 0.0, sum = 0.0;
    for (index_t at = thread; at < count; at += threads) {
        if (holds(values[at], over, least)) {
            number += 1.0;
            sum += (double)values[at];
        }
    }
    sums[2 * thread] = number;
    sums[2 * thread + 1] = sum;
}

// The number again, and the sum of the squared distances from the mean of `totals`.
extern "C" __global__ void squares_of(
    const float* values, index_t count, int over, float least, const double* totals, double* sums, int threads
) {
    index_t thread = element();
    if (thread >= threads) return;
    double mean = totals[1] / totals[0], number = 0.0, sum = 0.0;
    for (index_t at = thread; at < count; at += threads) {
        if (holds(values[at], over, least)) {
            double off = (double)values[at] - mean;
            number += 1.0;
            sum += off * off;
        }
    }
    sums[2 * thread] = number;
    sums[2 * thread + 1] = sum;
}

extern "C" __global__ void fold_sums(const double* sums, int number, double* folded, int threads) {
    index_t thread = element();
    if (thread >= threads) return;
    double first = 0.0, second = 0.0;
    for (index_t at = thread; at < number; at += threads) {
        first += sums[2 * at];
        second += sums[2 * at + 1];
    }
    folded[2 * thread] = first;
    folded[2 * thread + 1] = second;
}

// Of both sums what the last pass wants: the number, the mean, and the deviation, 1 where it is 0.
extern "C" __global__ void mean_and_deviation(const double* totals, const double* squares, double* found) {
    if (element() > 0) return;
    double deviation = sqrt(squares[1] / squares[0]);
    found[0] = totals[0];
    found[1] = totals[1] / totals[0];
    found[2] = deviation > 0.0 ? deviation : 1.0;
}

// `those`: only the values that were counted change.
extern "C" __global__ void z_score(
    float* values, index_t count, int over, float least, int those, const double* found
) {
    if (found[0] == 0.0) return;
    double mean = found[1], deviation = found[2];
    IN_PLACE(values, count,
             those && !holds(x[i], over, least) ? x[i] : (float)(((double)x[i] - mean) / deviation))
}
