# A mean over 3 x 3 x 3 voxels, taken of each window by itself with zeros around it, and blended by a Gaussian:
# the whole block at once, window by window, in float64.
import itertools

from scipy import ndimage

size, window = said("size"), said("window")
block = f32("block", size).astype(np.float64)


def starts(size, window):
    interval = max(int(window * 0.5), 1)
    count = -(-(size - window) // interval) + 1
    return [min(at * interval, size - window) for at in range(count)]


along = [np.exp(-((np.arange(n) - (n - 1) / 2) ** 2) / (2 * (0.125 * n) ** 2)) for n in window]
weight = np.maximum(np.einsum("i,j,k->ijk", *along), 1e-3)
sums, weights = np.zeros(size), np.zeros(size)
for begin in itertools.product(*map(starts, size, window)):
    here = tuple(slice(a, a + n) for a, n in zip(begin, window))
    sums[here] += weight * ndimage.convolve(block[here], np.ones((3, 3, 3)) / 27, mode="constant")
    weights[here] += weight
save("blended", sums / weights)
