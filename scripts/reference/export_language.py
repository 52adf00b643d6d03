"""Makes tests/golden/language: tiny models of the LLaMA family, a PEFT adapter and a LISA-like
splice, with outputs and gradients; a Hugging Face folder and GGUF files of tiny models, with their
logits.

Packages: torch 2.11.0, transformers 5.23, peft 0.21, safetensors, gguf, numpy.
Command:  python scripts/reference/export_language.py tests/golden/language
"""

import json
import math
import shutil
import sys
from pathlib import Path

import gguf
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

VOCABULARY, WIDTH, IGNORE, IMAGE = 61, 32, -100, -200


def tiny_llama(tied: bool, seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 1e5},
        tie_word_embeddings=tied,
        attn_implementation="eager",
    )
    return spread(LlamaForCausalLM(config))


def spread(model: PreTrainedModel) -> PreTrainedModel:
    """Values larger than the initialiser's, so that softmaxes are not flat and biases not zero."""
    for name, parameter in model.named_parameters():
        parameter.data = torch.randn_like(parameter) * 0.2 + (1.0 if "norm" in name else 0.0)
    return model.eval()


def names(model: nn.Module, tied: bool):
    for name, parameter in model.named_parameters():
        if not (tied and name == "lm_head.weight"):
            yield name, parameter


def export_llama(folder: str, tied: bool) -> None:
    export_model(
        folder, "llama_tied" if tied else "llama_untied", tiny_llama(tied, seed=3 + tied), tokens=11
    )


LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 1e4,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}  # wavelengths from 6 to 4000: kept, between, and divided


def export_variants(folder: str) -> None:
    """Every way in which a published model differs from LLaMA; 17 tokens, which is more than the
    window of 5."""
    small = dict(
        vocab_size=23,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        max_position_embeddings=64,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        attn_implementation="eager",
    )
    plain = {"rope_type": "default", "rope_theta": 1e4}
    grouped = dict(small, num_attention_heads=4, num_key_value_heads=2)
    variants = {
        "qwen2": (Qwen2ForCausalLM, Qwen2Config(**grouped, rope_parameters=plain)),
        "all_biases": (
            LlamaForCausalLM,
            LlamaConfig(**grouped, rope_parameters=plain, attention_bias=True),
        ),
        "llama3": (
            LlamaForCausalLM,
            LlamaConfig(
                **small,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=12,
                rope_parameters=LLAMA3,
            ),
        ),
        "linear": (
            LlamaForCausalLM,
            LlamaConfig(**grouped, rope_parameters=dict(plain, rope_type="linear", factor=2.5)),
        ),
        "mistral": (
            MistralForCausalLM,
            MistralConfig(**grouped, head_dim=6, sliding_window=5, rope_parameters=plain),
        ),
    }
    for seed, (name, (model, config)) in enumerate(variants.items()):
        torch.manual_seed(20 + seed)
        export_model(folder, name, spread(model(config)), tokens=17)


def export_model(folder: str, file: str, model: PreTrainedModel, tokens: int) -> None:
    tied, vocabulary = model.config.tie_word_embeddings, model.config.vocab_size
    ids = torch.randint(0, vocabulary, (2, tokens))
    labels = torch.randint(0, vocabulary, (2, tokens))
    labels[:, :4] = IGNORE
    labels[1, 9:11] = IGNORE
    inner = model.model(ids).last_hidden_state
    out = model(ids, labels=labels)
    out.loss.backward()
    tensors = {
        "ids": ids,
        "labels": labels,
        "hidden": inner,
        "logits": out.logits,
        "loss": out.loss,
    }
    for name, parameter in names(model, tied):
        tensors["weight." + name] = parameter
        tensors["grad." + name] = parameter.grad
    save(folder, file, tensors)


