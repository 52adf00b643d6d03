#include "medseg/exchange/layout_import.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "language_geometry.h"
#include "layout_assembly.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/bundle/bundle.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/models/part_names.h"
#include "medseg/text/conversation.h"
#include "medseg/weights/layouts.h"
#include "medseg/weights/peft.h"
#include "tied_matrices.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNamesShown = 10;
constexpr double kLisaAlpha = 16.0;  // --lora_alpha of LISA's and GLaMM's train scripts

void check(const LayoutRequest& request) {
  if (!request.conversation.empty())
    check_conversation_name("--conversation", request.conversation);
  if (!request.grounding.empty() && request.layout != ImportLayout::kLlava) {
    throw ConfigError("--grounding",
                      "a " + name_of(request.layout) + " folder holds its own grounding part");
  }
  if (!fs::is_directory(request.source))
    throw CheckpointError(request.source.string(), "no such folder");
}

/// The same adapter under our names.
Adapter under_names(Adapter adapter, const NameOfOurs& our_name) {
  for (auto& layer : adapter.layers) {
    const std::string end = ".weight";
    const auto ours = our_name(layer.module + end);
    if (!ours) {
      throw CheckpointError(adapter.path.string(), layer.module + ": no such layer in this layout");
    }
    layer.module = ours->substr(0, ours->size() - end.size());
  }
  return adapter;
}

void open_source(const LayoutRequest& request, Assembly& assembly) {
  const auto& layout = layout_of(assembly.config.layout);
  const auto name = [&layout](const std::string& given) {
    auto ours = our_name(layout, given);
    return ours || !their_name(layout, given) ? ours : std::optional(given);
  };
  std::shared_ptr<const TensorFile> source = open_tensor_file(request.source);
  std::optional<Adapter> unmerged;
  const bool is_peft = is_peft_model(*source);
  if (!is_peft && request.lora_alpha)
    throw ConfigError("--lora-alpha", source->path().string() + " holds no LoRA layers");
  if (is_peft) {
    const bool is_guess = !request.lora_alpha;
    auto model = take_apart(source, request.lora_alpha.value_or(kLisaAlpha));
    source = std::move(model.base);
    if (!model.adapter.layers.empty()) unmerged = under_names(std::move(model.adapter), name);
    if (unmerged && is_guess && !model.alpha_is_stated) {
      log_warning(str_cat(source->path().string(), ": holds LoRA layers that are not merged; no ",
                          "file states their alpha: ", kLisaAlpha, ", the default of LISA's and ",
                          "GLaMM's training, is taken (--lora-alpha states another)"));
    }
  }
  auto renamed = under_our_names(source, layout);
  if (!renamed.unknown.empty()) {
    auto names = renamed.unknown;
    const auto count = names.size();
    names.resize(std::min(count, kNamesShown));
    throw CheckpointError(str_cat(renamed.file->path().string(), ": ", count,
                                  " tensors have no place in the layout ", layout.name, ": ",
                                  join(names, ", "), count > kNamesShown ? ", …" : ""));
  }
  assembly.report.unused = renamed.skipped;
  auto& language = assembly.config.language;
  assembly.file = with_embedding(std::move(renamed.file), language);
  if (unmerged) assembly.file = with_adapter_of_tied(assembly.file, *std::move(unmerged), language);
  if (request.adapter.empty()) return;
  // An adapter names its base's tensors, which were the source's or, exported from a run here,
  // ours.
  assembly.file =
      with_adapter_of_tied(assembly.file, read_adapter(request.adapter, name), language);
}

/// What config.json states is held against what the tensors are.
void check_sizes(const LayoutConfig& config, const TensorFile& file, bool grown) {
  const auto check = [&](const char* key, std::int64_t found, const std::string& where) {
    const auto stated = config.language.value(key, nlohmann::json());
    if (!stated.is_number_integer() || stated.get<std::int64_t>() == found) return;
    throw CheckpointError(str_cat(config.path.string(), ": ", key, " is ", stated.dump(), ", but ",
                                  where, " says ", found));
  };
  const auto named = [&](const std::string& tensor) {
    return str_cat(tensor, " of ", file.path_of(tensor).string());
  };
  std::int64_t layers = 0;
  for (const auto& info : file.tensors()) {
    if (info.name == part::kEmbedding && info.shape.size() == 2) {
      check("hidden_size", info.shape[1], named(info.name));
      if (!grown) check("vocab_size", info.shape[0], named(info.name));
    }
    if (info.name == str_cat(part::kLanguageLayers, "0.mlp.gate_proj.weight") &&
        info.shape.size() == 2)
      check("intermediate_size", info.shape[0], named(info.name));
    if (info.name.starts_with(part::kLanguageLayers) &&
        info.name.ends_with(".input_layernorm.weight"))
      ++layers;
  }
  check("num_hidden_layers", layers, "the count of layers of " + file.path().string());
}

