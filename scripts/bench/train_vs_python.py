#!/usr/bin/env python3
"""Training in medseg and in Python, in turn: seconds a step, samples a second, peak memory.

    train_vs_python.py [--config FILE] [--bundle DIR] [--data MANIFEST] [--medseg EXE] [--python
    EXE] [--rounds 3] [--steps 6] …

Both sides train the same bundle with the config's recipe on the same batches in the same order, in
bf16 autocast on the same threads, with tcmalloc where the machine has it (medseg links it; Python
gets it preloaded): the demonstration's SmolLM2-135M, DINOv2-shaped ViT-S and LiteMedSAM unless told
otherwise. Replay is off on both sides, and the projector starts as the bundle holds it. `encoded`
runs the frozen encoders in every step, `cached` computes their features before the first. The
Python side (python_side.py) is LISA's loop on transformers and peft; --logits labelled spares it
the logits that have no label, which LISA makes.

First a check: three steps in fp32 from the same weights and adapters; all losses and gradient norms
must agree within 1e-3. Then --rounds rounds of every combination. Seconds are the median over all
steps but the first two of each run; the ratio of times is the median of the rounds' own ratios;
`peak` is the largest resident memory while stepping (after the second step, before the last
checkpoint is saved), `in all` that of the whole process.

--python  an interpreter that has torch, transformers, peft, tokenizers, safetensors, numpy and
pillow; without it an environment
          with the pinned packages is made and thrown away (2.7 GB from the package index)
Exit code 1 if the check fails. With the defaults about ten minutes on two cores; run it on a quiet
machine.
"""

import argparse
import ctypes.util
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
PACKAGES = [
    "torch==2.11.0",
    "transformers==5.23.0",
    "peft==0.21.2",
    "tokenizers==0.23.3",
    "safetensors==0.8.0",
    "numpy==2.4.6",
    "pillow==12.3.0",
]
WARM = 2  # steps that are not counted
OUTSIDE = ("loading", "features", "saving", "evaluation")  # parts of a run that are no step


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=pathlib.Path, default=ROOT / "configs/train/demo.json")
    parser.add_argument("--bundle", type=pathlib.Path, default=ROOT / "runs/demo-start")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "data/demo/manifest.jsonl")
    parser.add_argument("--split", default="train")
    parser.add_argument("--medseg", type=pathlib.Path, default=ROOT / "build/medseg")
    parser.add_argument("--python")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--steps", type=int, default=6, help="counted in each run, after the first two"
    )
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--features",
        action="append",
        choices=["encoded", "cached"],
        help="both where it is left out",
    )
    parser.add_argument("--logits", choices=["all", "labelled"], default="all")
    parser.add_argument("--no-check", action="store_true")
    parser.add_argument("--check-only", action="store_true")
    parser.add_argument("--json", type=pathlib.Path, help="writes all numbers there too")
    return parser.parse_args()


def say(text):
    print(f"train_vs_python: {text}", file=sys.stderr, flush=True)


def make_environment(folder):
    say(f"environment with {', '.join(PACKAGES)}")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run(
        [
            folder / "bin/python",
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            *PACKAGES,
        ],
        check=True,
    )
    return str(folder / "bin/python")


def tcmalloc():
    """The library that medseg is linked with, for the other side."""
    for name in ("tcmalloc_minimal", "tcmalloc"):
        if found := ctypes.util.find_library(name):
            return found
    return None


