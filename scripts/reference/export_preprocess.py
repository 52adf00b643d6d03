"""Pictures as the two encoders see them, made by Pillow, scikit-image and NumPy.

Writes OUT/{grey,rgb,tall}.png and OUT/expected.safetensors (float32 [3, S, S], named PICTURE.KIND).
Packages: pillow < 13 (it resizes rows first, always), numpy, safetensors, scikit-image (versions in
tests/golden/preprocess/README.md). Command: python scripts/reference/export_preprocess.py
tests/golden/preprocess
"""

import pathlib
import sys

import numpy as np
from PIL import Image
from safetensors.numpy import save_file
from skimage.transform import resize as spline_resize

out = pathlib.Path(sys.argv[1])
VISION, GROUNDING = 28, 48
CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711])
SAM_MEAN = np.array([123.675, 116.28, 103.53])
SAM_STD = np.array([58.395, 57.12, 57.375])


def smooth_noise(height, width, channels, seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 80 * np.sin(x / (3.0 + c) + c) * np.cos(y / (4.0 + c)) for c in range(channels)]
    noisy = np.stack(planes, -1) + rng.normal(0, 20, (height, width, channels))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def normalised(image):
    x = np.asarray(image).astype(np.float64) / 255
    return ((x - CLIP_MEAN) / CLIP_STD).transpose(2, 0, 1)


def crop(image):  # CLIPImageProcessor: short edge, then the middle
    w, h = image.size
    short, long = min(w, h), max(w, h)
    other = int(VISION * long / short)
    size = (VISION, other) if w <= h else (other, VISION)
    image = image.resize(size, Image.BICUBIC)
    left, top = (size[0] - VISION) // 2, (size[1] - VISION) // 2
    return normalised(image.crop((left, top, left + VISION, top + VISION)))


def pad(image):  # LLaVA's expand2square
    side = max(image.size)
    square = Image.new("RGB", (side, side), tuple(int(255 * m) for m in CLIP_MEAN))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return normalised(square.resize((VISION, VISION), Image.BICUBIC))


def min_max(x):
    return (x - x.min()) / np.clip(x.max() - x.min(), 1e-8, None)


def longest_side(image):
    scale = GROUNDING / max(image.size)
    size = int(image.width * scale + 0.5), int(image.height * scale + 0.5)
    return np.asarray(image.resize(size, Image.BILINEAR)).astype(np.float64)


def padded(x):
    return np.pad(x, ((0, GROUNDING - x.shape[0]), (0, GROUNDING - x.shape[1]), (0, 0))).transpose(
        2, 0, 1
    )


def stretched(image):
    return spline_resize(
        np.asarray(image), (GROUNDING, GROUNDING), order=3, preserve_range=True, anti_aliasing=True
    )


def medsam_square(image):  # MedSAM_Inference.py
    return min_max(stretched(image).astype(np.uint8)).transpose(2, 0, 1)


def medsam_square_float(image):  # pre_CT_MR.py
    return min_max(stretched(image)).transpose(2, 0, 1)


def medsam_pil(image):
    return min_max(
        np.asarray(image.resize((GROUNDING,) * 2, Image.BICUBIC)).astype(np.float64)
    ).transpose(2, 0, 1)


pictures = {
    "grey": smooth_noise(37, 53, 1, 0)[..., 0],
    "rgb": smooth_noise(61, 40, 3, 1),
    "tall": smooth_noise(90, 20, 3, 2),
}
tensors = {}
for name, pixels in pictures.items():
    image = Image.fromarray(pixels)
    image.save(out / f"{name}.png")
    image = image.convert("RGB")
    made = {
        "crop": crop(image),
        "pad": pad(image),
        "sam": padded((longest_side(image) - SAM_MEAN) / SAM_STD),
        "litemedsam": padded(min_max(longest_side(image))),
        "medsam_square": medsam_square(image),
        "medsam_square_float": medsam_square_float(image),
        "medsam_pil": medsam_pil(image),
    }
    for kind, x in made.items():
        tensors[f"{name}.{kind}"] = np.ascontiguousarray(x.astype(np.float32))
save_file(tensors, out / "expected.safetensors")
