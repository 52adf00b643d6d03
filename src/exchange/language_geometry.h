/// \file
/// Sizes of a language model from what its files state, held against the shapes of its tensors.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "medseg/models/llama_options.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

/// From the metadata of a GGUF of architecture `llama` (Mistral and Llama 3 too) or `qwen2`.
/// \throws CheckpointError naming the file: unknown architecture, experts, rotary scaling of
/// another kind, metadata that contradict the tensors.
LlamaOptions gguf_geometry(const TensorFile& file);

/// config.json of a Hugging Face folder. \throws CheckpointError if it is missing or not JSON.
nlohmann::json read_hugging_face_config(const std::filesystem::path& folder);

/// From what it says, as transformers reads it: LlamaForCausalLM, MistralForCausalLM or
/// Qwen2ForCausalLM. `where` names it in messages. `family` is the name of a row of
/// language_family.h for a model inside another, whose architecture is not the language model's;
/// "": by architectures and model_type. \throws CheckpointError naming `where`: it is of another
/// architecture, asks for what the network has not, or contradicts the tensors of `file`.
LlamaOptions hugging_face_geometry(const nlohmann::json& config, const std::string& where,
                                   const TensorFile& file, const std::string& family = "");

}  // namespace medseg
