// Merges an adapter into the weights it was trained on.
#include <algorithm>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "formats.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/weights/peft.h"

namespace medseg {
namespace {

constexpr std::size_t kNamesShown = 5;

class Merged : public TensorFileBase {
 public:
  Merged(std::shared_ptr<const TensorFile> base, const Adapter& adapter)
      : TensorFileBase(base->path()),
        base_(std::move(base)),
        file_of_(adapter.file_of),
        adapter_files_(adapter.files) {
    metadata_ = base_->metadata();
    for (const auto& layer : adapter.layers) {
      if (!layers_.emplace(layer.module + ".weight", layer).second)
        fail(adapter, layer.module, "occurs twice");
    }
    for (const auto& [name, tensor] : adapter.replaced) {
      if (!replaced_.emplace(name, tensor).second) fail(adapter, name, "occurs twice");
    }
    check(adapter);
    for (const auto& info : base_->tensors()) show(info);
    for (const auto& [name, tensor] : adapter.replaced) {  // parts that the base does not have
      if (!base_->contains(name)) add(to_write(name, tensor).info);
    }
  }

  std::string format() const override { return base_->format(); }
  const std::filesystem::path& path_of(const std::string& name) const override {
    const auto found = file_of_.find(name);
    return found == file_of_.end() ? base_->path_of(name) : found->second;
  }
  std::vector<std::filesystem::path> files() const override {
    auto all = base_->files();
    all.insert(all.end(), adapter_files_.begin(), adapter_files_.end());
    return all;
  }

  at::Tensor load(const std::string& name) const override {
    index_of(name);
    if (const auto found = replaced_.find(name); found != replaced_.end()) return found->second;
    const auto found = layers_.find(name);
    if (found == layers_.end()) return base_->load(name);
    const auto& layer = found->second;
    // In fp32 for every storage type: a small correction would be lost in bf16's 8 bits.
    return at::addmm(base_->load(name).to(at::kFloat), layer.b.to(at::kFloat),
                     layer.a.to(at::kFloat), 1.0, layer.scale);
  }

 private:
  [[noreturn]] static void fail(const Adapter& adapter, const std::string& name,
                                const std::string& what) {
    throw CheckpointError(str_cat(adapter.path.string(), ": ", name), what);
  }

  void show(TensorInfo info) {
    if (const auto found = replaced_.find(info.name); found != replaced_.end()) {
      info = to_write(info.name, found->second).info;
    } else if (layers_.contains(info.name)) {
      info.dtype = "F32";
      info.bytes = 4;
      for (const auto size : info.shape) info.bytes *= static_cast<std::uint64_t>(size);
    }
    add(std::move(info));
  }

  void check(const Adapter& adapter) const {
    std::map<std::string, std::vector<std::int64_t>> shapes;
    for (const auto& info : base_->tensors()) shapes[info.name] = info.shape;
    for (const auto& [name, layer] : layers_) {
      const auto found = shapes.find(name);
      if (found == shapes.end()) fail(adapter, layer.module, "the model has no such layer");
      const std::vector<std::int64_t> needed = {layer.b.size(0), layer.a.size(1)};
      if (found->second != needed) {
        fail(adapter, layer.module,
             str_cat("the adapter is for a weight of ", at::IntArrayRef(needed), ", the model has ",
                     at::IntArrayRef(found->second)));
      }
    }
    std::vector<std::string> missing;
    for (const auto& [name, shape] : shapes) {
      if (!name.starts_with("model.layers.") || !name.ends_with(".weight") ||
          layers_.contains(name))
        continue;
      const auto module = name.substr(0, name.size() - std::string_view(".weight").size());
      const auto part = module.substr(module.rfind('.') + 1);
      const auto& targets = adapter.targets;
      if (std::find(targets.begin(), targets.end(), part) != targets.end())
        missing.push_back(module);
    }
    if (missing.empty()) return;
    const auto count = missing.size();
    missing.resize(std::min(count, kNamesShown));
    fail(adapter, "target_modules",
         str_cat("no tensors for ", count, " of the model's layers: ", join(missing, ", "),
                 count > kNamesShown ? ", …" : ""));
  }

  std::shared_ptr<const TensorFile> base_;
  std::map<std::string, std::filesystem::path> file_of_;
  std::vector<std::filesystem::path> adapter_files_;
  std::map<std::string, AdapterLayer> layers_;  // by the weight's name
  std::map<std::string, at::Tensor> replaced_;
};

}  // namespace

std::shared_ptr<const TensorFile> with_adapter(std::shared_ptr<const TensorFile> base,
                                               const Adapter& adapter) {
  return std::make_shared<Merged>(std::move(base), adapter);
}

}  // namespace medseg
