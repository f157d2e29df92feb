#!/usr/bin/env python3
"""Trains the denoiser on phantoms and writes model.onnx to the path given as the only argument.

Needs numpy, scipy, jax and onnx from PyPI, one core, and less than half an hour; nothing is read, downloaded or kept
beside the graph. Seeds are fixed: on one machine with the same versions of the packages the graph is the same to the byte.

The network sees an image in quarters (each second row and column is a channel of its own), how strong the noise is around
each pixel, and the details in parts of that noise; and it tells the noise, in parts of its strength, too. Everything of that
which is coarser than WIDE pixels is taken out, and then SHARE of it is taken off the image.
"""

import os
import sys
import time

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import numpy
import onnx
from jax import lax
from jax import numpy as jnp
from onnx import TensorProto, helper, numpy_helper

import phantoms

SEED = 20260101
PHANTOMS, NOISES, SIZE = 110, 80, 256
STEPS, BATCH, PATCH = 6000, 8, 64
CHANNELS, LAYERS = 32, 6  # between the first and the last
LOWEST, HIGHEST = -1024.0, 2000.0  # HU that the network tells apart
MIDDLE, UNIT = -300.0, 300.0  # HU that are 0 and 1 to the network
FLOOR = 2.0  # HU: no image has less noise than that for the network
CLEAREST = 8.0  # more times the noise no detail is for it
MOST = 400.0  # HU that may be taken off a pixel or put on it
WIDE = 33  # pixels
SHARE = 0.6  # of what is told is taken off: all of it would take most of a small faint lesion along (README.md)
NEAR = 9  # pixels: what differs from their mean is detail
AROUND = 9  # pairs of pixels over which the strength of the noise is the mean
# Immerkaer, Computer Vision and Image Understanding 1996;64:300-302: what it answers is noise and not edges.
PROBE = numpy.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=numpy.float32) / 6
LAYOUT = ("NCHW", "OIHW", "NCHW")


def material(rng):
    """Phantoms, and noises of standard deviation 1 HU, each of a body and a kernel of its own."""
    clean = [phantoms.training(rng, SIZE) for _ in range(PHANTOMS)]
    noises = []
    for image in clean[:NOISES]:
        pixel_mm, sharpness = rng.uniform(0.8, 1.6), rng.uniform(0.45, 1.1)
        noise = phantoms.quantum_noise(rng, image, 10 ** rng.uniform(3.5, 6), pixel_mm, sharpness, 240)
        noises.append(noise / noise.std())
    return numpy.stack(clean), numpy.stack(noises)


def patch(rng, images):
    image = images[rng.integers(len(images))]
    row, column = rng.integers(0, SIZE - PATCH, 2)
    cut = image[row : row + PATCH, column : column + PATCH]
    return numpy.rot90(cut[:: rng.choice([-1, 1])], rng.integers(4))


