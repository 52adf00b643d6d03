#!/usr/bin/env python3
"""LISA-style training of a bundle in Python, for train_vs_python.py: transformers, peft, and
LiteMedSAM's modules in plain PyTorch.

    python_side.py CONFIG --out DIR [--steps N] [--features cached|encoded] [--logits all|labelled]
    [--adapter DIR] [--save-adapter DIR]

CONFIG is what `medseg config show` prints: the recipe is read from it and from the bundle it names
(SmolLM2 or another LLaMA, a DINOv2 tower, LiteMedSAM). Records of the training manifest come in its
order. As a careful user would write it: what is frozen is kept in bf16 and runs without autograd,
batch norms are folded into their convolutions, attention is PyTorch's own, AdamW is the fused one,
batches are made before the first step. DIR/metrics.jsonl gets a line a step, with the keys of
medseg's.

Packages: torch, transformers, peft, tokenizers, safetensors, numpy, pillow.
"""

import argparse
import json
import math
import os
import pathlib
import time

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F

IMAGE, IGNORE = -200, -100
WIDTH = 256  # of SAM's prompts and grid features


# --- LiteMedSAM's encoder: TinyViT with a SAM neck
# --------------------------------------------------------------------


class ConvBn(nn.Sequential):
    def __init__(self, inside, outside, kernel=1, stride=1, groups=1):
        super().__init__()
        self.add_module(
            "c", nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False)
        )
        self.add_module("bn", nn.BatchNorm2d(outside))

    def folded(self):
        scale = self.bn.weight / (self.bn.running_var + self.bn.eps) ** 0.5
        c = self.c
        conv = nn.Conv2d(
            c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding, groups=c.groups
        )
        conv.weight.data = c.weight * scale[:, None, None, None]
        conv.bias.data = self.bn.bias - self.bn.running_mean * scale
        return conv


class Bottleneck(nn.Module):
    """MBConv (with the residual) and the merging of patches (without)."""

    def __init__(self, inside, hidden, outside, stride, residual):
        super().__init__()
        self.conv1 = ConvBn(inside, hidden)
        self.conv2 = ConvBn(hidden, hidden, 3, stride, hidden)
        self.conv3 = ConvBn(hidden, outside)
        self.residual = residual

    def forward(self, x):
        y = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))
        return F.gelu(x + y) if self.residual else y


class WindowAttention(nn.Module):
    def __init__(self, width, heads, window):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.proj = (
            nn.LayerNorm(width),
            nn.Linear(width, 3 * width),
            nn.Linear(width, width),
        )
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        line = torch.arange(window)
        apart = (line[:, None] - line).abs()
        index = apart[:, None, :, None] * window + apart[None, :, None, :]
        self.register_buffer("index", index.reshape(window**2, window**2), persistent=False)

    def forward(self, x):
        n, cells, width = x.shape
        q, k, v = self.qkv(self.norm(x)).view(n, cells, self.heads, 3, -1).permute(3, 0, 2, 1, 4)
        mixed = F.scaled_dot_product_attention(
            q, k, v, self.attention_biases[:, self.index][None].to(q.dtype)
        )
        return self.proj(mixed.transpose(1, 2).reshape(n, cells, width))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.fc1, self.fc2 = (
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.Linear(4 * width, width),
        )

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(self.norm(x))))


