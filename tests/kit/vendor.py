"""Plays an AI of another maker: a Secondary Capture with a marking over one image, and a Segmentation over all of them, with highdicom.

Takes the folder of the images and the folder to write to. The capture says who processed it, as PS3.3 C.12.1 and IHE AI Results
want it: an item of the Contributing Equipment Sequence with the purpose Processing Equipment.
"""

import sys
from pathlib import Path

import highdicom as hd
import numpy
import pydicom
from pydicom.sr.codedict import codes

images = [pydicom.dcmread(path) for path in Path(sys.argv[1]).rglob("*") if path.is_file()]
images.sort(key=lambda image: float(image.ImagePositionPatient[2]))
to = Path(sys.argv[2])
first = images[0]

pixels = numpy.zeros((first.Rows, first.Columns, 3), dtype=numpy.uint8)
pixels[20:40, 20:50, 0] = 255
capture = hd.sc.SCImage.from_ref_dataset(
    ref_dataset=first,
    pixel_array=pixels,
    photometric_interpretation=hd.PhotometricInterpretationValues.RGB,
    bits_allocated=8,
    coordinate_system=hd.CoordinateSystemNames.PATIENT,
    series_instance_uid=hd.UID(),
    sop_instance_uid=hd.UID(),
    series_number=78,
    instance_number=1,
    manufacturer="Other Maker",
    patient_orientation=("L", "P"),
    transfer_syntax_uid=pydicom.uid.ExplicitVRLittleEndian,
)
capture.ContributingEquipmentSequence = [
    hd.ContributingEquipment(
        manufacturer="Other Maker",
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name="Finder",
        software_versions="3.1",
    )
]
capture.Modality = first.Modality
capture.save_as(to / "capture.dcm")

mask = numpy.zeros((len(images), first.Rows, first.Columns), dtype=bool)
mask[:, 20:40, 20:50] = True
described = hd.seg.SegmentDescription(
    segment_number=1,
    segment_label="lesion",
    segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
    segmented_property_type=codes.SCT.Lesion,
    algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
    algorithm_identification=hd.AlgorithmIdentificationSequence(
        name="Finder", version="3.1", family=codes.DCM.ArtificialIntelligence
    ),
)
segmentation = hd.seg.Segmentation(
    source_images=images,
    pixel_array=mask,
    segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
    segment_descriptions=[described],
    series_instance_uid=hd.UID(),
    series_number=79,
    sop_instance_uid=hd.UID(),
    instance_number=1,
    manufacturer="Other Maker",
    manufacturer_model_name="Finder",
    software_versions="3.1",
    device_serial_number="1",
)
segmentation.save_as(to / "segmentation.dcm")
