"""Phantoms in Hounsfield units and the noise of a CT scanner, made in memory: nothing here comes from a patient.

Of two kinds: `training` (bodies and random shapes) for train.py, and HELD_OUT (test patterns, cells, vessel trees) for
measure.py, which train.py never draws. Needs numpy and scipy.

The noise is that of filtered back projection of parallel beams: each ray has Gaussian noise of the variance that its
photons leave behind the body (exp(line integral) / photons, and electronic noise where few arrive), goes through a ramp
with a soft or sharp window, and is projected back. It is therefore correlated, without low frequencies, and streaks run
along the directions that absorb most. As reconstruction is linear, the noise is reconstructed alone.
"""

import numpy
from scipy import ndimage

WATER = 0.0195  # attenuation of water in 1/mm at about 70 keV


def grid(size):
    """Rows and columns from -1 to 1."""
    axis = (numpy.arange(size) + 0.5) * 2 / size - 1
    return axis[:, None], axis[None, :]


def ellipse(size, row, column, high, wide, turn):
    rows, columns = grid(size)
    rows, columns = rows - row, columns - column
    along = columns * numpy.cos(turn) + rows * numpy.sin(turn)
    across = rows * numpy.cos(turn) - columns * numpy.sin(turn)
    return (along / wide) ** 2 + (across / high) ** 2 <= 1


