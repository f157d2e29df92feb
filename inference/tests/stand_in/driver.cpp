// A stand-in for NVIDIA's driver and NVRTC on a machine without a device: the calls that Gantry makes, with the memory of
// the host for that of a device and the same source of the kernels, compiled for the host. It tells nothing of
// speed, and nothing of what only a device does wrong. It ends the process on what a driver might let pass: a number
// written beside a buffer, memory that is freed twice, a kernel that writes after its buffer is gone.
//
// GANTRY_STAND_IN_MIB: how much memory the device has (default 1024). GANTRY_STAND_IN_VERSION: of the driver (13000).
// GANTRY_STAND_IN_DEVICES: how many there are (1).

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

struct Three { unsigned x, y, z; };
static thread_local Three blockIdx, blockDim, threadIdx;
static inline float __int_as_float(int bits) {
    float number;
    std::memcpy(&number, &bits, sizeof number);
    return number;
}
#define __global__
#define __device__
#include "common.cuh"
#include "intensity.cu"
#include "resample.cu"
#include "windows.cu"

typedef int result;
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_FOUND = 500 };

[[noreturn]] static void broken(const char* what) {
    std::fprintf(stderr, "stand-in driver: %s\n", what);
    std::abort();
}

// A kernel called with the addresses of its arguments.
template <class... A, size_t... I>
static void call(void (*kernel)(A...), void** args, std::index_sequence<I...>) {
    kernel(*static_cast<A*>(args[I])...);
}
template <class... A>
static void call(void (*kernel)(A...), void** args) {
    call(kernel, args, std::index_sequence_for<A...>{});
}
typedef void (*launcher)(void**);
#define KERNEL(name) {#name, [](void** args) { call(name, args); }}
static const std::map<std::string, launcher> KERNELS = {
    KERNEL(window), KERNEL(clip), KERNEL(piecewise), KERNEL(ends_of), KERNEL(fold_ends), KERNEL(min_max),
    KERNEL(sums_of), KERNEL(squares_of), KERNEL(fold_sums), KERNEL(mean_and_deviation), KERNEL(z_score),
    KERNEL(resample_taps), KERNEL(resample_places), KERNEL(nearest_oblique), KERNEL(oblique_rows), KERNEL(linear_oblique), KERNEL(cut),
    KERNEL(slices_of), KERNEL(blend), KERNEL(divide), KERNEL(argmax), KERNEL(any_not_finite),
};

// Device memory: each buffer between two guards.
static const size_t GUARD = 64;
static const unsigned char MARK = 0xA5;
static std::mutex memory;
static std::map<uint64_t, size_t> buffers;
static size_t taken = 0, most_taken = 0;

