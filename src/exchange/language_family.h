/// \file
/// The table of language models that are read into models/llama.h: what tells one from another in
/// published files. A new model of the family is one row.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "medseg/models/llama_options.h"

namespace medseg {

struct LanguageFamily {
  const char* name;            ///< model_type of config.json
  const char* architecture;    ///< its architectures
  const char* gguf;            ///< general.architecture of a GGUF; nullptr: written as LLaMA
  std::int64_t max_positions;  ///< where config.json does not say

  enum class Window {
    kNever,          ///< transformers has none, whatever config.json says
    kUnlessNull,     ///< `sliding_window`, with a default
    kWhenSwitchedOn  ///< `sliding_window` where `use_sliding_window` is true
  } window;
  enum class Bias {
    kNever,
    kAlways,       ///< of query, key and value
    kAsConfigured  ///< all four where `attention_bias` is true
  } bias;

  // transformers leaves out of config.json what equals its class's defaults.
  std::int64_t mlp_width;
  std::int64_t kv_heads;  ///< 0: as many as heads

  // Of LLaVA's layouts on this language model.
  const char* conversation;
  const char* tokenizer_mode;

  /// Whether a model of these options is one of this family, for export; a later row decides first.
  bool (*is)(const LlamaOptions& options);
};

std::span<const LanguageFamily> language_families();
/// The row whose name stands in `model_type` ("llava_mistral"), else LLaMA's.
const LanguageFamily& language_family_in(std::string_view model_type);
const LanguageFamily& language_family_of(const LlamaOptions& options);

}  // namespace medseg
