#include "medseg/weights/named_shapes.h"

#include <algorithm>
#include <charconv>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

// Beyond all that is published, and small enough that no product of sizes overflows.
constexpr std::int64_t kLargestSize = 1'000'000;
constexpr std::int64_t kMostLayers = 1000;

std::string text(const NamedShapes::Shape& shape) {
  std::vector<std::string> sizes;
  for (const auto size : shape) sizes.push_back(std::to_string(size));
  return "[" + join(sizes, ", ") + "]";
}

}  // namespace

NamedShapes::NamedShapes(const TensorFile& file, const std::vector<TensorSource>& sources,
                         bool load_changed)
    : path_(file.path().string()) {
  std::map<std::string, const Shape*> stored;
  for (const auto& info : file.tensors()) stored[info.name] = &info.shape;
  for (const auto& source : sources) {
    shapes_[source.target] = load_changed && source.change
                                 ? source.change(file.load(source.source)).sizes().vec()
                                 : *stored.at(source.source);
  }
}

const NamedShapes::Shape& NamedShapes::of(const std::string& name, std::size_t rank) const {
  const auto found = shapes_.find(name);
  if (found == shapes_.end()) refuse("no tensor " + name);
  const auto& shape = found->second;
  if (shape.size() != rank) {
    refuse(str_cat(name, ": shape ", text(shape), ", expected ", rank, " axes"));
  }
  for (const auto size : shape) {
    if (size < 1 || size > kLargestSize) refuse(name + ": shape " + text(shape) + " is no model's");
  }
  return shape;
}

std::int64_t NamedShapes::count(const std::string& prefix) const {
  std::int64_t most = 0;
  for (auto at = shapes_.lower_bound(prefix); at != shapes_.end() && at->first.starts_with(prefix);
       ++at) {
    const auto* first = at->first.data() + prefix.size();
    const auto* last = at->first.data() + at->first.size();
    std::int64_t number = -1;
    const auto [end, error] = std::from_chars(first, last, number);
    if (error != std::errc{} || number < 0 || number >= kMostLayers) continue;
    if (end != last && *end == '.') most = std::max(most, number + 1);
  }
  return most;
}

void NamedShapes::expect_all_of(Module& module) const {
  for (const auto& named : {module.named_parameters(), module.named_buffers()}) {
    for (const auto& [name, tensor] : named) {
      const auto found = shapes_.find(name);
      if (found == shapes_.end()) refuse("no tensor " + name);
      const auto expected = tensor->sizes().vec();
      if (found->second != expected) {
        refuse(name + ": shape " + text(found->second) + ", expected " + text(expected));
      }
    }
  }
}

void NamedShapes::refuse(const std::string& what) const {
  throw CheckpointError(path_ + ": " + what);
}

}  // namespace medseg