def choose_records(manifest, split, count, folder):
    """A manifest of `count` records spread evenly over the split, beside links to its pictures."""
    lines = [
        line for line in manifest.read_text().splitlines() if json.loads(line)["split"] == split
    ]
    chosen = [lines[i * len(lines) // count] for i in range(count)]
    for entry in manifest.parent.iterdir():
        if entry.is_dir():
            (folder / entry.name).symlink_to(entry.resolve())
    (folder / "manifest.jsonl").write_text("\n".join(chosen) + "\n")
    return folder / "manifest.jsonl"


class Side:
    """One of the two programs: how it is started."""

    def __init__(self, arguments, folder, manifest, python):
        self.arguments, self.folder, self.python, self.adapter = arguments, folder, python, None
        sets = [
            f"model={arguments.bundle.resolve()}",
            "data.train=" + json.dumps([{"manifest": str(manifest), "split": arguments.split}]),
            "data.validation=[]",
            "data.shuffle=false",
            "data.balance=0",
            "data.absent_weight=1",
            f"train.batch_size={arguments.batch}",
            "train.accumulation=1",
            "train.replay.masks=0",
            "train.standardise_vision=false",
            "train.evaluate_every=0",
            "train.save_every=0",
            f"train.threads={arguments.threads}",
            "train.schedule.total_steps=480",
        ]
        self.sets = [word for entry in sets for word in ("--set", entry)]
        self.environment = dict(
            os.environ,
            OMP_NUM_THREADS=str(arguments.threads),
            HF_HUB_OFFLINE="1",
            TOKENIZERS_PARALLELISM="false",
        )
        self.allocator = tcmalloc()

    def effective(self, sets):
        shown = subprocess.run(
            [self.arguments.medseg, "config", "show", self.arguments.config, *self.sets, *sets],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        file = self.folder / f"config-{time.monotonic_ns()}.json"
        file.write_text(shown)
        return file

    def command(self, name, steps, precision, features):
        out = self.folder / f"{name}-{time.monotonic_ns()}"
        sets = ["--set", f"train.steps={steps}", "--set", f"train.precision={precision}"]
        if name == "medseg":
            limit = "0" if features == "encoded" else "16"
            sets += [
                "--set",
                f"data.cache_gb={limit}",
                "--set",
                f"train.lora.adapter={self.adapter}",
            ]
            return (
                out,
                [
                    self.arguments.medseg,
                    "train",
                    self.arguments.config,
                    *self.sets,
                    *sets,
                    "--out",
                    out,
                ],
                self.environment,
            )
        environment = dict(self.environment)
        if self.allocator:
            environment["LD_PRELOAD"] = self.allocator
        return (
            out,
            [
                self.python,
                ROOT / "scripts/bench/python_side.py",
                self.effective(sets),
                "--out",
                out,
                "--features",
                features,
                "--logits",
                self.arguments.logits,
                "--adapter",
                self.adapter,
            ],
            environment,
        )

    def make_adapter(self):
        """Adapters as peft initialises them, for both sides."""
        target = self.folder / "adapter"
        command = [
            self.python,
            ROOT / "scripts/bench/python_side.py",
            self.effective(["--set", "train.steps=1"]),
            "--out",
            self.folder,
            "--save-adapter",
            target,
        ]
        subprocess.run(command, check=True, env=self.environment, stdout=subprocess.DEVNULL)
        self.adapter = target


def lines_of(file):
    if not file.exists():
        return []
    text = file.read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def memory(pid, key):
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def run(side, name, steps, precision, features):
    """Starts a program and watches it; its steps, and the two peaks of its memory."""
    out, command, environment = side.command(name, steps, precision, features)
    log = open(f"{out}.log", "w", encoding="utf-8")
    child = subprocess.Popen(list(map(str, command)), env=environment, stdout=log, stderr=log)
    reset, peak = False, 0
    while child.poll() is None and len(lines_of(out / "metrics.jsonl")) < steps:
        if not reset and len(lines_of(out / "metrics.jsonl")) >= min(WARM, steps - 1):
            pathlib.Path(f"/proc/{child.pid}/clear_refs").write_text(
                "5"
            )  # the high-water mark starts anew
            reset = True
        peak = memory(child.pid, "VmHWM:") or peak
        time.sleep(0.01)
    peak = memory(child.pid, "VmHWM:") or peak
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(
            f"train_vs_python: {name} failed:\n" + pathlib.Path(f"{out}.log").read_text()[-3000:]
        )
    result = {
        "name": name,
        "features": features,
        "steps": lines_of(out / "metrics.jsonl"),
        "peak": peak,
        "peak_in_all": usage.ru_maxrss * 1024,
    }
    if (
        name == "medseg"
    ):  # it begins the high-water mark anew for each of its parts, and notes what the kernel says
        facts = json.loads((out / "run.json").read_text())
        inside = {name: part for name, part in facts["parts"].items() if name not in OUTSIDE}
        result["seconds_by_part"] = {name: part["seconds"] for name, part in inside.items()}
        result["peak"] = max(part["peak_memory_bytes"] for part in inside.values())
        result["peak_in_all"] = facts["peak_memory_bytes"]
    shutil.rmtree(out)
    return result


def check(side):
    """Whether three fp32 steps of both agree."""
    steps = {name: run(side, name, 3, "fp32", "encoded")["steps"] for name in ("medseg", "python")}
    print("fp32, the same weights, adapters and batches:\n")
    print(
        "| step | value | medseg | Python | relative difference |\n| ---: | --- | ---: | ---: |"
        " ---: |"
    )
    worst = 0
    for ours, theirs in zip(steps["medseg"], steps["python"]):
        for key in ("labelled", "masks"):
            if ours[key] != theirs[key]:
                sys.exit(
                    f"train_vs_python: step {ours['step']}: {key} {ours[key]} and {theirs[key]}:"
                    " not the same batch"
                )
        for key in ("loss", "loss_text", "loss_bce", "loss_dice", "grad_norm"):
            difference = abs(ours[key] - theirs[key]) / abs(theirs[key])
            worst = max(worst, difference)
            print(
                f"| {ours['step']} | {key} | {ours[key]:.7f} | {theirs[key]:.7f} |"
                f" {difference:.1e} |"
            )
    print(
        f"\nworst relative difference {worst:.1e}:"
        f" {'they compute the same' if worst < 1e-3 else 'THEY DO NOT COMPUTE THE SAME'}\n",
        flush=True,
    )
    return worst < 1e-3


def seconds_of(results):
    return [line["seconds"] for result in results for line in result["steps"][WARM:]]


def ratios_of_rounds(results, features):
    """Medseg's median step beside Python's of the same round: what else the machine does changes
    from round to round."""
    rounds = {
        name: [
            statistics.median(seconds_of([r]))
            for r in results
            if (r["name"], r["features"]) == (name, features)
        ]
        for name in ("medseg", "python")
    }
    return [ours / theirs for ours, theirs in zip(rounds["medseg"], rounds["python"])]


def report(arguments, results, allocator):
    print(
        f"batch {arguments.batch}, {arguments.threads} threads, bf16, Python's logits:"
        f" {arguments.logits}; allocator of Python: {allocator or 'glibc'}; {arguments.rounds}"
        f" rounds of {arguments.steps} counted steps\n"
    )
    print(
        "| features | program | s/step | min to max | samples/s | peak GB | in all GB |\n| --- |"
        " --- | ---: | --- | ---: | ---: | ---: |"
    )
    ratios = []
    for features in arguments.features:
        medians, peaks = {}, {}
        for name in ("medseg", "python"):
            chosen = [r for r in results if (r["name"], r["features"]) == (name, features)]
            seconds = seconds_of(chosen)
            medians[name], peaks[name] = statistics.median(seconds), max(r["peak"] for r in chosen)
            whole = max(r["peak_in_all"] for r in chosen)
            print(
                f"| {features} | {name} | {medians[name]:.3f} | {min(seconds):.3f} to"
                f" {max(seconds):.3f} | {arguments.batch / medians[name]:.2f} |"
                f" {peaks[name] / 1e9:.2f} | {whole / 1e9:.2f} |"
            )
        of_rounds = ratios_of_rounds(results, features)
        ratios.append(
            f"{features}: medseg takes {statistics.median(of_rounds):.2f} of Python's time (median"
            f" of the rounds, {min(of_rounds):.2f} to {max(of_rounds):.2f}) and"
            f" {peaks['medseg'] / peaks['python']:.2f} of its memory"
        )
    print("\n" + "\n".join(ratios))
    print("\nmedseg's time by part, seconds a step (all steps, the first two too):\n")
    for features in arguments.features:
        chosen = [r for r in results if (r["name"], r["features"]) == ("medseg", features)]
        count = sum(len(r["steps"]) for r in chosen)
        parts = {}
        for result in chosen:
            for part, seconds in result["seconds_by_part"].items():
                parts[part] = parts.get(part, 0) + seconds
        print(
            f"{features}: "
            + ", ".join(f"{part} {seconds / count:.3f}" for part, seconds in parts.items())
        )


def main():
    arguments = parse()
    arguments.features = arguments.features or ["encoded", "cached"]
    for needed in (arguments.config, arguments.bundle, arguments.data, arguments.medseg):
        if not needed.exists():
            sys.exit(
                f"train_vs_python: {needed} is not there; scripts/demo.sh makes what the defaults"
                " name"
            )
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="train-vs-python-") as name:
        folder = pathlib.Path(name)
        python = arguments.python or make_environment(folder / "venv")
        (folder / "data").mkdir()
        manifest = choose_records(
            arguments.data,
            arguments.split,
            arguments.batch * (WARM + arguments.steps),
            folder / "data",
        )
        side = Side(arguments, folder, manifest, python)
        side.make_adapter()
        if not arguments.no_check and not check(side):
            sys.exit(1)
        if arguments.check_only:
            return
        results = []
        for number in range(arguments.rounds):
            for features in arguments.features:
                for program in ("medseg", "python"):
                    say(
                        f"round {number + 1} of {arguments.rounds}: {features}, {program}; load"
                        f" {os.getloadavg()[0]:.2f}"
                    )
                    results.append(run(side, program, WARM + arguments.steps, "bf16", features))
        report(arguments, results, side.allocator)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1))
    say(f"{time.monotonic() - begin:.0f} s in all; load {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
