"""Writes the graph of a model on two series, and prints the voxels where the second is much brighter, counted by numpy.

Arguments: the file of the graph, the folder of the first series, the folder of the second series.
"""

import pathlib
import sys

import numpy
import onnx
import pydicom
from onnx import TensorProto, helper

AT_LEAST = 100.0


def volume(folder):
    slices = [pydicom.dcmread(path) for path in pathlib.Path(folder).glob("*.dcm")]
    slices.sort(key=lambda one: float(one.ImagePositionPatient[2]))
    pixels = [one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept) for one in slices]
    first, second = slices[0], slices[1]
    step = float(second.ImagePositionPatient[2]) - float(first.ImagePositionPatient[2])
    return numpy.stack(pixels), step * float(first.PixelSpacing[0]) * float(first.PixelSpacing[1])


shape = ["batch", "channel", "slices", "rows", "columns"]
tensor = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
node = helper.make_node("Sub", ["sharp", "soft"], ["difference"])
graph = helper.make_graph([node], "pair", [tensor("soft"), tensor("sharp")], [tensor("difference")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.save(model, sys.argv[1])

soft, of_voxel = volume(sys.argv[2])
sharp, _ = volume(sys.argv[3])
voxels = int((sharp.astype("<f4") - soft.astype("<f4") >= AT_LEAST).sum())
print(voxels * of_voxel / 1000.0)
