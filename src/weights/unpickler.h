/// \file
/// A pickle reader that builds data and never calls anything, for `.pth` files.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace medseg {

struct PickleValue;
using PicklePointer = PickleValue*;  ///< owned by the Pickle

struct PickleNone {};
struct PickleGlobal {
  std::string name;
};  ///< "collections OrderedDict" is stored as "collections.OrderedDict"
struct PickleTuple {
  std::vector<PicklePointer> items;
};
struct PickleList {
  std::vector<PicklePointer> items;
};
struct PickleDict {
  std::vector<std::pair<PicklePointer, PicklePointer>> items;
};
struct PickleStorage {
  std::string key, type;
  std::int64_t elements = 0;
};  ///< reference to a torch storage
struct PickleTensor {
  PickleStorage storage;
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape, strides;
};
/// A harmless object that is not modelled (a BUILD on a dict, a dtype, a device).
struct PickleOpaque {
  std::string what;
};

struct PickleValue {
  std::variant<PickleNone, bool, std::int64_t, double, std::string, PickleGlobal, PickleTuple,
               PickleList, PickleDict, PickleStorage, PickleTensor, PickleOpaque>
      value;
};

/// All objects of a stream. None owns another, so that chains of any depth and cycles are freed
/// safely.
struct Pickle {
  std::deque<PickleValue> objects;
  const PickleValue* root = nullptr;
};

/// Reads one object, pickle protocols 2 to 5.
/// \throws CheckpointError at `where`, also on a callable that torch.save does not write.
Pickle unpickle(const std::string& bytes, const std::string& where);

}  // namespace medseg
