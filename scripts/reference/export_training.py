#!/usr/bin/env python3
"""Writes tests/golden/training: twenty optimiser steps of a tiny LLaMA with LoRA, as Python makes
them.

    export_training.py tests/golden/training

Packages: torch 2.11.0, transformers 5.23.0, peft 0.21.0, safetensors. LoRA (r 4, alpha 8) on q_proj
and v_proj; lm_head trains too, at a rate of its own; two micro-batches a step (mean of their
losses); clip at 0.5; AdamW (0.9, 0.95), weight decay 0.01; 5 steps of warm-up, then linear to 0.

lora.safetensors: `weight.NAME`, `lora.NAME` (start values), `ids` and `labels` [40, 2, 12] (a
micro-batch a row), `loss`, `grad_norm`, `rate` [20], `final.NAME` (what trained).

scaled.safetensors: the same start and batches with torch.amp.GradScaler, in two runs, under
`crafted.` and `half.`: `loss`, `grad_norm` (-1 where the step was skipped), `rate`, `scale` (that
the step's losses were multiplied by) [20], `skipped` [20] (steps skipped so far), `final.NAME`. The
scheduler steps every time.
  crafted  fp32; at two steps one gradient is made infinite after the backward pass
  half     torch.autocast(float16), frozen matrices in fp16; the scale grows until gradients
  overflow, twice
"""

import copy
import pathlib
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

STEPS, ACCUMULATION, WARMUP, CLIP = 20, 2, 5, 0.5
CRAFTED_AT = (3, 11)
CRAFTED = dict(init_scale=4096.0, growth_factor=2.0, backoff_factor=0.5, growth_interval=4)
HALF = dict(init_scale=32768.0, growth_factor=16.0, backoff_factor=0.0625, growth_interval=7)


def factor(step):
    return (step + 1) / WARMUP if step < WARMUP else (STEPS - step) / (STEPS - WARMUP)


def trained_of(model):
    return {
        name.removeprefix("base_model.model.").replace(".default", ""): weight
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }


def train(model, ids, labels, scaling=None, half=False, crafted_at=()):
    """The steps; with `scaling`, a GradScaler of these options."""
    trained = trained_of(model)
    head = [w for n, w in trained.items() if n == "lm_head.weight"]
    lora = [w for n, w in trained.items() if n != "lm_head.weight"]
    optimizer = torch.optim.AdamW(
        [{"params": lora, "lr": 1e-2}, {"params": head, "lr": 2e-3}],
        betas=(0.9, 0.95),
        eps=1e-8,
        weight_decay=0.01,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    scaler = torch.amp.GradScaler("cpu", enabled=scaling is not None, **(scaling or {}))
    out = {name: [] for name in ("loss", "grad_norm", "rate", "scale", "skipped")}
    for step in range(STEPS):
        loss = 0.0
        for i in range(ACCUMULATION):
            place = step * ACCUMULATION + i
            with torch.autocast("cpu", torch.float16, enabled=half):
                part = model(input_ids=ids[place], labels=labels[place]).loss / ACCUMULATION
            scaler.scale(part).backward()
            loss += part.item()
        if step in crafted_at:
            trained["model.layers.1.self_attn.q_proj.lora_B.weight"].grad[2, 1] = float("inf")
        out["scale"].append(scaler.get_scale())
        scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(trained.values(), CLIP).item()
        before = float(optimizer.state[head[0]].get("step", 0))
        out["rate"].append(optimizer.param_groups[0]["lr"])
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        moved = float(optimizer.state[head[0]].get("step", 0)) > before
        optimizer.zero_grad()
        out["loss"].append(loss)
        out["grad_norm"].append(norm if moved else -1.0)
        out["skipped"].append((out["skipped"] or [0])[-1] + (not moved))
    out = {name: torch.tensor(values) for name, values in out.items()}
    print(
        f"loss {out['loss'][0]:.4f} -> {out['loss'][-1]:.4f}, norms"
        f" {min(n for n in out['grad_norm'] if n >= 0):.3f} to {max(out['grad_norm']):.3f}, scales"
        f" {out['scale'].tolist()}, skipped {out['skipped'].tolist()}"
    )
    return out | {"final." + name: weight.detach().clone() for name, weight in trained.items()}


def in_half(model):
    """What is frozen in fp16, but for the norms."""
    for weight in model.parameters():
        if weight.dim() == 2 and not weight.requires_grad:
            weight.data = weight.data.half()
    return model


def save(folder, name, tensors):
    save_file(
        {key: tensor.contiguous() for key, tensor in tensors.items()}, pathlib.Path(folder) / name
    )


def main(folder):
    torch.manual_seed(11)
    torch.set_num_threads(1)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            rms_norm_eps=1e-5,
            rope_theta=10000.0,
            max_position_embeddings=64,
            tie_word_embeddings=False,
            attn_implementation="eager",
        )
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                weight.normal_(
                    0, 0.2
                )  # far from transformers' tiny start values, so that gradients are not
    start = {"weight." + name: weight.detach().clone() for name, weight in model.named_parameters()}

    model = get_peft_model(
        model, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=["q_proj", "v_proj"])
    )
    for name, weight in model.named_parameters():
        weight.requires_grad_("lora_" in name or name.endswith("lm_head.weight"))
    start |= {
        "lora." + name: weight.detach().clone()
        for name, weight in trained_of(model).items()
        if "lora_" in name
    }

    ids = torch.randint(0, 64, (STEPS * ACCUMULATION, 2, 12))
    labels = ids.clone()
    labels[:, :, :4] = -100
    labels[::2, 1, 4:9] = -100  # micro-batches of unlike numbers of labels
    crafted, half = copy.deepcopy(model), in_half(copy.deepcopy(model))
    plain = train(model, ids, labels)
    save(
        folder,
        "lora.safetensors",
        start
        | {"ids": ids, "labels": labels}
        | {k: v for k, v in plain.items() if k not in ("scale", "skipped")},
    )
    runs = {
        "crafted": train(crafted, ids, labels, CRAFTED, crafted_at=CRAFTED_AT),
        "half": train(half, ids, labels, HALF, half=True),
    }
    save(
        folder,
        "scaled.safetensors",
        {f"{run}.{key}": value for run, tensors in runs.items() for key, value in tensors.items()},
    )


if __name__ == "__main__":
    main(sys.argv[1])
