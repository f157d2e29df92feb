"""Compares the only volume in a TID 1500 report, as dcmqi's tid1500reader prints it, with that of the segment that dcmqi's
segimage2itkimage makes of the segmentation.

Takes a folder for what dcmqi writes, a report and a segmentation of one segment. Prints both with all digits that the report has.
"""

import json
import pathlib
import subprocess
import sys

import numpy
import SimpleITK

folder, report, segmentation = map(pathlib.Path, sys.argv[1:])


def dcmqi(name, *arguments):
    program = pathlib.Path(sys.executable).parent / name
    subprocess.run([program, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


told = folder / "report.json"
dcmqi("tid1500reader", "--inputDICOM", report, "--outputMetadata", told)
groups = json.loads(told.read_text())["Measurements"]
volumes = [
    item["value"]
    for group in groups
    for item in group["measurementItems"]
    if item["quantity"]["CodeValue"] == "118565006"
]
[volume] = volumes
dcmqi(
    "segimage2itkimage", "--inputDICOM", segmentation, "--outputDirectory", folder, "--outputType", "nrrd", "--prefix", "segment"
)
[image] = [SimpleITK.ReadImage(str(path)) for path in folder.glob("segment-*.nrrd")]
voxels = int(numpy.count_nonzero(SimpleITK.GetArrayViewFromImage(image)))
millilitres = voxels * numpy.prod(image.GetSpacing()) / 1000.0
decimals = len(volume.partition(".")[2])
print(volume)
print(f"{millilitres:.{decimals}f}")
