// A GGUF that llama.cpp's gguf-split cut: NAME-00001-of-00003.gguf … The first part holds the
// model's metadata, each its own tensors. tools/gguf-split/gguf-split.cpp, llama_split_path.
#include <cstdio>

#include <ATen/ATen.h>

#include "formats.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostParts = 99999;  // five digits

std::int64_t number(const TensorFile& file, const std::string& key, std::int64_t least,
                    std::int64_t most) {
  const auto found = file.metadata().find(key);
  const auto* value =
      found == file.metadata().end() ? nullptr : std::get_if<std::int64_t>(&found->second);
  if (value == nullptr) throw CheckpointError(file.path().string(), key + ": no number");
  if (*value < least || *value > most)
    throw CheckpointError(file.path().string(), str_cat(key, ": ", *value, " is out of range"));
  return *value;
}

std::int64_t part_count(const TensorFile& file) {
  return number(file, "split.count", 0, kMostParts);
}

std::string ending(std::int64_t part, std::int64_t count) {
  char text[32];
  std::snprintf(text, sizeof text, "-%05d-of-%05d.gguf", static_cast<int>(part),
                static_cast<int>(count));
  return text;
}

class Parts : public TensorFileBase {
 public:
  explicit Parts(std::unique_ptr<TensorFile> given) : TensorFileBase(given->path()) {
    const auto count = part_count(*given);
    const auto own = number(*given, "split.no", 0, count - 1) + 1;
    const auto what = str_cat("part ", own, " of ", count, " of a GGUF");
    const auto name = path_.filename().string();
    if (!name.ends_with(ending(own, count))) {
      throw CheckpointError(path_.string(), str_cat(what, ", whose name must end in ",
                                                    ending(own, count), " to find the others"));
    }
    const auto stem = name.substr(0, name.size() - ending(own, count).size());
    for (std::int64_t part = 1; part <= count; ++part) {
      const auto file = path_.parent_path() / (stem + ending(part, count));
      std::error_code ignored;
      if (part != own && !fs::exists(file, ignored)) {
        throw CheckpointError(
            path_.string(),
            str_cat(what, "; part ", part, " (", file.filename().string(), ") is not beside it"));
      }
      take(part == own ? std::move(given) : open_alone(file), part, count);
    }
    const auto stated = number(*parts_.front(), "split.tensors.count", 0, INT64_MAX);
    if (stated != static_cast<std::int64_t>(tensors_.size())) {
      throw CheckpointError(parts_.front()->path().string(),
                            str_cat("split.tensors.count is ", stated, ", but the ", count,
                                    " parts hold ", tensors_.size(), " tensors"));
    }
    metadata_ = parts_.front()->metadata();
    for (const char* key : {"split.no", "split.count", "split.tensors.count"}) metadata_.erase(key);
  }

  std::string format() const override { return parts_.front()->format(); }
  at::Tensor load(const std::string& name) const override {
    index_of(name);
    return parts_[part_of_.at(name)]->load(name);
  }
  const fs::path& path_of(const std::string& name) const override {
    const auto found = part_of_.find(name);
    return found == part_of_.end() ? path_ : parts_[found->second]->path();
  }
  std::vector<fs::path> files() const override {
    std::vector<fs::path> all;
    for (const auto& part : parts_) all.push_back(part->path());
    return all;
  }

 private:
  static std::unique_ptr<TensorFile> open_alone(const fs::path& path) {
    const auto file =
        raised_as<CheckpointError>([&] { return std::make_shared<const MappedFile>(path); });
    return open_tensor_bytes({file->path(), file->bytes(), file});
  }

  void take(std::unique_ptr<TensorFile> file, std::int64_t part, std::int64_t count) {
    if (!is_gguf_part(*file) || part_count(*file) != count ||
        number(*file, "split.no", 0, count - 1) + 1 != part) {
      throw CheckpointError(file->path().string(),
                            str_cat("is not part ", part, " of ", count, " of a GGUF"));
    }
    for (const auto& info : file->tensors()) {
      part_of_[info.name] = parts_.size();
      add(info);
    }
    parts_.push_back(std::move(file));
  }

  std::vector<std::unique_ptr<TensorFile>> parts_;
  std::map<std::string, std::size_t> part_of_;
};

}  // namespace

bool is_gguf_part(const TensorFile& file) {
  return file.format() == "gguf" && file.metadata().contains("split.count") && part_count(file) > 1;
}

std::unique_ptr<TensorFile> open_gguf_parts(std::unique_ptr<TensorFile> part) {
  return std::make_unique<Parts>(std::move(part));
}

}  // namespace medseg
