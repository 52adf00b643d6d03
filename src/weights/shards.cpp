// Sharded checkpoints: an index {"weight_map": {tensor: file}} next to the files.
#include <set>

#include <ATen/ATen.h>

#include "formats.h"
#include "header_json.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "tensor_name.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

class Shards : public TensorFileBase {
 public:
  explicit Shards(const fs::path& index) : TensorFileBase(index) {
    const auto text = raised_as<CheckpointError>([&] { return read_file(index); });
    const auto json = parse_header(text, index.string(), 8);
    if (!json.is_object()) throw CheckpointError(index.string(), "not JSON");
    if (!json.contains("weight_map") || !json["weight_map"].is_object()) {
      throw CheckpointError(index.string(), "no weight_map");
    }
    std::map<std::string, std::set<std::string>> names_of;
    for (const auto& [name, file] : json["weight_map"].items()) {
      if (!file.is_string())
        throw CheckpointError(str_cat(index.string(), ": ", name), "shard is not a file name");
      const fs::path shard = file.get<std::string>();
      if (const auto fault = name_fault(shard.string()); !fault.empty())
        throw CheckpointError(str_cat(index.string(), ": ", name),
                              str_cat("the name of its shard ", fault));
      if (shard.has_parent_path() || shard == "..") {
        throw CheckpointError(str_cat(index.string(), ": ", name),
                              str_cat("shard ", shard.string(), " leaves the folder"));
      }
      std::error_code ignored;
      if (fs::is_directory(index.parent_path() / shard, ignored) ||
          shard.string().ends_with(".index.json")) {
        throw CheckpointError(str_cat(index.string(), ": ", name),
                              str_cat("shard ", shard.string(), " is not a file of tensors"));
      }
      names_of[shard.string()].insert(name);
    }
    for (const auto& [shard, names] : names_of) {
      auto file = open_tensor_file(index.parent_path() / shard);
      for (const auto& info : file->tensors()) {
        if (!names.contains(info.name)) continue;
        add(info);
        shard_of_[info.name] = shards_.size();
      }
      for (const auto& name : names) {
        if (!shard_of_.contains(name))
          throw CheckpointError(str_cat(index.string(), ": ", name), str_cat("not in ", shard));
      }
      shards_.push_back(std::move(file));
    }
  }

  std::string format() const override {
    return shards_.empty() ? "index" : shards_.front()->format();
  }
  at::Tensor load(const std::string& name) const override {
    index_of(name);
    return shards_[shard_of_.at(name)]->load(name);
  }
  const fs::path& path_of(const std::string& name) const override {
    const auto found = shard_of_.find(name);
    return found == shard_of_.end() ? path_ : shards_[found->second]->path();
  }
  std::vector<fs::path> files() const override {
    std::vector<fs::path> all = {path_};
    for (const auto& shard : shards_) all.push_back(shard->path());
    return all;
  }

 private:
  std::vector<std::unique_ptr<TensorFile>> shards_;
  std::map<std::string, std::size_t> shard_of_;
};

}  // namespace

std::unique_ptr<TensorFile> open_shards(const fs::path& index) {
  return std::make_unique<Shards>(index);
}

}  // namespace medseg
