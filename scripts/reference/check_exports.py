#!/usr/bin/env python3
"""Imports every mini model of tests/golden/layouts with medseg, exports it again, and loads what
came out with transformers, peft and segment_anything. Prints the largest relative difference to the
numbers of the originals; exits 1 above 2e-5.

    check_exports.py build/medseg SCRATCH

Packages: as export_layouts.py. SCRATCH is a folder for everything that is written.
"""

import json
import pathlib
import subprocess
import sys

import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file
from transformers import (
    AutoTokenizer,
    CLIPVisionModel,
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
    SamModel,
)

import export_layouts

GOLDEN = export_layouts.ROOT / "tests/golden/layouts"
failures = []


def medseg(binary, *words):
    result = subprocess.run([binary, *map(str, words)], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"medseg {' '.join(map(str, words))}: {result.stderr}")
    return result.stdout


def report(what, got, expected, tolerance=2e-5):
    error = (
        ((got - expected).abs().max() / expected.abs().max()).item()
        if got.shape == expected.shape
        else float("nan")
    )
    print(f"{what:<58} {error:.1e}")
    if not error <= tolerance:
        failures.append(what)


def names_equal(what, got, expected):
    print(f"{what:<58} {len(got)} names")
    if set(got) != set(expected):
        failures.append(f"{what}: {sorted(set(got) ^ set(expected))[:6]}")


def expected(name):
    return load_file(GOLDEN / f"expected/{name}.safetensors")


def import_all(binary, scratch):
    for name in ("lisa", "glamm", "llava", "llava-med", "llava-hf"):
        layout = "llava" if name.startswith("llava") else name
        tower = ["--vision", GOLDEN / "clip"] if name in ("lisa", "glamm", "llava") else []
        medseg(binary, "model", "import", layout, GOLDEN / name, *tower, "--out", scratch / name)


@torch.no_grad()
def check_llava(binary, scratch):
    for name in ("glamm", "llava", "llava-med", "llava-hf"):
        out = scratch / f"out/{name}-hf-llava"
        medseg(binary, "model", "export", scratch / name, "--layout", "hf-llava", "--out", out)
        model, info = LlavaForConditionalGeneration.from_pretrained(
            out, output_loading_info=True, dtype=torch.float32, attn_implementation="eager"
        )
        for key in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if info[key]:
                failures.append(f"{name}: {key} {list(info[key])[:4]}")
        numbers = expected(name)
        place = model.config.image_token_index
        ids = [
            i
            for t in numbers["ids"].tolist()
            for i in ([place] * 16 if t == export_layouts.IMAGE else [t])
        ]
        logits = model.eval()(input_ids=torch.tensor([ids]), pixel_values=numbers["pixels"]).logits
        report(
            f"hf-llava of {name}: logits",
            logits[..., : numbers["logits"].shape[-1]],
            numbers["logits"],
        )
        tokenizer = AutoTokenizer.from_pretrained(out)
        got = tokenizer("What is <image> here?")["input_ids"]
        if place not in got or tokenizer.convert_tokens_to_ids("<image>") != place:
            failures.append(f"{name}: the tokenizer has no <image>")


@torch.no_grad()
def check_repositories(binary, scratch):
    for name in ("lisa", "glamm"):
        out = scratch / f"out/{name}"
        medseg(binary, "model", "export", scratch / name, "--layout", name, "--out", out)
        index = json.loads((GOLDEN / name / "pytorch_model.bin.index.json").read_text())[
            "weight_map"
        ]
        names_equal(
            f"{name}: names",
            load_file(out / "model.safetensors"),
            [k for k in index if "inv_freq" not in k and "region" not in k],
        )
        numbers = expected(name)
        tower = CLIPVisionModel.from_pretrained(out / "vision_tower", attn_implementation="eager")
        features = tower(numbers["pixels"], output_hidden_states=True).hidden_states[-2][:, 1:]
        report(f"{name}: CLIPVisionModel of vision_tower/", features, numbers["features"])


