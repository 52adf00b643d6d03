#!/usr/bin/env python3
"""Scores of masks by medseg and by the Python libraries, on the same masks, in turns.

    scripts/bench/metrics_vs_python.py [--rounds 3] [--pairs 200] [--medseg build/medseg] [--volume]

Makes an environment of its own in a temporary folder (MONAI on the CPU build of PyTorch,
surface-distance-based-measures, pycocotools; MEDSEG_BENCH_PYTHON names one that is there already).
One thread on both sides. Prints a row a measurement: milliseconds a pair, median and range over the
rounds, and how often medseg is as fast; then the largest difference of the values. --volume adds
one volume of 512 x 512 x 300 with the peak memory of each process.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIDE = 512
PACKAGES = ["numpy==2.4.6", "scipy==1.17.1", "monai==1.6.1", "pycocotools==2.0.11",
            "surface-distance-based-measures==0.1"]


def environment(folder):
    python = os.environ.get("MEDSEG_BENCH_PYTHON")
    if python:
        return python
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    pip = [python, "-m", "pip", "install", "-q", "--no-cache-dir"]
    subprocess.run(pip + ["torch==2.11.0", *PACKAGES], check=True)
    return str(python)


def masks(pairs):
    """Wavy blobs and the same moved by some pixels: uint8 [pairs, 2, SIDE, SIDE]."""
    import numpy as np

    random = np.random.default_rng(0)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    made = np.zeros((pairs, 2, SIDE, SIDE), np.uint8)
    for pair in made:
        for _ in range(3):
            centre, radii = random.uniform(120, 390, 2), random.uniform(20, 100, 2)
            waves, shift = random.integers(3, 12), random.uniform(-10, 10, 2)
            for mask, moved in zip(pair, (shift, (0, 0))):
                u = (x - centre[0] - moved[0]) / radii[0]
                v = (y - centre[1] - moved[1]) / radii[1]
                rim = 1 + 0.1 * np.sin(waves * np.arctan2(v, u))
                mask[u * u + v * v < rim * rim] = 1
    return made


def ellipsoids():
    """As `medseg bench metrics` makes them: bool [300, SIDE, SIDE] twice."""
    import numpy as np

    z, y, x = np.ogrid[0:300, 0:SIDE, 0:SIDE]
    return [((x - 256 - shift) / 160) ** 2 + ((y - 256) / 140) ** 2 + ((z - 150) / 110) ** 2 < 1
            for shift in (5, 0)]


def python_side(arguments):
    import numpy as np
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice
    from pycocotools import mask as coco
    import surface_distance

    torch.set_num_threads(1)
    if arguments.volume:
        return python_volume(compute_hausdorff_distance, torch)
    data = np.fromfile(arguments.masks, np.uint8).reshape(-1, 2, SIDE, SIDE)
    times, values = {}, {"hd95_monai": [], "nsd_deepmind": []}

    def measure(name, work):
        begin = time.perf_counter()
        results = [work(pair) for pair in data]
        times[name] = (time.perf_counter() - begin) * 1e3 / len(data)
        return results

    def monai(pair):
        p, r = (torch.from_numpy(mask)[None, None] for mask in pair)
        hd95 = compute_hausdorff_distance(p, r, include_background=True, percentile=95)
        nsd = compute_surface_dice(p, r, [2.0], include_background=True)
        return float(hd95), float(nsd)

    def deepmind(pair):
        distances = surface_distance.compute_surface_distances(
            pair[1].astype(bool), pair[0].astype(bool), (1.0, 1.0))
        return (surface_distance.compute_robust_hausdorff(distances, 95),
                surface_distance.compute_surface_dice_at_tolerance(distances, 2))

    values["hd95_monai"] = [hd95 for hd95, _ in measure("monai HD95 and NSD", monai)]
    values["nsd_deepmind"] = [nsd for _, nsd in measure("surface-distance HD95 and NSD", deepmind)]
    runs = measure("pycocotools encode", lambda pair: coco.encode(np.asfortranarray(pair[0])))
    fortran = [np.asfortranarray(pair[0]) for pair in data]
    begin = time.perf_counter()
    for mask in fortran:
        coco.encode(mask)
    times["pycocotools encode, columns ready"] = (time.perf_counter() - begin) * 1e3 / len(data)
    begin = time.perf_counter()
    for one in runs:
        coco.decode(one)
    times["pycocotools decode"] = (time.perf_counter() - begin) * 1e3 / len(data)
    means = {name: float(np.mean(numbers)) for name, numbers in values.items()}
    print(json.dumps({"times": times, "values": means}))


def python_volume(hausdorff, torch):
    import resource

    p, r = (torch.from_numpy(mask)[None, None] for mask in ellipsoids())
    begin = time.perf_counter()
    value = float(hausdorff(p, r, include_background=True, percentile=95, spacing=(1.5, 0.8, 0.8)))
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps({"seconds": seconds, "value": value, "peak_mb": peak}))


def medseg_side(program, path, only="", runs=1):
    command = [program, "bench", "metrics", path, "--runs", str(runs), "--threads", "1", "--json"]
    if only:
        command += ["--only", only]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {line["name"]: line["value"] for line in map(json.loads, lines)}


# Python's measurement, and medseg's that does at least the same work.
ROWS = [
    ("monai HD95 and NSD", "metrics.monai_surfaces"),
    ("surface-distance HD95 and NSD", "metrics.deepmind_surfaces"),
    ("monai HD95 and NSD", "metrics.surface_scores"),
    ("pycocotools encode", "metrics.rle.encode"),
    ("pycocotools encode, columns ready", "metrics.rle.encode"),
    ("pycocotools decode", "metrics.rle.decode"),
]


def shown(values):
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--medseg", default=str(ROOT / "build/medseg"))
    parser.add_argument("--volume", action="store_true")
    parser.add_argument("--masks", help=argparse.SUPPRESS)  # set for the Python side alone
    parser.add_argument("--make", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        return masks(arguments.make).tofile(arguments.masks)
    if arguments.masks is not None:
        return python_side(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = environment(folder)
        path = str(folder / "masks.bin")
        me = [python, __file__, "--masks", path]
        subprocess.run(me + ["--make", str(arguments.pairs)], check=True)
        ours, theirs, values = {}, {}, {}
        threads = dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
        for _ in range(arguments.rounds):
            for key, value in medseg_side(arguments.medseg, path).items():
                ours.setdefault(key, []).append(value)
            out = subprocess.run(me, check=True, capture_output=True, text=True, env=threads).stdout
            result = json.loads(out.splitlines()[-1])
            values = result["values"]
            for key, value in result["times"].items():
                theirs.setdefault(key, []).append(value)
        print("| Python | ms a pair | medseg | ms a pair | times as fast |")
        print("| --- | ---: | --- | ---: | ---: |")
        for slow, fast in ROWS:
            ratio = statistics.median(theirs[slow]) / statistics.median(ours[fast])
            print(f"| {slow} | {shown(theirs[slow])} | `{fast}` | {shown(ours[fast])} | "
                  f"{ratio:.1f} |")
        for key, value in values.items():
            mine = ours["metrics.values." + key][-1]
            print(f"mean {key}: {value:.6f} in Python, {mine:.6f} in medseg, "
                  f"difference {abs(value - mine):.1e}")
        if arguments.volume:
            out = subprocess.run(me + ["--volume"], check=True, capture_output=True, text=True,
                                 env=threads).stdout
            result = json.loads(out.splitlines()[-1])
            name = "metrics.volume.surface_scores"
            mine = medseg_side(arguments.medseg, path, only=name)
            print(f"volume 512 x 512 x 300: MONAI's HD95 {result['value']:.4f} mm in "
                  f"{result['seconds']:.1f} s, {result['peak_mb']:.0f} MB; medseg's seven scores, "
                  f"HD95 {mine[name + '.hd95_monai']:.4f} mm, in {mine[name] / 1e3:.1f} s, "
                  f"{mine[name + '.peak_memory']:.0f} MB")


if __name__ == "__main__":
    main()
