#include "language_family.h"

#include <algorithm>
#include <ranges>

namespace medseg {
namespace {

using Window = LanguageFamily::Window;
using Bias = LanguageFamily::Bias;

// The defaults are those of transformers' configuration classes, 4.x and 5.x alike. Llama 3 and
// SmolLM2 are LLaMA's row: config.json states all in which they differ.
constexpr LanguageFamily kFamilies[] = {
    {.name = "llama",
     .architecture = "LlamaForCausalLM",
     .gguf = "llama",
     .max_positions = 2048,
     .window = Window::kNever,
     .bias = Bias::kAsConfigured,
     .mlp_width = 11008,
     .kv_heads = 0,
     .conversation = "llava_v1",
     .tokenizer_mode = "hf_legacy",  // transformers 4.31, of LISA and LLaVA-1.5
     .is = [](const LlamaOptions&) { return true; }},
    {.name = "mistral",
     .architecture = "MistralForCausalLM",
     .gguf = nullptr,
     .max_positions = 131072,
     .window = Window::kUnlessNull,
     .bias = Bias::kNever,
     .mlp_width = 14336,
     .kv_heads = 8,
     .conversation = "mistral_instruct",
     .tokenizer_mode = "hf_legacy_nostrip",  // transformers 4.36, of LLaVA-Med v1.5
     .is = [](const LlamaOptions& options) { return options.sliding_window > 0; }},
    {.name = "qwen2",
     .architecture = "Qwen2ForCausalLM",
     .gguf = "qwen2",
     .max_positions = 32768,
     .window = Window::kWhenSwitchedOn,
     .bias = Bias::kAlways,
     .mlp_width = 22016,
     .kv_heads = 0,
     .conversation = "llava_v1",
     .tokenizer_mode = "hf_legacy",
     .is = [](const LlamaOptions& o) { return o.attention_bias == AttentionBias::kQkv; }},
};

}  // namespace

std::span<const LanguageFamily> language_families() { return kFamilies; }

const LanguageFamily& language_family_in(std::string_view model_type) {
  const auto named = std::ranges::find_if(kFamilies, [&](const auto& family) {
    return &family != &kFamilies[0] && model_type.find(family.name) != std::string_view::npos;
  });
  return named == std::end(kFamilies) ? kFamilies[0] : *named;
}

const LanguageFamily& language_family_of(const LlamaOptions& options) {
  auto backwards = std::views::reverse(kFamilies);
  return *std::ranges::find_if(backwards, [&](const auto& family) { return family.is(options); });
}

}  // namespace medseg