def texture(rng, size, falloff):
    """A random field of mean 0 and standard deviation 1 whose amplitude falls with frequency to this power."""
    frequency = numpy.hypot(numpy.fft.fftfreq(size)[:, None], numpy.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = 1
    spectrum = numpy.fft.rfft2(rng.standard_normal((size, size))) * frequency**-falloff
    spectrum[0, 0] = 0
    field = numpy.fft.irfft2(spectrum, s=(size, size))
    return field / field.std()


def rods(rng, image, count, values, widths):
    """Vessels, fissures, wires: random walks that grow thinner."""
    size = image.shape[0]
    for _ in range(count):
        place, turn = rng.uniform(0.1, 0.9, 2) * size, rng.uniform(0, 2 * numpy.pi)
        width, value, bend = rng.uniform(*widths), rng.uniform(*values), rng.uniform(0.01, 0.1)
        for _ in range(rng.integers(20, 150)):
            turn += rng.normal(0, bend)
            place = place + numpy.array([numpy.sin(turn), numpy.cos(turn)]) * 1.5
            width = max(width * 0.995, 0.8)
            stamp(image, place, width, value)


def stamp(image, place, radius, value):
    """Sets a small disc."""
    reach = int(radius) + 1
    low = numpy.maximum((place - reach).astype(int), 0)
    high = numpy.minimum((place + reach + 1).astype(int), image.shape[0])
    if (high <= low).any():
        return
    rows = numpy.arange(low[0], high[0])[:, None] - place[0]
    columns = numpy.arange(low[1], high[1])[None, :] - place[1]
    image[low[0] : high[0], low[1] : high[1]][rows**2 + columns**2 <= radius**2] = value


def softened(rng, image, least=0.35, most=0.9):
    """Half the size, and as blurred as a reconstruction is."""
    size = image.shape[0] // 2
    half = image.reshape(size, 2, size, 2).mean((1, 3))
    return ndimage.gaussian_filter(half, rng.uniform(least, most)).astype(numpy.float32)


def body(rng, size):
    """A trunk: fat, muscle, two lungs or none, organs, spine, ribs, vessels, textures."""
    fine = 2 * size
    image = numpy.full((fine, fine), -1000.0)
    high, wide = rng.uniform(0.55, 0.8), rng.uniform(0.75, 0.95)
    image[ellipse(fine, 0, 0, high, wide, 0)] = rng.uniform(-120, -80)
    inner = ellipse(fine, 0, 0, high - rng.uniform(0.02, 0.12), wide - rng.uniform(0.02, 0.12), 0)
    image[inner] = rng.uniform(20, 60)
    image += inner * texture(rng, fine, rng.uniform(0.8, 1.8)) * rng.uniform(0, 12)
    if rng.random() < 0.6:
        for side in (-1, 1):
            lung = ellipse(
                fine, rng.uniform(-0.1, 0.1), side * wide * rng.uniform(0.42, 0.5), high * rng.uniform(0.6, 0.75),
                wide * rng.uniform(0.28, 0.36), rng.uniform(-0.2, 0.2),
            )  # fmt: skip
            parenchyma = rng.uniform(-920, -780) + texture(rng, fine, rng.uniform(0.6, 1.4)) * rng.uniform(5, 60)
            vessels = parenchyma.copy()
            rods(rng, vessels, rng.integers(10, 50), (-200, 60), (1.0, 7.0))
            image = numpy.where(lung, vessels, image)
    for _ in range(rng.integers(4, 16)):
        organ = ellipse(
            fine, *rng.uniform(-0.5, 0.5, 2), *rng.uniform(0.01, 0.25, 2), rng.uniform(0, numpy.pi)
        )
        image[organ & inner] = rng.uniform(-110, 200) if rng.random() < 0.6 else rng.uniform(20, 90)
    rods(rng, image, rng.integers(2, 12), (-100, 250), (1.0, 8.0))
    spine = ellipse(fine, high * 0.65, 0, rng.uniform(0.08, 0.14), rng.uniform(0.1, 0.17), 0)
    bone = rng.uniform(150, 400) + texture(rng, fine, 0.8) * rng.uniform(10, 60)
    image = numpy.where(spine, bone, image)
    for turn in numpy.linspace(0, 2 * numpy.pi, rng.integers(6, 14)) + rng.uniform(0, 1):
        rib = ellipse(
            fine, numpy.sin(turn) * high * 0.85, numpy.cos(turn) * wide * 0.85, 0.025, rng.uniform(0.03, 0.09), turn + 1.57
        )  # fmt: skip
        image[rib] = rng.uniform(200, 900)
    return softened(rng, image)


def shapes(rng, size):
    """Ellipses and rods of any brightness over a field of any texture."""
    fine = 2 * size
    image = rng.uniform(-900, 200) + texture(rng, fine, rng.uniform(0.5, 2.0)) * rng.choice([0, 5, 15, 50])
    spread = rng.choice([15.0, 60.0, 300.0])
    for _ in range(rng.integers(10, 60)):
        shape = ellipse(fine, *rng.uniform(-1, 1, 2), *rng.uniform(0.01, 0.4, 2), rng.uniform(0, numpy.pi))
        inside = image[shape].mean() if shape.any() else 0
        image = numpy.where(shape, inside + rng.normal(0, spread) + (image - inside) * rng.uniform(0, 1), image)
    rods(rng, image, rng.integers(0, 25), (-900, 600), (0.8, 6.0))
    return softened(rng, numpy.clip(image, -1024, 1500))


def training(rng, size=256):
    return body(rng, size) if rng.random() < 0.6 else shapes(rng, size)


def disc(size, value=40.0):
    image = numpy.full((2 * size, 2 * size), -1000.0)
    image[ellipse(2 * size, 0, 0, 0.9, 0.9, 0)] = value
    return image


def bars(rng, size):
    """Line pairs of 2 to 16 pixels, from 20 to 600 HU."""
    image = disc(size)
    for row, contrast in enumerate((20, 60, 150, 600)):
        for column, period in enumerate((2, 3, 4, 6, 8, 16)):
            down, along = int(size * (0.45 + 0.3 * row)), int(size * (0.42 + 0.2 * column))
            block = numpy.arange(int(size * 0.17)) // period % 2 * contrast
            image[down : down + int(size * 0.22), along : along + len(block)] += block
    return softened(rng, image)


def contrast_detail(rng, size):
    """Discs of radius 2 to 12 pixels, from 10 to 80 HU above and below."""
    image = disc(size, 50.0)
    for row, contrast in enumerate((-80, -40, -20, -10, 10, 20, 40, 80)):
        for column, radius in enumerate((2, 3, 4, 6, 8, 12)):
            place = numpy.array([size * (0.42 + 0.165 * row), size * (0.45 + 0.22 * column)])
            stamp(image, place, 2 * radius, 50.0 + contrast)
    return softened(rng, image)


def cells(rng, size):
    """Polygons that fill the plane: the nearest of many points."""
    points = rng.uniform(-1, 1, (160, 2))
    rows, columns = grid(2 * size)
    nearest = numpy.argmin([(rows - r) ** 2 + (columns - c) ** 2 for r, c in points], axis=0)
    values = rng.choice([-850.0, -100.0, 0.0, 40.0, 55.0, 70.0, 120.0, 300.0], len(points))
    return softened(rng, numpy.where(disc(size) > 0, values[nearest], -1000.0))


def tree(rng, size):
    """Vessels that fork from a stem into a lung, each fork thinner."""
    image = disc(size, -860.0)
    image[(disc(size) > 0) & ~ellipse(2 * size, 0, 0, 0.82, 0.82, 0)] = 40.0
    ends = [(numpy.array([size * 1.0, size * 0.3]), 0.0, 12.0)]
    while ends:
        place, turn, width = ends.pop()
        for _ in range(int(6 + 5 * width)):
            place = place + numpy.array([numpy.sin(turn), numpy.cos(turn)]) * 2
            stamp(image, place, width, 40.0)
        if width > 1.2:
            ends += [(place, turn + by * rng.uniform(0.3, 0.7), width * rng.uniform(0.65, 0.85)) for by in (-1, 1)]
    image[disc(size) < 0] = -1000.0
    return softened(rng, image)


HELD_OUT = {"bars": bars, "contrast-detail": contrast_detail, "cells": cells, "vessel tree": tree}


def rays(size, angle):
    """Where each pixel falls on the detector of a view: the element before, and the share of the one behind."""
    middle = (size - 1) / 2
    axis = numpy.arange(size) - middle
    place = axis[None, :] * numpy.cos(angle) + axis[:, None] * numpy.sin(angle) + size
    before = place.astype(numpy.int32)
    return before, (place - before).astype(numpy.float32)


def attenuation(image, views, pixel_mm):
    """Line integrals [views, 2 * size], one detector element a pixel."""
    size = image.shape[0]
    per_mm = numpy.maximum(1 + image / 1000, 0) * WATER * pixel_mm
    integrals = numpy.empty((views, 2 * size))
    for view in range(views):
        before, share = rays(size, numpy.pi * view / views)
        low = numpy.bincount(before.ravel(), (per_mm * (1 - share)).ravel(), 2 * size)
        integrals[view] = low + numpy.bincount(before.ravel() + 1, (per_mm * share).ravel(), 2 * size)
    return integrals


def quantum_noise(rng, image, photons, pixel_mm, sharpness, views):
    """The noise of one scan of `image` in HU. `photons` leave the tube for each ray; `sharpness` is where the window of
    the kernel ends, in parts of the highest frequency (1: a sharp kernel, 0.5: a soft one)."""
    size = image.shape[0]
    coarse = max(size // 128, 1)  # the integrals are smooth enough
    small = ndimage.zoom(image, 1 / coarse, order=1) if coarse > 1 else image
    integrals = numpy.repeat(attenuation(small, views // 4, pixel_mm * coarse), 4, axis=0)
    integrals = ndimage.zoom(integrals, (views / len(integrals), 2 * size / integrals.shape[1]), order=1)
    arriving = photons * numpy.exp(-integrals)
    deviation = numpy.sqrt(1 / numpy.maximum(arriving, 1) + (8 / numpy.maximum(arriving, 8)) ** 2)
    rays_noise = rng.standard_normal(integrals.shape) * deviation
    frequency = numpy.fft.rfftfreq(4 * size)
    window = numpy.cos(numpy.pi / 2 * numpy.minimum(frequency / (0.5 * sharpness), 1)) ** 2
    if sharpness >= 1:
        window = numpy.cos(numpy.pi / 4 * frequency / 0.5)
    filtered = numpy.fft.irfft(numpy.fft.rfft(rays_noise, 4 * size) * frequency * window, 4 * size)
    filtered = filtered[:, : 2 * size].astype(numpy.float32)
    noise = numpy.zeros((size, size), dtype=numpy.float32)
    for view in range(views):
        before, share = rays(size, numpy.pi * view / views)
        line = filtered[view]
        noise += line[before] * (1 - share) + line[before + 1] * share
    return noise * numpy.float32(numpy.pi / views / (WATER * pixel_mm) * 1000)