class Block(nn.Module):
    def __init__(self, width, heads, window):
        super().__init__()
        self.window = window
        self.attn, self.mlp, self.local_conv = (
            WindowAttention(width, heads, window),
            Mlp(width),
            ConvBn(width, width, 3, groups=width),
        )

    def forward(self, x):  # [B, C, H, W]
        b, c, h, w = x.shape
        s = self.window
        down, across = -(-h // s), -(-w // s)
        maps = x.permute(0, 2, 3, 1)
        windows = (
            F.pad(maps, (0, 0, 0, across * s - w, 0, down * s - h))
            .view(b, down, s, across, s, c)
            .transpose(2, 3)
        )
        y = self.attn(windows.reshape(-1, s * s, c)).view(b, down, across, s, s, c).transpose(2, 3)
        maps = maps + y.reshape(b, down * s, across * s, c)[:, :h, :w]
        maps = self.local_conv(maps.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return (maps + self.mlp(maps)).permute(0, 3, 1, 2)


class LayerNorm2d(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x):
        centred = x - x.mean(1, keepdim=True)
        y = centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()
        return self.weight[:, None, None] * y + self.bias[:, None, None]


class Stage(nn.Module):
    def __init__(self, blocks, downsample):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        if downsample is not None:
            self.downsample = downsample

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.downsample(x) if hasattr(self, "downsample") else x


class TinyVit(nn.Module):
    def __init__(self, options):
        super().__init__()
        widths = options["widths"]
        stride = options.get("patch_stride", 1)
        kernel = 1 if stride == 1 else 3
        self.patch_embed = nn.Module()
        self.patch_embed.seq = nn.Sequential(
            ConvBn(3, widths[0] // 2, kernel, stride),
            nn.GELU(),
            ConvBn(widths[0] // 2, widths[0], kernel, stride),
        )
        stages = []
        for i, width in enumerate(widths):
            if i == 0:
                blocks = [
                    Bottleneck(width, 4 * width, width, 1, True)
                    for _ in range(options["depths"][i])
                ]
            else:
                blocks = [
                    Block(width, options["heads"][i], options["windows"][i])
                    for _ in range(options["depths"][i])
                ]
            after = widths[i + 1] if i < 3 else None
            stages.append(
                Stage(
                    blocks,
                    Bottleneck(width, after, after, 1 if i == 2 else 2, False) if after else None,
                )
            )
        self.layers = nn.ModuleList(stages)
        self.neck = nn.Sequential(
            nn.Conv2d(widths[-1], WIDTH, 1, bias=False),
            LayerNorm2d(WIDTH),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False),
            LayerNorm2d(WIDTH),
        )

    def forward(self, x):
        x = self.patch_embed.seq(x)
        for layer in self.layers:
            x = layer(x)
        return self.neck(x)


def fold_batch_norms(module):
    for name, child in module.named_children():
        if isinstance(child, ConvBn):
            setattr(module, name, child.folded())
        else:
            fold_batch_norms(child)
    return module


# --- SAM's mask decoder
# -------------------------------------------------------------------------------------------------


class Attention(nn.Module):
    def __init__(self, width, inner, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, inner) for _ in range(3))
        self.out_proj = nn.Linear(inner, width)

    def forward(self, q, k, v):
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.q_proj, q), (self.k_proj, k), (self.v_proj, v))
        )
        return self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class TwoWayLayer(nn.Module):
    def __init__(self, heads, mlp, first):
        super().__init__()
        self.first = first
        self.self_attn = Attention(WIDTH, WIDTH, heads)
        self.cross_attn_token_to_image, self.cross_attn_image_to_token = (
            Attention(WIDTH, WIDTH // 2, heads) for _ in range(2)
        )
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(WIDTH) for _ in range(4))
        self.mlp = nn.ModuleDict({"lin1": nn.Linear(WIDTH, mlp), "lin2": nn.Linear(mlp, WIDTH)})

    def forward(self, tokens, image, prompt, positions):
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            q = tokens + prompt
            tokens = tokens + self.self_attn(q, q, tokens)
        tokens = self.norm1(tokens)
        tokens = self.norm2(
            tokens + self.cross_attn_token_to_image(tokens + prompt, image + positions, image)
        )
        tokens = self.norm3(tokens + self.mlp["lin2"](F.relu(self.mlp["lin1"](tokens))))
        image = self.norm4(
            image + self.cross_attn_image_to_token(image + positions, tokens + prompt, tokens)
        )
        return tokens, image


