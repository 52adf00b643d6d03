#include "medseg/exchange/model_import.h"

#include <algorithm>
#include <set>

#include <ATen/ATen.h>

#include "language_geometry.h"
#include "medseg/base/clock.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/bundle/bundle.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/exchange/gguf_tokenizer.h"
#include "medseg/exchange/open_grounding.h"
#include "medseg/exchange/open_vision.h"
#include "medseg/models/llama.h"
#include "medseg/models/part_names.h"
#include "medseg/nn/initialise.h"
#include "medseg/text/conversation.h"
#include "medseg/text/tokenizer.h"
#include "medseg/weights/language_names.h"
#include "stated_licence.h"
#include "tied_matrices.h"
#include "token_rows.h"

namespace medseg {
namespace {

struct LanguagePart {
  std::shared_ptr<const TensorFile> file;
  std::unique_ptr<Tokenizer> tokenizer;
  LlamaOptions options;
  std::vector<TensorSource> sources;
};

LanguagePart open_language(const std::filesystem::path& path) {
  LanguagePart part;
  part.file = open_tensor_file(path);
  if (part.file->format() == "gguf") {
    part.options = gguf_geometry(*part.file);
    part.sources = gguf_llama_sources(*part.file);
    part.tokenizer = load_gguf_tokenizer(*part.file);
    return part;
  }
  const auto folder = std::filesystem::is_directory(path) ? path : path.parent_path();
  part.tokenizer = load_tokenizer(folder);
  const auto config = read_hugging_face_config(folder);
  part.file = with_embedding(std::move(part.file), config);
  part.options = hugging_face_geometry(config, (folder / "config.json").string(), *part.file);
  part.sources = hugging_face_llama_sources(*part.file, part.options.tied_head);
  return part;
}

void refuse_faults(const LoadReport& report, const std::filesystem::path& path) {
  if (report.mismatched.empty()) return;
  throw CheckpointError(path.string(), join(report.mismatched, "; "));
}

void load_language(Segmenter& model, LanguagePart& part, std::uint64_t seed,
                   std::vector<std::string>& initialised, ImportReport& report) {
  const at::NoGradGuard no_grad;
  std::vector<TensorSource> blocks;
  for (const auto& source : part.sources) {
    if (!part::is_token_matrix(source.target)) {
      blocks.push_back(source);
      continue;
    }
    const auto old = part.file->load(source.source).to(at::kFloat);
    auto& target =
        source.target == part::kHead ? model.language().head : model.language().embed_tokens;
    if (old.size(1) != target.size(1) || old.size(0) > target.size(0)) {
      throw CheckpointError(str_cat(part.file->path().string(), ": ", source.target, ": ",
                                    old.sizes(), " does not fit a model of ", target.sizes()));
    }
    fill_token_rows(target, old, seed);
    ++report.loaded;
    if (target.size(0) > old.size(0)) {
      initialised.push_back(str_cat(source.target, "[", old.size(0), ":", target.size(0), "]"));
    }
  }
  const auto loaded = load_into(model, *part.file, blocks);
  refuse_faults(loaded, part.file->path());
  report.loaded += loaded.loaded.size();
  for (const auto& name : loaded.unused) {
    const bool is_rows =
        std::any_of(part.sources.begin(), part.sources.end(), [&](const TensorSource& source) {
          return source.source == name && part::is_token_matrix(source.target);
        });
    if (!is_rows && !follows_from_configuration(name)) report.unused.push_back(name);
  }
  const std::set<std::string> got(loaded.loaded.begin(), loaded.loaded.end());
  for (const auto& [name, tensor] : model.language().named_parameters()) {
    const auto full = part::kLanguageModel + name;
    if (full != part::kEmbedding && !got.contains(full)) {
      throw CheckpointError(part.file->path().string() + ": no tensor for " + full);
    }
  }
}

void load_part(Segmenter& model, const TensorFile& file, const std::vector<TensorSource>& sources,
               const std::string& prefix, ImportReport& report) {
  const auto loaded = load_into(model, file, sources, prefix);
  refuse_faults(loaded, file.path());
  const std::set<std::string> got(loaded.loaded.begin(), loaded.loaded.end());
  for (const auto& named : {model.named_parameters(), model.named_buffers()}) {
    for (const auto& [name, tensor] : named) {
      if (name.starts_with(prefix) && !got.contains(name)) {
        throw CheckpointError(file.path().string() + ": no tensor for " + name);
      }
    }
  }
  report.loaded += loaded.loaded.size();
  std::set<std::string> used;
  for (const auto& source : sources) {
    if (got.contains(prefix + source.target)) used.insert(source.source);
  }
  for (const auto& info : file.tensors()) {
    if (!used.contains(info.name)) report.unused.push_back(info.name);
  }
}

void check(const ImportRequest& request) {
  if (!request.conversation.empty())
    check_conversation_name("--conversation", request.conversation);
  if (request.merge < 1 || request.merge > 4)
    throw ConfigError("--merge", str_cat(request.merge, " is out of range 1…4"));
}

}  // namespace

ImportReport import_parts(const ImportRequest& request, const std::filesystem::path& out) {
  check(request);
  refuse_all_but_bundle(out);
  ImportReport report;
  BundleOptions options;
  nlohmann::json provenance = {
      {"command", request.command}, {"made", utc_now()}, {"files", nlohmann::json::array()}};
  const auto note_files = [&](const TensorFile& file) {
    for (const auto& path : file.files()) {
      provenance["files"].push_back(
          {{"name", path.filename().string()}, {"sha256", sha256_of_file(path)}});
    }
  };
  const auto add_licences = [&](const char* part, const std::filesystem::path& path,
                                const TensorFile& file) {
    for (auto& licence : stated_licences(part, path, &file))
      options.licences.push_back(std::move(licence));
  };

  auto language = open_language(request.language);
  note_files(*language.file);
  add_licences("language", request.language, *language.file);
  if (!request.grounding.empty()) {
    const std::vector<std::string> tokens = {kSegToken, kPhraseOpen, kPhraseClose};
    const auto ids = language.tokenizer->add_tokens(tokens);
    for (std::size_t i = 0; i < tokens.size(); ++i) options.special_tokens[tokens[i]] = ids[i];
  }
  options.model.language = language.options;
  options.model.language.vocabulary =
      std::max(language.options.vocabulary, language.tokenizer->size());
  const bool chatml = language.tokenizer->id_of("<|im_start|>").has_value();
  options.conversation = !request.conversation.empty() ? request.conversation
                         : chatml                      ? "chatml"
                                                       : "llava_v1";
  options.tokenizer_fingerprint = language.tokenizer->fingerprint();
  options.model.projector = {.type = request.projector, .merge = request.merge};
  options.grounding_preprocess = request.grounding_preprocess;

  VisionPart vision;
  options.model.vision.tower.clear();
  if (!request.vision.empty()) {
    vision = open_vision(request.vision);
    note_files(*vision.file);
    add_licences("vision", request.vision, *vision.file);
    options.model.vision = vision.options;
    options.vision_preprocess = vision.preprocess;
  }
  if (request.vision_preprocess) options.vision_preprocess.mode = *request.vision_preprocess;
  GroundingPart grounding;
  options.model.grounding.encoder.clear();
  if (!request.grounding.empty()) {
    grounding = open_grounding(request.grounding);
    options.model.grounding = grounding.options;
    note_files(*grounding.file);
    add_licences("grounding", request.grounding, *grounding.file);
  }

  check_tokenizer(request.language, options, *language.tokenizer);
  at::manual_seed(request.seed);  // of the projector and the segmentation head
  Segmenter model(options.model,
                  request.dtype == MatrixStorage::kBf16 ? at::kBFloat16 : at::kFloat);
  load_language(model, language, request.seed, options.initialised, report);
  if (vision.file) load_part(model, *vision.file, vision.sources, part::kVisionTower, report);
  if (grounding.file)
    load_part(model, *grounding.file, grounding.sources, part::kGrounding, report);
  for (const auto& [name, tensor] : model.named_parameters()) {
    if (name.starts_with(part::kProjector) || name.starts_with(part::kSegmentationHead)) {
      options.initialised.push_back(name);
    }
  }
  report.initialised = options.initialised;

  AtomicFolder folder(out);
  save_bundle(folder.path(), model, options, provenance);
  language.tokenizer->save(folder.path());
  folder.commit();
  return report;
}

}  // namespace medseg
