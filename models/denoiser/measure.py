#!/usr/bin/env python3
"""Prints the tables of README.md: what model.onnx does to images that it never saw, beside simple filters on the same images.

Arguments: the graph, and optionally two folders with a CT series each, of one scan by a soft and by a sharp kernel. Needs
numpy, scipy, scikit-image and onnxruntime; pydicom (for the folders). Seeds are fixed.

PSNR is 20 log10(1400 HU / RMSE), and SSIM that of Wang et al. 2004 (Gaussian window of 1.5 pixels, 1400 HU), both over the
body only: air around it is easy. Each filter has, image by image, that of its strengths whose PSNR is best, so that it is
shown better than anyone can be who does not know the truth.
"""

import pathlib
import sys

import numpy
import onnxruntime
from scipy import ndimage
from skimage.metrics import structural_similarity
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

import phantoms

SEED = 7
SPAN = 1400.0
VIEWS = 360
# Photons for each ray and the window of the kernel (1: sharp), so that noise goes from a good scan to a very poor one.
SCANS = {"low": (1e6, 0.6), "moderate": (3e5, 0.8), "high": (1e5, 1.0), "very high": (3e4, 1.0)}


def gaussian(image, strength):
    return ndimage.gaussian_filter(image, strength)


def median(image, strength):
    return ndimage.median_filter(image, strength)


def non_local_means(image, strength):
    return denoise_nl_means(image, patch_size=5, patch_distance=6, h=strength, fast_mode=True)


def total_variation(image, strength):
    return denoise_tv_chambolle(image, weight=strength, max_num_iter=60)


# Each with its strengths: pixels, or parts of the root mean square of the noise.
PEERS = {
    "Gaussian": (gaussian, (0.4, 0.6, 0.8, 1.0, 1.3), False),
    "median": (median, (3, 5), False),
    "total variation": (total_variation, (0.6, 1.0, 1.6), True),
    "non-local means": (non_local_means, (0.6, 0.8, 1.1), True),
}


class Denoiser:
    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def __call__(self, image):
        hu = image.astype(numpy.float32)[None, None]
        return self.session.run(["denoised"], {"hu": hu})[0][0, 0]


def scanned(rng, truth, photons, sharpness, pixel_mm):
    noise = phantoms.quantum_noise(rng, truth, photons, pixel_mm, sharpness, VIEWS)
    return numpy.maximum(numpy.round(truth + noise), -1024).astype(numpy.float32)


def body(truth):
    return ndimage.binary_fill_holes(ndimage.binary_opening(truth > -500, iterations=2))


def scores(truth, image, where):
    rmse = float(numpy.sqrt(((image - truth)[where] ** 2).mean()))
    similar = structural_similarity(
        truth, image, data_range=SPAN, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )[1]  # fmt: skip
    return [rmse, 20 * numpy.log10(SPAN / rmse), float(similar[where].mean())]


def compared(truth, noisy, denoise):
    """The scores of each way: before, the model, and each filter at its best strength."""
    where = body(truth)
    told = {"before": scores(truth, noisy, where), "denoiser": scores(truth, denoise(noisy), where)}
    for name, (peer, strengths, of_noise) in PEERS.items():
        unit = told["before"][0] if of_noise else 1
        tried = [scores(truth, peer(noisy, strength * unit), where) for strength in strengths]
        told[name] = max(tried, key=lambda score: score[1])
    return told


def table(title, rows):
    """Means of PSNR and SSIM of each way, a line for each name in `rows`."""
    ways = ["before", "denoiser", *PEERS]
    print(f"\n{title}\n\n| | noise, HU | " + " | ".join(ways) + " |\n|---|---|" + "---|" * len(ways))
    for name, told in rows.items():
        means = {way: numpy.mean([one[way] for one in told], axis=0) for way in ways}
        cells = [f"{means[way][1]:.1f} dB, {means[way][2]:.3f}" for way in ways]
        print(f"| {name} | {means['before'][0]:.0f} | " + " | ".join(cells) + " |")


