#!/usr/bin/env python3
"""Writes tests/golden/layouts: mini models in the file formats of LISA, GLaMM, LLaVA, LLaVA-Med and
llava-hf, and PEFT folders.

    export_layouts.py tests/golden/layouts

Packages: torch 2.11.0, transformers 5.23, peft 0.21, safetensors, segment-anything 1.0. Weights are
random; names, dtypes, shards and config keys are those of the published repositories. Where no
Python class exists that loads without its repository (LISA, GLaMM, LLaVA), the forward pass is put
together here from CLIPVisionModel, a projector, LlamaForCausalLM or MistralForCausalLM, and Sam.

LAYOUT/…                       the folder, as a user has it
clip/…                         the tower that lisa, glamm and llava do not hold, in CLIPModel's
names adapter/…, adapter_rs/…        PEFT folders for lisa's language model (list of targets; rsLoRA
with a pattern and its own ranks) expected/LAYOUT.safetensors    `ids` [L] with -200 for the
picture, `pixels`, `grounding_pixels`, `features`, `projected`, `hidden`, `logits`,
                               `prompts`, `mask_logits` where the layout has them; `labels`,
                               `loss.ce`, with masks also `truth` [K, H, W], `mask.logits`,
                               `loss.bce`, `loss.dice`, `loss.total`, and `grad.NAME` of the total,
                               names as in a bundle; adapters: `ids`, `logits`
names.json                     llava-hf's names as transformers 5 has them in memory
"""

import json
import pathlib
import shutil
import sys
import types
from functools import partial

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    MistralConfig,
    MistralForCausalLM,
)

ROOT = pathlib.Path(__file__).resolve().parents[2]
PIECES, WIDTH, PROMPT, IMAGE = 560, 16, 16, -200
BF16, F16, F32 = torch.bfloat16, torch.float16, torch.float32
GRID, PATCH = 4, 16


def randomise(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() <= 1:
                parameter.copy_(
                    0.2 * torch.randn_like(parameter)
                    + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
                )
            elif "embed" in name or "pos" in name:
                parameter.copy_(0.5 * torch.randn_like(parameter))
            else:
                parameter.copy_(
                    torch.randn_like(parameter) * (1.3 / max(parameter[0].numel(), 2) ** 0.5)
                )
    return module.eval()


def as_stored(module: nn.Module, dtype: torch.dtype) -> None:
    """Values that a file of this dtype can hold, computed with in fp32."""
    with torch.no_grad():
        for parameter in module.parameters():  # buffers such as rotary tables are no part of a file
            parameter.copy_(parameter.to(dtype).float())


def language(rows: int, mistral: bool = False, eps: float = 1e-6):
    sizes = dict(
        vocab_size=rows,
        hidden_size=WIDTH,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1 if mistral else 2,
        rms_norm_eps=eps,
        max_position_embeddings=2048,
        attn_implementation="eager",
    )
    if mistral:
        return randomise(
            MistralForCausalLM(
                MistralConfig(
                    **sizes,
                    sliding_window=None,
                    rope_parameters={"rope_type": "default", "rope_theta": 1e6},
                )
            )
        )
    return randomise(LlamaForCausalLM(LlamaConfig(**sizes)))


def clip(width: int, mlp: int):
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=mlp,
        num_hidden_layers=2,
        num_attention_heads=max(1, width // 64),
        image_size=28,
        patch_size=7,
        projection_dim=8,
        attn_implementation="eager",
    )
    return randomise(CLIPVisionModel(config))


def clip_names(tower) -> dict:
    """As published: below vision_model, whatever this version of transformers calls it in
    memory."""
    return {
        "vision_model." + k.removeprefix("vision_model."): v for k, v in tower.state_dict().items()
    }


def segment_anything_modeling():
    """segment_anything imports torchvision for its predictor alone, which is not used here."""
    names = [
        "torchvision",
        "torchvision.transforms",
        "torchvision.transforms.functional",
        "torchvision.ops",
        "torchvision.ops.boxes",
    ]
    stand_ins = {name: types.ModuleType(name) for name in names if name not in sys.modules}
    sys.modules.update(stand_ins)
    for module, wanted in [
        ("torchvision.transforms.functional", ("resize", "to_pil_image")),
        ("torchvision.ops.boxes", ("batched_nms", "box_area")),
    ]:
        for name in wanted:
            if module in stand_ins:
                setattr(stand_ins[module], name, None)
    from segment_anything import modeling

    for name in stand_ins:
        del sys.modules[name]
    return modeling


def sam():
    modeling = segment_anything_modeling()
    side = GRID * PATCH
    encoder = modeling.ImageEncoderViT(
        img_size=side,
        patch_size=PATCH,
        embed_dim=16,
        depth=2,
        num_heads=2,
        mlp_ratio=2,
        out_chans=PROMPT,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=2,
        global_attn_indexes=(1,),
    )
    prompt = modeling.PromptEncoder(
        embed_dim=PROMPT,
        image_embedding_size=(GRID, GRID),
        input_image_size=(side, side),
        mask_in_chans=4,
    )
    decoder = modeling.MaskDecoder(
        num_multimask_outputs=3,
        transformer_dim=PROMPT,
        iou_head_depth=3,
        iou_head_hidden_dim=PROMPT,
        transformer=modeling.TwoWayTransformer(
            depth=1, embedding_dim=PROMPT, mlp_dim=16, num_heads=8
        ),
    )
    return randomise(modeling.Sam(encoder, prompt, decoder))


def mask_losses(logits, truth):
    """sigmoid_ce_loss and dice_loss of LISA's model/LISA.py for one image (choice 15)."""
    n = len(truth)
    bce = nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").flatten(
        1
    ).mean(1).sum() / (n + 1e-8)
    p, t = logits.sigmoid().flatten(1), truth.flatten(1)
    dice = 1 - (2 * (p / 1000 * t).sum(-1) + 1e-6) / (
        (p / 1000).sum(-1) + (t / 1000).sum(-1) + 1e-6
    )
    return bce * n / (n + 1e-8), dice.sum() / (n + 1e-8) * n / (n + 1e-8)


