# Writes windows.txt, the numbers that tests/voxels_windows.rs compares with: MONAI's sliding windows.
# It needs monai 1.6.1 and torch, which the tests do not: python3 windows.py > windows.txt
import numpy as np
import torch
from monai.inferers import sliding_window_inference
from monai.utils import set_determinism

set_determinism(0)
print("# Made by windows.py with MONAI 1.6.1: size, window, overlap, Gaussian (0: constant); the first voxels of the")
print("# windows in the padded block; numbers of the blended answer at voxels that are 97 apart.")


def block(size):
    """The same numbers as in the test: small whole numbers, so that a float holds them exactly."""
    i = np.arange(int(np.prod(size)))
    return torch.tensor((i * 7919 % 1009 - 500).astype(np.float32)).reshape(1, 1, *size)


cases = [
    ((20, 23, 31), (8, 8, 8), 0.25, 0.0),
    ((20, 23, 31), (8, 8, 8), 0.5, 0.125),
    ((10, 40, 9), (16, 16, 16), 0.25, 0.125),
    ((12, 12, 12), (12, 12, 12), 0.5, 0.125),
    ((5, 6, 7), (9, 11, 8), 0.0, 0.25),
    ((1, 30, 33), (1, 12, 10), 0.6, 0.125),
    ((9, 9, 9), (4, 3, 5), 0.9, 0.0),
    ((24, 25, 26), (10, 10, 10), 0.1, 0.125),
]
for size, window, overlap, sigma in cases:
    starts = []

    def answer(x, coordinates):
        # What a graph would say depends on where in the window a voxel is.
        for at in coordinates:
            starts.append([part.start for part in at[2:]])
        place = sum(torch.arange(n, dtype=torch.float32).reshape([-1 if a == b else 1 for b in range(3)])
                    for a, n in enumerate(window))
        return torch.cat([x + place, x * 0.5 - place], dim=1)

    blended = sliding_window_inference(
        block(size), window, 1, answer, overlap=overlap, mode="gaussian" if sigma else "constant",
        sigma_scale=sigma or 0.125, padding_mode="constant", cval=-3.0, with_coord=True,
    )
    print("case", *size, *window, overlap, sigma)
    print("starts", *[number for start in starts for number in start])
    print("blended", *[f"{number:.7g}" for number in blended.flatten()[::97].tolist()])
