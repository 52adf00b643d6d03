#!/usr/bin/env python3
"""Writes tests/golden/vision_input/expected.json: pictures of awkward sizes on their way into a
vision tower.

    export_vision_input.py tests/golden/vision_input

Packages: transformers 5.23.0, pillow < 13 (it resizes rows first, always), numpy. The originals at
work: CLIPImageProcessor (mode crop), LLaVA's square of one colour followed by it (pad),
SiglipImageProcessor (square), without their scaling, so that the 8-bit pixels are compared. A key
is PICTURE.MODE.SIZE, a value the SHA-256 of those pixels, row by row, channels together. PICTURE is
WIDTHxHEIGHT with `rgb` or `grey`, drawn by `drawn` below and again by the test, or a file of
tests/golden/image. Transparency is dropped before (`convert("RGB")`), as LLaVA and transformers 4
do; transformers 5 lays it on white.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

SIZES = [
    (1, 1),
    (1, 2),
    (3, 200),
    (200, 3),
    (1000, 37),
    (37, 1000),
    (336, 336),
    (335, 337),
    (337, 335),
    (640, 481),
]
FILES = ["grey_alpha", "rgba", "palette", "palette_transparent", "rgb"]
UNSCALED = dict(do_rescale=False, do_normalize=False)


def drawn(width, height, grey):
    y, x, c = np.mgrid[0:height, 0:width, 0:3].astype(np.int64)
    pixels = ((x * 37 + y * 101 + c * 59) ^ (x * y + 17 * c)) & 255
    return Image.fromarray(pixels[..., 0].astype(np.uint8) if grey else pixels.astype(np.uint8))


def on_square(image, colour):
    side = max(image.size)
    square = Image.new(image.mode, (side, side), colour)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def pixels_of(processor, image):
    pixels = processor(images=image, return_tensors="np")["pixel_values"][0]  # [3, S, S]
    assert (pixels == np.round(pixels)).all() and pixels.min() >= 0 and pixels.max() <= 255
    return pixels.astype(np.uint8).transpose(1, 2, 0)


def made(image, size):
    clip = CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}, **UNSCALED
    )
    siglip = SiglipImageProcessorPil(size={"height": size, "width": size}, **UNSCALED)
    rgb = image.convert("RGB")
    rgb.info.pop("transparency", None)  # or it would count as transparent still
    colour = tuple(int(255 * mean) for mean in clip.image_mean)
    return {
        "crop": pixels_of(clip, rgb),
        "pad": pixels_of(clip, on_square(rgb, colour)),
        "square": pixels_of(siglip, rgb),
    }


def sizes(image):
    if max(image.size) > 3000:
        return (336,)
    return (27, 28) if max(image.size) > 5 * min(image.size) else (27, 28, 336)


def main(folder):
    folder = pathlib.Path(folder)
    pictures = {
        f"{w}x{h}.{'grey' if grey else 'rgb'}": drawn(w, h, grey)
        for w, h in SIZES
        for grey in (False, True)
    }
    pictures["4000x3000.rgb"] = drawn(4000, 3000, False)
    for name in FILES:
        pictures[name] = Image.open(folder.parent / "image" / f"{name}.png")
    expected = {}
    for name, image in pictures.items():
        for size in sizes(image):
            for mode, pixels in made(image, size).items():
                assert pixels.shape == (size, size, 3), (name, pixels.shape)
                expected[f"{name}.{mode}.{size}"] = hashlib.sha256(
                    np.ascontiguousarray(pixels).tobytes()
                ).hexdigest()
    text = json.dumps(expected, indent=0, sort_keys=True)
    (folder / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
