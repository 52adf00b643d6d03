#include "medseg/training/trained.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/bundle/audit.h"
#include "medseg/models/llama.h"
#include "medseg/models/part_names.h"
#include "medseg/optim/adapters.h"
#include "medseg/optim/patterns.h"

namespace medseg {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool is_encoder(const std::string& name) {
  return name.starts_with(part::kVisionTower) || name.starts_with(part::kGroundingEncoder);
}

// Added tokens have the highest ids: the rows from the first of them on train.
std::int64_t first_added_row(const BundleOptions& options) {
  std::int64_t first = options.model.language.vocabulary;
  for (const auto& [token, id] : options.special_tokens) first = std::min(first, id);
  if (first == options.model.language.vocabulary || first == 0) {
    throw ConfigError("train.token_rows", "\"new\", but the bundle lists no added token");
  }
  return first;
}

// Makes the parameters that a pattern names trainable, in float32. \throws ConfigError if it names
// none or one of an encoder.
void mark(Segmenter& model, const std::string& pattern) {
  std::size_t found = 0;
  std::vector<std::string> known;
  for (const auto& [name, tensor] : model.named_parameters()) {
    known.push_back(name);
    if (!names(pattern, name)) continue;
    if (is_encoder(name)) {
      throw ConfigError(
          "train.trainable",
          "\"" + pattern + "\" names " + name +
              ", but the encoders are frozen: their features are computed once an image");
    }
    *tensor = tensor->detach().to(at::kFloat);
    tensor->set_requires_grad(true);
    ++found;
  }
  if (found > 0) return;
  if (pattern == "lm_head" && model.options().language.tied_head) {
    log_info("train.trainable: lm_head is tied to embed_tokens in this model");
    return;
  }
  throw ConfigError("train.trainable", "\"" + pattern + "\" names no parameter; did you mean \"" +
                                           nearest_name(pattern, known) + "\"?");
}

// A pattern for train.trainable that names this parameter; "" for one of an encoder.
std::string pattern_for(const std::string& name) {
  if (is_encoder(name)) return "";
  const auto parts = split(name, '.');
  const std::size_t first = parts[0] == "model" && parts.size() > 1 ? 1 : 0;
  return parts[first] == "grounding_encoder" && parts.size() > 2 ? parts[2] : parts[first];
}

void refuse_untrained_parts(const OpenBundle& bundle,
                            const std::vector<TrainedParameter>& trained) {
  auto after = bundle.options;
  after.initialised = still_initialised(bundle.options, trained);
  const auto untrained = untrained_parts(after);
  if (untrained.empty()) return;
  std::vector<std::string> wanted;
  std::string remedy;
  for (const auto& name : untrained) {
    const auto pattern = pattern_for(name);
    const bool rows_train =
        std::any_of(trained.begin(), trained.end(), [&](const TrainedParameter& parameter) {
          return parameter.name.ends_with(".new_rows") && contains(parameter.name, pattern);
        });
    if (pattern.empty()) {
      remedy = "the encoders do not train: import their weights";
    } else if (rows_train) {
      remedy = "train.token_rows is \"new\": \"all\" trains these rows too";
    } else if (std::find(wanted.begin(), wanted.end(), pattern) == wanted.end()) {
      wanted.push_back(pattern);
    }
  }
  if (remedy.empty()) remedy = "train.trainable leaves them out: add " + join(wanted, ", ");
  throw CheckpointError(bundle.path.string(), "initialised and never trained: " +
                                                  join_first(untrained, 10) + "; " + remedy);
}

}  // namespace

std::vector<TrainedParameter> choose_trained(OpenBundle& bundle, const TrainOptions& options) {
  Segmenter& model = *bundle.model;
  for (const auto& [name, tensor] : model.named_parameters()) tensor->set_requires_grad(false);
  add_adapters(model, part::kLanguageLayers, options.lora);
  for (const auto& pattern : options.trainable) mark(model, pattern);
  Llama& language = model.language();
  const bool embeds = language.embed_tokens.requires_grad();
  const bool heads = language.head.defined() && language.head.requires_grad();
  if (options.token_rows == TokenRows::kNew && (embeds || heads)) {
    language.split_rows(first_added_row(bundle.options));
    language.new_embed_rows.set_requires_grad(embeds);
    if (language.new_head_rows.defined()) language.new_head_rows.set_requires_grad(heads);
  }
  std::vector<TrainedParameter> trained;
  for (const auto& [name, tensor] : model.trainable_leaves()) {
    if (tensor->requires_grad()) trained.push_back({name, *tensor});
  }
  if (trained.empty())
    throw ConfigError("train.trainable", "empty, and train.lora.rank is 0: nothing would train");
  refuse_untrained_parts(bundle, trained);
  return trained;
}

}  // namespace medseg
