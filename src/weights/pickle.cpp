// torch.save's zip: `NAME/data.pkl` holds the structure, `NAME/data/KEY` the storages, little
// endian.
#include <algorithm>

#include <ATen/ATen.h>

#include "byte_reader.h"
#include "dtypes.h"
#include "formats.h"
#include "medseg/base/str.h"
#include "tensor_name.h"
#include "unpickler.h"
#include "zip.h"

namespace medseg {
namespace {

// Bytes of the structure alone: a few MB for the largest models.
constexpr std::uint64_t kMaxPickle = 64ULL << 20;
constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxEntries = 1'000'000;  // of all dictionaries, repeated visits included

class TorchZip : public TensorFileBase {
 public:
  explicit TorchZip(FileBytes file) : TensorFileBase(file.path), file_(std::move(file)) {
    entries_ = read_zip(file_.bytes, path_.string());
    const auto pickle = std::find_if(entries_.begin(), entries_.end(), [](const auto& entry) {
      return entry.first == "data.pkl" || entry.first.ends_with("/data.pkl");
    });
    if (pickle == entries_.end())
      throw CheckpointError(path_.string(), "a zip without data.pkl, not torch.save's");
    if (std::any_of(entries_.begin(), entries_.end(),
                    [](const auto& entry) { return entry.first.ends_with("/constants.pkl"); })) {
      throw CheckpointError(path_.string(),
                            "a TorchScript program, not weights; save its state_dict()");
    }
    root_ = pickle->first.substr(0, pickle->first.size() - std::string("data.pkl").size());
    const auto byteorder = entries_.find(root_ + "byteorder");
    if (byteorder != entries_.end() && unpack(byteorder->second, path_.string(), 16) != "little") {
      throw CheckpointError(path_.string(), "stored big-endian");
    }
    const auto object =
        unpickle(unpack(pickle->second, path_.string(), kMaxPickle), path_.string());
    const PickleDict* weights = find_weights(*object.root);
    if (weights != nullptr) collect(*weights, "", 0);
    if (tensors_.empty()) throw CheckpointError(path_.string(), "holds no dictionary of tensors");
    drop_common_prefix("module.");
  }

  std::string format() const override { return "pickle"; }

  at::Tensor load(const std::string& name) const override {
    const auto index = index_of(name);
    const auto& tensor = stored_[index];
    const auto dtype = *torch_storage_dtype(tensor.storage.type);
    const auto& entry = entries_.at(root_ + "data/" + tensor.storage.key);
    if (tensors_[index].bytes == 0)
      return at::empty(tensor.shape, at::TensorOptions().dtype(dtype));
    if (entry.method != 0) return load_deflated(entry, tensor, dtype);
    // Only the part of the storage that this tensor covers, because many tensors may share one.
    const auto width = c10::elementSize(dtype);
    const auto first = static_cast<std::uint64_t>(tensor.offset);
    const auto count = last_element(tensor, path_.string()) + 1 - first;
    return view_of(file_, entry.compressed.subspan(first * width, count * width),
                   {static_cast<std::int64_t>(count)}, dtype)
        .as_strided(tensor.shape, tensor.strides, 0);
  }

 private:
  // The state dict itself, or the keys under which training programs store it.
  const PickleDict* find_weights(const PickleValue& value) const {
    const auto* dict = std::get_if<PickleDict>(&value.value);
    for (int depth = 0; dict != nullptr; ++depth) {
      if (depth > kMaxDepth) throw CheckpointError(path_.string(), "dictionaries nested too deep");
      const auto* inner = wrapped(*dict);
      if (inner == nullptr) break;
      dict = inner;
    }
    return dict;
  }

  static const PickleDict* wrapped(const PickleDict& dict) {
    for (const char* wrapper : {"model", "state_dict", "module", "model_state_dict"}) {
      for (const auto& [key, item] : dict.items) {
        const auto* name = std::get_if<std::string>(&key->value);
        const auto* inner = std::get_if<PickleDict>(&item->value);
        if (name != nullptr && *name == wrapper && inner != nullptr) return inner;
      }
    }
    return nullptr;
  }