def batch(rng, clean, noises):
    """Images without noise, and with none (one in ten) to very strong noise; and how strong."""
    strength = numpy.exp(rng.uniform(numpy.log(2), numpy.log(150), BATCH))
    strength[rng.random(BATCH) < 0.1] = 0
    truth = numpy.stack([patch(rng, clean) for _ in range(BATCH)])
    noise = numpy.stack([patch(rng, noises) for _ in range(BATCH)])
    noisy = numpy.round(truth + noise * strength[:, None, None])  # scanners store whole HU
    half = noisy[: BATCH // 2]  # and many of them none below air
    numpy.maximum(half, LOWEST, out=half)
    return truth[:, None], noisy[:, None].astype(numpy.float32), strength.astype(numpy.float32)


def fresh(rng):
    sides = [9] + [CHANNELS] * (LAYERS + 1) + [4]
    layers = []
    for before, after in zip(sides, sides[1:]):
        first, last = before == 9, after == 4
        spread = numpy.sqrt(2 / (9 * before)) * (1 if first else 0.1 if last else 0.4)
        weights = rng.normal(0, spread, (after, before, 3, 3)).astype(numpy.float32)
        layers.append((jnp.array(weights), jnp.zeros(after, dtype=jnp.float32)))
    return layers


def mean_around(values, high, wide):
    """The mean of the window around each pixel, of those that are on the image."""

    def band(side, window):
        places = numpy.arange(side)
        near = numpy.abs(places[:, None] - places[None, :]) <= window // 2
        return (near / near.sum(1, keepdims=True)).astype(numpy.float32)

    rows, columns = values.shape[2:]
    return jnp.einsum("ij,ncjk,lk->ncil", band(rows, high), values, band(columns, wide))


def quarters(image):
    """Each second row and column a channel of its own: the operator SpaceToDepth."""
    count, _, rows, columns = image.shape
    parts = image.reshape(count, rows // 2, 2, columns // 2, 2).transpose(0, 2, 4, 1, 3)
    return parts.reshape(count, 4, rows // 2, columns // 2)


def denoised(layers, hu):
    """What exported() below does, operator by operator, with all that is told taken off."""
    image = (jnp.clip(hu, LOWEST, HIGHEST) - MIDDLE) / UNIT
    edged = jnp.pad(image, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="edge")
    probed = lax.conv_general_dilated(edged, PROBE[None, None], (1, 1), "VALID", dimension_numbers=LAYOUT)
    strength = jnp.sqrt(jnp.abs(probed))
    count, _, rows, columns = hu.shape
    strength = strength.reshape(count, 1, rows // 2, 2, columns // 2, 2).mean((3, 5))
    strength = mean_around(strength, AROUND, AROUND)
    scale = strength**2 * UNIT + FLOOR
    clipped = jnp.clip(hu, LOWEST, HIGHEST)
    details = quarters(clipped - mean_around(clipped, NEAR, NEAR)) / scale
    details = jnp.clip(details, -CLEAREST, CLEAREST)
    values = jnp.concatenate([quarters(image), details, strength], axis=1)
    for at, (weights, bias) in enumerate(layers):
        sums = lax.conv_general_dilated(values, weights, (1, 1), "SAME", dimension_numbers=LAYOUT)
        sums = sums + bias[None, :, None, None]
        if at == len(layers) - 1:
            values = sums
        else:
            values = jax.nn.relu(sums) if at == 0 else values + jax.nn.relu(sums)
    noise = (values * scale).reshape(count, 2, 2, rows // 2, columns // 2).transpose(0, 3, 1, 4, 2)
    noise = jnp.clip(noise.reshape(hu.shape), -MOST, MOST)
    return hu - (noise - mean_around(noise, WIDE, WIDE))


def loss(layers, truth, noisy, strength):
    """Errors weigh less where there is more noise, so that an image without noise is one to keep."""
    off = jnp.abs(denoised(layers, noisy) - truth).mean((1, 2, 3))
    return (off / (strength + 10)).mean()


@jax.jit
def step(layers, slopes, squares, at, truth, noisy, strength):
    """Adam, with a rate that falls to 0 as a cosine."""
    told, gradient = jax.value_and_grad(loss)(layers, truth, noisy, strength)
    rate = 1e-3 * 0.5 * (1 + jnp.cos(jnp.pi * at / STEPS)) * jnp.minimum(1, at / 300)
    slopes = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, slopes, gradient)
    squares = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, squares, gradient)

    def moved(weights, m, v):
        return weights - rate * (m / (1 - 0.9**at)) / (jnp.sqrt(v / (1 - 0.999**at)) + 1e-8)

    return jax.tree.map(moved, layers, slopes, squares), slopes, squares, told


def train():
    rng = numpy.random.default_rng(SEED)
    begin = time.time()
    clean, noises = material(rng)
    print(f"{len(clean)} phantoms and {len(noises)} noises in {time.time() - begin:.0f} s", flush=True)
    layers = fresh(rng)
    slopes = jax.tree.map(jnp.zeros_like, layers)
    squares = jax.tree.map(jnp.zeros_like, layers)
    lately = 0.0
    for at in range(1, STEPS + 1):
        layers, slopes, squares, told = step(layers, slopes, squares, float(at), *batch(rng, clean, noises))
        lately = float(told) if at == 1 else 0.99 * lately + 0.01 * float(told)
        if at % 200 == 0:
            print(f"step {at}: loss {lately:.4f}, {time.time() - begin:.0f} s", flush=True)
    return layers


def exported(layers):
    """The network as ONNX, opset 17: float32 [n, 1, rows, columns] in HU to the same; rows and columns are even."""
    nodes, constants = [], []

    def constant(name, value, kind=numpy.float32):
        constants.append(numpy_helper.from_array(numpy.array(value, dtype=kind), name))
        return name

    def add(operator, inputs, output, **attributes):
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def around(values, high, wide, output):
        pads = [high // 2, wide // 2] * 2
        return add(
            "AveragePool", [values], output, kernel_shape=[high, wide], strides=[1, 1], pads=pads, count_include_pad=0
        )  # fmt: skip

    limits = [constant("lowest", LOWEST), constant("highest", HIGHEST)]
    clipped = add("Clip", ["hu", *limits], "clipped")
    image = add("Sub", [clipped, constant("middle", MIDDLE)], "moved")
    image = add("Div", [image, constant("unit", UNIT)], "image")
    pads = constant("edge", [0, 0, 1, 1, 0, 0, 1, 1], numpy.int64)
    edged = add("Pad", [image, pads], "edged", mode="edge")
    probed = add("Conv", [edged, constant("probe", PROBE[None, None])], "probed")
    strength = add("Sqrt", [add("Abs", [probed], "answered")], "strength")
    strength = add("AveragePool", [strength], "strength_halved", kernel_shape=[2, 2], strides=[2, 2])
    strength = around(strength, AROUND, AROUND, "strength_around")
    scale = add("Mul", [add("Mul", [strength, strength], "strength_squared"), "unit"], "scale_in_hu")
    scale = add("Add", [scale, constant("floor", FLOOR)], "scale")
    details = add("Sub", [clipped, around(clipped, NEAR, NEAR, "near")], "details_in_hu")
    details = add("SpaceToDepth", [details], "details_in_quarters", blocksize=2)
    details = add("Div", [details, scale], "details_in_parts")
    details = add("Clip", [details, constant("faintest", -CLEAREST), constant("clearest", CLEAREST)], "details")
    image = add("SpaceToDepth", [image], "quarters", blocksize=2)
    values = add("Concat", [image, details, strength], "features_0", axis=1)
    for at, (weights, bias) in enumerate(layers):
        names = [constant(f"weights_{at}", weights), constant(f"bias_{at}", bias)]
        sums = add("Conv", [values, *names], f"sums_{at}", pads=[1, 1, 1, 1])
        if at < len(layers) - 1:
            fresh = add("Relu", [f"sums_{at}"], f"fresh_{at}")
            values = fresh if at == 0 else add("Add", [values, fresh], f"features_{at + 1}")
    noise = add("Mul", [sums, scale], "noise_in_quarters")
    noise = add("DepthToSpace", [noise], "noise_in_hu", blocksize=2, mode="DCR")
    noise = add("Clip", [noise, constant("least", -MOST), constant("most", MOST)], "noise")
    coarse = around(around(noise, WIDE, 1, "coarse_rows"), 1, WIDE, "coarse")
    fine = add("Sub", [noise, coarse], "fine")
    add("Sub", ["hu", add("Mul", [fine, constant("share", SHARE)], "taken_off")], "denoised")
    sides = ["n", 1, "rows", "columns"]
    graph = helper.make_graph(
        nodes,
        "denoiser",
        [helper.make_tensor_value_info("hu", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("denoised", TensorProto.FLOAT, sides)],
        constants,
        doc_string="Takes noise off CT images, in HU. Trained on phantoms. Research use only.",
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="train.py", ir_version=8)
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: train.py PATH")
    with open(sys.argv[1], "wb") as file:
        file.write(exported(train()).SerializeToString())