def export_adapter(folder: str) -> None:
    model = get_peft_model(
        tiny_llama(True, seed=5),
        LoraConfig(
            r=4,
            lora_alpha=12,
            lora_dropout=0.0,
            target_modules=["q_proj", "v_proj"],
            task_type="CAUSAL_LM",
        ),
    )
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn_like(parameter) * 0.3
    ids = torch.randint(0, VOCABULARY, (1, 9))
    out = model(ids, labels=ids)
    out.loss.backward()
    tensors = {"ids": ids, "logits": out.logits, "loss": out.loss}
    prefix = "base_model.model."
    for name, parameter in model.named_parameters():
        # base_layer is PEFT's name for what the model calls q_proj; ".default" is the adapter's
        # name, absent in its files
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
            rows.append(
                torch.cat(
                    [features[:, (y + dy) * grid + x + dx] for dy in range(m) for dx in range(m)],
                    -1,
                )
            )
    return torch.stack(rows, 1)


def export_splice(folder: str) -> None:
    """Two dialogues, three images (one in the middle of its dialogue), three [SEG]; wiring as in
    LISA and GLaMM."""
    language = tiny_llama(False, seed=6)
    torch.manual_seed(8)
    dv, grid, m, c = 6, 4, 2, 8
    projector = nn.Sequential(nn.Linear(dv * m * m, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
    head = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, c))
    seg = 60
    ids = [[1, 7, IMAGE, 9, 12, seg, 3, seg, 2], [1, IMAGE, 5, IMAGE, 8, 4, seg]]
    answered = [3, 4]  # index where the answer begins
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
                where.append((d, len(row) - 1))  # the state that predicts it
            row.append(language.model.embed_tokens.weight[token])
            label.append(token if i >= answered[d] else IGNORE)
        rows.append(row)
        labels.append(label)
    longest = max(map(len, rows))
    embeddings = torch.stack(
        [torch.stack(r + [torch.zeros(WIDTH)] * (longest - len(r))) for r in rows]
    )
    spread = torch.tensor([l + [IGNORE] * (longest - len(l)) for l in labels])
    mask = torch.tensor([[1] * len(r) + [0] * (longest - len(r)) for r in rows])
    hidden = language.model(inputs_embeds=embeddings, attention_mask=mask).last_hidden_state
    logits = language.lm_head(hidden)
    loss = nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), spread[:, 1:].flatten(), ignore_index=IGNORE
    )
    prompts = head(torch.stack([hidden[d, p] for d, p in where]))
    weight = torch.randn_like(prompts)
    (loss + (prompts * weight).sum()).backward()
    flat = [i for dialogue in ids for i in dialogue]
    tensors = {
        "ids": torch.tensor(flat),
        "lengths": torch.tensor([len(i) for i in ids]),
        "answered": torch.tensor(answered),
        "features": features,
        "embeddings": embeddings,
        "labels": spread,
        "seg_position": torch.tensor([p for _, p in where]),
        "seg_dialogue": torch.tensor([d for d, _ in where]),
        "loss": loss,
        "prompts": prompts,
        "prompt_gradient": weight,
    }
    parts = {"": language, "model.mm_projector.": projector, "model.text_hidden_fcs.0.": head}
    for prefix, part in parts.items():
        for name, parameter in part.named_parameters():
            tensors["weight." + prefix + name] = parameter
            if (
                prefix
                or "embed_tokens" in name
                or "lm_head" in name
                or "layers.0.self_attn" in name
            ):
                tensors["grad." + prefix + name] = parameter.grad
    save(folder, "splice", tensors)


TOKENIZERS = Path(__file__).resolve().parents[2] / "tests/golden/text/bpe"


