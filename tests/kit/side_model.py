"""Writes the graph of a model that compares the brightest voxels of both halves of the rows, and is undecided about quality.

Argument: the file of the graph. `sides`: the largest number among the first half of the columns and among the second one, divided by 400.
`qualities`: probabilities of 0.4, 0.35 and 0.25, whatever the images are.
"""

import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

nodes, constants = [], []


def constant(name, numbers, kind):
    constants.append(numpy_helper.from_array(numpy.array(numbers, dtype=kind), name))
    return name


def node(operator, inputs, output, **attributes):
    nodes.append(helper.make_node(operator, inputs, [output], **attributes))
    return output


node("Shape", ["image"], "shape")
node("Gather", ["shape", constant("four", [4], "i8")], "columns")
node("Div", ["columns", constant("two", [2], "i8")], "middle")
axis, nothing = constant("axis", [4], "i8"), constant("nothing", [0], "i8")
for half, begin, end in (("first", nothing, "middle"), ("second", "middle", "columns")):
    part = node("Slice", ["image", begin, end, axis], f"{half} half")
    most = node("ReduceMax", [part], f"{half} most", keepdims=0)
    node("Reshape", [most, constant(f"{half} shape", [1, 1], "i8")], half)
node("Concat", ["first", "second"], "both", axis=1)
node("Div", ["both", constant("scale", 400.0, "f4")], "sides")
node("Mul", ["first", constant("zero", 0.0, "f4")], "none")
node("Add", ["none", constant("fixed", [[0.4, 0.35, 0.25]], "f4")], "qualities")

tensor = lambda name, sides: helper.make_tensor_value_info(name, TensorProto.FLOAT, sides)
outputs = [tensor("sides", [1, 2]), tensor("qualities", [1, 3])]
five = tensor("image", ["batch", "channel", "slices", "rows", "columns"])
graph = helper.make_graph(nodes, "sides", [five], outputs, initializer=constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, sys.argv[1])
