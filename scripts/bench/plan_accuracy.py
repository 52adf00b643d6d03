#!/usr/bin/env python3
"""What `medseg plan` foretells of memory, beside what a training of the same config takes.

Three configs, all made of the demonstration's: as it is; fp32 with checkpointed layers and larger
batches; the whole language model fine-tuned with a moving average. Each is planned, then trained
for a few steps; the peak is the kernel's, noted by the run (run.json). Prints a table; exit code 1
if a prediction is more than 10 % off.

    scripts/bench/plan_accuracy.py            after scripts/demo.sh, about five minutes on two cores
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = {
    "demonstration": [],
    "fp32, batch 8, checkpointed layers": [
        "train.precision=fp32",
        "train.batch_size=8",
        "train.replay.masks=0",
        "train.activation_checkpointing=blocks",
    ],
    "whole language model, 2 x 2, moving average": [
        'train.trainable=["mask_decoder","text_hidden_fcs","mm_projector","embed_tokens",'
        '"model.layers"]',
        "train.lora.rank=0",
        "train.batch_size=2",
        "train.accumulation=2",
        "train.ema.decay=0.99",
        "train.replay.masks=0",
        "train.optimizer.lr=1e-5",
    ],
}
WITHIN = 0.10


def run(medseg, *words):
    done = subprocess.run([medseg, *map(str, words)], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(
            f"plan_accuracy: medseg {' '.join(map(str, words))}: exit"
            f" {done.returncode}\n{done.stderr[-2000:]}"
        )
    return done.stdout


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--medseg", type=pathlib.Path, default=ROOT / "build/medseg")
    parser.add_argument("--config", type=pathlib.Path, default=ROOT / "configs/train/demo.json")
    parser.add_argument("--steps", type=int, default=12, help="of each training")
    arguments = parser.parse_args()
    worst = 0
    print("| config | planned GB | measured GB | off by | in |\n| --- | ---: | ---: | ---: | --- |")
    for name, changes in CASES.items():
        # The plan is of the steps that are run: their largest micro-batch.
        sets = [
            word
            for change in [
                *changes,
                f"train.steps={arguments.steps}",
                "train.schedule.warmup_steps=1",
                "data.validation=[]",
            ]
            for word in ("--set", change)
        ]
        plan = json.loads(run(arguments.medseg, "plan", arguments.config, *sets, "--json"))
        with tempfile.TemporaryDirectory(prefix="plan-accuracy-") as folder:
            run(
                arguments.medseg,
                "train",
                arguments.config,
                *sets,
                "--out",
                pathlib.Path(folder) / "run",
            )
            facts = json.loads((pathlib.Path(folder) / "run/run.json").read_text())
        part = max(facts["parts"], key=lambda key: facts["parts"][key]["peak_memory_bytes"])
        measured = facts["peak_memory_bytes"]
        off = plan["peak_bytes"] / measured - 1
        worst = max(worst, abs(off))
        print(
            f"| {name} | {plan['peak_bytes'] / 1e9:.2f} | {measured / 1e9:.2f} | {100 * off:+.1f} %"
            f" | {part} |",
            flush=True,
        )
        print(
            "  "
            + ", ".join(
                f"{key} {value['peak_memory_bytes'] / 1e9:.2f}"
                for key, value in facts["parts"].items()
            ),
            file=sys.stderr,
        )
        print(
            "  " + ", ".join(f"{key} {value / 1e9:.2f}" for key, value in plan["memory"].items()),
            file=sys.stderr,
        )
    sys.exit(worst > WITHIN)


if __name__ == "__main__":
    main()
