/// \file
/// LoRA on the projections that a config names.
#pragma once

#include "medseg/models/segmenter.h"
#include "medseg/training/options.h"

namespace medseg {

/// Adapters that do nothing yet, or those of the PEFT folder `lora.adapter`, whose other tensors replace the model's. Draws
/// from torch's generator. \throws ConfigError "train.lora.…", CheckpointError on an adapter that is another model's.
void add_adapters(Segmenter& model, const LoraOptions& lora);

}  // namespace medseg
