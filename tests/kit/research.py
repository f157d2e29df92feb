"""Plays a research peer: makes a DICOM Segmentation over the images of a folder with highdicom, as a stranger would.

Takes the folder and the file to write. Patient and study are copied from the images by highdicom; the series and the
object get UIDs of their own.
"""

import sys
from pathlib import Path

import highdicom as hd
import numpy
import pydicom
from pydicom.sr.codedict import codes

images = [pydicom.dcmread(path) for path in Path(sys.argv[1]).rglob("*") if path.is_file()]
images.sort(key=lambda image: float(image.ImagePositionPatient[2]))
mask = numpy.zeros((len(images), images[0].Rows, images[0].Columns), dtype=bool)
mask[:, 20:40, 20:50] = True
algorithm = hd.AlgorithmIdentificationSequence(
    name="stranger", version="1", family=codes.DCM.ArtificialIntelligence
)
described = hd.seg.SegmentDescription(
    segment_number=1,
    segment_label="lesion",
    segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
    segmented_property_type=codes.SCT.Lesion,
    algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
    algorithm_identification=algorithm,
)
made = hd.seg.Segmentation(
    source_images=images,
    pixel_array=mask,
    segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
    segment_descriptions=[described],
    series_instance_uid=hd.UID(),
    series_number=77,
    sop_instance_uid=hd.UID(),
    instance_number=1,
    manufacturer="Stranger",
    manufacturer_model_name="Stranger",
    software_versions="1",
    device_serial_number="1",
)
made.save_as(sys.argv[2])
