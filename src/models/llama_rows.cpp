// Token rows of Llama: the embedding, the head, and the split into old rows (frozen) and new ones
// (trained).
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "medseg/base/error.h"
#include "medseg/models/llama.h"

namespace medseg {
namespace {

at::Tensor leaf_of_rows(const at::Tensor& matrix, std::int64_t first) {
  return matrix.detach()
      .slice(0, first)
      .to(at::kFloat, false, /*copy=*/true)
      .set_requires_grad(true);
}

at::Tensor whole(const at::Tensor& matrix, const at::Tensor& new_rows, std::int64_t first) {
  if (!new_rows.defined()) return matrix.detach();
  return at::cat({matrix.detach().slice(0, 0, first),
                  new_rows.detach().to(matrix.device(), matrix.scalar_type())});
}

}  // namespace

at::Tensor Llama::embed(const at::Tensor& ids) const {
  if (split_at_ < 0) return at::embedding(embed_tokens, ids);
  // Gradients reach the new rows alone; there are few, so theirs is a small matrix.
  const auto is_new = ids >= split_at_;
  const auto old_rows = at::embedding(embed_tokens.detach(), ids.clamp_max(split_at_ - 1));
  const auto new_rows = at::embedding(new_embed_rows, (ids - split_at_).clamp_min(0));
  return at::where(is_new.unsqueeze(-1), new_rows.to(old_rows.scalar_type()), old_rows);
}

at::Tensor Llama::logits(const at::Tensor& hidden) const {
  const auto& matrix = options_.tied_head ? embed_tokens : head;
  if (split_at_ < 0) return at::linear(hidden, matrix);
  const auto& new_rows = options_.tied_head ? new_embed_rows : new_head_rows;
  return at::cat(
      {at::linear(hidden, matrix.detach().slice(0, 0, split_at_)), at::linear(hidden, new_rows)},
      -1);
}

void Llama::split_rows(std::int64_t first) {
  MEDSEG_CHECK(split_at_ < 0, "rows are split already");
  MEDSEG_CHECK(first > 0 && first < options_.vocabulary,
               str_cat("no rows to split at ", first, " of ", options_.vocabulary));
  split_at_ = first;
  embed_tokens.set_requires_grad(false);
  new_embed_rows = leaf_of_rows(embed_tokens, first);
  if (!head.defined()) return;
  head.set_requires_grad(false);
  new_head_rows = leaf_of_rows(head, first);
}

void Llama::write_back_rows() {
  if (split_at_ < 0) return;
  const at::NoGradGuard no_grad;
  embed_tokens.slice(0, split_at_).copy_(new_embed_rows);
  if (head.defined()) head.slice(0, split_at_).copy_(new_head_rows);
}

std::vector<std::pair<std::string, at::Tensor*>> Llama::trainable_rows() {
  std::vector<std::pair<std::string, at::Tensor*>> rows;
  if (new_embed_rows.defined()) rows.emplace_back("embed_tokens.new_rows", &new_embed_rows);
  if (new_head_rows.defined()) rows.emplace_back("head.new_rows", &new_head_rows);
  return rows;
}

at::Tensor Llama::whole_embedding() const { return whole(embed_tokens, new_embed_rows, split_at_); }

at::Tensor Llama::whole_head() const { return whole(head, new_head_rows, split_at_); }

}  // namespace medseg