void read_language(const LayoutRequest& request, Assembly& assembly) {
  assembly.note(*assembly.file);
  auto& language = assembly.options.model.language;
  auto& stated = assembly.config.language;
  const bool grown = !request.adapter.empty();  // an adapter may bring rows of added tokens
  check_sizes(assembly.config, *assembly.file, grown);
  for (const auto& info : assembly.file->tensors()) {
    if (grown && info.name == part::kEmbedding && !info.shape.empty())
      stated["vocab_size"] = info.shape[0];
  }
  language = hugging_face_geometry(stated, assembly.config.path.string(), *assembly.file,
                                   stated.at("model_type").get<std::string>());
  const auto mode = tokenizer_mode(assembly.config.tokenizer_mode);
  assembly.tokenizer =
      raised_as<CheckpointError>([&] { return load_tokenizer(request.source, mode); });
  if (assembly.tokenizer->size() > language.vocabulary) {
    throw CheckpointError(request.source.string(),
                          str_cat("the tokenizer has ", assembly.tokenizer->size(), " tokens, but ",
                                  part::kEmbedding, " has rows for ", language.vocabulary));
  }
  for (const auto& info : assembly.file->tensors()) {
    if (!language.tied_head || info.name != part::kHead)
      assembly.tensors.push_back(to_write(info.name, assembly.file, info));
  }
}

/// Ids as the tokenizer has them; a token that it would not find in a text does not count.
void read_tokens(const LayoutRequest& request, Assembly& assembly) {
  auto& options = assembly.options;
  const auto& tokenizer = *assembly.tokenizer;
  for (const char* token : {kSegToken, kPhraseOpen, kPhraseClose, "<im_start>", "<im_end>"}) {
    const auto id = tokenizer.id_of(token);
    if (id && tokenizer.encode_after(token, After::kText) == std::vector<std::int64_t>{*id})
      options.special_tokens[token] = *id;
  }
  options.image_start_end = assembly.config.image_start_end;
  options.image_overview = request.layout == ImportLayout::kGlamm;
  std::vector<std::string> needed;
  if (options.model.grounding.encoder) needed.push_back(kSegToken);
  if (options.image_start_end || options.image_overview)
    needed.insert(needed.end(), {"<im_start>", "<im_end>"});
  for (const auto& token : needed) {
    if (options.special_tokens.contains(token)) continue;
    throw CheckpointError(request.source.string() + ": the tokenizer has no token " + token +
                          " (is added_tokens.json there?)");
  }
  options.conversation =
      request.conversation.empty() ? assembly.config.conversation : request.conversation;
  options.tokenizer_mode = assembly.config.tokenizer_mode;
  options.tokenizer_fingerprint = tokenizer.fingerprint();
}

}  // namespace

ImportReport import_layout(const LayoutRequest& request, const fs::path& out) {
  check(request);
  refuse_all_but_bundle(out);
  Assembly assembly;
  assembly.config = read_layout_config(request.source, request.layout);
  open_source(request, assembly);
  read_language(request, assembly);
  read_vision(request, assembly);
  read_grounding(request, assembly);
  read_tokens(request, assembly);
  check_tokenizer(request.source, assembly.options, *assembly.tokenizer);
  const auto tensors =
      fit_to_model(std::move(assembly.tensors), assembly.options.model, request.source.string());
  assembly.report.initialised = assembly.options.initialised;
  const auto& fresh = assembly.options.initialised;
  for (const auto& tensor : tensors) {
    if (std::find(fresh.begin(), fresh.end(), tensor.info.name) == fresh.end())
      ++assembly.report.loaded;
  }

  assembly.options.licences = licences_of(request, assembly);
  AtomicFolder folder(out);
  write_bundle(folder.path(), tensors, assembly.options, provenance_of(request, assembly));
  assembly.tokenizer->save(folder.path());
  folder.commit();
  return assembly.report;
}

}  // namespace medseg
