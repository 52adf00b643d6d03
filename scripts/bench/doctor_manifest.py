#!/usr/bin/env python3
"""Makes a manifest of N records and measures `medseg data doctor` on it: time and peak memory.

    scripts/bench/doctor_manifest.py 1000000 --medseg build/medseg --folder /tmp/doctor

Each record has its own 64 x 64 PNG (hard links to one file of pixels would be equal images), two
masks in RLE and two turns. Images of several records: --records-per-image.
"""
import argparse
import json
import os
import resource
import struct
import subprocess
import time
import zlib

SIDE = 64


def png(number):
    """Grey PNG of SIDE x SIDE whose first pixels are the number."""
    rows = []
    mark = number.to_bytes(4, "little")
    for y in range(SIDE):
        row = bytes((3 * x + 5 * y) % 256 for x in range(SIDE))
        rows.append(b"\0" + (mark + row[4:] if y == 0 else row))

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(b"".join(rows), 1)) + chunk(b"IEND", b""))


def record(number, image):
    def box(x, label):
        return {"label": label, "rle": {"size": [SIDE, SIDE], "counts":
                [SIDE * x + 10, 20, SIDE - 20, 20, SIDE * (SIDE - x - 1) - 30]}}

    split = ("train", "train", "train", "val", "test")[image // 1000 % 5]
    return {"id": f"r{number}", "image": f"images/{image // 1000}/{image}.png", "modality": "ct",
            "subject": f"p{image // 50}", "split": split, "source": "bench",
            "masks": {"m0": box(5, "liver"), "m1": box(30, "spleen")},
            "conversations": [
                {"from": "human", "value": "<image>\nWhich organ makes bile?"},
                {"from": "gpt", "value": "The <p> liver </p> [SEG] does.", "masks": ["m0"]},
                {"from": "human", "value": "And which one stores blood?"},
                {"from": "gpt", "value": "The <p> spleen </p> [SEG] does.", "masks": ["m1"]}]}


def make(folder, count, per_image):
    path = os.path.join(folder, "manifest.jsonl")
    with open(path, "w") as out:
        for number in range(count):
            image = number // per_image
            if number % per_image == 0:
                where = os.path.join(folder, f"images/{image // 1000}")
                if image % 1000 == 0:
                    os.makedirs(where, exist_ok=True)
                with open(os.path.join(where, f"{image}.png"), "wb") as file:
                    file.write(png(image))
            out.write(json.dumps(record(number, image)) + "\n")
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=int)
    parser.add_argument("--medseg", default="build/medseg")
    parser.add_argument("--folder", required=True)
    parser.add_argument("--records-per-image", type=int, default=1)
    parser.add_argument("--threads", default="0")
    parser.add_argument("--keep", action="store_true", help="an existing manifest is used again")
    arguments = parser.parse_args()
    manifest = os.path.join(arguments.folder, "manifest.jsonl")
    if not (arguments.keep and os.path.exists(manifest)):
        os.makedirs(arguments.folder, exist_ok=True)
        manifest = make(arguments.folder, arguments.records, arguments.records_per_image)
    begin = time.time()
    done = subprocess.run([arguments.medseg, "data", "doctor", manifest, "--json", "--threads",
                           arguments.threads], stdout=subprocess.PIPE, check=False)
    seconds = time.time() - begin
    found = json.loads(done.stdout)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"records": found["records"], "faults": len(found["faults"]),
                      "warnings": len(found["warnings"]), "exit": done.returncode,
                      "seconds": round(seconds, 1), "peak_mib": round(peak, 1),
                      "manifest_mib": round(os.path.getsize(manifest) / 2**20, 1)}))


if __name__ == "__main__":
    main()
