"""Writes the graph of a model that puts a box around what is above 1500 in each half of a block, and halves its numbers.

Argument: the file of the graph. The score of a box is the largest number in it, divided by 3000.
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
node("Gather", ["shape", constant("two", [2], "i8")], "slices")
node("Div", ["slices", constant("halving", [2], "i8")], "middle")
limit = constant("limit", 1500.0, "f4")
axis = constant("axis", [2], "i8")
nothing = constant("nothing", [0], "i8")
ends = {"first": (nothing, "middle"), "second": ("middle", "slices")}
for half, (begin, end) in ends.items():
    part = node("Slice", ["image", begin, end, axis], half)
    bright = node("Greater", [part, limit], f"{half} bright")
    places = node("NonZero", [bright], f"{half} places")
    for side, operator in (("low", "ReduceMin"), ("high", "ReduceMax")):
        five = node(operator, [places], f"{half} {side} of five", axes=[1], keepdims=0)
        three = constant(f"{half} {side} three", [2, 3, 4], "i8")
        place = node("Gather", [five, three], f"{half} {side} place")
        zeros = constant(f"{half} {side} zeros", [0, 0], "i8")
        start = node("Concat", [begin, zeros], f"{half} {side} start", axis=0)
        moved = node("Add", [place, start], f"{half} {side} moved")
        one = constant(f"{half} {side} one", [int(side == "high")] * 3, "i8")
        node("Add", [moved, one], f"{half} {side}")
    both = node("Concat", [f"{half} low", f"{half} high"], f"{half} box", axis=0)
    numbers = node("Cast", [both], f"{half} numbers", to=TensorProto.FLOAT)
    node("Unsqueeze", [numbers, constant(f"{half} row", [0], "i8")], f"{half} boxes")
    most = node("ReduceMax", [part], f"{half} most", keepdims=0)
    score = node("Div", [most, constant(f"{half} whole", 3000.0, "f4")], f"{half} score")
    node("Unsqueeze", [score, constant(f"{half} one score", [0], "i8")], f"{half} scores")
node("Concat", ["first boxes", "second boxes"], "boxes", axis=0)
node("Concat", ["first scores", "second scores"], "scores", axis=0)
node("Mul", ["image", constant("half", 0.5, "f4")], "halved")

five = ["batch", "channel", "slices", "rows", "columns"]
tensor = lambda name, sides: helper.make_tensor_value_info(name, TensorProto.FLOAT, sides)
outputs = [tensor("boxes", ["n", 6]), tensor("scores", ["n"]), tensor("halved", five)]
graph = helper.make_graph(nodes, "balls", [tensor("image", five)], outputs, initializer=constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, sys.argv[1])
