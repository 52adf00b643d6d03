#!/usr/bin/env python3
"""Writes tests/golden/dinov2/tiny.safetensors: a tiny random DINOv2, its input, output and
gradients.

    export_dinov2.py tests/golden/dinov2

Packages: torch 2.11.0, transformers 5.23.0, safetensors. The input's grid (4) differs from the
stored one (5), so the positions are resampled. Names: `weight.NAME`, `pixels`, `cotangent` (loss =
sum(tokens * cotangent)), `tokens`, `grad.NAME`, `grad.pixels`.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import Dinov2Config, Dinov2Model

# Names of transformers 4, which published files use, for those of version 5.
PUBLISHED = {
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
}


def published(name):
    for new, old in PUBLISHED.items():
        name = name.replace(new, old)
    return name


def main(folder):
    torch.manual_seed(3)
    torch.set_num_threads(1)
    config = Dinov2Config(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=35,
        patch_size=7,
        attn_implementation="eager",
    )
    model = Dinov2Model(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "lambda1" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
            elif parameter.dim() > 1:
                parameter.copy_(0.25 * torch.randn_like(parameter))
            else:
                parameter.copy_(0.1 * torch.randn_like(parameter))
    pixels = torch.randn(2, 3, 28, 28, requires_grad=True)
    tokens = model(pixels, interpolate_pos_encoding=True).last_hidden_state
    cotangent = torch.randn_like(tokens)
    (tokens * cotangent).sum().backward()
    out = {"pixels": pixels, "cotangent": cotangent, "tokens": tokens, "grad.pixels": pixels.grad}
    for name, parameter in model.named_parameters():
        if name == "embeddings.mask_token":
            continue  # only for pre-training
        out["weight." + published(name)] = parameter
        out["grad." + published(name)] = parameter.grad
    save_file(
        {k: v.detach().contiguous() for k, v in out.items()},
        pathlib.Path(folder) / "tiny.safetensors",
    )


if __name__ == "__main__":
    main(sys.argv[1])
