/// \file
/// A pickle reader that builds data and never calls anything: the restricted machine behind `.pth` files.
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
};  ///< "collections OrderedDict" as "collections.OrderedDict"
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
};  ///< a torch storage, by reference
struct PickleTensor {
  PickleStorage storage;
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape, strides;
};
/// Something harmless that we do not model (an object built by BUILD on a dict, a dtype, a device).
struct PickleOpaque {
  std::string what;
};

struct PickleValue {
  std::variant<PickleNone, bool, std::int64_t, double, std::string, PickleGlobal, PickleTuple,
               PickleList, PickleDict, PickleStorage, PickleTensor, PickleOpaque>
      value;
};

/// All objects of a stream. They own nothing of each other: chains of any depth and rings are freed like the rest.
struct Pickle {
  std::deque<PickleValue> objects;
  const PickleValue* root = nullptr;
};

/// The object of a pickle stream, protocols 2 to 5. A callable that is not on the short list of what torch.save writes
/// is refused by its name. \throws CheckpointError "where: what".
Pickle unpickle(const std::string& bytes, const std::string& where);

}  // namespace medseg
