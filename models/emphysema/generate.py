#!/usr/bin/env python3
"""Builds model.onnx of this folder: a lung mask and the share of lung below -950 HU, from plain image operations.

Nothing in it is learned. Every step is one ONNX operator (opset 17), so that the graph can be read
beside this file. Writes to the path given as the only argument. Needs the PyPI package `onnx`.

Input   hu         float32 [D, H, W]  Hounsfield units, axial slices
        spacing    float32 [3]        mm between slices, rows, columns
Output  lung_mask, laa950_mask  uint8 [D, H, W]
        metrics    float32 [4]        lung mL, share below -950 HU in %, mean HU of the lung, mL below -950 HU
"""

import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

LUNG_BELOW = -500.0  # HU: air and lung, not tissue
EMPHYSEMA_BELOW = -950.0  # HU: Gevenois 1996
SMOOTHING = 5  # pixels: noise would tear the lung open
WALL = 7  # pixels: thinner "tissue" around air is the table or a blanket, not a chest wall
CORE = 25  # pixels: what survives this erosion is surely lung, not bowel gas or trachea
GROWTH = 15  # steps of one voxel from the core back to the lung's border
CLOSING = 11  # pixels: vessels inside the lung are filled
SHAPE = ["D", "H", "W"]
# Stored in the graph. This and the names in build() are part of the bytes that the digest covers.
NOTE = (
    "Deterministic densitometry (not learned). metrics=[lung_volume_ml, LAA-950 %, "
    "mean lung density HU, LAA volume ml]. spacing=mm (z,y,x)."
)