def on_phantoms(denoise):
    rng = numpy.random.default_rng(SEED)
    truths = {name: make(rng, 256) for name, make in phantoms.HELD_OUT.items()}
    told = {}
    for scan, (photons, sharpness) in SCANS.items():
        for name, truth in truths.items():
            told[scan, name] = compared(truth, scanned(rng, truth, photons, sharpness, 1.3), denoise)
    by_scan = {scan: [told[scan, name] for name in truths] for scan in SCANS}
    table("Held-out phantoms, by noise (mean of the four): PSNR, SSIM", by_scan)
    by_name = {name: [told["high", name]] for name in truths}
    table("Held-out phantoms at high noise, one by one", by_name)
    print("\nWithout noise: what changes (body)\n\n| | mean, HU | 99 % below, HU | most, HU |\n|---|---|---|---|")
    for name, truth in truths.items():
        print(changed(name, truth, denoise(truth), body(truth)))


def changed(name, before, after, where):
    off = numpy.abs(after - before)[where]
    return f"| {name} | {off.mean():.2f} | {numpy.percentile(off, 99):.1f} | {off.max():.0f} |"


def flat(denoise):
    """Discs of water of one value: what becomes of their mean and of their noise."""
    rng = numpy.random.default_rng(SEED + 1)
    print("\nA flat disc of 80 pixels\n\n| HU | noise | SD before | SD after | mean moves by, HU |\n|---|---|---|---|---|")
    rows, columns = phantoms.grid(256)
    inner = rows**2 + columns**2 <= 0.31**2
    for value in (-850.0, 50.0):
        truth = phantoms.softened(rng, phantoms.disc(256, value))
        for scan, (photons, sharpness) in SCANS.items():
            noisy = scanned(rng, truth, photons, sharpness, 1.3)
            after = denoise(noisy)
            moved = after[inner].mean() - noisy[inner].mean()
            print(f"| {value:.0f} | {scan} | {noisy[inner].std():.1f} | {after[inner].std():.1f} | {moved:+.3f} |")


def lesions(denoise, times=6):
    """Small discs in soft tissue: mean inside less mean around, in parts of the truth, and by the noise of the background."""
    rng = numpy.random.default_rng(SEED + 2)
    size, truth = 256, phantoms.contrast_detail(rng, 256)
    rows, columns = numpy.mgrid[:size, :size]
    for scan in ("moderate", "high"):
        print(f"\nLesions at {scan} noise: contrast kept (SD over {times} scans)\n")
        print("| contrast, HU | " + " | ".join(f"radius {radius}" for radius in (2, 3, 4, 6, 8)) + " |")
        print("|---|" + "---|" * 5)
        scans = [scanned(rng, truth, *SCANS[scan], 1.3) for _ in range(times)]
        cleaned = [denoise(image) for image in scans]
        for row, contrast in enumerate((-80, -40, -20, -10, 10, 20, 40, 80)):
            cells = []
            for column, radius in enumerate((2, 3, 4, 6, 8)):
                down, along = size * (0.42 + 0.165 * row) / 2, size * (0.45 + 0.22 * column) / 2
                away = numpy.hypot(rows - down + 0.5, columns - along + 0.5)
                inside, around = away <= radius - 0.5, (away >= radius + 2) & (away <= radius + 5)
                kept = [difference(image, inside, around) for image in cleaned]
                kept = numpy.array(kept) / difference(truth, inside, around) * 100
                cells.append(f"{kept.mean():.0f} % ({kept.std():.0f})")
            print(f"| {contrast:+d} | " + " | ".join(cells) + " |")
        raw = numpy.mean([around_noise(image, truth) for image in scans])
        clean = numpy.mean([around_noise(image, truth) for image in cleaned])
        print(f"\nSD of the background {raw:.1f} HU before, {clean:.1f} after.")


