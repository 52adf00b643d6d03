// GGUF v2 and v3: magic, version, counts, metadata, tensor infos, aligned data.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#include <algorithm>

#include <ATen/ATen.h>

#include "byte_reader.h"
#include "dequantise.h"
#include "dtypes.h"
#include "formats.h"
#include "medseg/base/str.h"
#include "medseg/nn/parallel.h"

namespace medseg {
namespace {

enum ValueType : std::uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};

constexpr std::uint64_t kMaxDimensions = 8;

class Gguf : public TensorFileBase {
 public:
  explicit Gguf(FileBytes file) : TensorFileBase(file.path), file_(std::move(file)) {
    ByteReader reader(file_.bytes, path_.string(), 4);
    const auto version = reader.read<std::uint32_t>();
    if (version < 2 || version > 3)
      reader.fail(str_cat("GGUF version ", version, ", known are 2 and 3"));
    const auto tensor_count = reader.read<std::uint64_t>();
    const auto value_count = reader.read<std::uint64_t>();
    // A tensor info takes at least 24 bytes, a value at least 13: more cannot be in the file.
    if (tensor_count > reader.left() / 24 || value_count > reader.left() / 13) {
      reader.fail(str_cat(tensor_count, " tensors and ", value_count, " values do not fit ",
                          file_.bytes.size(), " bytes"));
    }
    for (std::uint64_t i = 0; i < value_count; ++i) {
      const auto key = string(reader);
      if (metadata_.contains(key)) reader.fail(key + " occurs twice");
      metadata_[key] = value(reader, reader.read<std::uint32_t>(), key);
    }
    for (std::uint64_t i = 0; i < tensor_count; ++i) read_info(reader);
    place_data(reader);
  }

  std::string format() const override { return "gguf"; }

  at::Tensor load(const std::string& name) const override {
    const auto index = index_of(name);
    const auto& info = tensors_[index];
    const auto& format = *formats_[index];
    const auto bytes = data_.subspan(offsets_[index], info.bytes);
    if (format.decode == nullptr)
      return view_of(file_, bytes, info.shape, *safetensors_dtype(info.dtype));
    auto out = at::empty(info.shape, at::kFloat);
    auto* values = out.data_ptr<float>();
    const auto blocks = static_cast<std::int64_t>(info.bytes / format.bytes);
    parallel_for(0, blocks, 8192, [&](std::int64_t begin, std::int64_t end) {
      for (auto block = static_cast<std::uint64_t>(begin); block < static_cast<std::uint64_t>(end);
           ++block) {
        format.decode(bytes.data() + block * format.bytes, values + block * format.elements);
      }
    });
    file_.release(bytes);
    return out;
  }

 private:
  static std::string string(ByteReader& reader) {
    return reader.text(reader.read<std::uint64_t>());
  }

  static MetadataValue value(ByteReader& reader, std::uint32_t type, const std::string& key) {
    switch (type) {
      case kBool:
        return reader.read<std::uint8_t>() != 0;
      case kString:
        return string(reader);
      case kF32:
        return static_cast<double>(reader.read<float>());
      case kF64:
        return reader.read<double>();
      case kArray:
        return array(reader, key);
      default:
        return integer(reader, type, key);
    }
  }

  static std::int64_t integer(ByteReader& reader, std::uint32_t type, const std::string& key) {
    switch (type) {
      case kU8:
        return reader.read<std::uint8_t>();
      case kI8:
        return reader.read<std::int8_t>();
      case kU16:
        return reader.read<std::uint16_t>();
      case kI16:
        return reader.read<std::int16_t>();
      case kU32:
        return reader.read<std::uint32_t>();
      case kI32:
        return reader.read<std::int32_t>();
      case kU64:
        return static_cast<std::int64_t>(reader.read<std::uint64_t>());
      case kI64:
        return reader.read<std::int64_t>();
      default:
        reader.fail(str_cat(key, ": value type ", type, " is unknown"));
    }
  }

