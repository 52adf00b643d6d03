/// \file
/// Weight files byte by byte, sound or not, as no writer would make them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace medseg {

template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

inline std::string repeated(const std::string& piece, std::size_t times) {
  std::string text;
  text.reserve(piece.size() * times);
  for (std::size_t i = 0; i < times; ++i) text += piece;
  return text;
}

struct ZipPart {
  std::string name, packed;
  std::uint32_t size = 0;    ///< as stated
  std::uint16_t method = 0;  ///< 8: deflated
  std::uint16_t flags = 0;   ///< 1: encrypted
};

inline std::string zip_of(const std::vector<ZipPart>& parts) {
  std::string bytes, directory;
  for (const auto& part : parts) {
    const auto packed = static_cast<std::uint32_t>(part.packed.size());
    const auto name = static_cast<std::uint16_t>(part.name.size());
    const std::string sizes = raw(std::uint32_t{0}) + raw(packed) + raw(part.size);
    directory += "PK\x01\x02" + raw(std::uint32_t{20}) + raw(part.flags) + raw(part.method) +
                 raw(std::uint32_t{0}) + sizes + raw(name) + std::string(12, '\0') +
                 raw(static_cast<std::uint32_t>(bytes.size())) + part.name;
    bytes += "PK\x03\x04" + raw(std::uint16_t{20}) + raw(part.flags) + raw(part.method) +
             raw(std::uint32_t{0}) + sizes + raw(name) + raw(std::uint16_t{0}) + part.name +
             part.packed;
  }
  const auto count = static_cast<std::uint16_t>(parts.size());
  const auto at = static_cast<std::uint32_t>(bytes.size());
  return bytes + directory + "PK\x05\x06" + std::string(4, '\0') + raw(count) + raw(count) +
         raw(static_cast<std::uint32_t>(directory.size())) + raw(at) + raw(std::uint16_t{0});
}

/// What torch.save writes round `pickle`; `storages` are its data/0, data/1, …
inline std::string torch_zip(const std::string& pickle,
                             const std::vector<std::string>& storages = {}) {
  std::vector<ZipPart> parts = {
      {"archive/data.pkl", pickle, static_cast<std::uint32_t>(pickle.size())}};
  for (const auto& storage : storages) {
    parts.push_back({"archive/data/" + std::to_string(parts.size() - 1), storage,
                     static_cast<std::uint32_t>(storage.size())});
  }
  return zip_of(parts);
}

inline std::string pickled(const std::string& text) {
  return "X" + raw(static_cast<std::uint32_t>(text.size())) + text;
}
inline std::string pickled(std::int64_t value) { return "\x8a\x08" + raw(value); }
inline std::string pickled(const std::vector<std::int64_t>& values) {
  std::string text = "(";
  for (const auto value : values) text += pickled(value);
  return text + "t";
}

struct PickledTensor {
  std::string type = "FloatStorage", key = "0";
  std::int64_t elements = 4;  ///< of the storage
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape = {4}, strides = {1};
};

inline std::string pickled(const PickledTensor& tensor) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + pickled("storage") + "ctorch\n" + tensor.type +
         "\n" + pickled(tensor.key) + pickled("cpu") + pickled(tensor.elements) + "tQ" +
         pickled(tensor.offset) + pickled(tensor.shape) + pickled(tensor.strides) + "\x89}tR";
}

/// {"a": value}
inline std::string pickled_state(const std::string& value) {
  return "\x80\x02}" + pickled("a") + value + "s.";
}

inline std::string safetensors(const std::string& header, std::size_t data) {
  return raw(std::uint64_t{header.size()}) + header + std::string(data, '\0');
}

inline std::string gguf_string(const std::string& text) {
  return raw(std::uint64_t{text.size()}) + text;
}

inline std::string gguf_value(const std::string& key, std::uint32_t value) {
  return gguf_string(key) + raw(std::uint32_t{4}) + raw(value);
}

struct GgufTensor {
  std::string name;
  std::uint64_t offset = 0;
  std::vector<std::uint64_t> sizes = {16};  ///< fastest first
  std::uint32_t type = 0;                   ///< F32
};

/// 256 bytes of data follow the header.
inline std::string gguf(const std::vector<GgufTensor>& tensors, const std::string& metadata = "",
                        std::uint64_t values = 0, std::uint32_t version = 3) {
  std::string bytes =
      "GGUF" + raw(version) + raw(std::uint64_t{tensors.size()}) + raw(values) + metadata;
  for (const auto& tensor : tensors) {
    bytes += gguf_string(tensor.name) + raw(static_cast<std::uint32_t>(tensor.sizes.size()));
    for (const auto size : tensor.sizes) bytes += raw(size);
    bytes += raw(tensor.type) + raw(tensor.offset);
  }
  bytes.resize((bytes.size() + 31) / 32 * 32);
  return bytes + std::string(256, '\0');
}

/// A protobuf field that holds `bytes` (shorter than 128).
inline std::string proto_bytes(int number, const std::string& bytes) {
  return std::string(1, static_cast<char>(number << 3 | 2)) +
         std::string(1, static_cast<char>(bytes.size())) + bytes;
}
inline std::string proto_number(int number, int value) {
  return std::string(1, static_cast<char>(number << 3)) + std::string(1, static_cast<char>(value));
}

/// An ONNX model whose graph has the one initializer `tensor`.
inline std::string onnx(const std::string& tensor) {
  return proto_number(1, 7) + proto_bytes(7, proto_bytes(5, tensor));
}

}  // namespace medseg
