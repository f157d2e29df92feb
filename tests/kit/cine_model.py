"""Writes the graph of a model on frames. Arguments: its name, and the file of the graph.

bright-cine says how bright each pixel of an image is: its highest colour. dim-cine makes grey images half as bright.
"""

import sys

import onnx
from onnx import TensorProto, helper

name, path = sys.argv[1:]
tensor = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
constants, channels = [], 3
if name == "bright-cine":
    nodes = [helper.make_node("ReduceMax", ["image"], ["made"], axes=[1], keepdims=1)]
else:
    nodes = [helper.make_node("Mul", ["image", "half"], ["made"])]
    constants, channels = [helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])], 1
taken = tensor("image", ["batch", channels, "rows", "columns"])
made = tensor("made", ["batch", 1, "rows", "columns"])
graph = helper.make_graph(nodes, "cine", [taken], [made], constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.save(model, path)
