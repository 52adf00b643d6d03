#!/usr/bin/env python3
"""Writes tests/golden/vision/{clip,siglip}.safetensors: tiny random towers, their input, hidden
states and gradients.

    export_vision.py tests/golden/vision

Packages: torch 2.11.0, transformers 5.23.0, safetensors. Names: `weight.NAME`, `pixels`, `state.I`
(hidden state I of layers + 1, before any final norm), `tokens` (last_hidden_state), `cotangent`
(loss = sum(state.layers * cotangent)), `grad.NAME`, `grad.pixels`. The SigLIP picture (20 pixels,
patch 6) is no multiple of the patch.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModel, SiglipVisionConfig, SiglipVisionModel


def published(name):
    """Files of both towers say vision_model.…; version 5 of transformers leaves it out of its own
    names."""
    return name if name.startswith("vision_model.") else "vision_model." + name


def randomise(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "layrnorm" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
            elif parameter.dim() > 1:
                parameter.copy_(0.2 * torch.randn_like(parameter))
            else:
                parameter.copy_(0.1 * torch.randn_like(parameter))


def hidden_states(model, pixels):
    """States before each layer and after the last, caught at the layers themselves."""
    inner = getattr(model, "vision_model", model)
    states, hooks = [], []
    for layer in inner.encoder.layers:
        hooks.append(
            layer.register_forward_pre_hook(
                lambda _, args, kwargs: states.append(args[0] if args else kwargs["hidden_states"]),
                with_kwargs=True,
            )
        )
    hooks.append(
        inner.encoder.layers[-1].register_forward_hook(
            lambda _, args, out: states.append(out[0] if isinstance(out, tuple) else out)
        )
    )
    tokens = model(pixels).last_hidden_state
    for hook in hooks:
        hook.remove()
    return states, tokens


def export(model, side, path):
    randomise(model.eval())
    pixels = torch.randn(2, 3, side, side, requires_grad=True)
    states, tokens = hidden_states(model, pixels)
    cotangent = torch.randn_like(states[-1])
    (states[-1] * cotangent).sum().backward()
    out = {"pixels": pixels, "cotangent": cotangent, "tokens": tokens, "grad.pixels": pixels.grad}
    for i, state in enumerate(states):
        out[f"state.{i}"] = state
    for name, parameter in model.named_parameters():
        if ".head." in published(name):
            continue  # pools; no token of it reaches a language model
        out["weight." + published(name)] = parameter
        if parameter.grad is not None:
            out["grad." + published(name)] = parameter.grad
    save_file({k: v.detach().clone().contiguous() for k, v in out.items()}, path)


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(11)
    sizes = dict(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        patch_size=6,
        attn_implementation="eager",
    )
    export(
        CLIPVisionModel(CLIPVisionConfig(image_size=18, **sizes)), 18, folder / "clip.safetensors"
    )
    torch.manual_seed(12)
    export(
        SiglipVisionModel(SiglipVisionConfig(image_size=20, **sizes)),
        20,
        folder / "siglip.safetensors",
    )


if __name__ == "__main__":
    main(sys.argv[1])
