"""Makes tests/golden/language: tiny LLaMAs, a PEFT adapter and a LISA-like splice, with outputs and gradients.

Packages: torch 2.11.0, transformers 5.23, peft 0.21, safetensors.
Command:  python scripts/reference/export_language.py tests/golden/language
"""
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY, WIDTH, IGNORE, IMAGE = 61, 32, -100, -200


def tiny_llama(tied: bool, seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, rope_parameters={"rope_type": "default", "rope_theta": 1e5},
        tie_word_embeddings=tied, attn_implementation="eager")
    model = LlamaForCausalLM(config).eval()
    for name, parameter in model.named_parameters():  # larger than the initialiser's, so that softmaxes are not flat
        parameter.data = torch.randn_like(parameter) * 0.2 + (1.0 if "norm" in name else 0.0)
    return model


def names(model: nn.Module, tied: bool):
    for name, parameter in model.named_parameters():
        if not (tied and name == "lm_head.weight"):
            yield name, parameter


def export_llama(folder: str, tied: bool) -> None:
    model = tiny_llama(tied, seed=3 + tied)
    ids = torch.randint(0, VOCABULARY, (2, 11))
    labels = torch.randint(0, VOCABULARY, (2, 11))
    labels[:, :4] = IGNORE
    labels[1, 9:] = IGNORE
    inner = model.model(ids).last_hidden_state
    out = model(ids, labels=labels)
    out.loss.backward()
    tensors = {"ids": ids, "labels": labels, "hidden": inner, "logits": out.logits, "loss": out.loss}
    for name, parameter in names(model, tied):
        tensors["weight." + name] = parameter
        tensors["grad." + name] = parameter.grad
    save(folder, "llama_tied" if tied else "llama_untied", tensors)


def export_adapter(folder: str) -> None:
    model = get_peft_model(tiny_llama(True, seed=5), LoraConfig(
        r=4, lora_alpha=12, lora_dropout=0.0, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn_like(parameter) * 0.3
    ids = torch.randint(0, VOCABULARY, (1, 9))
    out = model(ids, labels=ids)
    out.loss.backward()
    tensors = {"ids": ids, "logits": out.logits, "loss": out.loss}
    prefix = "base_model.model."
    for name, parameter in model.named_parameters():
        # base_layer is PEFT's name for what the model calls q_proj; ".default" is the adapter's name, absent in its files
        plain = name.removeprefix(prefix).replace(".base_layer", "").replace(".default", "")
        tensors["weight." + plain] = parameter
        if parameter.grad is not None:
            tensors["grad." + plain] = parameter.grad
    save(folder, "adapter", tensors)


def merge(features: torch.Tensor, grid: int, m: int) -> torch.Tensor:
    """Each m x m block of patches becomes one row: written with loops on purpose."""
    rows = []
    for y in range(0, grid, m):
        for x in range(0, grid, m):
            rows.append(torch.cat([features[:, (y + dy) * grid + x + dx] for dy in range(m) for dx in range(m)], -1))
    return torch.stack(rows, 1)


def export_splice(folder: str) -> None:
    """Two dialogues, three images (one in the middle of its dialogue), three [SEG]; wiring as in LISA and GLaMM."""
    language = tiny_llama(False, seed=6)
    torch.manual_seed(8)
    dv, grid, m, c = 6, 4, 2, 8
    projector = nn.Sequential(nn.Linear(dv * m * m, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
    head = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, c))
    seg = 60
    ids = [[1, 7, IMAGE, 9, 12, seg, 3, seg, 2], [1, IMAGE, 5, IMAGE, 8, 4, seg]]
    answered = [3, 4]                                  # index where the answer begins
    features = torch.randn(3, grid * grid, dv)
    projected = projector(merge(features, grid, m))
    image, rows, labels, where = 0, [], [], []
    for d, dialogue in enumerate(ids):
        row, label = [], []
        for i, token in enumerate(dialogue):
            if token == IMAGE:
                row += list(projected[image])
                label += [IGNORE] * projected.shape[1]
                image += 1
                continue
            if token == seg:
                where.append((d, len(row) - 1))        # the state that predicts it
            row.append(language.model.embed_tokens.weight[token])
            label.append(token if i >= answered[d] else IGNORE)
        rows.append(row)
        labels.append(label)
    longest = max(map(len, rows))
    embeddings = torch.stack([torch.stack(r + [torch.zeros(WIDTH)] * (longest - len(r))) for r in rows])
    spread = torch.tensor([l + [IGNORE] * (longest - len(l)) for l in labels])
    mask = torch.tensor([[1] * len(r) + [0] * (longest - len(r)) for r in rows])
    hidden = language.model(inputs_embeds=embeddings, attention_mask=mask).last_hidden_state
    logits = language.lm_head(hidden)
    loss = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), spread[:, 1:].flatten(), ignore_index=IGNORE)
    prompts = head(torch.stack([hidden[d, p] for d, p in where]))
    weight = torch.randn_like(prompts)
    (loss + (prompts * weight).sum()).backward()
    flat = [i for dialogue in ids for i in dialogue]
    tensors = {
        "ids": torch.tensor(flat), "lengths": torch.tensor([len(i) for i in ids]), "answered": torch.tensor(answered),
        "features": features, "embeddings": embeddings, "labels": spread, "seg_position": torch.tensor([p for _, p in where]),
        "seg_dialogue": torch.tensor([d for d, _ in where]), "loss": loss, "prompts": prompts, "prompt_gradient": weight}
    parts = {"": language, "model.mm_projector.": projector, "model.text_hidden_fcs.0.": head}
    for prefix, part in parts.items():
        for name, parameter in part.named_parameters():
            tensors["weight." + prefix + name] = parameter
            if prefix or "embed_tokens" in name or "lm_head" in name or "layers.0.self_attn" in name:
                tensors["grad." + prefix + name] = parameter.grad
    save(folder, "splice", tensors)


def save(folder: str, name: str, tensors: dict) -> None:
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, f"{folder}/{name}.safetensors")


if __name__ == "__main__":
    export_llama(sys.argv[1], tied=False)
    export_llama(sys.argv[1], tied=True)
    export_adapter(sys.argv[1])
    export_splice(sys.argv[1])
