# Pillow's Image.resize of the float image "a".
from PIL import Image

size, to = said("size"), said("to")
source = Image.fromarray(f32("a", size))
for name in ["NEAREST", "BILINEAR", "BICUBIC"]:
    save(name, np.asarray(source.resize((to[1], to[0]), getattr(Image.Resampling, name))))
