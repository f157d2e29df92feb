// What the kernels share. They are written in the part of CUDA C++ that a compiler for the host takes too, so that
// the tests can run the same lines without a device. No contraction to fused multiply-adds: a twin on the CPU gives the
// same bits.

typedef long long index_t;

#define INFINITE __int_as_float(0x7f800000)

// The element that a thread is for.
static __device__ inline index_t element() {
    return (index_t)blockIdx.x * blockDim.x + threadIdx.x;
}

static __device__ inline bool is_nan(float x) {
    return x != x;
}

// As Rust's `clamp`: a NaN stays.
static __device__ inline float clamped(float x, float low, float high) {
    return x < low ? low : (x > high ? high : x);
}

// As Rust casts a float to an unsigned number: rounded toward 0, NaN and all below 0 to 0.
static __device__ inline index_t to_index(double x) {
    return x >= 9e15 ? (index_t)9000000000000000LL : (x > 0.0 ? (index_t)x : 0);
}

// Values that a thread changes, each a block's width behind the one before: all are read before the first is written,
// so that they are on their way together.
#define SPAN 4
#define IN_PLACE(values, count, changed)                                             \
    index_t from = (index_t)blockIdx.x * blockDim.x * SPAN + threadIdx.x;            \
    float x[SPAN];                                                                   \
    for (int i = 0; i < SPAN; ++i) {                                                 \
        index_t at = from + (index_t)i * blockDim.x;                                 \
        if (at < count) x[i] = values[at];                                           \
    }                                                                                \
    for (int i = 0; i < SPAN; ++i) {                                                 \
        index_t at = from + (index_t)i * blockDim.x;                                 \
        if (at < count) values[at] = changed;                                        \
    }

// What is left of a division, whose quotient comes into `at`. Most indices have 32 bits, which are divided several times as fast.
static __device__ inline int split(index_t* at, int side) {
    if (*at <= 0xffffffffLL) {
        unsigned whole = (unsigned)*at, quotient = whole / (unsigned)side;
        unsigned rest = whole - quotient * (unsigned)side;
        *at = quotient;
        return (int)rest;
    }
    int rest = (int)(*at % side);
    *at /= side;
    return rest;
}
