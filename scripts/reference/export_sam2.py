#!/usr/bin/env python3
"""Writes tests/golden/sam2/{hiera,decoder}.safetensors and sizes.json: tiny random image encoders
and a mask decoder of SAM 2 with inputs, outputs and gradients, and the number of parameters of the
published encoders.

    export_sam2.py tests/golden/sam2

Packages: torch 2.15.0, transformers 5.24.0, safetensors. Weights are written under the names of
facebookresearch/sam2. `tiny`: one head at first, a global block inside a stage, windows that pad.
`wide`: two heads at first, windows that pad where queries are pooled. Names: `CASE.weight.NAME`,
`CASE.pixels`, `CASE.out.N` and `CASE.cotangent.N` for strides 4, 8, 16 (loss = sum over N of
sum(out * cotangent)), `CASE.grad.NAME`, `CASE.grad.pixels`.
decoder.safetensors: `weight.NAME`, the image's `image` [1, C, h, w], `positions` [C, h, w],
`stride4` and `stride8` before conv_s0 and conv_s1, `prompts` [K, 1, C]; of each mask token `masks`
and `iou`; `object`; by the stability rule `stable.masks` and `stable.iou`, of which some are token
0's and some are not; `cotangent` (loss = sum(masks * cotangent) + sum(object) + sum(iou)),
`grad.NAME`, `grad.image`, `grad.prompts`, `grad.stride4`, `grad.stride8`.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import (
    Sam2HieraDetConfig,
    Sam2MaskDecoderConfig,
    Sam2VisionConfig,
    Sam2VisionModel,
)
from transformers.models.sam2.modeling_sam2 import Sam2MaskDecoder

# transformers' names for those of Meta, in this order.
META = (
    ("backbone.", "trunk."),
    ("patch_embed.projection.", "patch_embed.proj."),
    ("layer_norm", "norm"),
    ("mlp.proj_in.", "mlp.layers.0."),
    ("mlp.proj_out.", "mlp.layers.1."),
)

# The same of the decoder; a layer's MLP has the names of SAM 1.
DECODER = (
    ("layer_norm", "norm"),
    (".mlp.proj_in.", ".mlp.lin1."),
    (".mlp.proj_out.", ".mlp.lin2."),
    ("o_proj", "out_proj"),
    ("upscale_conv1", "output_upscaling.0"),
    ("upscale_norm", "output_upscaling.1"),
    ("upscale_conv2", "output_upscaling.3"),
)
HEADS = ("output_hypernetworks_mlps.", "iou_prediction_head.", "pred_obj_score_head.")

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


def decoder_name(name):
    for hf, meta in DECODER:
        name = name.replace(hf, meta)
    if name.startswith(HEADS):
        name = name.replace(".layers.0.", ".layers.1.")
        name = name.replace(".proj_in.", ".layers.0.").replace(".proj_out.", ".layers.2.")
    return name


def export_decoder(width=16, grid=4, masks=6):
    config = Sam2MaskDecoderConfig(
        hidden_size=width,
        mlp_dim=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        iou_head_hidden_dim=width,
    )
    config._attn_implementation = "eager"
    net = Sam2MaskDecoder(config).eval()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "norm" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
            elif parameter.dim() > 1:
                parameter.copy_(torch.randn_like(parameter) * parameter[0].numel() ** -0.5)
            else:
                parameter.copy_(0.2 * torch.randn_like(parameter))
        # Far from the threshold, so that some masks of token 0 are stable.
        net.output_hypernetworks_mlps[0].proj_out.weight.mul_(20)
    inputs = {
        "image": torch.randn(1, width, grid, grid),
        "stride4": torch.randn(1, width, 4 * grid, 4 * grid),
        "stride8": torch.randn(1, width, 2 * grid, 2 * grid),
        "prompts": 2 * torch.randn(masks, 1, width),
    }
    for tensor in inputs.values():
        tensor.requires_grad_(True)
    positions = torch.randn(1, width, grid, grid)
    fine = [net.conv_s0(inputs["stride4"]), net.conv_s1(inputs["stride8"])]
    kept = []
    rule = net._dynamic_multimask_via_stability

    def keep_all(logits, ious):
        kept.append((logits, ious))
        return rule(logits, ious)

    net._dynamic_multimask_via_stability = keep_all
    stable, stable_iou, _, score = net(
        image_embeddings=inputs["image"],
        image_positional_embeddings=positions,
        sparse_prompt_embeddings=inputs["prompts"].unsqueeze(0),
        dense_prompt_embeddings=torch.zeros(1, width, grid, grid),
        multimask_output=False,
        high_resolution_features=fine,
    )
    logits, ious = (tensor[0] for tensor in kept[0])
    own = (stable[0, :, 0] == logits[:, 0]).flatten(1).all(1)
    assert own.any() and not own.all(), own
    cotangent = torch.randn_like(logits)
    ((logits * cotangent).sum() + score.sum() + ious.sum()).backward()
    out = {
        **inputs,
        "positions": positions[0],
        "masks": logits,
        "iou": ious,
        "object": score[0],
        "stable.masks": stable[0],
        "stable.iou": stable_iou[0],
        "cotangent": cotangent,
    }
    out |= {"grad." + name: tensor.grad for name, tensor in inputs.items()}
    for name, parameter in net.named_parameters():
        out["weight." + decoder_name(name)] = parameter
        out["grad." + decoder_name(name)] = parameter.grad
    return {k: v.detach().contiguous().clone() for k, v in out.items()}


def main(folder):
    torch.manual_seed(3)
    torch.set_num_threads(1)
    folder = pathlib.Path(folder)
    save_file({**export("tiny", 64, 1), **export("wide", 32, 2)}, folder / "hiera.safetensors")
    save_file(export_decoder(), folder / "decoder.safetensors")
    with torch.device("meta"):
        counts = {
            name: sum(p.numel() for p in make(*sizes).parameters())
            for name, sizes in PUBLISHED.items()
        }
    (folder / "sizes.json").write_text(json.dumps(counts, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
