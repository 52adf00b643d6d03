#!/usr/bin/env python3
"""Writes OUT/matrices.safetensors: matrices quantised by bitsandbytes on the CPU.

    export_low_bit.py tests/golden/low_bit

Packages: torch 2.11.0, bitsandbytes 0.50.2, safetensors. NAME is `plain` [24, 128], `odd` [5, 27]
(its last block is shorter, and its last byte half full), `outliers` [16, 64], `zeros` [4, 64] (a
block of zeros) and `ramp` [1, 64], which starts at -1 and ends at 1.

`code` [16]: the values of nf4. `NAME.weight` float32; `NAME.nf4` uint8 as functional.quantize_4bit
packs them (blocks of 64, no compressed statistics), `NAME.absmax`, `NAME.nf4_wide`
(dequantize_4bit); `NAME.int8`, `NAME.row_absmax` (int8_vectorwise_quant), `NAME.int8_wide`
(int8_vectorwise_dequant).
"""

import pathlib
import sys

import bitsandbytes.functional as F
import torch
from safetensors.torch import save_file


def matrices():
    random = torch.Generator().manual_seed(4)
    yield "plain", torch.randn(24, 128, generator=random) * 0.02
    yield "odd", torch.randn(5, 27, generator=random)
    outliers = torch.randn(16, 64, generator=random) * 0.01
    outliers[3, 5], outliers[9, 60] = 4.0, -7.5
    yield "outliers", outliers
    zeros = torch.randn(4, 64, generator=random)
    zeros[2] = 0
    yield "zeros", zeros
    yield "ramp", torch.linspace(-1, 1, 64).view(1, 64)


def main(out):
    torch.set_num_threads(1)
    tensors = {"code": F.get_4bit_type("nf4", device="cpu")}
    for name, weight in matrices():
        packed, state = F.quantize_4bit(
            weight, blocksize=64, quant_type="nf4", compress_statistics=False
        )
        rows, absmax, _ = F.int8_vectorwise_quant(weight)
        tensors |= {
            f"{name}.weight": weight,
            f"{name}.nf4": packed.flatten(),
            f"{name}.absmax": state.absmax,
            f"{name}.nf4_wide": F.dequantize_4bit(packed, state).float(),
            f"{name}.int8": rows,
            f"{name}.row_absmax": absmax,
            f"{name}.int8_wide": F.int8_vectorwise_dequant(rows, absmax),
        }
    pathlib.Path(out).mkdir(parents=True, exist_ok=True)
    save_file(
        {key: value.contiguous() for key, value in tensors.items()},
        pathlib.Path(out) / "matrices.safetensors",
    )


if __name__ == "__main__":
    main(sys.argv[1])