def difference(image, inside, around):
    return image[inside].mean() - image[around].mean()


def around_noise(image, truth):
    return image[numpy.abs(truth - 50) < 0.5].std()


def series(folder):
    """The series in HU, bottom to top, and mm between slices, rows, columns."""
    import pydicom

    files = [pydicom.dcmread(path) for path in pathlib.Path(folder).glob("*.dcm")]
    files.sort(key=lambda file: float(file.ImagePositionPatient[2]))
    volume = [file.pixel_array * float(file.RescaleSlope) + float(file.RescaleIntercept) for file in files]
    step = float(files[1].ImagePositionPatient[2]) - float(files[0].ImagePositionPatient[2])
    return numpy.stack(volume).astype(numpy.float32), [step, *map(float, files[0].PixelSpacing)]


def on_patients(denoise, soft, sharp):
    rng = numpy.random.default_rng(SEED + 3)
    (volume, spacing), (sharper, _) = series(soft), series(sharp)
    told = {}
    for scan in ("moderate", "high"):
        photons, sharpness = SCANS[scan]
        told[scan] = [
            compared(slice, scanned(rng, slice, photons, sharpness, spacing[1]), denoise) for slice in volume[6::12]
        ]
    table("A patient's chest, soft kernel, with noise put on (mean of two slices): PSNR, SSIM", told)
    print("\nThe same series as they are\n\n| | mean change, HU | 99 % below, HU | most, HU |\n|---|---|---|---|")
    cleaned = {}
    for name, images in (("soft kernel", volume), ("sharp kernel", sharper)):
        cleaned[name] = numpy.stack([denoise(image) for image in images])
        where = numpy.stack([body(image) for image in volume])
        print(changed(name, images, cleaned[name], where))
    print("\n| | SD in flat soft tissue before, HU | after | lung mL | LAA-950 % | lung mL after | LAA-950 % after |")
    print("|---|---|---|---|---|---|---|")
    for name, images in (("soft kernel", volume), ("sharp kernel", sharper)):
        cells = [f"{quiet_noise(volume, images):.1f}", f"{quiet_noise(volume, cleaned[name]):.1f}"]
        for one in (images, cleaned[name]):
            millilitres, low = densitometry(one, spacing)
            cells += [f"{millilitres:.0f}", f"{low:.2f}"]
        print(f"| {name} | " + " | ".join(cells) + " |")


def quiet_noise(places, images):
    """The median SD of windows of 9 pixels, of those places in soft tissue whose SD is the lowest tenth."""
    before, after = [], []
    for where, image in zip(places, images):
        tissue = ndimage.minimum_filter(where, 9) > -50
        tissue &= ndimage.maximum_filter(where, 9) < 150
        before.append(spread(where)[tissue])
        after.append(spread(image)[tissue])
    before, after = numpy.concatenate(before), numpy.concatenate(after)
    return numpy.median(after[before <= numpy.percentile(before, 10)])


def spread(image):
    image = image.astype(numpy.float64)
    mean = ndimage.uniform_filter(image, 9)
    return numpy.sqrt(numpy.maximum(ndimage.uniform_filter(image**2, 9) - mean**2, 0))


def densitometry(volume, spacing):
    graph = pathlib.Path(__file__).parent.parent / "emphysema/model.onnx"
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    given = {"hu": volume, "spacing": numpy.array(spacing, dtype=numpy.float32)}
    return session.run(["metrics"], given)[0][:2]


if __name__ == "__main__":
    if len(sys.argv) not in (2, 4):
        sys.exit("usage: measure.py GRAPH [SOFT-SERIES SHARP-SERIES]")
    model = Denoiser(sys.argv[1])
    on_phantoms(model)
    flat(model)
    lesions(model)
    if len(sys.argv) == 4:
        on_patients(model, *sys.argv[2:])