class Whole(nn.Module):
    """LLaVA's wiring with LISA's head: see model/LISA.py and llava_arch.py of their
    repositories."""

    def __init__(self, llm, tower, projector, grounding=None):
        super().__init__()
        self.llm, self.tower, self.projector, self.grounding = llm, tower, projector, grounding
        if grounding is not None:
            self.head = randomise(
                nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, PROMPT))
            )

    def expected(self, ids: list, seg: int | None = None) -> dict:
        out = self.traced(ids, seg)
        for name, parameter in self.bundle_parameters():
            if parameter.grad is not None and parameter.grad.abs().max() > 0:
                out["grad." + name] = parameter.grad
        return out

    def bundle_parameters(self):
        """A few of every part that training reaches, under the bundle's names."""
        for name in (
            "model.layers.0.self_attn.q_proj.weight",
            "model.layers.1.mlp.down_proj.weight",
            "model.norm.weight",
            "lm_head.weight",
        ):
            yield name, self.llm.get_parameter(name)
        for name, parameter in self.projector.named_parameters():
            yield "model.mm_projector." + name, parameter
        if self.grounding is not None:
            for name, parameter in self.head.named_parameters():
                yield "model.text_hidden_fcs.0." + name, parameter
            for name, parameter in self.grounding.mask_decoder.named_parameters():
                if name.startswith(
                    ("output_upscaling", "mask_tokens", "output_hypernetworks_mlps.0")
                ):
                    yield "model.grounding_encoder.mask_decoder." + name, parameter

    def traced(self, ids: list, seg: int | None) -> dict:
        pixels = torch.randn(1, 3, 28, 28)
        with torch.no_grad():
            features = self.tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        projected = self.projector(features)
        place = ids.index(IMAGE)
        embed = lambda part: self.llm.model.embed_tokens(torch.tensor([part], dtype=torch.long))
        rows = torch.cat([embed(ids[:place]), projected, embed(ids[place + 1 :])], 1)
        hidden = self.llm.model(inputs_embeds=rows).last_hidden_state
        out = {
            "ids": torch.tensor(ids),
            "pixels": pixels,
            "features": features,
            "projected": projected,
            "hidden": hidden,
            "logits": self.llm.lm_head(hidden),
        }
        labels = [-100] * (place + 2) + ids[
            place + 2 :
        ]  # the answer begins two tokens behind the picture
        spliced = labels[:place] + [-100] * projected.shape[1] + labels[place + 1 :]
        ce = nn.functional.cross_entropy(out["logits"][0, :-1], torch.tensor(spliced[1:]))
        out |= {"labels": torch.tensor(labels), "loss.ce": ce}
        if self.grounding is None:
            ce.backward()
            return out
        where = [
            i + projected.shape[1] - 1 - 1
            for i, token in enumerate(ids)
            if token == seg and i > place
        ]
        prompts = self.head(hidden[0, where])
        grounding_pixels = torch.randn(1, 3, GRID * PATCH, GRID * PATCH)
        with torch.no_grad():
            embedding = self.grounding.image_encoder(grounding_pixels)
        sparse, dense = self.grounding.prompt_encoder(points=None, boxes=None, masks=None)
        sparse = torch.cat([sparse.expand(len(where), -1, -1), prompts[:, None]], 1)
        dense = dense.expand(len(where), -1, -1, -1)
        masks, _ = self.grounding.mask_decoder(
            image_embeddings=embedding,
            image_pe=self.grounding.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        out |= {
            "grounding_pixels": grounding_pixels,
            "image_embedding": embedding,
            "prompts": prompts,
            "mask_logits": masks,
        }
        # A picture of 20 by 16 pixels, resized to the whole width and 51 rows of the model frame
        # (src/README.md, choice 14).
        side, height, width, rows = GRID * PATCH, 16, 20, 51
        large = nn.functional.interpolate(
            masks, (side, side), mode="bilinear", align_corners=False
        )[..., :rows, :side]
        drawn = nn.functional.interpolate(
            large, (height, width), mode="bilinear", align_corners=False
        )[:, 0]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        truth = torch.stack(
            [
                ((y - 7 - k) ** 2 + (x - 9 + 3 * k) ** 2 < 20 + 9 * k).float()
                for k in range(len(where))
            ]
        )
        bce, dice = mask_losses(drawn, truth)
        total = ce + 2.0 * bce + 0.5 * dice
        total.backward()
        return out | {
            "mask.logits": drawn,
            "truth": truth,
            "loss.bce": bce,
            "loss.dice": dice,
            "loss.total": total,
        }


def language_names(llm, dtype) -> dict:
    return {k: v.to(dtype) for k, v in llm.state_dict().items()}


def write_json(path: pathlib.Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


def save(path: pathlib.Path, tensors: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {k: v.detach().clone().contiguous() for k, v in tensors.items()},
        path,
        metadata={"format": "pt"},
    )


def save_shards(folder: pathlib.Path, tensors: dict, pickled: bool) -> None:
    """Two shards and their index, as save_pretrained made them in 2023."""
    names = list(tensors)
    half = len(names) // 2
    stem, index = (
        ("pytorch_model-{:05d}-of-00002.bin", "pytorch_model.bin.index.json")
        if pickled
        else ("model-{:05d}-of-00002.safetensors", "model.safetensors.index.json")
    )
    weight_map = {}
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate((names[:half], names[half:]), 1):
        shard = {k: tensors[k].detach().clone().contiguous() for k in part}
        file = stem.format(number)
        if pickled:
            torch.save(shard, folder / file)
        else:
            save(folder / file, shard)
        weight_map |= dict.fromkeys(part, file)
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    write_json(folder / index, {"metadata": {"total_size": total}, "weight_map": weight_map})


def tokenizer(folder: pathlib.Path, added: list, legacy: bool = True) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "tests/golden/text/spm/tokenizer.model", folder)
    ids = {token: PIECES + i for i, token in enumerate(added)}
    if added:
        write_json(folder / "added_tokens.json", ids)
    write_json(
        folder / "tokenizer_config.json",
        {
            "add_bos_token": True,
            "add_eos_token": False,
            "legacy": legacy,
            "tokenizer_class": "LlamaTokenizer",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
        },
    )
    return ids


def language_config(llm, **more) -> dict:
    c = llm.config
    plain = {
        "hidden_act": "silu",
        "hidden_size": c.hidden_size,
        "intermediate_size": c.intermediate_size,
        "num_hidden_layers": c.num_hidden_layers,
        "num_attention_heads": c.num_attention_heads,
        "num_key_value_heads": c.num_key_value_heads,
        "rms_norm_eps": c.rms_norm_eps,
        "max_position_embeddings": c.max_position_embeddings,
        "tie_word_embeddings": False,
        "vocab_size": c.vocab_size,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    return plain | more


def segmenting(folder: pathlib.Path, layout: str, tower, added: list, projector: nn.Module):
    """lisa and glamm: pickled shards, bf16 with fp32 parts, SAM inside, CLIP not."""
    root = folder / layout
    ids = tokenizer(root, added)
    llm = language(PIECES + len(added), eps=1e-6 if layout == "lisa" else 1e-5)
    whole = Whole(llm, tower, randomise(projector), sam())
    for part in (llm, whole.projector, whole.grounding.image_encoder):
        as_stored(part, BF16)
    prefix = "model.visual_model." if layout == "lisa" else "model.grounding_encoder."
    tensors = language_names(llm, BF16)
    for i in range(2):
        tensors[f"model.layers.{i}.self_attn.rotary_emb.inv_freq"] = torch.ones(4, dtype=BF16)
    tensors |= {
        "model.mm_projector." + k: v.to(BF16) for k, v in whole.projector.state_dict().items()
    }
    tensors |= {
        prefix + k: v.to(BF16 if k.startswith("image_encoder") else F32)
        for k, v in whole.grounding.state_dict().items()
    }
    tensors |= {"model.text_hidden_fcs.0." + k: v for k, v in whole.head.state_dict().items()}
    if layout == "glamm":
        tensors |= {
            "model.region_encoder.mlvl_fuse.0.weight": torch.randn(2, 2),
            "model.region_encoder.mlvl_fuse.0.bias": torch.randn(2),
        }
    save_shards(root, tensors, pickled=True)
    more = (
        {"mm_projector_type": "mlp2x_gelu", "num_level_reg_features": 4}
        if layout == "glamm"
        else {}
    )
    name = "openai/clip-vit-large-patch14" + ("-336" if layout == "glamm" else "")
    write_json(
        root / "config.json",
        language_config(
            llm,
            architectures=["LISAForCausalLM" if layout == "lisa" else "GLaMMForCausalLM"],
            model_type="llava",
            mm_hidden_size=32,
            mm_use_im_start_end=True,
            mm_use_im_patch_token=False,
            mm_vision_select_feature="patch",
            mm_vision_select_layer=-2,
            mm_vision_tower=name,
            vision_tower=name,
            out_dim=PROMPT,
            train_mask_decoder=True,
            use_mm_proj=True,
            image_aspect_ratio="square",
            torch_dtype="bfloat16",
            **more,
        ),
    )
    seg, start, end = ids["[SEG]"], ids["<im_start>"], ids["<im_end>"]
    save(
        folder / f"expected/{layout}.safetensors",
        whole.expected([1, 30, 31, start, IMAGE, end, 40, 41, 9, seg, 50, seg, 2], seg),
    )
    return whole


def llava(folder: pathlib.Path, tower) -> None:
    """liuhaotian/llava-v1.5: fp16, pickled, no tower."""
    root = folder / "llava"
    tokenizer(root, [])
    llm = language(PIECES, eps=1e-5)
    whole = Whole(
        llm,
        tower,
        randomise(nn.Sequential(nn.Linear(32, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))),
    )
    for part in (llm, whole.projector):
        as_stored(part, F16)
    save_shards(
        root,
        language_names(llm, F16) | {
            "model.mm_projector." + k: v.to(F16) for k, v in whole.projector.state_dict().items()
        },
        pickled=True,
    )
    write_json(
        root / "config.json",
        language_config(
            llm,
            architectures=["LlavaLlamaForCausalLM"],
            model_type="llava",
            mm_hidden_size=32,
            mm_projector_type="mlp2x_gelu",
            mm_use_im_start_end=False,
            mm_use_im_patch_token=False,
            mm_vision_select_feature="patch",
            mm_vision_select_layer=-2,
            mm_vision_tower="openai/clip-vit-large-patch14-336",
            image_aspect_ratio="pad",
            pad_token_id=0,
            torch_dtype="float16",
        ),
    )
    save(folder / "expected/llava.safetensors", whole.expected([1, 30, IMAGE, 40, 41, 9]))


def llava_med(folder: pathlib.Path) -> None:
    """microsoft/llava-med-v1.5-mistral-7b: bf16 safetensors with the tower inside."""
    root = folder / "llava-med"
    tokenizer(root, [])
    llm = language(PIECES, mistral=True, eps=1e-5)
    whole = Whole(
        llm,
        clip(64, 32),
        randomise(nn.Sequential(nn.Linear(64, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))),
    )
    as_stored(whole, BF16)
    tensors = language_names(llm, BF16) | {
        "model.mm_projector." + k: v.to(BF16) for k, v in whole.projector.state_dict().items()
    }
    tensors |= {
        "model.vision_tower.vision_tower." + k: v.to(BF16)
        for k, v in clip_names(whole.tower).items()
        if "position_ids" not in k
    }
    save_shards(root, tensors, pickled=False)
    write_json(
        root / "config.json",
        language_config(
            llm,
            architectures=["LlavaMistralForCausalLM"],
            model_type="llava_mistral",
            rope_theta=1e6,
            sliding_window=None,
            mm_hidden_size=64,
            mm_projector_type="mlp2x_gelu",
            mm_use_im_start_end=False,
            mm_vision_select_feature="patch",
            mm_vision_select_layer=-2,
            mm_vision_tower="openai/clip-vit-large-patch14-336",
            image_aspect_ratio="pad",
            torch_dtype="bfloat16",
        ),
    )
    save(folder / "expected/llava-med.safetensors", whole.expected([1, 30, IMAGE, 40, 41, 9]))


def llava_hf(folder: pathlib.Path) -> None:
    root = folder / "llava-hf"
    ids = tokenizer(root, ["<image>", "<pad>"])
    rows = 576
    config = LlavaConfig(
        vision_config=dict(
            model_type="clip_vision_model",
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=28,
            patch_size=7,
            projection_dim=8,
        ),
        text_config=dict(
            model_type="llama",
            vocab_size=rows,
            hidden_size=WIDTH,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            rms_norm_eps=1e-5,
            max_position_embeddings=2048,
        ),
        image_token_index=ids["<image>"],
        image_seq_length=16,
        vision_feature_layer=-2,
        attn_implementation="eager",
    )
    model = randomise(LlavaForConditionalGeneration(config))
    as_stored(model, F16)
    names = {}
    for name in model.state_dict():  # the names of the published llava-hf files
        old = name.removeprefix("model.")
        old = (
            old.replace("language_model.", "language_model.model.", 1)
            if old.startswith("language_model.")
            else old
        )
        old = "language_model." + old if old == "lm_head.weight" else old
        if old.startswith("vision_tower.") and not old.startswith("vision_tower.vision_model."):
            old = old.replace("vision_tower.", "vision_tower.vision_model.", 1)
        names[name] = old
    save_shards(
        root,
        {names[k]: v.to(F16) for k, v in model.state_dict().items() if "position_ids" not in k},
        pickled=False,
    )
    text = language_config(
        types.SimpleNamespace(config=config.text_config),
        model_type="llama",
        architectures=["LlamaForCausalLM"],
    )
    vision = {
        k: getattr(config.vision_config, k)
        for k in (
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "image_size",
            "patch_size",
            "projection_dim",
        )
    }
    write_json(
        root / "config.json",
        {
            "architectures": ["LlavaForConditionalGeneration"],
            "model_type": "llava",
            "image_token_index": ids["<image>"],
            "ignore_index": -100,
            "projector_hidden_act": "gelu",
            "vision_feature_layer": -2,
            "vision_feature_select_strategy": "default",
            "pad_token_id": ids["<pad>"],
            "text_config": text,
            "vision_config": vision | {"model_type": "clip_vision_model"},
            "torch_dtype": "float16",
        },
    )
    write_json(folder / "names.json", sorted(k for k in names if "position_ids" not in k))
    pixels = torch.randn(1, 3, 28, 28)
    plain = [1, 30, IMAGE, 40, 41, 9]
    spread = [token for t in plain for token in ([ids["<image>"]] * 16 if t == IMAGE else [t])]
    labels = [-100] * 4 + plain[4:]
    spliced = [
        label
        for t, label in zip(plain, labels)
        for label in ([-100] * 16 if t == IMAGE else [label])
    ]
    given = model(
        input_ids=torch.tensor([spread]), pixel_values=pixels, labels=torch.tensor([spliced])
    )
    given.loss.backward()
    grads = {
        "model.layers.0.self_attn.q_proj.weight": (
            "model.language_model.layers.0.self_attn.q_proj.weight"
        ),
        "lm_head.weight": "lm_head.weight",
        "model.mm_projector.0.weight": "model.multi_modal_projector.linear_1.weight",
        "model.mm_projector.2.bias": "model.multi_modal_projector.linear_2.bias",
    }
    save(
        folder / "expected/llava-hf.safetensors",
        {
            "ids": torch.tensor(plain),
            "pixels": pixels,
            "logits": given.logits,
            "labels": torch.tensor(labels),
            "loss.ce": given.loss,
        }
        | {"grad." + k: model.get_parameter(v).grad for k, v in grads.items()},
    )


def adapters(folder: pathlib.Path, llm) -> None:
    import copy

    from peft import LoraConfig, get_peft_model

    ids = torch.tensor([[1, 30, 31, 40, 41, 9, 50]])
    plain = LoraConfig(
        r=4,
        lora_alpha=12,
        lora_dropout=0.05,
        target_modules=["q_proj", "v_proj"],
        task_type="CAUSAL_LM",
    )
    rs = LoraConfig(
        r=4,
        lora_alpha=6,
        use_rslora=True,
        target_modules=r".*layers\.\d+\.(self_attn\.q_proj|mlp\.down_proj)",
        task_type="CAUSAL_LM",
        rank_pattern={"down_proj": 2},
        alpha_pattern={r"layers\.1\.self_attn\.q_proj": 10},
        modules_to_save=["norm"],
    )
    for name, config in (("adapter", plain), ("adapter_rs", rs)):
        model = get_peft_model(copy.deepcopy(llm), config).eval()
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                if "lora_B" in key or "modules_to_save" in key:
                    parameter.copy_(torch.randn_like(parameter) * 0.3)
            logits = model(ids).logits
        model.peft_config["default"].base_model_name_or_path = "xinlai/LISA-7B-v1"
        model.save_pretrained(folder / name)
        (folder / name / "README.md").unlink(missing_ok=True)
        save(folder / f"expected/{name}.safetensors", {"ids": ids, "logits": logits})


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    torch.manual_seed(17)
    tower = clip(32, 48)
    extras = {
        "text_model.final_layer_norm.weight": torch.ones(8),
        "visual_projection.weight": torch.zeros(8, 32),
        "logit_scale": torch.tensor(2.6),
        "vision_model.embeddings.position_ids": torch.arange(17)[None],
    }
    save(out / "clip/model.safetensors", clip_names(tower) | extras)
    vision = {
        k: getattr(tower.config, k)
        for k in (
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "image_size",
            "patch_size",
            "projection_dim",
            "hidden_act",
            "layer_norm_eps",
        )
    }
    write_json(
        out / "clip/config.json",
        {
            "architectures": ["CLIPModel"],
            "model_type": "clip",
            "projection_dim": 8,
            "vision_config": vision | {"model_type": "clip_vision_model"},
        },
    )
    lisa = segmenting(
        out, "lisa", tower, ["<im_patch>", "<im_start>", "<im_end>", "[SEG]"], nn.Linear(32, WIDTH)
    )
    segmenting(
        out,
        "glamm",
        tower,
        ["<im_start>", "<im_end>", "<bbox>", "<point>", "[SEG]", "<p>", "</p>"],
        nn.Sequential(nn.Linear(32, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH)),
    )
    llava(out, tower)
    llava_med(out)
    llava_hf(out)
    adapters(out, lisa.llm)
