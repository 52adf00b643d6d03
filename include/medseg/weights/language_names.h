/// \file
/// Names of language models in GGUF and Hugging Face files -> ours, which are Hugging Face's for
/// LLaMA.
#pragma once

#include <string>
#include <vector>

#include "medseg/weights/name_map.h"

namespace medseg {

/// For GGUF of the architectures `llama` and `qwen2`. `llama` files hold the rows of q and k
/// permuted for interleaved rotary; weights and biases are put back to the half-split form
/// (src/README.md, choice 21). \throws CheckpointError when a head count is missing.
std::vector<TensorSource> gguf_llama_sources(const TensorFile& file);

/// For a Hugging Face folder: names unchanged, without tensors that follow from the configuration.
/// With `tied`, a lm_head.weight that a file holds in addition to the equal embedding is left out
/// too.
std::vector<TensorSource> hugging_face_llama_sources(const TensorFile& file, bool tied);

/// Tensors of older files that follow from the configuration, so that no model needs them:
/// `rotary_emb.inv_freq` of transformers before 4.32, GGUF's `rope_freqs` (the geometry has them)
/// and `attn_rot_embd`.
bool follows_from_configuration(const std::string& name);

}  // namespace medseg
