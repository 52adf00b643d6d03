/// \file
/// Names of language models in their files, as data: GGUF and Hugging Face -> ours (which are Hugging Face's LLaMA names).
#pragma once

#include <string>
#include <vector>

#include "medseg/weights/name_map.h"

namespace medseg {

/// GGUF of the architectures `llama` and `qwen2`. `llama` files hold q and k rows permuted for interleaved rotary: weights and
/// biases are put back to the half-split form (semantics 21). \throws CheckpointError when a head count is missing.
std::vector<TensorSource> gguf_llama_sources(const TensorFile& file);

/// A Hugging Face folder: names as they stand, without those that follow from the configuration. With `tied`, a
/// lm_head.weight that a file carries beside the embedding it equals is left out too.
std::vector<TensorSource> hugging_face_llama_sources(const TensorFile& file, bool tied);

/// Tensors that older files carry and no model needs, for they follow from the configuration: `rotary_emb.inv_freq` of
/// transformers before 4.32, GGUF's `rope_freqs` (the geometry has them) and `attn_rot_embd`.
bool follows_from_configuration(const std::string& name);

}  // namespace medseg
