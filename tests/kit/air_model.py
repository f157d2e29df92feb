"""Writes the graph of a model that says how probable air is: 1 / (1 + exp(0.005 * HU + 2.5)), and what lies half as far from water.

Argument: the file of the graph.
"""

import sys

import onnx
from onnx import TensorProto, helper

shape = ["batch", "channel", "slices", "rows", "columns"]
tensor = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
number = lambda name, value: helper.make_tensor(name, TensorProto.FLOAT, [], [value])
nodes = [
    helper.make_node("Mul", ["hu", "slope"], ["steep"]),
    helper.make_node("Add", ["steep", "offset"], ["shifted"]),
    helper.make_node("Sigmoid", ["shifted"], ["air"]),
    helper.make_node("Mul", ["hu", "half"], ["halved"]),
]
numbers = [number("slope", -0.005), number("offset", -2.5), number("half", 0.5)]
outputs = [tensor("air"), tensor("halved")]
graph = helper.make_graph(nodes, "air", [tensor("hu")], outputs, numbers)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.save(model, sys.argv[1])
