#include "medseg/training/trained.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "medseg/base/log.h"
#include "medseg/base/process.h"
#include "medseg/base/str.h"
#include "medseg/models/audit.h"
#include "medseg/training/patterns.h"
#include "medseg/weights/peft.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool is_encoder(const std::string& name) {
  return contains(name, "vision_tower.") || contains(name, "grounding_encoder.image_encoder.");
}

bool is_token_matrix(const std::string& name) {
  return name == "model.embed_tokens.weight" || name == "lm_head.weight";
}

using NamedLayer = std::pair<std::string, Linear*>;

// A run goes on from what the adapter does, so its rank and scale must be the config's: other ones would be another model.
void check_layer(const AdapterLayer& given, const Linear& layer, const LoraOptions& lora,
                 const std::string& where) {
  const auto refuse = [&](const std::string& key, const auto& found, const auto& expected) {
    throw ConfigError(medseg::str("train.lora.", key, ": ", found, ", but ", where, ": ",
                                  given.module, " needs ", expected));
  };
  if (given.rank() != lora.rank) refuse("rank", lora.rank, given.rank());
  const auto r = static_cast<double>(given.rank());
  const double alpha = given.scale * (lora.rslora ? std::sqrt(r) : r);
  if (std::abs(alpha - lora.alpha) > 1e-6 * alpha) refuse("alpha", lora.alpha, alpha);
  if (!given.a.sizes().equals(layer.lora_a.sizes()) ||
      !given.b.sizes().equals(layer.lora_b.sizes())) {
    throw CheckpointError(medseg::str(
        where, ": ", given.module, ": the adapter is ", given.a.sizes(), " and ", given.b.sizes(),
        ", the model needs ", layer.lora_a.sizes(), " and ", layer.lora_b.sizes()));
  }
}

void replace_parameters(Segmenter& model, const Adapter& adapter, const std::string& where) {
  std::map<std::string, at::Tensor*> parameters;
  for (const auto& [name, tensor] : model.named_parameters()) parameters[name] = tensor;
  for (const auto& [name, value] : adapter.replaced) {
    const auto found = parameters.find(name);
    if (found == parameters.end())
      throw CheckpointError(where + ": " + name + ": the model has no such parameter");
    if (!found->second->sizes().equals(value.sizes())) {
      throw CheckpointError(medseg::str(where, ": ", name, " is ", value.sizes(),
                                        ", the model has ", found->second->sizes()));
    }
    found->second->copy_(value);
  }
}

void start_from_adapter(Segmenter& model, const LoraOptions& lora,
                        const std::vector<NamedLayer>& layers) {
  const at::NoGradGuard no_grad;
  const auto adapter = read_adapter(lora.adapter);
  if (!adapter.layers.empty() && adapter.rank_stabilised != lora.rslora) {
    throw ConfigError(medseg::str("train.lora.rslora: ", lora.rslora ? "true" : "false", ", but ",
                                  lora.adapter, " was made with the other"));
  }
  std::map<std::string, const AdapterLayer*> given;
  for (const auto& layer : adapter.layers) given[layer.module] = &layer;
  for (const auto& [name, layer] : layers) {
    const auto found = given.find(name);
    if (found == given.end())
      throw CheckpointError(lora.adapter + ": no tensors for " + name +
                            ", one of train.lora.targets");
    check_layer(*found->second, *layer, lora, lora.adapter);
    layer->lora_a.copy_(found->second->a);
    layer->lora_b.copy_(found->second->b);
    given.erase(found);
  }
  if (!given.empty()) {
    throw CheckpointError(lora.adapter + ": " + given.begin()->first +
                          " is none of the model's layers that train.lora.targets name");
  }
  replace_parameters(model, adapter, lora.adapter);
}

void add_adapters(Segmenter& model, const LoraOptions& lora) {
  if (lora.rank == 0) return;
  std::vector<NamedLayer> layers;
  std::vector<std::string> known;
  std::set<std::string> used;  // of the targets
  for (const auto& [name, layer] : model.modules_of_type<Linear>()) {
    if (!name.starts_with("model.layers.")) continue;
    known.push_back(name);
    bool chosen = false;
    for (const auto& target : lora.targets) {
      if (!names_module(target, name)) continue;
      used.insert(target);
      chosen = true;
    }
    if (!chosen) continue;
    layer->add_adapter(lora.rank, lora.alpha, lora.dropout, lora.rslora);
    layers.emplace_back(name, layer);
  }
  for (const auto& target : lora.targets) {
    if (!used.contains(target)) {
      throw ConfigError("train.lora.targets: \"" + target +
                        "\" names no projection of the language model; did you mean \"" +
                        nearest_name(target, known) + "\"?");
    }
  }
  if (!lora.adapter.empty()) start_from_adapter(model, lora, layers);
}

