#include "tied_matrices.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "medseg/models/part_names.h"
#include "medseg/weights/layouts.h"

namespace medseg {
namespace {

constexpr const char* kTie = "tie_word_embeddings";

bool is_said(const nlohmann::json& language, bool tied) {
  const auto found = language.find(kTie);
  return found != language.end() && found->is_boolean() && found->get<bool>() == tied;
}

const at::Tensor* brought(const Adapter& adapter, const std::string& name) {
  const auto found = std::find_if(adapter.replaced.begin(), adapter.replaced.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  return found == adapter.replaced.end() ? nullptr : &found->second;
}

bool are_equal(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && at::equal(a.to(at::kFloat), b.to(at::kFloat));
}

bool adapts_head(const Adapter& adapter) {
  return std::any_of(adapter.layers.begin(), adapter.layers.end(), [](const AdapterLayer& layer) {
    return layer.module + ".weight" == part::kHead;
  });
}

}  // namespace

std::shared_ptr<const TensorFile> with_embedding(std::shared_ptr<const TensorFile> file,
                                                 const nlohmann::json& language) {
  if (is_said(language, false) || file->contains(part::kEmbedding) || !file->contains(part::kHead))
    return file;
  return with_second_name(std::move(file), part::kHead, part::kEmbedding);
}

std::shared_ptr<const TensorFile> with_adapter_of_tied(std::shared_ptr<const TensorFile> base,
                                                       Adapter adapter, nlohmann::json& language) {
  const bool tied =
      is_said(language, true) || (!is_said(language, false) && !base->contains(part::kHead));
  if (!tied || !base->contains(part::kEmbedding)) return with_adapter(std::move(base), adapter);
  const auto* embedding = brought(adapter, part::kEmbedding);
  const auto* head = brought(adapter, part::kHead);
  bool parted = adapts_head(adapter) || (head != nullptr && embedding == nullptr);
  if (head != nullptr && embedding != nullptr) parted = !are_equal(*head, *embedding);
  if (head == nullptr && embedding != nullptr) {
    // More rows than the base's: the vocabulary grew, and both matrices with it.
    const auto old = base->load(part::kEmbedding);
    parted = parted || (embedding->sizes() == old.sizes() && !are_equal(*embedding, old));
  }
  if (parted && head == nullptr && !base->contains(part::kHead))
    base = with_second_name(std::move(base), part::kEmbedding, part::kHead);
  language[kTie] = !parted;
  return with_adapter(std::move(base), adapter);
}

}  // namespace medseg
