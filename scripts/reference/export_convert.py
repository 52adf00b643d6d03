#!/usr/bin/env python3
"""Files of other data sets that Python's own writers make, for tests/convert.

    scripts/reference/export_convert.py tests/golden/convert      (Python 3, Pillow)

refs-protocol-N.p   what RefCOCO's refs(unc).p holds, as pickle.dumps writes it in protocol N
square.gif          a mask as DRIVE's: 40 x 30, a square of 10 pixels at (5, 5)
square.jpg          the same as Kvasir-SEG's: a JPEG in colours, soft round the edges
"""
import pickle
import sys
from pathlib import Path

from PIL import Image

REFS = [{"ref_id": 3, "ann_id": 9, "image_id": 1, "category_id": 2, "split": "testA",
         "file_name": "COCO_x_3.jpg", "sent_ids": [1, 2],
         "sentences": [{"tokens": ["left", "vessel"], "raw": "left vessel", "sent_id": 1,
                        "sent": "left vessel"}]}]


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for protocol in (0, 2, 4):
        (out / f"refs-protocol-{protocol}.p").write_bytes(pickle.dumps(REFS, protocol))
    mask = Image.new("L", (40, 30), 0)
    mask.paste(255, (5, 5, 15, 15))
    mask.save(out / "square.gif")
    mask.convert("RGB").save(out / "square.jpg", quality=75)


if __name__ == "__main__":
    main()
