#!/usr/bin/env python3
"""Training with features of the frozen encoders computed in every step, kept in memory, and kept in
a folder: cold, then warm.

    feature_cache.py [--config FILE] [--bundle DIR] [--data MANIFEST] [--medseg EXE] [--steps 40]
    [--rounds 1] [--set a.b=v]…

Runs `medseg train` in turns (none, memory, cold folder, warm folder; --rounds times) with the
config's own recipe, without evaluations, and prints of each: seconds in all, seconds a step
(median, the first two left out), how often a picture's features were computed, read from the folder
and found in memory, and the size of the folder. Losses must be the same to the last digit, or it
exits with 1. With the defaults about ten minutes on two cores; run it on a quiet machine.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WARM = 2  # steps that are not counted


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=pathlib.Path, default=ROOT / "configs/train/demo.json")
    parser.add_argument("--bundle", type=pathlib.Path, default=ROOT / "runs/demo-start")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "data/demo/manifest.jsonl")
    parser.add_argument("--split", default="train")
    parser.add_argument("--medseg", type=pathlib.Path, default=ROOT / "build/medseg")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--set", action="append", default=[], help="a.b=value, as medseg train takes it"
    )
    parser.add_argument("--json", type=pathlib.Path, help="writes all numbers there too")
    return parser.parse_args()


def train(arguments, folder, name, sets):
    """One run; its losses and figures."""
    out = folder / name.replace(" ", "-")
    sources = json.dumps([{"manifest": str(arguments.data.resolve()), "split": arguments.split}])
    sets = [
        f"model={arguments.bundle.resolve()}",
        f"data.train={sources}",
        "data.validation=[]",
        f"train.steps={arguments.steps}",
        "train.evaluate_every=0",
        "train.save_every=0",
        f"train.threads={arguments.threads}",
        # Else a short run would be all warm-up, which is an error.
        "train.schedule.total_steps=1000",
        *arguments.set,
        *sets,
    ]
    command = [arguments.medseg, "train", arguments.config, "--out", out] + [
        word for entry in sets for word in ("--set", entry)
    ]
    before = time.monotonic()
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    seconds = time.monotonic() - before
    if ran.returncode != 0:
        sys.exit(f"feature_cache: {name} failed:\n{ran.stderr[-3000:]}")
    steps = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    run = json.loads((out / "run.json").read_text())
    shutil.rmtree(out)
    return {
        "name": name,
        "seconds": seconds,
        "step": statistics.median(step["seconds"] for step in steps[WARM:]),
        "losses": [step.get("loss") for step in steps],
        "peak": run["peak_memory_bytes"],
        "features": run["features"],
        "before_steps": run["parts"]["features"]["seconds"],
    }


def size_of(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files), len(files)


def main():
    arguments = parse()
    if arguments.steps <= WARM:
        sys.exit(f"feature_cache: --steps: {arguments.steps}, but the first {WARM} are not counted")
    results = []
    with tempfile.TemporaryDirectory(prefix="medseg-features-") as scratch:
        folder = pathlib.Path(scratch)
        for number in range(arguments.rounds):
            kept = folder / f"kept-{number}"
            for name, sets in (
                ("none", ["data.cache_gb=0"]),
                ("memory", []),
                ("cold folder", [f"data.cache_dir={kept}"]),
                ("warm folder", [f"data.cache_dir={kept}"]),
            ):
                print(f"feature_cache: round {number + 1}: {name}", file=sys.stderr, flush=True)
                results.append(train(arguments, folder, name, sets))
            size, entries = size_of(kept)
    if any(result["losses"] != results[0]["losses"] for result in results):
        sys.exit(
            "feature_cache: losses differ: "
            + ", ".join(f"{r['name']} {r['losses'][-1]}" for r in results)
        )

    print(
        f"{arguments.steps} steps, {arguments.threads} threads, {arguments.rounds} round(s); the"
        f" same losses in all; the folder: {entries} pictures, {size / 1e9:.2f} GB\n"
    )
    print(
        "| features | in all | before the first step | a step | computed | from the folder | from"
        " memory | peak memory |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in ("none", "memory", "cold folder", "warm folder"):
        of = [result for result in results if result["name"] == name]
        middle = {
            key: statistics.median(result[key] for result in of)
            for key in ("seconds", "before_steps", "step", "peak")
        }
        counts = of[-1]["features"]
        print(
            f"| {name} | {middle['seconds']:.1f} s | {middle['before_steps']:.1f} s |"
            f" {middle['step']:.2f} s | {counts['computed']} | {counts['from_disk']} |"
            f" {counts['from_memory']} | {middle['peak'] / 1e9:.2f} GB |"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