  void collect(const PickleDict& dict, const std::string& prefix, int depth) {
    if (depth > kMaxDepth) throw CheckpointError(path_.string(), "dictionaries nested too deep");
    for (const auto& [key, item] : dict.items) {
      if (++entries_seen_ > kMaxEntries)
        throw CheckpointError(path_.string(), "dictionaries without end");
      const auto* name = std::get_if<std::string>(&key->value);
      if (name == nullptr) continue;
      if (name->size() + prefix.size() > kLongestName) {
        throw CheckpointError(
            path_.string(), str_cat("a name of ", name->size() + prefix.size(), " bytes, at most ",
                                    kLongestName, " are read"));
      }
      if (const auto* tensor = std::get_if<PickleTensor>(&item->value)) {
        add_tensor(prefix + *name, *tensor);
      } else if (const auto* inner = std::get_if<PickleDict>(&item->value)) {
        collect(*inner, prefix + *name + ".", depth + 1);
      }  // numbers, strings and so on are not weights
    }
  }

  void add_tensor(const std::string& name, const PickleTensor& tensor) {
    const std::string where = path_.string() + ": " + name;
    const auto dtype = torch_storage_dtype(tensor.storage.type);
    if (!dtype)
      throw CheckpointError(where,
                            str_cat("storage type ", tensor.storage.type, " is not supported"));
    const auto entry = entries_.find(root_ + "data/" + tensor.storage.key);
    if (entry == entries_.end())
      throw CheckpointError(where, str_cat("its storage ", tensor.storage.key, " is missing"));
    const auto width = c10::elementSize(*dtype);
    if (tensor.storage.elements < 0 ||
        checked_product(static_cast<std::uint64_t>(tensor.storage.elements), width, where) !=
            entry->second.size) {
      throw CheckpointError(where, str_cat("storage of ", entry->second.size, " bytes, expected ",
                                           tensor.storage.elements, " elements of ", width));
    }
    if (entry->second.method != 0) check_deflated_size(entry->second, where);
    if (tensor.offset < 0) throw CheckpointError(where, "negative offset");
    std::vector<std::uint64_t> sizes;
    for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
      if (tensor.shape[d] < 0 || tensor.strides[d] < 0)
        throw CheckpointError(where, "negative size or stride");
      sizes.push_back(static_cast<std::uint64_t>(tensor.shape[d]));
    }
    const auto elements = element_count(sizes, where);
    const auto last = last_element(tensor, where);
    if (elements > 0 && last >= static_cast<std::uint64_t>(tensor.storage.elements)) {
      throw CheckpointError(
          where, str_cat("reaches element ", last, " of a storage of ", tensor.storage.elements));
    }
    if (elements > entry->second.size)
      throw CheckpointError(where, "more elements than its storage has bytes");
    add({.name = name,
         .dtype = safetensors_name(*dtype),
         .shape = tensor.shape,
         .bytes = elements * width});
    stored_.push_back(tensor);
  }

  // The last element in the storage, for a tensor without negative sizes.
  static std::uint64_t last_element(const PickleTensor& tensor, const std::string& where) {
    auto last = static_cast<std::uint64_t>(tensor.offset);
    for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
      const auto size = static_cast<std::uint64_t>(tensor.shape[d]);
      if (size > 0)
        last += checked_product(size - 1, static_cast<std::uint64_t>(tensor.strides[d]), where);
      if (last > (std::uint64_t{1} << 62)) throw CheckpointError(where, "a size overflows");
    }
    return last;
  }

  at::Tensor load_deflated(const ZipEntry& entry, const PickleTensor& tensor,
                           at::ScalarType dtype) const {
    check_deflated_size(entry, path_.string());
    auto flat = at::empty({tensor.storage.elements}, at::TensorOptions().dtype(dtype));
    inflate_into(entry, path_.string(), {static_cast<std::uint8_t*>(flat.data_ptr()), entry.size});
    file_.release(entry.compressed);
    return flat.as_strided(tensor.shape, tensor.strides, tensor.offset);
  }

  void drop_common_prefix(const std::string& prefix) {
    const bool all = !tensors_.empty() &&
                     std::all_of(tensors_.begin(), tensors_.end(), [&](const TensorInfo& info) {
                       return info.name.starts_with(prefix);
                     });
    if (!all) return;
    auto renamed = std::move(tensors_);
    reset();
    for (auto& info : renamed) {
      info.name = info.name.substr(prefix.size());
      add(std::move(info));
    }
  }

  FileBytes file_;
  std::map<std::string, ZipEntry> entries_;
  std::string root_;
  std::vector<PickleTensor> stored_;
  std::size_t entries_seen_ = 0;
};

}  // namespace

std::unique_ptr<TensorFile> open_pickle(FileBytes file) {
  return std::make_unique<TorchZip>(std::move(file));
}

}  // namespace medseg