// Added tokens have the highest ids; the first of them opens the rows that train.
std::int64_t first_added_row(const BundleOptions& options) {
  std::int64_t first = options.model.language.vocabulary;
  for (const auto& [token, id] : options.special_tokens) first = std::min(first, id);
  if (first == options.model.language.vocabulary || first == 0) {
    throw ConfigError("train.token_rows: \"new\", but the bundle lists no added token");
  }
  return first;
}

// Marks what a pattern names. \throws ConfigError if it names nothing that could train.
void mark(Segmenter& model, const std::string& pattern) {
  std::size_t found = 0;
  std::vector<std::string> known;
  for (const auto& [name, tensor] : model.named_parameters()) {
    known.push_back(name);
    if (!names(pattern, name)) continue;
    if (is_encoder(name)) {
      throw ConfigError(
          "train.trainable: \"" + pattern + "\" names " + name +
          ", but the encoders are frozen: their features are computed once a picture");
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
  throw ConfigError("train.trainable: \"" + pattern + "\" names no parameter; did you mean \"" +
                    nearest_name(pattern, known) + "\"?");
}

// A pattern for train.trainable that takes `name` in; "" where none may.
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
  throw CheckpointError(bundle.path.string() + ": initialised and never trained: " +
                        join_first(untrained, 10) + "; " + remedy);
}

// "NAME[first:end]" of rows; -1 where the entry is the whole tensor.
struct InitialisedEntry {
  std::string name;
  std::int64_t first = -1, end = -1;
};

InitialisedEntry parse_entry(const std::string& text) {
  InitialisedEntry entry{text};
  const auto open = text.rfind('[');
  if (open == std::string::npos || text.back() != ']') return entry;
  std::int64_t first = -1, end = -1;
  const char* last = text.data() + text.size() - 1;
  const auto middle = std::from_chars(text.data() + open + 1, last, first);
  if (middle.ec != std::errc{} || middle.ptr == last || *middle.ptr != ':') return entry;
  const auto done = std::from_chars(middle.ptr + 1, last, end);
  if (done.ec != std::errc{} || done.ptr != last || first < 0 || end < first) return entry;
  return {text.substr(0, open), first, end};
}

}  // namespace

std::vector<std::string> still_initialised(const BundleOptions& options,
                                           const std::vector<TrainedParameter>& trained) {
  const auto find = [&](const std::string& name) {
    return std::find_if(trained.begin(), trained.end(),
                        [&](const TrainedParameter& parameter) { return parameter.name == name; });
  };
  const auto vocabulary = options.model.language.vocabulary;
  std::vector<std::string> left;
  for (const auto& text : options.initialised) {
    const auto entry = parse_entry(text);
    if (find(entry.name) != trained.end() && !is_beyond_training(entry.name)) continue;
    auto rest = text;
    if (is_token_matrix(entry.name)) {
      const auto matrix = entry.name.substr(0, entry.name.rfind('.'));
      if (const auto rows = find(matrix + ".new_rows"); rows != trained.end()) {
        const auto trained_from = vocabulary - rows->tensor.size(0);
        const auto first = std::max<std::int64_t>(entry.first, 0);
        const auto end = entry.first < 0 ? vocabulary : entry.end;
        if (first >= trained_from) continue;
        if (end > trained_from) rest = str(entry.name, "[", first, ":", trained_from, "]");
      }
    }
    left.push_back(rest);
  }
  return left;
}

std::vector<TrainedParameter> choose_trained(OpenBundle& bundle, const TrainOptions& options) {
  Segmenter& model = *bundle.model;
  for (const auto& [name, tensor] : model.named_parameters()) tensor->set_requires_grad(false);
  add_adapters(model, options.lora);
  for (const auto& pattern : options.trainable) mark(model, pattern);
  Llama& language = model.language();
  const bool embeds = language.embed_tokens.requires_grad();
  const bool heads = language.head.defined() && language.head.requires_grad();
  if (options.token_rows == "new" && (embeds || heads)) {
    language.split_rows(first_added_row(bundle.options));
    language.new_embed_rows.set_requires_grad(embeds);
    if (language.new_head_rows.defined()) language.new_head_rows.set_requires_grad(heads);
  }
  std::vector<TrainedParameter> trained;
  for (const auto& [name, tensor] : model.trainable_leaves()) {
    if (tensor->requires_grad()) trained.push_back({name, *tensor});
  }
  if (trained.empty())
    throw ConfigError("train.trainable: empty, and train.lora.rank is 0: nothing would train");
  refuse_untrained_parts(bundle, trained);
  return trained;
}

