#!/usr/bin/env python3
"""Writes tests/golden/sam2/hiera.safetensors and sizes.json: tiny random image encoders of SAM 2
with input, pyramid and gradients, and the number of parameters of the published sizes.

    export_sam2.py tests/golden/sam2

Packages: torch 2.15.0, transformers 5.24.0, safetensors. Weights are written under the names of
facebookresearch/sam2. `tiny`: one head at first, a global block inside a stage, windows that pad.
`wide`: two heads at first, windows that pad where queries are pooled. Names: `CASE.weight.NAME`,
`CASE.pixels`, `CASE.out.N` and `CASE.cotangent.N` for strides 4, 8, 16 (loss = sum over N of
sum(out * cotangent)), `CASE.grad.NAME`, `CASE.grad.pixels`.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import Sam2HieraDetConfig, Sam2VisionConfig, Sam2VisionModel

# transformers' names for those of Meta, in this order.
META = (
    ("backbone.", "trunk."),
    ("patch_embed.projection.", "patch_embed.proj."),
    ("layer_norm", "norm"),
    ("mlp.proj_in.", "mlp.layers.0."),
    ("mlp.proj_out.", "mlp.layers.1."),
)

CASES = {
    "tiny": {
        "width": 4,
        "heads": 1,
        "depths": [1, 2, 2, 1],
        "windows": [8, 4, 14, 6],
        "globals": [4],
        "background": 3,
    },
    "wide": {
        "width": 4,
        "heads": 2,
        "depths": [1, 2, 1, 1],
        "windows": [4, 6, 4, 2],
        "globals": [2],
        "background": 5,
    },
}

PUBLISHED = {
    "tiny": (96, 1, [1, 2, 7, 2], [8, 4, 14, 7], [5, 7, 9], 7),
    "small": (96, 1, [1, 2, 11, 2], [8, 4, 14, 7], [7, 10, 13], 7),
    "base_plus": (112, 2, [2, 3, 16, 3], [8, 4, 14, 7], [12, 16, 20], 14),
    "large": (144, 2, [2, 6, 36, 4], [8, 4, 16, 8], [23, 33, 43], 7),
}


def meta_name(name):
    for hf, meta in META:
        name = name.replace(hf, meta)
    if name.startswith("neck.convs."):
        parts = name.split(".")
        name = ".".join(parts[:3] + ["conv"] + parts[3:])
    return name


def make(width, heads, depths, windows, global_blocks, background, out_width=256):
    widths = [width * 2**i for i in range(4)]
    backbone = Sam2HieraDetConfig(
        hidden_size=width,
        num_attention_heads=heads,
        blocks_per_stage=depths,
        embed_dim_per_stage=widths,
        num_attention_heads_per_stage=[heads * 2**i for i in range(4)],
        window_size_per_stage=windows,
        global_attention_blocks=global_blocks,
        window_positional_embedding_background_size=[background, background],
    )
    config = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=widths[::-1],
        fpn_hidden_size=out_width,
    )
    config._attn_implementation = "eager"
    return Sam2VisionModel(config).eval()


def export(case, size, images):
    o = CASES[case]
    model = make(
        o["width"], o["heads"], o["depths"], o["windows"], o["globals"], o["background"], 8
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
            elif parameter.dim() > 1:
                parameter.copy_(0.25 * torch.randn_like(parameter))
            else:
                parameter.copy_(0.1 * torch.randn_like(parameter))
    pixels = torch.randn(images, 3, size, size, requires_grad=True)
    levels = model(pixels).fpn_hidden_states
    out = {"pixels": pixels}
    loss = 0
    for i, level in enumerate(levels):
        cotangent = torch.randn_like(level)
        loss = loss + (level * cotangent).sum()
        out[f"out.{i}"] = level
        out[f"cotangent.{i}"] = cotangent
    loss.backward()
    out["grad.pixels"] = pixels.grad
    for name, parameter in model.named_parameters():
        out["weight." + meta_name(name)] = parameter
        if parameter.grad is not None:
            out["grad." + meta_name(name)] = parameter.grad
    return {f"{case}.{k}": v.detach().contiguous().clone() for k, v in out.items()}


def main(folder):
    torch.manual_seed(3)
    torch.set_num_threads(1)
    folder = pathlib.Path(folder)
    save_file({**export("tiny", 64, 1), **export("wide", 32, 2)}, folder / "hiera.safetensors")
    with torch.device("meta"):
        counts = {
            name: sum(p.numel() for p in make(*sizes).parameters())
            for name, sizes in PUBLISHED.items()
        }
    (folder / "sizes.json").write_text(json.dumps(counts, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