  static MetadataValue array(ByteReader& reader, const std::string& key) {
    const auto type = reader.read<std::uint32_t>();
    const auto count = reader.read<std::uint64_t>();
    if (count > reader.left())
      reader.fail(str_cat(key, ": a list of ", count, " does not fit the file"));
    if (type == kString) {
      std::vector<std::string> items;
      for (std::uint64_t i = 0; i < count; ++i) items.push_back(string(reader));
      return items;
    }
    if (type == kF32 || type == kF64) {
      std::vector<double> items;
      for (std::uint64_t i = 0; i < count; ++i) {
        items.push_back(type == kF32 ? static_cast<double>(reader.read<float>())
                                     : reader.read<double>());
      }
      return items;
    }
    std::vector<std::int64_t> items;
    for (std::uint64_t i = 0; i < count; ++i) {
      items.push_back(type == kBool ? reader.read<std::uint8_t>() : integer(reader, type, key));
    }
    return items;
  }

  void read_info(ByteReader& reader) {
    TensorInfo info{.name = string(reader), .dtype = "", .shape = {}, .bytes = 0};
    const std::string where = path_.string() + ": " + info.name;
    const auto dimensions = reader.read<std::uint32_t>();
    if (dimensions > kMaxDimensions)
      throw CheckpointError(where, str_cat(dimensions, " dimensions"));
    std::vector<std::uint64_t> sizes;
    for (std::uint32_t d = 0; d < dimensions; ++d) {  // stored fastest first
      sizes.push_back(reader.read<std::uint64_t>());
      info.shape.insert(info.shape.begin(), static_cast<std::int64_t>(sizes.back()));
    }
    const auto elements = element_count(sizes, where);
    const auto type = reader.read<std::uint32_t>();
    const auto* format = block_format(type);
    if (format == nullptr) {
      throw CheckpointError(
          where,
          str_cat("ggml type ", type, " is not supported; known are F32 F16 BF16 F64, integers, ",
                  "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4_K Q5_K Q6_K"));
    }
    const auto row = info.shape.empty() ? 1 : static_cast<std::uint64_t>(info.shape.back());
    if (row % format->elements != 0) {
      throw CheckpointError(
          where, str_cat("rows of ", row, " are no multiple of the block of ", format->elements));
    }
    info.dtype = format->name;
    info.bytes = checked_product(elements / format->elements, format->bytes, where);
    offsets_.push_back(reader.read<std::uint64_t>());
    formats_.push_back(format);
    add(std::move(info));
  }

  void place_data(ByteReader& reader) {
    std::uint64_t alignment = 32;
    if (const auto found = metadata_.find("general.alignment"); found != metadata_.end()) {
      const auto* stated = std::get_if<std::int64_t>(&found->second);
      if (stated == nullptr || *stated < 1 || *stated > 65536)
        reader.fail("general.alignment is not a power of two");
      alignment = static_cast<std::uint64_t>(*stated);
      if ((alignment & (alignment - 1)) != 0)
        reader.fail("general.alignment is not a power of two");
    }
    if (!tensors_.empty()) reader.take((alignment - reader.position() % alignment) % alignment);
    data_ = reader.take(reader.left());
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const auto& info = tensors_[i];
      if (offsets_[i] % alignment != 0) reader.fail(info.name + ": its offset is not aligned");
      if (offsets_[i] > data_.size() || info.bytes > data_.size() - offsets_[i]) {
        reader.fail(str_cat(info.name, ": its ", info.bytes, " bytes at ", offsets_[i],
                            " lie beyond the ", data_.size(),
                            " bytes of data; the file is truncated"));
      }
    }
    check_overlap(reader);
  }

  void check_overlap(const ByteReader& reader) const {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (tensors_[i].bytes > 0) order.push_back(i);
    }
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return offsets_[a] < offsets_[b]; });
    for (std::size_t i = 1; i < order.size(); ++i) {
      const auto before = order[i - 1], after = order[i];
      if (offsets_[before] + tensors_[before].bytes > offsets_[after])
        reader.fail(tensors_[before].name + " and " + tensors_[after].name + " overlap");
    }
  }

  FileBytes file_;
  std::span<const std::uint8_t> data_;
  std::vector<std::uint64_t> offsets_;
  std::vector<const BlockFormat*> formats_;
};

}  // namespace

std::unique_ptr<TensorFile> open_gguf(FileBytes file) {
  return std::make_unique<Gguf>(std::move(file));
}

}  // namespace medseg