class TwoWayTransformer(nn.Module):
    def __init__(self, depth, heads, mlp):
        super().__init__()
        self.layers = nn.ModuleList(TwoWayLayer(heads, mlp, i == 0) for i in range(depth))
        self.final_attn_token_to_image, self.norm_final_attn = Attention(
            WIDTH, WIDTH // 2, heads
        ), nn.LayerNorm(WIDTH)

    def forward(self, prompt, image, positions):
        tokens = prompt
        for layer in self.layers:
            tokens, image = layer(tokens, image, prompt, positions)
        return (
            self.norm_final_attn(
                tokens + self.final_attn_token_to_image(tokens + prompt, image + positions, image)
            ),
            image,
        )


class ThreeLayers(nn.Module):
    def __init__(self, outside):
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, outside)]
        )

    def forward(self, x):
        return self.layers[2](F.relu(self.layers[1](F.relu(self.layers[0](x)))))


class MaskDecoder(nn.Module):
    def __init__(self, options):
        super().__init__()
        masks = options.get("num_masks", 4)
        self.transformer = TwoWayTransformer(
            options["decoder_depth"], options["decoder_heads"], options["decoder_mlp"]
        )
        self.iou_token, self.mask_tokens = nn.Embedding(1, WIDTH), nn.Embedding(masks, WIDTH)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(WIDTH, WIDTH // 4, 2, 2),
            LayerNorm2d(WIDTH // 4),
            nn.GELU(),
            nn.ConvTranspose2d(WIDTH // 4, WIDTH // 8, 2, 2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            ThreeLayers(WIDTH // 8) for _ in range(masks)
        )
        self.iou_prediction_head = ThreeLayers(masks)

    def forward(self, image, positions, dense, prompts):
        """The masks of one picture: image [1, C, h, w], prompts [n, C] -> [n, 1, 4h, 4w]."""
        n = len(prompts)
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])[None].expand(n, -1, -1)
        tokens = torch.cat([own, prompts[:, None]], 1)
        cells = (image + dense).expand(n, -1, -1, -1)
        states, painted = self.transformer(
            tokens, cells.flatten(2).transpose(1, 2), positions.flatten(2).transpose(1, 2)
        )
        maps = self.output_upscaling(painted.transpose(1, 2).reshape(cells.shape))
        brush = self.output_hypernetworks_mlps[0](states[:, 1])
        return (brush[:, None] @ maps.flatten(2)).view(n, 1, *maps.shape[2:])


# --- data
# -------------------------------------------------------------------------------------------------


def render(tokenizer, turns):
    """chatml: ids, labels and where each [SEG] of an answer stands."""
    end, seg = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("[SEG]")
    ids, labels, segs = [], [], []

    def put(text, labelled):
        for i, chunk in enumerate(text.split("<image>")):
            if i > 0:
                ids.append(IMAGE)
                labels.append(IGNORE)
            new = tokenizer.encode(chunk, add_special_tokens=False).ids
            segs.extend(len(ids) + k for k, token in enumerate(new) if labelled and token == seg)
            ids.extend(new)
            labels.extend(new if labelled else [IGNORE] * len(new))

    for i, (question, answer) in enumerate(turns):
        put(
            f"{chr(10) if i else ''}<|im_start|>user\n{question}<|im_end|>\n"
            "<|im_start|>assistant\n",
            False,
        )
        put(answer, True)
        ids.append(end)
        labels.append(end)
    put("\n", False)
    return ids, labels, segs