FrozenStorage::FrozenStorage(OpenBundle& bundle, at::ScalarType precision,
                             const std::string& storage)
    : bundle_(bundle.path) {
  if (storage != "precision") store_low_bit(*bundle.model, precision, storage);
  std::set<const at::Tensor*> low_bit;
  for (const auto& [name, layer] : bundle.model->modules_of_type<Linear>()) {
    if (layer->low_bit()) low_bit.insert(&layer->weight);
  }
  for (const auto& [name, tensor] : bundle.model->named_parameters()) {
    if (low_bit.contains(tensor)) continue;
    const bool language = name.starts_with("model.layers.") || is_token_matrix(name);
    const bool projector = contains(name, "mm_projector") || contains(name, "text_hidden_fcs");
    if (tensor->requires_grad() || tensor->dim() != 2 || !(language || projector)) continue;
    if (precision == at::kFloat && tensor->scalar_type() == at::kFloat) continue;
    *tensor = tensor->detach().to(precision);
    if (precision == at::kHalf && !tensor->isfinite().all().item<bool>()) {
      throw CheckpointError(bundle.path.string() + ": " + name +
                            " has values beyond fp16's range; train.precision \"bf16\" holds them");
    }
    cast_.emplace_back(name, tensor);
  }
}

void FrozenStorage::store_low_bit(Segmenter& model, at::ScalarType precision,
                                  const std::string& storage) {
  std::int64_t before = 0, after = 0;
  for (const auto& [name, layer] : model.modules_of_type<Linear>()) {
    if (!name.starts_with("model.layers.") || layer->weight.requires_grad()) continue;
    before += static_cast<std::int64_t>(layer->weight.nbytes());
    // As the bundle has it, unless bf16 would round what the run computes with.
    const bool bf16 = layer->weight.scalar_type() == at::kBFloat16 && precision == at::kBFloat16;
    try {
      if (precision == at::kHalf && !layer->weight.to(at::kHalf).isfinite().all().item<bool>())
        throw CheckpointError("values beyond fp16's range; train.precision \"bf16\" holds them");
      layer->store_low_bit(low_bit_type_named("train.frozen_storage", storage),
                           bf16 ? at::kBFloat16 : at::kFloat);
    } catch (const CheckpointError& error) {
      throw CheckpointError(bundle_.string() + ": " + name + ".weight: " + error.what());
    }
    after += layer->low_bit()->bytes();
  }
  if (after == 0) {
    throw ConfigError("train.frozen_storage: \"" + storage +
                      "\", but every projection of the language model trains");
  }
  log_info(str("language model's projections in ", storage, ": ",
               gigabytes_text(static_cast<std::uint64_t>(before)), " are ",
               gigabytes_text(static_cast<std::uint64_t>(after))));
}

FrozenStorage::Original::Original(FrozenStorage& storage) : storage_(storage) {
  if (storage.cast_.empty()) return;
  const auto file = open_tensor_file(storage.bundle_);
  for (const auto& [name, tensor] : storage.cast_) {
    small_.push_back(*tensor);
    // New rows are joined to their matrix in its dtype, so that one is widened.
    const auto original = file->load(name);
    *tensor = is_token_matrix(name) ? original.to(at::kFloat) : original;
  }
}

FrozenStorage::Original::~Original() {
  for (std::size_t i = 0; i < small_.size(); ++i) *storage_.cast_[i].second = small_[i];
}

MergedAdapters::MergedAdapters(OpenBundle& bundle, FrozenStorage& frozen,
                               at::ScalarType precision) {
  const FrozenStorage::Original original(frozen);
  for (const auto& [name, layer] : bundle.model->modules_of_type<Linear>()) {
    if (!layer->has_adapter()) continue;
    if (layer->low_bit()) {  // as large as few bits were to spare
      layer->answer_merged(precision);
    } else {
      layer->answer_with(layer->merged_weight().to(layer->lora_a.device(), precision));
    }
    layers_.push_back(layer);
  }
}

MergedAdapters::~MergedAdapters() {
  for (Linear* layer : layers_) {
    layer->answer_with({});
    layer->answer_merged({});
  }
}

Ema::Ema(double decay, const std::vector<TrainedParameter>& parameters) : decay_(decay) {
  if (!on()) return;
  parameters_ = parameters;
  for (const auto& parameter : parameters_) averages_.push_back(parameter.tensor.detach().clone());
}

void Ema::update(std::int64_t step) {
  if (!on()) return;
  const at::NoGradGuard no_grad;
  const auto t = static_cast<double>(step);
  const double decay = std::min(decay_, (1.0 + t) / (10.0 + t));
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    averages_[i].lerp_(parameters_[i].tensor, 1.0 - decay);
}

void Ema::swap() {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    auto value = parameters_[i].tensor;
    const auto kept = value.clone();
    value.copy_(averages_[i]);
    averages_[i].copy_(kept);
  }
}

std::vector<std::pair<std::string, at::Tensor>> Ema::state() const {
  std::vector<std::pair<std::string, at::Tensor>> state;
  for (std::size_t i = 0; i < averages_.size(); ++i)
    state.emplace_back("ema." + parameters_[i].name, averages_[i]);
  return state;
}

}  // namespace medseg
