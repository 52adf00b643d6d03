#!/usr/bin/env python3
"""Writes tests/golden/masks: one label map (0, 1, 2, 3) in the kinds of files that annotation
tools write.

    export_masks.py tests/golden/masks

Packages: Pillow 13.0.0, tifffile 2026.3.3, numpy 2.4.6. `cases.json` names for each file the
samples that Pillow or tifffile read from it; `turned` are images with an EXIF orientation and the
pixels of Pillow's `ImageOps.exif_transpose`.
"""

import json
import pathlib
import sys

import numpy as np
import tifffile
from PIL import Image, ImageOps

y, x = np.mgrid[0:11, 0:19]
LABELS = ((x // 5 + y // 4) % 4).astype(np.uint8)
PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [10, 20, 30]], np.uint8)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    cases = {"labels": [], "colours": [], "turned": []}

    def add(name, values):
        cases["labels"].append(
            {
                "file": name,
                "size": [values.shape[1], values.shape[0]],
                "values": values.ravel().tolist(),
            }
        )

    def png(name, image, values, **options):
        image.save(folder / name, **options)
        add(name, values)

    grey = Image.fromarray(LABELS)
    png("index.png", grey, LABELS)
    palette = Image.fromarray(LABELS, "P")
    palette.putpalette(PALETTE)
    for bits in (2, 4, 8):
        png(f"palette{bits}.png", palette, LABELS, bits=bits)
    ramp = Image.fromarray(LABELS, "P")
    ramp.putpalette([v for i in range(256) for v in (255 - i, 255 - i, 255 - i)])
    png("grey_palette.png", ramp, LABELS)
    clear = palette.copy()
    png("clear_palette.png", clear, LABELS, transparency=0)
    png("onebit.png", Image.fromarray(LABELS > 1), (LABELS > 1).astype(int))
    three = np.repeat(LABELS[..., None], 3, 2)
    png("rgb_grey.png", Image.fromarray(three), LABELS)
    png("rgba_grey.png", Image.fromarray(np.dstack([three, np.full_like(LABELS, 255)])), LABELS)
    png("grey_alpha.png", Image.fromarray(np.dstack([LABELS, np.full_like(LABELS, 9)])), LABELS)
    deep = LABELS.astype(np.uint16) * 300
    png("deep.png", Image.fromarray(deep), deep)
    png("palette.bmp", palette, LABELS)
    png("grey.bmp", grey, LABELS)
    png("onebit.bmp", Image.fromarray(LABELS > 1), (LABELS > 1).astype(int))
    for name, data, options in [
        ("u8.tif", LABELS, {}),
        ("u16.tif", deep, {}),
        ("u32.tif", LABELS.astype(np.uint32) * 70000, {}),
        ("i32.tif", LABELS.astype(np.int32) * 70000, {}),
        ("f32.tif", LABELS.astype(np.float32), {}),
        ("onebit.tif", (LABELS > 1), {"photometric": "minisblack"}),
        ("big_endian.tif", deep, {"byteorder": ">"}),
    ]:
        tifffile.imwrite(folder / name, data, metadata=None, **options)
        add(name, tifffile.imread(folder / name).astype(np.int64))
    tifffile.imwrite(
        folder / "palette.tif",
        LABELS,
        photometric="palette",
        metadata=None,
        colormap=np.arange(768, dtype=np.uint16).reshape(3, 256) * 80,
    )
    add("palette.tif", LABELS)
    tifffile.imwrite(
        folder / "pages.tif",
        np.stack([LABELS, 3 - LABELS, LABELS * 2]),
        photometric="minisblack",
        metadata=None,
    )
    colours = Image.fromarray(COLOURS[LABELS])
    colours.save(folder / "colours.png")
    soft = np.clip(255 - 40 * np.hypot(x - 9, y - 5), 0, 255).astype(np.uint8)
    Image.fromarray(soft).save(folder / "soft.png")
    cases["soft"] = {"above_0": int((soft > 0).sum()), "above_127": int((soft > 127).sum())}
    Image.fromarray(((LABELS > 1) * 255).astype(np.uint8)).save(folder / "hard.jpg", quality=90)
    ignore = LABELS.copy()
    ignore[:2] = 255
    ignore[LABELS == 3] = 0
    Image.fromarray(ignore).save(folder / "ignore.png")
    image = Image.fromarray(
        np.dstack([LABELS * 60, x.astype(np.uint8) * 10, y.astype(np.uint8) * 20])
    )
    for orientation in range(1, 9):
        for end in ("png", "jpg", "tif"):
            if end != "png" and orientation not in (3, 6):
                continue
            exif = Image.Exif()
            exif[274] = orientation
            name = f"turned{orientation}.{end}"
            options = {"tiffinfo": {274: orientation}} if end == "tif" else {"exif": exif}
            image.save(folder / name, **options)
            back = Image.open(folder / name)
            shown = ImageOps.exif_transpose(back)
            cases["turned"].append(
                {
                    "file": name,
                    "orientation": orientation,
                    "size": list(shown.size),
                    "values": np.asarray(shown).ravel().tolist(),
                }
            )
    (folder / "cases.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
    (folder / "README.md").write_text("""# Masks

Made by Pillow 13.0.0, tifffile 2026.3.3 and numpy 2.4.6:

    scripts/reference/export_masks.py tests/golden/masks

One label map in the kinds of files that annotation tools write, and `cases.json`: the samples that
those libraries read.
""")


main(pathlib.Path(sys.argv[1]))