def vision_input(image, options, side):
    mean, deviation = options["mean"], options["deviation"]
    square = Image.new("RGB", (max(image.size),) * 2, tuple(int(255 * m) for m in mean))
    square.paste(image, ((square.width - image.width) // 2, (square.width - image.height) // 2))
    x = np.asarray(square.resize((side, side), Image.BICUBIC)).astype(np.float64) / 255
    return torch.from_numpy(((x - mean) / deviation).transpose(2, 0, 1).astype(np.float32))


def grounding_input(image, side):
    scale = side / max(image.size)
    width, height = int(image.width * scale + 0.5), int(image.height * scale + 0.5)
    x = np.asarray(image.resize((width, height), Image.BILINEAR)).astype(np.float64)
    x = (x - x.min()) / max(x.max() - x.min(), 1e-8)
    x = np.pad(x, ((0, side - height), (0, side - width), (0, 0)))
    return torch.from_numpy(x.transpose(2, 0, 1).astype(np.float32)), (height, width)


class Record:
    def __init__(self, line, folder, tokenizer, bundle):
        talk = line["conversations"]
        turns = [(human["value"], answer["value"]) for human, answer in zip(talk[::2], talk[1::2])]
        self.ids, self.labels, segs = render(tokenizer, turns)
        chosen = [
            ids if isinstance(ids, list) else [ids]
            for answer in talk[1::2]
            for ids in answer.get("masks", [])
        ]
        masks = [
            np.any(
                [np.asarray(Image.open(folder / line["masks"][i]["file"])) != 0 for i in ids],
                axis=0,
            )
            for ids in chosen
        ]
        self.segs = segs
        image = Image.open(folder / line["image"]).convert("RGB")
        self.size = (image.height, image.width)
        self.masks = (
            torch.from_numpy(np.stack(masks).astype(np.float32))
            if masks
            else torch.zeros(0, *self.size)
        )
        model = bundle["model"]
        self.vision = vision_input(
            image, bundle["vision_preprocess"], model["vision"]["dinov2"]["image_size"]
        )
        self.grounding, self.resized = grounding_input(
            image, model["grounding"]["tiny_vit"]["image_size"]
        )
        assert len(self.segs) == len(self.masks), line["id"]


# --- the model
# -------------------------------------------------------------------------------------------------


def encoder_name(name):
    """transformers 5's names for those of version 4, which bundles use."""
    for old, new in (
        ("attention.attention.query", "attention.q_proj"),
        ("attention.attention.key", "attention.k_proj"),
        ("attention.attention.value", "attention.v_proj"),
        ("attention.output.dense", "attention.o_proj"),
    ):
        name = name.replace(old, new)
    return name


class Weights:
    """The tensors of a bundle, part by part, so that never two copies of all stand in memory."""

    def __init__(self, folder):
        self.file = safe_open(str(pathlib.Path(folder) / "model.safetensors"), "pt")

    def part(self, prefix, rename=lambda name: name):
        return {
            rename(name[len(prefix) :]): self.file.get_tensor(name)
            for name in self.file.keys()
            if name.startswith(prefix)
        }

    def load(self, module, prefix, rename=lambda name: name, missing=()):
        result = module.load_state_dict(self.part(prefix, rename), strict=False)
        assert not result.unexpected_keys and set(result.missing_keys) <= set(missing), result
        return module


class Lisa(nn.Module):
    def __init__(self, bundle_folder, bundle, lora, dtype, adapter):
        from peft import LoraConfig, PeftModel, get_peft_model
        from transformers import Dinov2Config, Dinov2Model, LlamaConfig, LlamaForCausalLM

        super().__init__()
        model, weights = bundle["model"], Weights(bundle_folder)
        language, tower, grounding = (
            model["language"],
            model["vision"]["dinov2"],
            model["grounding"],
        )
        self.first_new = min(bundle["special_tokens"].values())
        self.merge, self.grid = (
            model["projector"].get("merge", 1),
            tower["image_size"] // tower["patch"],
        )
        width = language["width"]

        with torch.device("meta"):
            llama = LlamaForCausalLM(
                LlamaConfig(
                    vocab_size=self.first_new,
                    hidden_size=width,
                    intermediate_size=language["mlp_width"],
                    num_hidden_layers=language["layers"],
                    num_attention_heads=language["heads"],
                    num_key_value_heads=language["kv_heads"],
                    rms_norm_eps=language["norm_eps"],
                    rope_parameters={"rope_type": "default", "rope_theta": language["rope_theta"]},
                    max_position_embeddings=language["max_positions"],
                    tie_word_embeddings=True,
                    attn_implementation="sdpa",
                )
            )
            vision = Dinov2Model(
                Dinov2Config(
                    hidden_size=tower["width"],
                    num_hidden_layers=tower["layers"],
                    num_attention_heads=tower["heads"],
                    mlp_ratio=tower["mlp_ratio"],
                    layer_norm_eps=tower["norm_eps"],
                    patch_size=tower["patch"],
                    image_size=tower["position_grid"] * tower["patch"],
                    attn_implementation="sdpa",
                )
            )
        state = {
            f"model.{name}": tensor.to(dtype)
            for name, tensor in weights.part("model.").items()
            if name.startswith(("layers.", "norm.", "embed_tokens."))
        }
        rows = weights.file.get_tensor("model.embed_tokens.weight")[self.first_new :].clone()
        state["model.embed_tokens.weight"] = state["model.embed_tokens.weight"][
            : self.first_new
        ].clone()
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
        llama.load_state_dict(state, assign=True)
        llama.tie_weights()
        llama.model.rotary_emb = type(llama.model.rotary_emb)(
            llama.config
        )  # its frequencies are no part of the weights
        llama.requires_grad_(False)
        if adapter:
            self.language = PeftModel.from_pretrained(llama, adapter, is_trainable=True)
        else:
            self.language = get_peft_model(
                llama,
                LoraConfig(
                    r=lora["rank"],
                    lora_alpha=lora["alpha"],
                    lora_dropout=lora["dropout"],
                    target_modules=list(lora["targets"]),
                ),
            )
        self.new_rows = nn.Parameter(rows.float())
        prefix = "model.vision_tower.vision_tower."
        state = {
            encoder_name(name): tensor.to(dtype) for name, tensor in weights.part(prefix).items()
        }
        state["embeddings.mask_token"] = torch.zeros(
            1, tower["width"], dtype=dtype
        )  # only for pre-training
        vision.load_state_dict(state, assign=True)
        self.vision = vision
        inside = tower["width"] * self.merge**2
        self.mm_projector = weights.load(
            nn.Sequential(nn.Linear(inside, width), nn.GELU(), nn.Linear(width, width)),
            "model.mm_projector.",
        )
        self.text_hidden_fcs = weights.load(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, WIDTH)),
            "model.text_hidden_fcs.0.",
        )
        encoder = weights.load(
            TinyVit(grounding["tiny_vit"]), "model.grounding_encoder.image_encoder."
        )
        with torch.no_grad():
            self.encoder = (
                fold_batch_norms(encoder.eval()).to(dtype).to(memory_format=torch.channels_last)
            )
        self.mask_decoder = weights.load(
            MaskDecoder(grounding), "model.grounding_encoder.mask_decoder."
        )
        prompt = weights.part("model.grounding_encoder.prompt_encoder.")
        self.register_buffer("no_mask", prompt["no_mask_embed.weight"].view(1, WIDTH, 1, 1))
        side = grounding["tiny_vit"]["image_size"] // (
            4 * grounding["tiny_vit"].get("patch_stride", 1) ** 2
        )
        place = (torch.arange(side) + 0.5) / side
        y, x = torch.meshgrid(place, place, indexing="ij")
        angles = (
            2
            * math.pi
            * (
                (2 * torch.stack([x, y], -1) - 1)
                @ prompt["pe_layer.positional_encoding_gaussian_matrix"]
            )
        )
        self.register_buffer(
            "positions", torch.cat([angles.sin(), angles.cos()], -1).permute(2, 0, 1)[None]
        )
        for frozen in (self.vision, self.encoder):
            frozen.requires_grad_(False).eval()
        self.dtype = dtype

    def trained(self):
        """(name as in medseg, parameter)"""
        for name, tensor in self.named_parameters():
            if tensor.requires_grad:
                yield name, tensor

    @torch.no_grad()
    def encode(self, records):
        seen = self.vision(
            torch.stack([r.vision for r in records]).to(self.dtype)
        ).last_hidden_state[:, 1:]
        drawn = torch.stack([r.grounding for r in records]).to(
            self.dtype, memory_format=torch.channels_last
        )
        return seen, self.encoder(drawn)

    def forward(self, records, features, weights, prompt_gradient, all_logits):
        seen, grids = features
        b, _, c = seen.shape
        cells, m = self.grid // self.merge, self.merge
        merged = (
            seen.view(b, cells, m, cells, m, c).transpose(2, 3).reshape(b, cells * cells, m * m * c)
        )
        rows = self.mm_projector(merged.float() if self.dtype == torch.float32 else merged)
        n, longest = rows.shape[1], max(len(r.ids) for r in records) + rows.shape[1] - 1
        ids = torch.zeros(b, longest, dtype=torch.long)
        labels = torch.full((b, longest), IGNORE)
        starts, places = [], []
        for i, r in enumerate(records):
            at = r.ids.index(IMAGE)
            spread = r.ids[:at] + [0] * n + r.ids[at + 1 :]
            ids[i, : len(spread)] = torch.tensor(spread)
            labels[i, : len(spread)] = torch.tensor(
                r.labels[:at] + [IGNORE] * n + r.labels[at + 1 :]
            )
            starts.append(at)
            places.append(
                torch.tensor([s + (n - 1) * (s > at) - 1 for s in r.segs], dtype=torch.long)
            )
        llama = self.language.base_model.model
        table = llama.model.embed_tokens.weight
        new = ids >= self.first_new
        x = torch.where(
            new[..., None],
            F.embedding((ids - self.first_new).clamp(min=0), self.new_rows).to(table.dtype),
            F.embedding(ids.clamp(max=self.first_new - 1), table),
        )
        x = torch.stack(
            [
                torch.cat([x[i, :at], rows[i].to(x.dtype), x[i, at + n :]])
                for i, at in enumerate(starts)
            ]
        )
        hidden = llama.model(
            inputs_embeds=x, use_cache=False
        ).last_hidden_state  # padding is on the right: causal attention never sees it

        states, following = hidden[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
        if not all_logits:
            chosen = (following != IGNORE).nonzero()[:, 0]
            states, following = states[chosen], following[chosen]
        logits = torch.cat([F.linear(states, table), F.linear(states, self.new_rows)], -1)
        text = F.cross_entropy(logits.float(), following, ignore_index=IGNORE)

        bce, dice, count = torch.zeros(()), torch.zeros(()), 0
        for i, r in enumerate(records):  # picture by picture, as LISA does
            k = len(places[i])
            count += k
            if k == 0:
                continue
            chosen = hidden[i, places[i]]
            prompts = self.text_hidden_fcs(
                chosen.detach() + prompt_gradient * (chosen - chosen.detach())
            ).float()
            masks = self.mask_decoder(
                grids[i : i + 1], self.positions, self.no_mask, prompts
            ).float()
            side = grids.shape[-1] * 4
            masks = F.interpolate(masks, (side, side), mode="bilinear", align_corners=False)[
                ..., : r.resized[0], : r.resized[1]
            ]
            masks = F.interpolate(masks, r.size, mode="bilinear", align_corners=False)[:, 0]
            one, other = mask_losses(masks, r.masks)
            bce, dice = bce + one * k, dice + other * k
        bce, dice = bce / (count + 1e-8), dice / (count + 1e-8)
        return (
            text * weights["text"] + bce * weights["bce"] + dice * weights["dice"],
            text,
            bce,
            dice,
        )


def mask_losses(logits, truth):
    with torch.autocast("cpu", enabled=False):
        n = len(truth)
        bce = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").flatten(1).mean(
            1
        ).sum() / (n + 1e-8)
        p, t = logits.sigmoid().flatten(1), truth.flatten(1)
        numerator = 2 * (p / 1000 * t).sum(-1)
        denominator = (p / 1000).sum(-1) + (t / 1000).sum(-1)
        return bce, (1 - (numerator + 1e-6) / (denominator + 1e-6)).sum() / (n + 1e-8)


