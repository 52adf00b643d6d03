#!/usr/bin/env python3
"""What several processes are worth: steps of the same global batch on one process and on several,
in turns.

    scripts/bench/scale_out.py [--nproc 1 2] [--steps 12] [--rounds 2] [--config
    configs/train/demo.json]

One process has all cores, N processes have a share each. Prints seconds per step (median without
the first two of each run), samples per second, speed-up over one process and what the processes
waited for each other; checks that the losses are the same. Needs a build (scripts/build.sh) and the
config's bundle and data (scripts/demo_assets.sh, demo_import.sh).
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parents[2]


def run(medseg, config, processes, options, folder):
    shutil.rmtree(folder, ignore_errors=True)
    launch = ["launch", "--nproc", str(processes), "--"] if processes > 1 else []
    sets = [word for option in options for word in ("--set", option)]
    subprocess.run(
        [medseg, *launch, "train", config, *sets, "--out", str(folder)], cwd=root, check=True
    )
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "loss" in line], json.loads((folder / "run.json").read_text())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nproc", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--config", default="configs/train/demo.json")
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--accumulation", type=int, default=4)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="further changes of the config",
    )
    parser.add_argument("--medseg", default=str(root / "build" / "medseg"))
    arguments = parser.parse_args()
    if arguments.steps < 4:
        sys.exit("scale_out: --steps: at least 4, the first two are not counted")

    options = [
        f"train.steps={arguments.steps}",
        f"train.batch_size={arguments.batch_size}",
        f"train.accumulation={arguments.accumulation}",
        "train.evaluate_every=0",
        "train.save_every=0",
        "data.validation=[]",
        "train.schedule.warmup_steps=1",
        *arguments.set,
    ]
    seconds = {n: [] for n in arguments.nproc}
    losses, last = {}, {}
    with tempfile.TemporaryDirectory(prefix="medseg-scale-out-") as scratch:
        for _ in range(arguments.rounds):
            for n in arguments.nproc:
                folder = pathlib.Path(scratch) / f"on-{n}"
                lines, last[n] = run(arguments.medseg, arguments.config, n, options, folder)
                seconds[n] += [line["seconds"] for line in lines[2:]]
                losses[n] = [line["loss"] for line in lines]

    samples = arguments.batch_size * arguments.accumulation
    base = statistics.median(seconds[arguments.nproc[0]])
    print(
        f"global batch {samples} ({arguments.batch_size} x {arguments.accumulation}),"
        f" {arguments.rounds} rounds of {arguments.steps} steps,"
        f" {last[arguments.nproc[0]]['cpu_capability']}\n"
    )
    print(
        "| processes x threads | s/step (min - max) | samples/s | speed-up | waiting for gradients,"
        " s/step | peak memory of rank 0 | largest difference of a loss |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for n in arguments.nproc:
        median = statistics.median(seconds[n])
        waited = (
            last[n]["parts"].get("waiting for gradients", {"seconds": 0.0})["seconds"]
            / arguments.steps
        )
        apart = max(abs(a - b) for a, b in zip(losses[n], losses[arguments.nproc[0]]))
        print(
            f"| {n} x {last[n]['threads']} | {median:.3f} ({min(seconds[n]):.3f} -"
            f" {max(seconds[n]):.3f}) | {samples / median:.2f} | {base / median:.2f} | {waited:.3f}"
            f" | {last[n]['peak_memory_bytes'] / 1e9:.2f} GB | {apart:.1e} |"
        )


if __name__ == "__main__":
    main()
