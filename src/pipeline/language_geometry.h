/// \file
/// Sizes of a language model from what its files state.
#pragma once

#include <filesystem>

#include "medseg/models/llama.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

/// From `llama.*` metadata; the vocabulary from the embedding's shape. \throws CheckpointError naming the file.
LlamaOptions gguf_geometry(const TensorFile& file);
/// From a Hugging Face config.json; shapes of `file` where it is silent. \throws CheckpointError.
LlamaOptions hugging_face_geometry(const std::filesystem::path& folder, const TensorFile& file);

}  // namespace medseg
