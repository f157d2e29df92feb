# Writes images with colours, "NAME.dcm", and what pydicom makes of each, by channel: "NAME". Those whose name ends
# in "-lossy" were compressed with loss.
import io

import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, convert_color_space, pixel_array
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

random = np.random.default_rng(12)
ROWS, COLUMNS = 40, 34


def smooth(frames=1):
    """Colours that change slowly, as those of an image do."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    made = [np.stack([6 * x + 5 * at, 6 * y, 255 - 3 * x - 3 * y], -1) for at in range(frames)]
    return np.stack(made).clip(0, 255).astype("u1")


def image(photometric, pixels, planar=0, samples=3, bits=8):
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = "1.2.3.9"
    made.Modality, made.PatientName, made.Rows, made.Columns = "US", "SECRET^NAME", ROWS, COLUMNS
    made.SamplesPerPixel, made.PhotometricInterpretation = samples, photometric
    if samples > 1:
        made.PlanarConfiguration = planar
    made.NumberOfFrames = len(pixels) if pixels.ndim == 4 or samples == 1 else 1
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = bits, bits, bits - 1, 0
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OB" if bits == 8 else "OW"
    return made


def write(name, made, rgb):
    made.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    rgb = rgb.reshape(-1, ROWS, COLUMNS, 3)
    save(name, np.moveaxis(rgb, -1, 1))


def read(name, made):
    write(name, made, pixel_array(made))


rgb = random.integers(0, 256, (3, ROWS, COLUMNS, 3)).astype("u1")
planes = np.ascontiguousarray(np.moveaxis(rgb, -1, 1))
read("rgb", image("RGB", rgb))
read("rgb-planes", image("RGB", planes, planar=1))
read("ybr", image("YBR_FULL", rgb))
read("ybr-planes", image("YBR_FULL", planes, planar=1))
halved = random.integers(0, 256, (2, ROWS, COLUMNS, 2)).astype("u1")
made = image("YBR_FULL_422", halved)
read("ybr-422", made)
deep = random.integers(0, 65536, (2, ROWS, COLUMNS, 3)).astype("<u2")
write("rgb-16", image("RGB", deep, bits=16), deep)

for name, syntax in [("rle", RLELossless), ("j2k", JPEG2000Lossless), ("jpeg-ls", JPEGLSLossless)]:
    made = image("RGB", rgb)
    made.compress(syntax, generate_instance_uid=False)
    write(f"rgb-{name}", made, rgb)
made = image("YBR_FULL", rgb)
made.compress(RLELossless, generate_instance_uid=False)
write("ybr-rle", made, convert_color_space(rgb, "YBR_FULL", "RGB"))

# JPEG-LS with each component in a scan of its own.
from jpeg_ls import encode_array
made = image("RGB", rgb[:1])
made.file_meta.TransferSyntaxUID = JPEGLSLossless
made.PixelData = encapsulate([bytes(encode_array(planes[0], interleave_mode=0))])
write("rgb-jpeg-ls-scans", made, rgb[:1])

for photometric, tables, bits in [("palette-8", "OB", 8), ("palette-16", "OW", 16)]:
    numbers = random.integers(0, 200, (2, ROWS, COLUMNS)).astype("u1")
    made = image("PALETTE COLOR", numbers, samples=1)
    for colour in ("Red", "Green", "Blue"):
        entries = random.integers(0, 1 << bits, 150).astype("u1" if bits == 8 else "<u2")
        setattr(made, f"{colour}PaletteColorLookupTableDescriptor", [150, 20, bits])
        setattr(made, f"{colour}PaletteColorLookupTableData", entries.tobytes())
        made[f"{colour}PaletteColorLookupTableDescriptor"].VR = "US"
    write(photometric, made, apply_color_lut(numbers, made))

# JPEG Baseline by libjpeg, luminance and differences of colour, all of them or every second one.
for name, subsampling, photometric in [("444", 0, "YBR_FULL"), ("422", 1, "YBR_FULL_422"), ("named-rgb", 0, "RGB")]:
    frames = []
    for frame in smooth(3):
        stream = io.BytesIO()
        Image.fromarray(frame).save(stream, "JPEG", quality=95, subsampling=subsampling)
        frames.append(stream.getvalue())
    made = image(photometric, smooth(3))
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    made.LossyImageCompression = "01"
    made.PixelData = encapsulate(frames, fragments_per_frame=2)
    shown = np.stack([np.array(Image.open(io.BytesIO(frame))) for frame in frames])
    write(f"jpeg-{name}-lossy", made, shown)
# Components that are red, green and blue, without a word of it in the JPEG.
stream = io.BytesIO()
Image.fromarray(smooth()[0]).convert("YCbCr").save(stream, "JPEG", quality=95, subsampling=0)
bare = stream.getvalue()
bare = bare[:2] + bare[2 + 2 + int.from_bytes(bare[4:6], "big"):]
as_ycbcr = Image.open(io.BytesIO(stream.getvalue()))
as_ycbcr.draft("YCbCr", None)
made = image("RGB", smooth())
made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
made.PixelData = encapsulate([bare])
write("jpeg-bare-lossy", made, np.array(as_ycbcr))
