// ONNX: the part of the protobuf wire format that is needed to read a graph's initializers, and
// which weight is multiplied before which bias is added (exporters leave MatMul weights without a
// name).
#include <ATen/ATen.h>

#include "byte_reader.h"
#include "formats.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

struct Field {
  std::uint64_t number = 0;
  std::uint64_t varint = 0;
  std::span<const std::uint8_t> bytes;
};

class Message {
 public:
  Message(std::span<const std::uint8_t> bytes, const std::string& where) : reader_(bytes, where) {}

  bool next(Field& field) {
    if (reader_.at_end()) return false;
    const auto tag = varint();
    field = {.number = tag >> 3, .varint = 0, .bytes = {}};
    if (field.number == 0) reader_.fail("damaged protobuf");
    switch (tag & 7) {
      case 0:
        field.varint = varint();
        break;
      case 1:
        field.bytes = reader_.take(8);
        break;
      case 2:
        field.bytes = reader_.take(varint());
        break;
      case 5:
        field.bytes = reader_.take(4);
        break;
      default:
        reader_.fail("damaged protobuf");
    }
    return true;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = reader_.read<std::uint8_t>();
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if ((byte & 0x80) == 0) return value;
    }
    reader_.fail("damaged protobuf");
  }
  bool at_end() const { return reader_.at_end(); }

 private:
  ByteReader reader_;
};

std::string text_of(const Field& field) {
  return {reinterpret_cast<const char*>(field.bytes.data()), field.bytes.size()};
}

struct Node {
  std::string type;
  std::vector<std::string> inputs, outputs;
};

struct Element {
  const char* name;
  at::ScalarType dtype;
};

std::optional<Element> element_type(std::uint64_t code) {  // TensorProto.DataType
  switch (code) {
    case 1:
      return Element{"F32", at::kFloat};
    case 6:
      return Element{"I32", at::kInt};
    case 7:
      return Element{"I64", at::kLong};
    case 9:
      return Element{"BOOL", at::kBool};
    case 10:
      return Element{"F16", at::kHalf};
    case 11:
      return Element{"F64", at::kDouble};
    case 16:
      return Element{"BF16", at::kBFloat16};
    default:
      return std::nullopt;
  }
}

class Onnx : public TensorFileBase {
 public:
  explicit Onnx(FileBytes file) : TensorFileBase(file.path), file_(std::move(file)) {
    Message model(file_.bytes, path_.string());
    bool has_graph = false;
    for (Field field; model.next(field);) {
      if (field.number != 7 || field.bytes.empty()) continue;
      read_graph(field.bytes);
      has_graph = true;
    }
    if (!has_graph) throw CheckpointError(path_.string(), "no ONNX graph");
    link_biases();
  }

  std::string format() const override { return "onnx"; }

  at::Tensor load(const std::string& name) const override {
    const auto index = index_of(name);
    return view_of(file_, data_[index], tensors_[index].shape, dtypes_[index]);
  }

 private:
  void read_graph(std::span<const std::uint8_t> bytes) {
    Message graph(bytes, path_.string());
    for (Field field; graph.next(field);) {
      if (field.number == 1) read_node(field.bytes);
      if (field.number == 5) read_initializer(field.bytes);
    }
  }

  void read_node(std::span<const std::uint8_t> bytes) {
    Message message(bytes, path_.string());
    Node node;
    for (Field field; message.next(field);) {
      if (field.number == 1) node.inputs.push_back(text_of(field));
      if (field.number == 2) node.outputs.push_back(text_of(field));
      if (field.number == 4) node.type = text_of(field);
    }
    nodes_.push_back(std::move(node));
  }

  void read_initializer(std::span<const std::uint8_t> bytes) {
    Message message(bytes, path_.string());
    TensorInfo info;
    std::uint64_t type = 0;
    std::vector<std::uint64_t> sizes;
    std::span<const std::uint8_t> data;
    bool elsewhere = false;
    const auto add_dimension = [&](std::uint64_t size) {
      sizes.push_back(size);
      info.shape.push_back(static_cast<std::int64_t>(size));
    };
    for (Field field; message.next(field);) {
      if (field.number == 1 && field.bytes.empty()) add_dimension(field.varint);
      if (field.number == 1 && !field.bytes.empty()) {
        for (Message packed(field.bytes, path_.string()); !packed.at_end();)
          add_dimension(packed.varint());
      }
      if (field.number == 2) type = field.varint;
      if (field.number == 8) info.name = text_of(field);
      if (field.number == 14) elsewhere = field.varint == 1;
      if (field.number == 4 || field.number == 9)
        data = field.bytes;  // float_data packed, or raw_data
    }
    const auto element = element_type(type);
    if (!element) return;  // strings and quantised types are not needed
    if (elsewhere) {
      throw CheckpointError(str_cat(path_.string(), ": ", info.name),
                            "its values stand in another file; export them into this one");
    }
    info.dtype = element->name;
    const auto elements = element_count(sizes, path_.string() + ": " + info.name);
    info.bytes = checked_product(elements, c10::elementSize(element->dtype), path_.string());
    if (data.size() != info.bytes) {
      if (data.empty()) return;  // int64_data and so on: constants of shapes
      throw CheckpointError(str_cat(path_.string(), ": ", info.name),
                            str_cat(data.size(), " bytes, its shape needs ", info.bytes));
    }
    data_.push_back(data);
    dtypes_.push_back(element->dtype);
    add(std::move(info));
  }

  // metadata "graph.matmul_add": weight, bias, weight, bias, … of every MatMul that is followed by
  // the addition of a bias.
  void link_biases() {
    std::map<std::string, const Node*> add_of;  // by the name of the product
    for (const auto& node : nodes_) {
      if (node.type != "Add" || node.inputs.size() != 2) continue;
      for (const auto& input : node.inputs) add_of[input] = &node;
    }
    std::vector<std::string> links;
    for (const auto& node : nodes_) {
      if (node.type != "MatMul" || node.inputs.size() != 2 || node.outputs.empty() ||
          !has(node.inputs[1]))
        continue;
      const auto found = add_of.find(node.outputs[0]);
      if (found == add_of.end()) continue;
      for (const auto& input : found->second->inputs) {
        if (has(input)) links.insert(links.end(), {node.inputs[1], input});
      }
    }
    metadata_["graph.matmul_add"] = links;
  }

  FileBytes file_;
  std::vector<std::span<const std::uint8_t>> data_;
  std::vector<at::ScalarType> dtypes_;
  std::vector<Node> nodes_;
};

}  // namespace

std::unique_ptr<TensorFile> open_onnx(FileBytes file) {
  return std::make_unique<Onnx>(std::move(file));
}

}  // namespace medseg
