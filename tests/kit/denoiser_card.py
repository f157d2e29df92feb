"""Measures the denoiser on phantoms that it never saw, and lays that beside the table of its card. Prints what the card says otherwise, and
last of each scan SSIM before and after.

Arguments: the folder of the model. PSNR is 20 log10(1400 HU / RMSE); SSIM is computed here by its paper (Wang et al., IEEE Trans Image Process
2004;13:600-612: Gaussian window of 11 x 11 pixels and 1.5 pixels, K1 0.01, K2 0.03), both over the body.
"""

import pathlib
import sys

import numpy
import onnxruntime
from scipy import ndimage

folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(folder))
import phantoms

SPAN = 1400.0
# As the card's table: photons for each ray, and the window of the kernel.
SCANS = {"low": (1e6, 0.6), "moderate": (3e5, 0.8), "high": (1e5, 1.0), "very high": (3e4, 1.0)}
# What two machines may differ by in the last digit that is printed.
ROUNDING = {"dB": 0.16, "SSIM": 0.0021}

weights = numpy.exp(-(numpy.arange(-5, 6) ** 2) / (2 * 1.5**2))
weights /= weights.sum()


def mean_around(image):
    return ndimage.correlate1d(ndimage.correlate1d(image, weights, 0), weights, 1)


def similar(one, other):
    """SSIM around each pixel."""
    one, other = one.astype("f8"), other.astype("f8")
    mean_one, mean_other = mean_around(one), mean_around(other)
    var_one = mean_around(one**2) - mean_one**2
    var_other = mean_around(other**2) - mean_other**2
    both = mean_around(one * other) - mean_one * mean_other
    light, contrast = (0.01 * SPAN) ** 2, (0.03 * SPAN) ** 2
    luminance = (2 * mean_one * mean_other + light) / (mean_one**2 + mean_other**2 + light)
    return luminance * (2 * both + contrast) / (var_one + var_other + contrast)


def scores(truth, image, where):
    rmse = numpy.sqrt(((image.astype("f8") - truth)[where] ** 2).mean())
    return 20 * numpy.log10(SPAN / rmse), similar(truth, image)[where].mean()


def on_the_card():
    """Of each scan PSNR and SSIM, before and after."""
    told = {}
    text = (folder / "README.md").read_text().split("### Held-out phantoms, by noise")[1].split("###")[0]
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 4 and cells[1] in SCANS:
            told[cells[1]] = [tuple(float(n) for n in cell.replace(" dB", "").split(", ")) for cell in cells[3:5]]
    return told


session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
rng = numpy.random.default_rng(7)
truths = [make(rng, 256) for make in phantoms.HELD_OUT.values()]
card = on_the_card()
if card.keys() != SCANS.keys():
    print("the card has no such table")
for scan, (photons, sharpness) in SCANS.items():
    told = []
    for truth in truths:
        where = ndimage.binary_fill_holes(ndimage.binary_opening(truth > -500, iterations=2))
        noise = phantoms.quantum_noise(rng, truth, photons, 1.3, sharpness, 360)
        noisy = numpy.maximum(numpy.round(truth + noise), -1024).astype(numpy.float32)
        quiet = session.run(["denoised"], {"hu": noisy[None, None]})[0][0, 0]
        told.append([scores(truth, image, where) for image in (noisy, quiet)])
    measured = numpy.mean(told, axis=0)
    for when, found, said in zip(("before", "after"), measured, card[scan]):
        for unit, own, of_card in zip(ROUNDING, found, said):
            if abs(own - of_card) > ROUNDING[unit]:
                print(f"{scan}, {when}: {own:.4f} {unit}, not {of_card}")
    print(*measured[:, 1])
