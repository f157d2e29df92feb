# The probability of a film by pydicom, Pillow and onnxruntime: shown by its window, inverted, cut, made small.
import sys

import numpy as np
import onnxruntime
import pydicom
from PIL import Image
from pydicom.pixels import apply_voi_lut

film = pydicom.dcmread(sys.argv[1], force=True)
film.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
most = (1 << film.BitsStored) - 1
shown = apply_voi_lut(film.pixel_array, film).astype(np.float64) / most
if film.PhotometricInterpretation == "MONOCHROME1":
    shown = 1 - shown
rows, columns = shown.shape
side = min(rows, columns)
top, left = (rows - side) // 2, (columns - side) // 2
square = np.ascontiguousarray(shown[top : top + side, left : left + side], dtype=np.float32)
small = np.asarray(Image.fromarray(square).resize((28, 28), Image.Resampling.BICUBIC))
session = onnxruntime.InferenceSession(sys.argv[2])
(probability,) = session.run(None, {"image": np.clip(small, 0, 1)[None, None]})
print(float(probability[0, 0]))
