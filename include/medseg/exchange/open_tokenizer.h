/// \file
/// A tokenizer from whatever the user points at.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "medseg/text/tokenizer.h"

namespace medseg {

/// `path` is a bundle, a Hugging Face folder, tokenizer.model, tokenizer.json or a GGUF; an empty
/// `mode` is the bundle's own, elsewhere hf_legacy. \throws ConfigError, DataError,
/// CheckpointError.
std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& path,
                                          const std::string& mode);

}  // namespace medseg