@torch.no_grad()
def check_sam(binary, scratch):
    for name in ("lisa", "glamm"):
        out, numbers = scratch / f"out/{name}-sam", expected(name)
        medseg(binary, "model", "export", scratch / name, "--layout", "sam", "--out", out)
        model = SamModel.from_pretrained(
            out, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        embedding = model.get_image_embeddings(numbers["grounding_pixels"])
        report(f"sam of {name}: SamModel's image embedding", embedding, numbers["image_embedding"])
        sparse = numbers["prompts"][None, :, None]  # one picture, K points of one token each
        k = sparse.shape[1]
        dense = model.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(1, -1, 4, 4)
        masks = model.mask_decoder(
            image_embeddings=embedding,
            image_positional_embeddings=model.get_image_wide_positional_embeddings(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )[0]
        report(
            f"sam of {name}: SamModel's masks",
            masks.reshape(k, 1, *masks.shape[-2:]),
            numbers["mask_logits"],
        )
        own = export_layouts.sam()
        own.load_state_dict(load_file(out / "segment_anything.safetensors"), strict=True)
        report(
            f"sam of {name}: segment_anything's image embedding",
            own.image_encoder(numbers["grounding_pixels"]),
            numbers["image_embedding"],
        )


@torch.no_grad()
def check_peft(binary, scratch):
    from peft import PeftModel

    data = scratch / "data"
    data.mkdir(exist_ok=True)
    picture, mask = Image.new("L", (32, 24)), Image.new("L", (32, 24))
    ImageDraw.Draw(picture).rectangle((5, 4, 14, 13), 230)
    ImageDraw.Draw(mask).rectangle((5, 4, 14, 13), 255)
    picture.save(data / "a.png"), mask.save(data / "m.png")
    lines = [
        {
            "id": f"{split}-1",
            "image": "a.png",
            "modality": "ct",
            "subject": f"s-{split}",
            "split": split,
            "masks": {"m0": {"label": "skull", "file": "m.png"}},
            "absent": [],
            "conversations": [
                {"from": "human", "value": "<image>\nWhat?"},
                {"from": "gpt", "value": "It is [SEG].", "masks": ["m0"]},
            ],
        }
        for split in ("train", "val")
    ]
    (data / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = {
        "model": str(scratch / "lisa"),
        "data": {
            "train": [{"manifest": str(data / "manifest.jsonl"), "split": "train"}],
            "validation": [{"manifest": str(data / "manifest.jsonl"), "split": "val"}],
        },
        "train": {
            "steps": 2,
            "batch_size": 1,
            "accumulation": 1,
            "precision": "fp32",
            "evaluate_every": 0,
            "evaluate_limit": 1,
            "lora": {"rank": 4, "alpha": 12, "dropout": 0.0},
            "optimizer": {"lr": 0.01},
            "schedule": {"warmup_steps": 1},
        },
    }
    (scratch / "train.json").write_text(json.dumps(config))
    run, out = scratch / "run", scratch / "adapter"
    medseg(binary, "train", scratch / "train.json", "--out", run)
    medseg(binary, "model", "export", run / "last", "--layout", "peft", "--out", out)

    def language(bundle):
        sizes = json.loads((bundle / "config.json").read_text())["model"]["language"]
        llm = export_layouts.language(sizes["vocabulary"])
        weights = {k: v.float() for k, v in load_file(bundle / "model.safetensors").items()}
        llm.load_state_dict({k: weights[k] for k in llm.state_dict()})
        return llm

    ids = torch.tensor([[1, 30, 31, 40, 41, 9, 50]])
    merged = language(run / "last")(ids).logits
    adapted = PeftModel.from_pretrained(language(scratch / "lisa"), out).eval()
    report("peft of a run: logits with the adapter, against merged", adapted(ids).logits, merged)
    if (language(scratch / "lisa")(ids).logits - merged).abs().max() < 1e-3:
        failures.append("peft of a run: the training changed nothing")
    medseg(
        binary,
        "model",
        "import",
        "lisa",
        GOLDEN / "lisa",
        "--vision",
        GOLDEN / "clip",
        "--adapter",
        out,
        "--out",
        scratch / "lisa-adapted",
    )
    report(
        "peft of a run: imported with --adapter",
        language(scratch / "lisa-adapted")(ids).logits,
        merged,
    )


if __name__ == "__main__":
    binary, scratch = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    scratch.mkdir(parents=True, exist_ok=True)
    import_all(binary, scratch)
    check_llava(binary, scratch)
    check_repositories(binary, scratch)
    check_sam(binary, scratch)
    check_peft(binary, scratch)
    if failures:
        sys.exit("FAILED\n" + "\n".join(map(str, failures)))
    print("all loaded, all equal")
