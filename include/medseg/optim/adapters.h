/// \file
/// LoRA adapters on the projections that a config names.
#pragma once

#include <string>

#include "medseg/nn/module.h"
#include "medseg/optim/options.h"

namespace medseg {

/// Adds an adapter to every linear layer of `model` whose name begins with `under` and that one of
/// `lora.targets` names. Without `lora.adapter` they start as zero: the model computes what it did.
/// With it they have the values of that PEFT folder, whose other tensors (modules_to_save) replace
/// the model's parameters. Draws from torch's generator.
/// \throws ConfigError "train.lora.…": a target names no layer, or rank, alpha or rslora are not
/// those of the PEFT folder; CheckpointError when the folder is an adapter of another model.
void add_adapters(Module& model, const std::string& under, const LoraOptions& lora);

}  // namespace medseg
