"""Writes the graph of a model that says which pixels of a film are bright: the numbers that it takes. Argument: the file of the graph."""

import sys

import onnx
from onnx import TensorProto, helper

shape = ["batch", "channel", "rows", "columns"]
tensor = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
nodes = [helper.make_node("Identity", ["image"], ["bright"])]
graph = helper.make_graph(nodes, "bright", [tensor("image")], [tensor("bright")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.save(model, sys.argv[1])