# --- training
# -------------------------------------------------------------------------------------------------


def make_optimizer(model, options):
    groups = [
        *options["groups"],
        {"match": [""], "lr": options["lr"], "weight_decay": options["weight_decay"]},
    ]
    parts = [[] for _ in groups]
    for name, tensor in model.trained():
        parts[
            next(
                i for i, group in enumerate(groups) if any(word in name for word in group["match"])
            )
        ].append(tensor)
    chosen = [
        {
            "params": tensors,
            "lr": group["lr"],
            "peak": group["lr"],
            "weight_decay": group.get("weight_decay", 0.0),
        }
        for group, tensors in zip(groups, parts)
        if tensors
    ]
    return torch.optim.AdamW(chosen, betas=tuple(options["betas"]), eps=options["eps"], fused=True)


def rate_factor(schedule, step, total):
    warm = schedule["warmup_steps"]
    if step < warm:
        return (step + 1) / warm
    assert schedule["type"] in ("linear", "constant"), schedule["type"]
    return 1.0 if schedule["type"] == "constant" else (total - step) / (total - warm)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--features", choices=["cached", "encoded"], default="encoded")
    parser.add_argument("--logits", choices=["all", "labelled"], default="all")
    parser.add_argument("--adapter")
    parser.add_argument("--save-adapter", type=pathlib.Path)
    arguments = parser.parse_args()
    config = json.loads(arguments.config.read_text())
    train = config["train"]
    if train["threads"] > 0:
        torch.set_num_threads(train["threads"])
    torch.manual_seed(train["seed"])
    dtype = torch.bfloat16 if train["precision"] == "bf16" else torch.float32
    bundle_folder = pathlib.Path(config["model"])
    bundle = json.loads((bundle_folder / "config.json").read_text())
    model = Lisa(bundle_folder, bundle, train["lora"], dtype, arguments.adapter)
    model.language.train()
    if arguments.save_adapter:
        model.language.save_pretrained(str(arguments.save_adapter), save_embedding_layers=False)
        return

    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(bundle_folder / "tokenizer.json"))
    manifest = pathlib.Path(config["data"]["train"][0]["manifest"])
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    records = [
        Record(line, manifest.parent, tokenizer, bundle)
        for line in lines
        if line["split"] == config["data"]["train"][0]["split"]
    ]
    size, steps = train["batch_size"], train["steps"]
    batches = [[records[(s * size + i) % len(records)] for i in range(size)] for s in range(steps)]
    if arguments.features == "cached":
        known = {id(r): model.encode([r]) for r in records}
    optimizer = make_optimizer(model, train["optimizer"])
    trained = [tensor for group in optimizer.param_groups for tensor in group["params"]]
    total = train["schedule"]["total_steps"] or steps
    arguments.out.mkdir(parents=True, exist_ok=True)
    with open(arguments.out / "metrics.jsonl", "w", encoding="utf-8") as metrics:
        for step, batch in enumerate(batches):
            begin = time.perf_counter()
            if arguments.features == "cached":
                features = tuple(torch.cat(part) for part in zip(*(known[id(r)] for r in batch)))
            else:
                features = model.encode(batch)
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
                losses = model(
                    batch,
                    features,
                    train["loss"],
                    train["loss"]["prompt_gradient"],
                    arguments.logits == "all",
                )
            losses[0].backward()
            norm = torch.nn.utils.clip_grad_norm_(
                trained, train["optimizer"]["clip_grad_norm"] or math.inf
            )
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate_factor(train["schedule"], step, total)
            optimizer.step()
            optimizer.zero_grad()
            line = {
                "step": step + 1,
                **dict(
                    zip(("loss", "loss_text", "loss_bce", "loss_dice"), (x.item() for x in losses))
                ),
                "grad_norm": norm.item(),
                "labelled": sum(sum(x != IGNORE for x in r.labels) for r in batch),
                "masks": sum(len(r.masks) for r in batch),
                "samples": len(batch),
                "seconds": time.perf_counter() - begin,
            }
            metrics.write(json.dumps(line) + "\n")
            metrics.flush()


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
