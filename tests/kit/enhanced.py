"""Makes one enhanced image of a series: highdicom converts it (Legacy Converted Enhanced CT Image Storage).

Arguments: the folder of the series, the file to write.
"""

import pathlib
import sys

import pydicom
from highdicom.legacy import LegacyConvertedEnhancedCTImage
from pydicom.uid import generate_uid

slices = [pydicom.dcmread(path) for path in sorted(pathlib.Path(sys.argv[1]).glob("*.dcm"))]
uids = [generate_uid(entropy_srcs=[slices[0].SeriesInstanceUID, word]) for word in ("series", "instance")]
made = LegacyConvertedEnhancedCTImage(slices, uids[0], 77, uids[1], 1)
made.save_as(sys.argv[2])