static size_t set(const char* name, size_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

static size_t all_memory() {
    return set("GANTRY_STAND_IN_MIB", 1024) << 20;
}

static result take(uint64_t* address, size_t bytes) {
    if (bytes == 0) return INVALID_VALUE;
    std::lock_guard<std::mutex> lock(memory);
    if (taken + bytes > all_memory()) return OUT_OF_MEMORY;
    unsigned char* at = static_cast<unsigned char*>(std::malloc(bytes + 2 * GUARD));
    if (!at) return OUT_OF_MEMORY;
    std::memset(at, MARK, bytes + 2 * GUARD);
    *address = reinterpret_cast<uint64_t>(at + GUARD);
    buffers[*address] = bytes;
    taken += bytes;
    most_taken = taken > most_taken ? taken : most_taken;
    return SUCCESS;
}

static void check(uint64_t address, size_t bytes) {
    const unsigned char* at = reinterpret_cast<const unsigned char*>(address);
    for (size_t i = 0; i < GUARD; ++i) {
        if (at[-1 - (long)i] != MARK || at[bytes + i] != MARK) broken("a number was written beside a buffer");
    }
}

static result give(uint64_t address) {
    std::lock_guard<std::mutex> lock(memory);
    auto found = buffers.find(address);
    if (found == buffers.end()) broken("freed what is no buffer");
    check(address, found->second);
    taken -= found->second;
    std::free(reinterpret_cast<unsigned char*>(address) - GUARD);
    buffers.erase(found);
    return SUCCESS;
}

// The buffer that has these bytes.
static void inside(uint64_t address, size_t bytes) {
    std::lock_guard<std::mutex> lock(memory);
    auto after = buffers.upper_bound(address);
    if (after == buffers.begin()) broken("no buffer lies there");
    --after;
    if (address + bytes > after->first + after->second) broken("a copy reaches beyond its buffer");
}

// Copies out of pinned memory are made as late as a device may make them: before what comes behind them on the stream, or
// when somebody waits for them. Who writes into such memory before that changes what arrives.
struct Copy { uint64_t to; const void* from; size_t bytes; };
static std::mutex streaming;
static std::vector<Copy> pending;
static std::map<const void*, size_t> pinned;
struct Event { bool recorded; };

static void settle() {
    std::lock_guard<std::mutex> lock(streaming);
    for (const Copy& copy : pending) std::memcpy(reinterpret_cast<void*>(copy.to), copy.from, copy.bytes);
    pending.clear();
}

static void put(uint64_t to, const void* from, size_t bytes) {
    std::lock_guard<std::mutex> lock(streaming);
    auto after = pinned.upper_bound(from);
    bool waits = after != pinned.begin();
    if (waits) {
        --after;
        waits = (const char*)from < (const char*)after->first + after->second;
    }
    if (waits) {
        pending.push_back({to, from, bytes});
    } else {
        // What is not pinned has left its place when the call comes back.
        std::memcpy(reinterpret_cast<void*>(to), from, bytes);
    }
}

extern "C" {
result cuInit(unsigned) { return SUCCESS; }
result cuDriverGetVersion(int* version) { return *version = set("GANTRY_STAND_IN_VERSION", 13000), SUCCESS; }
result cuGetErrorName(result error, const char** text) {
    return *text = error == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR", SUCCESS;
}
result cuGetErrorString(result error, const char** text) {
    return *text = error == OUT_OF_MEMORY ? "out of memory" : "error", SUCCESS;
}
result cuDeviceGet(int* device, int ordinal) { return *device = ordinal, SUCCESS; }
result cuDeviceGetCount(int* count) { return *count = set("GANTRY_STAND_IN_DEVICES", 1), SUCCESS; }
result cuDeviceGetName(char* name, int length, int) {
    return std::snprintf(name, length, "stand-in for a device"), SUCCESS;
}
result cuDeviceTotalMem_v2(size_t* bytes, int) { return *bytes = all_memory(), SUCCESS; }
result cuDeviceGetAttribute(int* value, int attribute, int) {
    // 75 and 76: compute capability 8.0; 115: memory pools.
    return *value = attribute == 75 ? 8 : (attribute == 76 ? 0 : (attribute == 115 ? 1 : 0)), SUCCESS;
}
result cuDevicePrimaryCtxRetain(void** context, int) {
    static int one;
    return *context = &one, SUCCESS;
}
result cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
static thread_local void* current = nullptr;
result cuCtxGetCurrent(void** context) { return *context = current, SUCCESS; }
result cuCtxSetCurrent(void* context) { return current = context, SUCCESS; }
result cuCtxSynchronize() { return settle(), SUCCESS; }
result cuStreamCreate(void** stream, unsigned) {
    static int one;
    return *stream = &one, SUCCESS;
}
result cuStreamDestroy_v2(void*) { return SUCCESS; }
result cuStreamSynchronize(void*) { return settle(), SUCCESS; }
result cuStreamWaitEvent(void*, void*, unsigned) { return SUCCESS; }
result cuEventCreate(void** event, unsigned) { return *event = new Event{false}, SUCCESS; }
result cuEventDestroy_v2(void* event) { return delete static_cast<Event*>(event), SUCCESS; }
result cuEventRecord(void* event, void*) { return static_cast<Event*>(event)->recorded = true, SUCCESS; }
result cuEventSynchronize(void* event) {
    // One that was never recorded has nothing to wait for.
    if (static_cast<Event*>(event)->recorded) settle();
    return SUCCESS;
}
result cuDeviceGetDefaultMemPool(void** pool, int) {
    static int one;
    return *pool = &one, SUCCESS;
}
result cuMemPoolSetAttribute(void*, int, void*) { return SUCCESS; }
result cuMemPoolGetAttribute(void*, int attribute, void* value) {
    // 5 and 6: reserved now and at the most. Pinned memory is the host's, so all that was taken is the pool's.
    if (attribute != 5 && attribute != 6) return INVALID_VALUE;
    std::lock_guard<std::mutex> lock(memory);
    return *static_cast<uint64_t*>(value) = attribute == 5 ? taken : most_taken, SUCCESS;
}
result cuMemGetInfo_v2(size_t* free, size_t* total) {
    return *total = all_memory(), *free = *total - taken, SUCCESS;
}
result cuMemAlloc_v2(uint64_t* address, size_t bytes) { return take(address, bytes); }
result cuMemAllocAsync(uint64_t* address, size_t bytes, void*) { return take(address, bytes); }
result cuMemFree_v2(uint64_t address) { return settle(), give(address); }
result cuMemFreeAsync(uint64_t address, void*) { return settle(), give(address); }
result cuMemHostAlloc(void** address, size_t bytes, unsigned) {
    if (!(*address = std::malloc(bytes))) return OUT_OF_MEMORY;
    std::lock_guard<std::mutex> lock(streaming);
    return pinned[*address] = bytes, SUCCESS;
}
result cuMemFreeHost(void* address) {
    std::lock_guard<std::mutex> lock(streaming);
    if (!pending.empty()) broken("pinned memory is freed while copies out of it are on their way");
    pinned.erase(address);
    return std::free(address), SUCCESS;
}
result cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void*) {
    inside(to, bytes);
    return put(to, from, bytes), SUCCESS;
}
result cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void*) {
    settle();
    inside(from, bytes);
    return std::memcpy(to, reinterpret_cast<void*>(from), bytes), SUCCESS;
}
result cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void*) {
    // One of the two may be ONNX Runtime's.
    settle();
    inside(from, bytes);
    return std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes), SUCCESS;
}
result cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void*) {
    settle();
    inside(to, bytes);
    return std::memset(reinterpret_cast<void*>(to), value, bytes), SUCCESS;
}
result cuModuleLoadData(void** module, const void*) {
    static int one;
    return *module = &one, SUCCESS;
}
result cuModuleUnload(void*) { return SUCCESS; }
result cuModuleGetFunction(void** function, void*, const char* name) {
    auto found = KERNELS.find(name);
    if (found == KERNELS.end()) return NOT_FOUND;
    return *function = reinterpret_cast<void*>(found->second), SUCCESS;
}
result cuLaunchKernel(void* function, unsigned grid, unsigned, unsigned, unsigned block, unsigned, unsigned, unsigned,
                      void*, void** args, void**) {
    settle();
    blockDim = {block, 1, 1};
    for (unsigned b = 0; b < grid; ++b) {
        for (unsigned t = 0; t < block; ++t) {
            blockIdx = {b, 0, 0};
            threadIdx = {t, 0, 0};
            reinterpret_cast<launcher>(function)(args);
        }
    }
    std::lock_guard<std::mutex> lock(memory);
    for (auto& buffer : buffers) check(buffer.first, buffer.second);
    return SUCCESS;
}

result nvrtcVersion(int* major, int* minor) { return *major = 13, *minor = 0, SUCCESS; }
result nvrtcCreateProgram(void** program, const char*, const char*, int, const char**, const char**) {
    static int one;
    return *program = &one, SUCCESS;
}
result nvrtcCompileProgram(void*, int, const char**) { return SUCCESS; }
result nvrtcDestroyProgram(void** program) { return *program = nullptr, SUCCESS; }
result nvrtcGetPTXSize(void*, size_t* bytes) { return *bytes = 1, SUCCESS; }
result nvrtcGetPTX(void*, char* text) { return *text = 0, SUCCESS; }
result nvrtcGetProgramLogSize(void*, size_t* bytes) { return *bytes = 1, SUCCESS; }
result nvrtcGetProgramLog(void*, char* text) { return *text = 0, SUCCESS; }
const char* nvrtcGetErrorString(result) { return "error"; }
}
