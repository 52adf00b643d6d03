/// \file
/// Shapes of a checkpoint's tensors under the model's names, from which its sizes are read.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "medseg/nn/module.h"
#include "medseg/weights/name_map.h"

namespace medseg {

class NamedShapes {
 public:
  using Shape = std::vector<std::int64_t>;

  /// As the file states them. A source that changes its tensor is loaded and changed with
  /// `load_changed`, and left out without.
  NamedShapes(const TensorFile& file, const std::vector<TensorSource>& sources,
              bool load_changed = false);

  bool has(const std::string& name) const { return shapes_.contains(name); }
  /// \throws CheckpointError if it is missing, has another rank, or a size far beyond any published
  /// model's.
  const Shape& of(const std::string& name, std::size_t rank) const;
  /// One more than the largest n of the names `prefix`n.…; 0 if there is none.
  std::int64_t count(const std::string& prefix) const;
  /// Every parameter and buffer of `module` must be here with its shape. \throws CheckpointError
  /// naming the first that is not.
  void expect_all_of(Module& module) const;

  /// A CheckpointError "file: what".
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  std::string path_;
  std::map<std::string, Shape> shapes_;
};

}  // namespace medseg
