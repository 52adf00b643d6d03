#!/usr/bin/env python3
"""Writes tests/golden/image: resizes by Pillow, run lengths and polygons by pycocotools, files by
Pillow.

    export_image.py tests/golden/image

Packages: pillow 13.0.0, pycocotools 2.0.11, numpy 2.4.6. Inputs are not stored: pixel i is
`noise(i)`, which the tests compute too; results are stored as SHA-256 of their bytes.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np
from PIL import Image
from pycocotools import mask as coco

FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
SIZES = [  # width, height -> width, height
    ((1, 1), (1, 1)),
    ((1, 1), (7, 5)),
    ((7, 5), (1, 1)),
    ((2, 3), (3, 2)),
    ((13, 17), (13, 17)),
    ((13, 17), (13, 29)),
    ((13, 17), (40, 17)),
    ((61, 47), (224, 224)),
    ((224, 224), (61, 47)),
    ((100, 37), (99, 38)),
    ((640, 480), (336, 252)),
    ((337, 335), (336, 336)),
    ((337, 335), (335, 337)),
    ((335, 337), (1024, 1024)),
    ((1, 1), (336, 336)),
    ((2, 1), (1, 2)),
    ((3, 3), (1024, 2)),
    ((1, 4000), (336, 336)),
    ((4000, 1), (1024, 1)),
    ((4000, 3000), (1024, 768)),
    ((4000, 3000), (336, 336)),
    ((3000, 4000), (252, 336)),
    ((4000, 3000), (3999, 2999)),
    ((511, 257), (1024, 515)),
    ((1411, 1333), (224, 212)),
    ((1000, 3), (7, 300)),
    ((3, 1000), (300, 7)),
    ((256, 256), (128, 64)),
]


def noise(count):
    i = np.arange(count, dtype=np.uint64)
    return (((i * 2654435761 + (i >> 3) * 40503) & 0xFFFFFFFF) >> 24).astype(np.uint8)


def picture(width, height, channels, steep=False):
    """`steep`: black and white alone, so that bicubic overshoots everywhere."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    values = noise(width * height * channels).reshape(shape)
    return np.where(values < 128, 0, 255).astype(np.uint8) if steep else values


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def resized(pixels, to_w, to_h, filter):
    # Horizontal first, as all Pillows to 12; 13 begins vertically if h - to_h > 2 * (w - to_w) and
    # h shrinks.
    wide = Image.fromarray(pixels).resize((to_w, pixels.shape[0]), filter)
    return np.asarray(wide.resize((to_w, to_h), filter))


def resizes():
    for (w, h), (to_w, to_h) in SIZES:
        for channels in (1, 3):
            for name, filter in FILTERS.items():
                for steep in (False, True):
                    if (steep or w * h > 4_000_000) and name == "box":
                        continue
                    out = resized(picture(w, h, channels, steep), to_w, to_h, filter)
                    yield {
                        "from": [w, h, channels],
                        "steep": steep,
                        "to": [to_w, to_h],
                        "filter": name,
                        "sha256": digest(out),
                    }


def windows():
    """16-bit pictures (a high and a low byte of noise) through a window, then resized as 8 bits."""
    for (w, h), (to_w, to_h) in (
        ((1, 1), (5, 5)),
        ((23, 17), (23, 17)),
        ((640, 480), (336, 252)),
        ((2000, 1500), (1024, 768)),
    ):
        pair = noise(2 * w * h).astype(np.float64)
        deep = (pair[0::2] * 256 + pair[1::2]).reshape(h, w)
        for low, high in ((0, 65535), (864, 1264), (-160, 240), (1000.5, 40000.25), (70000, 80000)):
            seen = np.floor(255 * np.clip((deep - low) / (high - low), 0, 1) + 0.5).astype(np.uint8)
            out = resized(seen, to_w, to_h, FILTERS["bicubic"])
            yield {
                "from": [w, h],
                "window": [low, high],
                "to": [to_w, to_h],
                "seen": digest(seen),
                "sha256": digest(out),
            }


def run_lengths():
    for w, h in ((1, 1), (1, 9), (9, 1), (8, 8), (33, 21), (300, 200)):
        for below in (0, 3, 40, 128, 250, 256):
            mask = (picture(w, h, 1).astype(int) < below).astype(np.uint8)
            yield {
                "size": [w, h],
                "below": below,
                "counts": coco.encode(np.asfortranarray(mask))["counts"].decode(),
            }
    mask = np.zeros((200, 300), np.uint8)
    mask[40:90, 100:250] = 1
    mask[120:, :] = 1
    yield {
        "size": [300, 200],
        "boxes": [[100, 40, 250, 90], [0, 120, 300, 200]],
        "counts": coco.encode(np.asfortranarray(mask))["counts"].decode(),
    }


