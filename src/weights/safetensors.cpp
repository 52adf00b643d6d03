// safetensors: u64 header length, JSON {name: {dtype, shape, data_offsets}}, then the bytes.
// https://github.com/huggingface/safetensors (format section of its README).
#include <algorithm>
#include <array>

#include <ATen/ATen.h>

#include "byte_reader.h"
#include "dtypes.h"
#include "formats.h"
#include "header_json.h"
#include "medseg/base/str.h"
#include "tensor_name.h"

namespace medseg {
namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;  // bytes, the limit of the reference reader

class Safetensors : public TensorFileBase {
 public:
  explicit Safetensors(FileBytes file) : TensorFileBase(file.path), file_(std::move(file)) {
    ByteReader reader(file_.bytes, path_.string());
    const auto length = reader.read<std::uint64_t>();
    if (length > kMaxHeader || length > reader.left()) {
      reader.fail(str_cat("header of ", length, " bytes, but the file has ", file_.bytes.size()));
    }
    // {tensor: {"shape": […]}} has three levels.
    const auto header = parse_header(reader.text(length), path_.string(), 3);
    if (!header.is_object()) reader.fail("the header is not JSON");
    data_ = reader.take(reader.left());
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        read_metadata(entry);
      } else {
        read_entry(name, entry);
      }
    }
    sort_and_check();
    add_shared();
  }

  std::string format() const override { return "safetensors"; }

  at::Tensor load(const std::string& name) const override {
    const auto index = index_of(name);
    const auto& info = tensors_[index];
    const auto dtype = safetensors_dtype(info.dtype);
    if (!dtype)
      throw CheckpointError(str_cat(path_.string(), ": ", name),
                            str_cat("dtype ", info.dtype, " is not supported"));
    return view_of(file_, data_.subspan(offsets_.at(name), info.bytes), info.shape, *dtype);
  }

 private:
  [[noreturn]] void fail(const std::string& name, const std::string& what) const {
    throw CheckpointError(str_cat(path_.string(), ": ", name), what);
  }

  void read_metadata(const nlohmann::json& entry) {
    if (!entry.is_object()) fail("__metadata__", "expected an object");
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) fail("__metadata__", key + " is not a string");
      metadata_[key] = value.get<std::string>();
    }
  }

  void read_entry(const std::string& name, const nlohmann::json& entry) {
    if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
        !entry.contains("shape") || !entry["shape"].is_array() || !entry.contains("data_offsets") ||
        !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2) {
      fail(name, "needs dtype, shape and data_offsets");
    }
    TensorInfo info{
        .name = name, .dtype = entry["dtype"].get<std::string>(), .shape = {}, .bytes = 0};
    const auto width = safetensors_width(info.dtype);
    if (!width) fail(name, "unknown dtype " + info.dtype);
    std::vector<std::uint64_t> sizes;
    for (const auto& size : entry["shape"]) {
      if (!size.is_number_unsigned()) fail(name, "its shape is not a list of sizes");
      sizes.push_back(size.get<std::uint64_t>());
      info.shape.push_back(static_cast<std::int64_t>(sizes.back()));
    }
    const auto elements = element_count(sizes, path_.string() + ": " + name);
    const auto& range = entry["data_offsets"];
    if (!range[0].is_number_unsigned() || !range[1].is_number_unsigned())
      fail(name, "bad data_offsets");
    const auto begin = range[0].get<std::uint64_t>(), end = range[1].get<std::uint64_t>();
    if (begin > end || end > data_.size()) {
      fail(name, str_cat("data_offsets ", begin, "…", end, " lie outside the ", data_.size(),
                         " bytes of data"));
    }
    info.bytes = end - begin;
    if (checked_product(elements, *width, path_.string()) != info.bytes) {
      fail(name,
           str_cat("shape needs ", elements * *width, " bytes, data_offsets hold ", info.bytes));
    }
    offsets_[name] = begin;
    add(std::move(info));
  }

  // In file order without overlaps or holes, because a file with them may hide data.
  void sort_and_check() {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (const auto& info : tensors_) ranges.emplace_back(offsets_.at(info.name), info.bytes);
    std::sort(ranges.begin(), ranges.end());
    std::uint64_t next = 0;
    for (const auto& [begin, bytes] : ranges) {
      if (begin != next)
        throw CheckpointError(path_.string(), str_cat("data has a hole or overlap at byte ", next));
      next = begin + bytes;
    }
    if (next != data_.size()) {
      throw CheckpointError(path_.string(),
                            str_cat(data_.size() - next, " bytes behind the last tensor"));
    }
  }

  // safetensors.torch.save_model writes tensors that share memory (a tied head) once, and the other
  // names as metadata {name left out: name written}.
  void add_shared() {
    for (const auto& [name, value] : metadata_) {
      const auto* written = std::get_if<std::string>(&value);
      if (name == "format" || written == nullptr || has(name) || !has(*written) ||
          !name_fault(name).empty())
        continue;
      auto info = tensors_[index_of(*written)];
      info.name = name;
      offsets_[name] = offsets_.at(*written);
      add(std::move(info));
    }
  }

  FileBytes file_;
  std::span<const std::uint8_t> data_;
  std::map<std::string, std::uint64_t> offsets_;
};

}  // namespace

std::unique_ptr<TensorFile> open_safetensors(FileBytes file) {
  return std::make_unique<Safetensors>(std::move(file));
}

}  // namespace medseg