def export_files(folder: str) -> None:
    """What researchers bring: a sharded Hugging Face folder, and GGUF files as llama.cpp's
    converter lays them out."""
    small = dict(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        attn_implementation="eager",
    )
    torch.manual_seed(40)
    qwen2 = spread(Qwen2ForCausalLM(Qwen2Config(**small, vocab_size=423, tie_word_embeddings=True)))
    home = Path(folder) / "qwen2_tiny"
    home.mkdir(exist_ok=True)
    qwen2.save_pretrained(home, max_shard_size="20kB")
    shutil.copy(TOKENIZERS / "qwen2/tokenizer.json", home / "tokenizer.json")
    # The tiny vocabulary has no token for the end of an answer: its last special one stands for it.
    (home / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</p>"}) + "\n")
    export_logits(folder, "qwen2_tiny", qwen2)
    write_gguf(folder, "qwen2_tiny", qwen2, "qwen2", "qwen2", permuted=False)
    torch.manual_seed(41)
    llama3 = spread(
        LlamaForCausalLM(
            LlamaConfig(
                **dict(small, num_attention_heads=2, num_key_value_heads=1),
                head_dim=12,
                vocab_size=433,
                tie_word_embeddings=True,
                rope_parameters=LLAMA3,
            )
        )
    )
    export_logits(folder, "llama3_tiny", llama3)
    write_gguf(folder, "llama3_tiny", llama3, "llama", "llama3", permuted=True)


def export_logits(folder: str, name: str, model: PreTrainedModel) -> None:
    ids = torch.randint(0, model.config.vocab_size, (1, 15))
    save(folder, name, {"ids": ids, "logits": model(ids).logits})


def write_gguf(
    folder: str,
    name: str,
    model: PreTrainedModel,
    architecture: str,
    tokenizer: str,
    permuted: bool,
) -> None:
    config = model.config
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer = gguf.GGUFWriter(Path(folder) / f"{name}.gguf", architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    add_tokenizer(writer, tokenizer)
    names = gguf.get_tensor_name_map(writer_architecture(architecture), config.num_hidden_layers)
    if config.rope_parameters["rope_type"] == "llama3":
        writer.add_tensor(
            "rope_freqs.weight", llama3_factors(config.rope_parameters, head_dim).numpy()
        )
    for key, value in model.state_dict().items():
        if key == "lm_head.weight":
            continue  # tied
        value = value.detach()
        if permuted and ("q_proj" in key or "k_proj" in key):
            heads = config.num_attention_heads if "q_proj" in key else config.num_key_value_heads
            value = value.view(heads, 2, head_dim // 2, -1).transpose(1, 2).reshape(value.shape)
        writer.add_tensor(
            names.get_name(key, try_suffixes=(".weight", ".bias")), value.contiguous().numpy()
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def writer_architecture(name: str) -> gguf.MODEL_ARCH:
    return next(arch for arch, known in gguf.MODEL_ARCH_NAMES.items() if known == name)


def llama3_factors(rope: dict, head_dim: int) -> torch.Tensor:
    """What the frequencies are divided by; the converter stores these in place of the scaling's
    parameters."""
    factors = []
    for i in range(0, head_dim, 2):
        wavelength = 2 * math.pi * rope["rope_theta"] ** (i / head_dim)
        turns = rope["original_max_position_embeddings"] / wavelength
        low, high = rope["low_freq_factor"], rope["high_freq_factor"]
        kept = min(1.0, max(0.0, (turns - low) / (high - low)))
        factors.append(1.0 / (kept + (1.0 - kept) / rope["factor"]))
    return torch.tensor(factors)


def add_tokenizer(writer: gguf.GGUFWriter, name: str) -> None:
    definition = json.loads((TOKENIZERS / name / "tokenizer.json").read_text())
    tokens = {id: token for token, id in definition["model"]["vocab"].items()}
    kinds = {id: gguf.TokenType.NORMAL for id in tokens}
    for added in definition["added_tokens"]:
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = (
            gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
        )
    merges = [m if isinstance(m, str) else " ".join(m) for m in definition["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe" if name == "llama3" else name)
    writer.add_token_list([tokens[id] for id in sorted(tokens)])
    writer.add_token_types([kinds[id] for id in sorted(tokens)])
    writer.add_token_merges(merges)
    if name == "llama3":
        writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)


def save(folder: str, name: str, tensors: dict) -> None:
    save_file(
        {k: v.detach().clone().contiguous() for k, v in tensors.items()},
        f"{folder}/{name}.safetensors",
    )


if __name__ == "__main__":
    export_llama(sys.argv[1], tied=False)
    export_llama(sys.argv[1], tied=True)
    export_adapter(sys.argv[1])
    export_splice(sys.argv[1])
    export_variants(sys.argv[1])
    export_files(sys.argv[1])
