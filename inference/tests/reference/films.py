# Each file "film-N" as pydicom reads it: "film-N rescaled" behind the modality LUT, "film-N displayed" behind the VOI LUT or window.
import pydicom
from pydicom.pixels import apply_modality_lut, apply_voi_lut


def both(film):
    bits = film.BitsStored
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if film.PixelRepresentation else (0, (1 << bits) - 1)
    if film.get("ModalityLUTSequence"):
        low, high = 0, (1 << film.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
    elif "RescaleSlope" in film:
        low, high = (x * film.RescaleSlope + film.RescaleIntercept for x in (low, high))
    low, high = float(low), float(high)
    rescaled = apply_modality_lut(film.pixel_array, film)
    if film.get("VOILUTSequence"):
        # By numpy: what lies beyond a table of 8 bits wraps around in pydicom 3.0.
        count, first, depth = film.VOILUTSequence[0].LUTDescriptor
        entries = np.array(film.VOILUTSequence[0].LUTData)
        displayed = entries[np.clip(rescaled.astype(int) - first, 0, count - 1)] / ((1 << depth) - 1)
    else:
        displayed = (apply_voi_lut(rescaled, film).astype(np.float64) - low) / (high - low)
    rescaled = rescaled.astype(np.float64)
    if film.PhotometricInterpretation == "MONOCHROME1":
        return low + high - rescaled, 1 - displayed
    return rescaled, displayed


for path in list(folder.glob("film-*")):
    for name, pixels in zip(("rescaled", "displayed"), both(pydicom.dcmread(path))):
        save(f"{path.name} {name}", pixels)
