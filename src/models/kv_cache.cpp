#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "medseg/models/llama.h"

namespace medseg {
namespace {

/// Makes room for `needed` positions in [B, heads, capacity, head_dim] and keeps the first `kept`.
void grow(at::Tensor& store, const at::Tensor& like, std::int64_t kept, std::int64_t needed) {
  const std::int64_t capacity = store.defined() ? store.size(2) : 0;
  if (capacity >= needed) return;
  auto shape = like.sizes().vec();
  shape[2] = std::max({needed, 2 * capacity, std::int64_t{64}});
  auto larger = at::empty(shape, like.options());
  if (kept > 0) larger.slice(2, 0, kept).copy_(store.slice(2, 0, kept));
  store = larger;
}

}  // namespace

std::pair<at::Tensor, at::Tensor> KvCache::append(std::int64_t layer, const at::Tensor& keys,
                                                  const at::Tensor& values) {
  const at::NoGradGuard no_grad;
  const auto index = static_cast<std::size_t>(layer);
  const auto end = length_ + keys.size(2);
  grow(keys_[index], keys, length_, end);
  grow(values_[index], values, length_, end);
  keys_[index].slice(2, length_, end).copy_(keys);
  values_[index].slice(2, length_, end).copy_(values);
  return {keys_[index].slice(2, 0, end), values_[index].slice(2, 0, end)};
}

std::pair<at::Tensor, at::Tensor> KvCache::stores_for_one(std::int64_t layer) {
  const at::NoGradGuard no_grad;
  const auto index = static_cast<std::size_t>(layer);
  for (auto* store : {&keys_[index], &values_[index]}) {
    if (store->defined()) grow(*store, *store, length_, length_ + 1);
  }
  return {keys_[index], values_[index]};
}

}  // namespace medseg