def polygons():
    random = np.random.default_rng(5)
    fixed = [
        (8, 8, [[1, 1, 6, 1, 6, 6, 1, 6]]),
        (8, 8, [[0, 0, 8, 0, 8, 8, 0, 8]]),
        (8, 6, [[-3, -3, 20, -3, 20, 20, -3, 20]]),
        (20, 20, [[2.5, 2.5, 17.5, 2.5, 10, 17.5], [1, 18, 19, 18, 19, 19.5, 1, 19.5]]),
        (10, 10, [[5, 5, 5, 5, 5, 5]]),
        (12, 9, [[2, 2, 2, 2, 9, 2, 9, 7, 9, 7, 2, 7]]),
        (12, 9, [[2, 2, 10, 7, 10, 2, 2, 7]]),
        (1, 1, [[0, 0, 1, 0, 1, 1, 0, 1]]),
    ]
    for w, h, shapes in fixed:
        yield w, h, shapes
    for n in range(60):
        w, h = int(random.integers(1, 90)), int(random.integers(1, 90))
        shapes = []
        for _ in range(int(random.integers(1, 4))):
            points = random.uniform(-0.2, 1.2, (int(random.integers(3, 12)), 2)) * (w, h)
            if n % 3 == 0:
                points = np.round(points)
            elif n % 3 == 1:
                points = np.round(points, 2)
            shapes.append([float(v) for v in points.reshape(-1)])
        yield w, h, shapes


def filled(width, height, shapes):
    rle = coco.merge(coco.frPyObjects(shapes, height, width))
    return {"size": [width, height], "polygons": shapes, "counts": rle["counts"].decode()}


def files(folder):
    grey, rgb = picture(23, 17, 1), picture(23, 17, 3)
    smooth = np.add.outer(np.arange(17) * 9, np.arange(23) * 4).astype(np.uint8)
    deep = picture(23, 17, 1).astype(np.uint16) * 257 + 3
    palette = Image.fromarray(rgb).quantize(9)
    bits = Image.fromarray(grey > 128)
    alpha = Image.merge("RGBA", (*Image.fromarray(rgb).split(), Image.fromarray(grey)))
    images = {
        "grey.png": (Image.fromarray(grey), {}),
        "rgb.png": (Image.fromarray(rgb), {}),
        "rgba.png": (alpha, {}),
        "grey_alpha.png": (Image.merge("LA", (Image.fromarray(grey), Image.fromarray(smooth))), {}),
        "palette.png": (palette, {}),
        "palette_transparent.png": (palette, {"transparency": 2}),
        "deep.png": (Image.fromarray(deep), {}),
        "bits.png": (bits, {}),
        "grey.jpg": (Image.fromarray(smooth), {"quality": 90}),
        "rgb.jpg": (
            Image.fromarray(np.stack([smooth, smooth[::-1], smooth[:, ::-1]], 2)),
            {"quality": 90},
        ),
        "progressive.jpg": (
            Image.fromarray(np.stack([smooth, smooth[::-1], smooth[:, ::-1]], 2)),
            {"quality": 80, "progressive": True},
        ),
        "grey.tif": (Image.fromarray(grey), {}),
        "rgb_lzw.tif": (Image.fromarray(rgb), {"compression": "tiff_lzw"}),
        "deep.tif": (Image.fromarray(deep), {}),
        "deep_deflate.tif": (Image.fromarray(deep), {"compression": "tiff_adobe_deflate"}),
        "bits.tif": (bits, {}),
        "grey.bmp": (Image.fromarray(grey), {}),
        "rgb.bmp": (Image.fromarray(rgb), {}),
    }
    for name, (image, options) in images.items():
        image.save(folder / name, **options)
        back = Image.open(folder / name)
        deep_file = back.mode.startswith("I")
        one = back.mode in ("L", "1", "LA") or deep_file
        pixels = (
            np.asarray(back).astype(np.uint16)
            if deep_file
            else np.asarray(
                back.convert(
                    "L"
                    if back.mode == "1"
                    else "LA" if back.mode == "LA" else "L" if one else "RGB"
                )
            )
        )
        if back.mode == "LA":
            pixels = pixels[..., 0]
        yield {
            "file": name,
            "size": list(back.size),
            "channels": 1 if one else 3,
            "bits": 16 if deep_file else 8,
            "sha256": digest(pixels),
        }


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    cases = {
        "resize": list(resizes()),
        "window": list(windows()),
        "rle": list(run_lengths()),
        "polygons": [filled(*p) for p in polygons()],
        "files": list(files(folder)),
    }
    lines = []
    for topic, rows in cases.items():
        lines.append(
            json.dumps(topic) + ": [\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]"
        )
    (folder / "cases.json").write_text("{" + ",\n".join(lines) + "}\n")


main(pathlib.Path(sys.argv[1]))
