"""Writes the graph of a model that says how bright each pixel of an image is: its highest colour. Argument: the file of the graph."""

import sys

import onnx
from onnx import TensorProto, helper

tensor = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
nodes = [helper.make_node("ReduceMax", ["image"], ["bright"], axes=[1], keepdims=1)]
taken = tensor("image", ["batch", 3, "rows", "columns"])
graph = helper.make_graph(nodes, "bright", [taken], [tensor("bright", ["batch", 1, "rows", "columns"])])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.save(model, sys.argv[1])
