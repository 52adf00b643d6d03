#!/usr/bin/env python3
"""Writes tests/golden/training/lora.safetensors: twenty optimiser steps of a tiny LLaMA with LoRA, as Python makes them.

    export_training.py tests/golden/training

Packages: torch 2.11.0, transformers 5.23.0, peft 0.21.0, safetensors. LoRA (r 4, alpha 8) on q_proj and v_proj; lm_head
trains too, at a rate of its own; two micro-batches a step (mean of their losses); clip at 0.5; AdamW (0.9, 0.95), weight
decay 0.01; 5 steps of warm-up, then linear to 0. Names: `weight.NAME`, `lora.NAME` (start values), `ids` and `labels`
[40, 2, 12] (a micro-batch a row), `loss`, `grad_norm`, `rate` [20], `final.NAME` (what trained).
"""
import pathlib
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

STEPS, ACCUMULATION, WARMUP, CLIP = 20, 2, 5, 0.5


def factor(step):
    return (step + 1) / WARMUP if step < WARMUP else (STEPS - step) / (STEPS - WARMUP)


torch.manual_seed(11)
torch.set_num_threads(1)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    rms_norm_eps=1e-5, rope_theta=10000.0, max_position_embeddings=64, tie_word_embeddings=False,
    attn_implementation="eager"))
with torch.no_grad():
    for name, weight in model.named_parameters():
        if weight.dim() == 2:
            weight.normal_(0, 0.2)  # far from transformers' tiny start values, so that gradients are not
out = {"weight." + name: weight.detach().clone() for name, weight in model.named_parameters()}

model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=["q_proj", "v_proj"]))
trained = {}
for name, weight in model.named_parameters():
    name = name.removeprefix("base_model.model.").replace(".default", "")
    weight.requires_grad_("lora_" in name or name == "lm_head.weight")
    if weight.requires_grad:
        trained[name] = weight
        if "lora_" in name:
            out["lora." + name] = weight.detach().clone()

ids = torch.randint(0, 64, (STEPS * ACCUMULATION, 2, 12))
labels = ids.clone()
labels[:, :, :4] = -100
labels[::2, 1, 4:9] = -100  # micro-batches of unlike numbers of labels
head = [w for n, w in trained.items() if n == "lm_head.weight"]
lora = [w for n, w in trained.items() if n != "lm_head.weight"]
optimizer = torch.optim.AdamW([{"params": lora, "lr": 1e-2}, {"params": head, "lr": 2e-3}], betas=(0.9, 0.95), eps=1e-8,
                              weight_decay=0.01)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
losses, norms, rates = [], [], []
for step in range(STEPS):
    loss = 0.0
    for i in range(ACCUMULATION):
        place = step * ACCUMULATION + i
        part = model(input_ids=ids[place], labels=labels[place]).loss / ACCUMULATION
        part.backward()
        loss += part.item()
    losses.append(loss)
    norms.append(torch.nn.utils.clip_grad_norm_(trained.values(), CLIP).item())
    rates.append(optimizer.param_groups[0]["lr"])
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()

out |= {"ids": ids, "labels": labels, "loss": torch.tensor(losses), "grad_norm": torch.tensor(norms),
        "rate": torch.tensor(rates)}
out |= {"final." + name: weight.detach().clone() for name, weight in trained.items()}
save_file({name: tensor.contiguous() for name, tensor in out.items()}, pathlib.Path(sys.argv[1]) / "lora.safetensors")
print(f"loss {losses[0]:.4f} -> {losses[-1]:.4f}, norms {min(norms):.3f} to {max(norms):.3f}")
