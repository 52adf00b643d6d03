/// \file
/// The tokenizer inside a GGUF file.
#pragma once

#include <memory>

#include "medseg/text/tokenizer.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

/// The `tokenizer.ggml.*` keys. \throws CheckpointError naming the file if there is no vocabulary
/// or a key has another type.
GgufVocabulary gguf_vocabulary(const TensorFile& file);

/// make_tokenizer on it. \throws CheckpointError naming the file and the fault.
std::unique_ptr<Tokenizer> load_gguf_tokenizer(const TensorFile& file,
                                               TokenizerMode mode = TokenizerMode::kHfLegacy);

/// Whether the file starts as a GGUF does; false for folders and missing files.
bool is_gguf(const std::filesystem::path& path);

}  // namespace medseg
