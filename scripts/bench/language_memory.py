#!/usr/bin/env python3
"""What activation checkpointing and few bits cost and spare: time and memory of the language model,
alone and in training.

    language_memory.py [--sizes 135m 1b] [--rounds 3] [--runs 5] [--no-train] [--config FILE]
    [--bundle DIR] [--data MANIFEST] …

First table, random weights (`medseg bench language`): a forward and backward pass behind adapters,
for each kind of storage of the frozen matrices and with or without checkpointing, each in a process
of its own, --rounds times in turn. Milliseconds a dialogue are the median over the rounds of each
round's median; `weights` and `activations` (the most bytes of tensors at once beside the weights)
are counted by the program and equal in every round.

Second table, where --bundle and --data are there: `medseg train` with the demonstration's recipe
and weights, --steps counted steps after two that are not. `peak` is the largest resident memory
while stepping, `in all` that of the whole process. Losses of the rows with one kind of storage must
be equal to the last digit; exit code 1 if they are not.

One command, no packages: scripts/bench/language_memory.py. About a quarter of an hour on two cores;
run it on a quiet machine.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
STORAGE, CHECKPOINTING, WARM = ("bf16", "int8", "nf4"), ("none", "blocks"), 2


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--medseg", type=pathlib.Path, default=ROOT / "build/medseg")
    parser.add_argument("--sizes", nargs="+", choices=["135m", "1b"], default=["135m", "1b"])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--runs", type=int, default=5, help="passes in each round, after one that is not counted"
    )
    parser.add_argument("--no-train", action="store_true")
    parser.add_argument("--config", type=pathlib.Path, default=ROOT / "configs/train/demo.json")
    parser.add_argument("--bundle", type=pathlib.Path, default=ROOT / "runs/demo-start")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "data/demo/manifest.jsonl")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument(
        "--steps", type=int, default=6, help="counted in each run, after the first two"
    )
    parser.add_argument("--json", type=pathlib.Path, help="writes all numbers there too")
    return parser.parse_args()


def say(text):
    print(f"language_memory: {text}", file=sys.stderr, flush=True)


def bench(arguments, name):
    """{"forward_backward": ms, "weights": MB, "activations": MB}"""
    command = [
        arguments.medseg,
        "bench",
        "language",
        "--only",
        name,
        "--runs",
        arguments.runs,
        "--threads",
        arguments.threads,
        "--json",
    ]
    shown = subprocess.run(
        list(map(str, command)), check=True, capture_output=True, text=True
    ).stdout
    return {
        line["name"].rsplit(".", 1)[1]: line["value"]
        for line in map(json.loads, shown.splitlines())
    }


def bench_table(arguments):
    rows = [
        (size, storage, checkpointing)
        for size in arguments.sizes
        for storage in STORAGE
        for checkpointing in CHECKPOINTING
    ]
    times, memory = {row: [] for row in rows}, {}
    for number in range(arguments.rounds):
        for row in rows:
            say(
                f"round {number + 1} of {arguments.rounds}: {' '.join(row)}; load"
                f" {os.getloadavg()[0]:.2f}"
            )
            found = bench(arguments, "language." + ".".join(row))
            times[row].append(found["forward_backward"])
            counted = (found["weights"], found["activations"])
            if memory.setdefault(row, counted) != counted:
                sys.exit(f"language_memory: {row}: counted {counted} and {memory[row]}")
    print(
        f"forward and backward, bf16, {arguments.threads} threads, {arguments.rounds} rounds of"
        f" {arguments.runs} passes\n"
    )
    print(
        "| model | frozen | checkpointing | ms a dialogue | min to max | of plain bf16 | weights MB"
        " | activations MB | both MB |"
    )
    print("| --- | --- | --- | ---: | --- | ---: | ---: | ---: | ---: |")
    for row in rows:
        size, storage, checkpointing = row
        middle, plain = statistics.median(times[row]), statistics.median(
            times[size, "bf16", "none"]
        )
        weights, activations = memory[row]
        print(
            f"| {size} | {storage} | {checkpointing} | {middle:.0f} | {min(times[row]):.0f} to"
            f" {max(times[row]):.0f} | {middle / plain:.2f} | {weights:.0f} | {activations:.0f} |"
            f" {weights + activations:.0f} |"
        )
    print(flush=True)
    return [
        {
            "row": row,
            "ms": times[row],
            "weights_mb": memory[row][0],
            "activations_mb": memory[row][1],
        }
        for row in rows
    ]


def lines_of(file):
    if not file.exists():
        return []
    text = file.read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def resident_peak(pid):
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def choose_records(arguments, count, folder):
    """A manifest of `count` records spread evenly over the training split, beside links to its
    pictures."""
    lines = [
        line
        for line in arguments.data.read_text().splitlines()
        if json.loads(line)["split"] == "train"
    ]
    folder.mkdir()
    for entry in arguments.data.parent.iterdir():
        if entry.is_dir():
            (folder / entry.name).symlink_to(entry.resolve())
    (folder / "manifest.jsonl").write_text(
        "\n".join(lines[i * len(lines) // count] for i in range(count)) + "\n"
    )
    return folder / "manifest.jsonl"


def train(arguments, manifest, out, storage, checkpointing):
    steps = WARM + arguments.steps
    sets = {
        "model": arguments.bundle.resolve(),
        "data.train": json.dumps([{"manifest": str(manifest), "split": "train"}]),
        "data.validation": "[]",
        "data.shuffle": "false",
        "data.balance": 0,
        "data.absent_weight": 1,
        "train.batch_size": arguments.batch,
        "train.replay.masks": 0,
        "train.steps": steps,
        "train.threads": arguments.threads,
        "train.precision": "bf16",
        "train.schedule.total_steps": 480,
        "train.frozen_storage": "precision" if storage == "bf16" else storage,
        "train.activation_checkpointing": checkpointing,
    }
    command = [arguments.medseg, "train", arguments.config, "--out", out]
    for key, value in sets.items():
        command += ["--set", f"{key}={value}"]
    log = open(f"{out}.log", "w", encoding="utf-8")
    child = subprocess.Popen(
        list(map(str, command)),
        stdout=log,
        stderr=log,
        env=dict(os.environ, OMP_NUM_THREADS=str(arguments.threads)),
    )
    reset, peak = False, 0
    while child.poll() is None and len(lines_of(out / "metrics.jsonl")) < steps:
        if not reset and len(lines_of(out / "metrics.jsonl")) >= WARM:
            pathlib.Path(f"/proc/{child.pid}/clear_refs").write_text(
                "5"
            )  # the high-water mark starts anew
            reset = True
        peak = resident_peak(child.pid) or peak
        time.sleep(0.01)
    peak = resident_peak(child.pid) or peak
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(
            "language_memory: medseg train failed:\n"
            + pathlib.Path(f"{out}.log").read_text()[-3000:]
        )
    return {
        "steps": lines_of(out / "metrics.jsonl"),
        "peak": peak,
        "in_all": usage.ru_maxrss * 1024,
    }


def train_table(arguments, folder):
    manifest = choose_records(
        arguments, arguments.batch * (WARM + arguments.steps), folder / "data"
    )
    rows, results, same = (
        [(storage, checkpointing) for storage in STORAGE for checkpointing in CHECKPOINTING],
        {},
        True,
    )
    for number in range(arguments.rounds):
        for row in rows:
            say(
                f"round {number + 1} of {arguments.rounds}: train, {' '.join(row)}; load"
                f" {os.getloadavg()[0]:.2f}"
            )
            results.setdefault(row, []).append(
                train(arguments, manifest, folder / f"{'-'.join(row)}-{number}", *row)
            )
    print(
        f"medseg train, the demonstration's weights and recipe, batch {arguments.batch}, features"
        f" cached, {arguments.threads} threads, {arguments.rounds} rounds of {arguments.steps}"
        " counted steps\n"
    )
    print(
        "| frozen | checkpointing | s/step | min to max | peak GB | in all GB | last loss |\n| ---"
        " | --- | ---: | --- | ---: | ---: | ---: |"
    )
    for row in rows:
        seconds = [line["seconds"] for result in results[row] for line in result["steps"][WARM:]]
        losses = {
            tuple(line["loss"] for line in result["steps"])
            for storage, checkpointing in rows
            if storage == row[0]
            for result in results[storage, checkpointing]
        }
        same = same and len(losses) == 1
        print(
            f"| {row[0]} | {row[1]} | {statistics.median(seconds):.3f} | {min(seconds):.3f} to"
            f" {max(seconds):.3f} | {max(r['peak'] for r in results[row]) / 1e9:.2f} |"
            f" {max(r['in_all'] for r in results[row]) / 1e9:.2f} |"
            f" {results[row][0]['steps'][-1]['loss']:.7f} |"
        )
    print(
        "\nlosses of all steps, with and without checkpointing:"
        f" {'equal to the last digit' if same else 'DIFFERENT'}",
        flush=True,
    )
    return same, [{"row": row, "runs": runs} for row, runs in results.items()]


def main():
    arguments = parse()
    if not arguments.medseg.exists():
        sys.exit(f"language_memory: {arguments.medseg} is not there; scripts/build.sh makes it")
    begin, same, numbers = time.monotonic(), True, {"bench": bench_table(arguments)}
    if not arguments.no_train and arguments.bundle.exists() and arguments.data.exists():
        with tempfile.TemporaryDirectory(prefix="language-memory-") as name:
            same, numbers["train"] = train_table(arguments, pathlib.Path(name))
    elif not arguments.no_train:
        say(
            "no --bundle or no --data: no runs of medseg train (scripts/demo.sh makes what the"
            " defaults name)"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(numbers, indent=1))
    say(f"{time.monotonic() - begin:.0f} s in all; load {os.getloadavg()[0]:.2f}")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