class Graph:
    """Collects nodes; a node's only output is named after its operator and its place."""

    def __init__(self):
        self.nodes = []
        self.constants = []

    def constant(self, name, value, kind):
        self.constants.append(numpy_helper.from_array(numpy.array(value, dtype=kind), name))
        return name

    def add(self, operator, inputs, output=None, **attributes):
        output = output or f"{operator.lower()}_{len(self.nodes)}_0"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def pool(self, values, rows, columns):
        """Greatest value of a window of rows x columns around each voxel."""
        pads = [rows // 2, columns // 2] * 2
        return self.add(
            "MaxPool", [values], kernel_shape=[rows, columns], strides=[1, 1], pads=pads
        )

    def dilate(self, values, size):
        return self.pool(self.pool(values, size, 1), 1, size)

    def erode(self, values, size):
        """The least value is the negated greatest of the negated."""
        return self.add("Neg", [self.dilate(self.add("Neg", [values]), size)])


def lung_candidates(graph):
    """Smoothed air that has chest wall on all four sides of its row and column."""
    smooth = graph.add(
        "AveragePool",
        [graph.add("Unsqueeze", ["hu", "ax1"])],
        kernel_shape=[SMOOTHING] * 2,
        strides=[1, 1],
        pads=[SMOOTHING // 2] * 4,
        count_include_pad=0,
    )
    air = graph.add("Less", [graph.add("Squeeze", [smooth, "ax1"]), "thr_lung"])
    tissue = graph.add("Not", [graph.add("Less", ["hu", "thr_lung"])])
    tissue = graph.add("Cast", [tissue], to=TensorProto.FLOAT)
    wall = graph.erode(graph.add("Unsqueeze", [tissue, "ax1"]), WALL)
    wall = graph.add("Squeeze", [wall, "ax1"])
    seen = [
        graph.add("CumSum", [wall, axis], reverse=reverse)
        for axis in ("axH", "axW")
        for reverse in (0, 1)
    ]
    above, below, left, right = [graph.add("Greater", [count, "half"]) for count in seen]
    between_rows = graph.add("And", [above, below])
    between_columns = graph.add("And", [left, right])
    inside = graph.add("And", [between_rows, between_columns])
    return graph.add("Cast", [graph.add("And", [inside, air])], to=TensorProto.FLOAT)


def grow(candidates):
    """Body of the loop: one voxel outwards in all three directions, never beyond the candidates."""
    nodes = [
        helper.make_node("Identity", ["cond_in"], ["cond_out"]),
        helper.make_node(
            "MaxPool", ["m_in"], ["m_d"], kernel_shape=[3] * 3, strides=[1] * 3, pads=[1] * 6
        ),
        helper.make_node("Min", ["m_d", candidates], ["m_out"]),
    ]
    flag, mask = TensorProto.BOOL, [1, 1, *SHAPE]
    inputs = [
        helper.make_tensor_value_info("it", TensorProto.INT64, []),
        helper.make_tensor_value_info("cond_in", flag, []),
        helper.make_tensor_value_info("m_in", TensorProto.FLOAT, mask),
    ]
    outputs = [
        helper.make_tensor_value_info("cond_out", flag, []),
        helper.make_tensor_value_info("m_out", TensorProto.FLOAT, mask),
    ]
    return helper.make_graph(nodes, "grow", inputs, outputs)


def lung(graph, candidates):
    """The candidates around each surely-lung core, closed over vessels."""
    core = graph.erode(graph.add("Unsqueeze", [candidates, "ax1"]), CORE)
    core = graph.add("Squeeze", [core, "ax1"])
    start = graph.add("Unsqueeze", [core, "ax01"])
    border = graph.add("Unsqueeze", [candidates, "ax01"])
    grown = graph.add("Loop", ["iters", "true", start], body=grow(border))
    grown = graph.add("Unsqueeze", [graph.add("Squeeze", [grown, "ax01"]), "ax1"])
    closed = graph.erode(graph.dilate(grown, CLOSING), CLOSING)
    return graph.add("Squeeze", [closed, "ax1"])


def measure(graph, lung_values):
    lung_flags = graph.add("Greater", [lung_values, "half"])
    low = graph.add("Less", ["hu", "thr_laa"])
    low_flags = graph.add("And", [lung_flags, low])
    low_values = graph.add("Cast", [low_flags], to=TensorProto.FLOAT)
    lung_count = graph.add("ReduceSum", [lung_values], keepdims=0)
    low_count = graph.add("ReduceSum", [low_values], keepdims=0)
    voxel = graph.add("ReduceProd", ["spacing"], keepdims=0)

    def millilitres(count):
        return graph.add("Div", [graph.add("Mul", [count, voxel]), "k1000"])

    def share_of_lung(value):
        return graph.add("Div", [value, graph.add("Add", [lung_count, "eps"])])

    metrics = [
        millilitres(lung_count),
        share_of_lung(graph.add("Mul", [low_count, "k100"])),
        share_of_lung(
            graph.add("ReduceSum", [graph.add("Mul", [lung_values, "hu"])], keepdims=0)
        ),
        millilitres(low_count),
    ]
    parts = [
        graph.add("Unsqueeze", [metric, graph.constant(f"a0_{at}", [0], numpy.int64)])
        for at, metric in enumerate(metrics)
    ]
    graph.add("Concat", parts, "metrics", axis=0)
    graph.add("Cast", [lung_flags], "lung_mask", to=TensorProto.UINT8)
    graph.add("Cast", [low_flags], "laa950_mask", to=TensorProto.UINT8)


def build():
    graph = Graph()
    graph.constant("thr_lung", LUNG_BELOW, numpy.float32)
    graph.constant("thr_laa", EMPHYSEMA_BELOW, numpy.float32)
    graph.constant("half", 0.5, numpy.float32)
    graph.constant("ax01", [0, 1], numpy.int64)
    graph.constant("axH", 1, numpy.int64)
    graph.constant("axW", 2, numpy.int64)
    graph.constant("ax1", [1], numpy.int64)
    graph.constant("k1000", 1000.0, numpy.float32)
    graph.constant("k100", 100.0, numpy.float32)
    graph.constant("eps", 1e-6, numpy.float32)
    graph.constant("iters", GROWTH, numpy.int64)
    graph.constant("true", True, numpy.bool_)
    measure(graph, lung(graph, lung_candidates(graph)))
    built = helper.make_graph(
        graph.nodes,
        "lung_laa950",
        [
            helper.make_tensor_value_info("hu", TensorProto.FLOAT, SHAPE),
            helper.make_tensor_value_info("spacing", TensorProto.FLOAT, [3]),
        ],
        [
            helper.make_tensor_value_info("lung_mask", TensorProto.UINT8, SHAPE),
            helper.make_tensor_value_info("laa950_mask", TensorProto.UINT8, SHAPE),
            helper.make_tensor_value_info("metrics", TensorProto.FLOAT, [4]),
        ],
        graph.constants,
        doc_string=NOTE,
    )
    model = helper.make_model(
        built,
        opset_imports=[helper.make_opsetid("", 17)],
        producer_name="onnx_lung.py",
        ir_version=8,
    )
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: generate.py PATH")
    with open(sys.argv[1], "wb") as file:
        file.write(build().SerializeToString())
