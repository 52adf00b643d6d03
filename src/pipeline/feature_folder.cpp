#include "medseg/pipeline/feature_folder.h"

#include <chrono>
#include <sstream>

#include <ATen/ATen.h>
#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/log.h"
#include "medseg/base/process.h"
#include "medseg/base/str.h"
#include "medseg/models/grounding.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "medseg-features-1";
// As torch allocates: the last bits of a matrix product may depend on where its operands begin.
constexpr std::size_t kAlignment = 64;
// Entries in use as views; those beyond it are copied. Linux gives a process 65530 mappings unless
// told otherwise.
constexpr std::int64_t kMostMapped = 16384;
constexpr auto kAbandoned = std::chrono::hours(1);

std::string frame_text(const ModelFrame& frame) {
  return str_cat(frame.size, " ", frame.resized_height, " ", frame.resized_width, " ",
                 frame.image_height, " ", frame.image_width);
}

ModelFrame parse_frame(const std::string& text) {
  ModelFrame frame;
  std::istringstream numbers(text);
  numbers >> frame.size >> frame.resized_height >> frame.resized_width >> frame.image_height >>
      frame.image_width;
  return frame;
}

std::span<const std::uint8_t> bytes_of(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  return {static_cast<const std::uint8_t*>(tensor.const_data_ptr()), tensor.nbytes()};
}

bool is_aligned(const at::Tensor& tensor) {
  return reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) % kAlignment == 0;
}

std::string metadata_of(const TensorFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  const auto* text =
      found == file.metadata().end() ? nullptr : std::get_if<std::string>(&found->second);
  return text == nullptr ? "" : *text;
}

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

// What a process left that was killed while it wrote. Younger files may still be in work, also on
// another machine.
void remove_abandoned(const fs::path& folder) {
  std::error_code ignored;
  std::error_code end;
  for (fs::directory_iterator at(folder, end); !end && at != fs::directory_iterator();
       at.increment(end)) {
    const auto changed = fs::last_write_time(*at, ignored);
    if (!ignored && at->is_regular_file(ignored) &&
        changed < fs::file_time_type::clock::now() - kAbandoned)
      fs::remove(*at, ignored);
  }
}

}  // namespace

FeatureFolder::FeatureFolder(fs::path folder, FeatureForm form, std::uint64_t keep_free_bytes)
    : folder_(std::move(folder)),
      form_(std::move(form)),
      keep_free_bytes_(keep_free_bytes),
      mapped_(std::make_shared<std::atomic<std::int64_t>>(0)) {
  probe();
  remove_abandoned(folder_ / "tmp");
}

// A folder that lacks nothing but room has entries that can still be read.
void FeatureFolder::probe() {
  std::error_code ignored;
  if (fs::exists(folder_, ignored) && !fs::is_directory(folder_, ignored))
    throw DataError(folder_.string(), "is a file, expected a folder for features");
  const auto file = temporary();
  try {
    write_file(file, "");
  } catch (const DataError& error) {
    const auto in = file.parent_path();
    if (!fs::is_directory(in, ignored) || ::access(in.c_str(), W_OK | X_OK) != 0)
      throw DataError(folder_.string(), str_cat("features cannot be kept there: ", error.what()));
    stop_adding(error.what());
  }
  fs::remove(file, ignored);
}

// No other process and no other object of this one has the name.
fs::path FeatureFolder::temporary() const {
  static const std::string host = host_name();
  static std::atomic<std::uint64_t> next = 0;
  return folder_ / "tmp" / str_cat(host, "-", ::getpid(), "-", next++, ".safetensors");
}

fs::path FeatureFolder::entry(const ImageKey& image) const {
  const auto name = sha256(form_.encoders + " " + image.text);
  return folder_ / form_.encoders.substr(0, 16) / name.substr(0, 2) / (name + ".safetensors");
}

std::string FeatureFolder::sum(const ImageKey& image, const ImageFeatures& features) const {
  Sha256 digest;
  digest.add(str_cat(form_.encoders, " ", image.text, " ", frame_text(features.frame), "\n"));
  digest.add(bytes_of(features.vision));
  digest.add(bytes_of(features.grounding));
  return digest.text();
}

std::shared_ptr<const ImageFeatures> FeatureFolder::find(const ImageKey& image) {
  const auto path = entry(image);
  const auto name = path.filename().string();
  std::error_code error;
  if (!fs::exists(fs::symlink_status(path, error))) return nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (damaged_.contains(name)) return nullptr;  // warned already
  }
  try {
    return read(path, image);
  } catch (const Error& fault) {
    if (!fs::exists(fs::symlink_status(path, error))) return nullptr;  // removed just now
    const std::lock_guard lock(mutex_);
    if (!damaged_.insert(name).second) return nullptr;
    ++damaged_count_;
    log_warning(str_cat("features: ", fault.what(), "; computed again"));
    return nullptr;
  }
}

std::shared_ptr<const ImageFeatures> FeatureFolder::read(const fs::path& path,
                                                         const ImageKey& image) {
  const auto file = open_tensor_file(path);
  const auto fail = [&](const std::string& what) {
    throw CheckpointError(path.string(), "damaged: " + what);
  };
  if (file->format() != "safetensors" || metadata_of(*file, "format") != kFormat ||
      metadata_of(*file, "encoders") != form_.encoders ||
      metadata_of(*file, "picture") != image.text)
    fail("not the features that its name stands for");
  ImageFeatures features;
  features.frame = parse_frame(metadata_of(*file, "frame"));
  const auto load = [&](const char* name, const std::vector<std::int64_t>& shape, at::Tensor& to) {
    if (shape.empty()) return;
    to = file->load(name);
    if (to.scalar_type() != form_.storage || !to.sizes().equals(shape))
      fail(str_cat(name, " is ", to.scalar_type(), " ", to.sizes()));
  };
  load("vision", form_.vision, features.vision);
  load("grounding", form_.grounding, features.grounding);

  const auto name = path.filename().string();
  bool checked = false;
  {
    const std::lock_guard lock(mutex_);
    checked = checked_.contains(name);
  }
  if (!checked) {
    if (metadata_of(*file, "sha256") != sum(image, features))
      fail("its bytes do not match their sum");
    const std::lock_guard lock(mutex_);
    checked_.insert(name);
  }
  const auto in_use = ++*mapped_;
  for (auto* tensor : {&features.vision, &features.grounding}) {
    if (!tensor->defined()) continue;
    bytes_read_ += tensor->nbytes();
    if (in_use > kMostMapped || !is_aligned(*tensor)) *tensor = tensor->clone();
  }
  return {new ImageFeatures(std::move(features)), [mapped = mapped_](const ImageFeatures* gone) {
            delete gone;
            --*mapped;
          }};
}

void FeatureFolder::add(const ImageKey& image, const ImageFeatures& features) {
  if (!adds_) return;
  const auto path = entry(image);
  const auto bytes = bytes_of(features.vision).size() + bytes_of(features.grounding).size();
  const auto room = free_bytes(folder_);
  if (room && *room < keep_free_bytes_ + bytes)
    return stop_adding(str_cat(gigabytes_text(*room), " are free on its disk, ",
                               gigabytes_text(keep_free_bytes_), " are to stay so"));
  try {
    write(path, image, features);
  } catch (const DataError& error) {
    return stop_adding(error.what());
  }
  ++written_;
  bytes_written_ += bytes;
  const std::lock_guard lock(mutex_);
  damaged_.erase(path.filename().string());
  checked_.insert(path.filename().string());
}

void FeatureFolder::write(const fs::path& path, const ImageKey& image,
                          const ImageFeatures& features) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  if (features.vision.defined()) tensors.emplace_back("vision", features.vision);
  if (features.grounding.defined()) tensors.emplace_back("grounding", features.grounding);
  const auto beside = temporary();
  write_safetensors(beside, tensors,
                    {{"format", kFormat},
                     {"encoders", form_.encoders},
                     {"picture", image.text},
                     {"frame", frame_text(features.frame)},
                     {"sha256", sum(image, features)}},
                    kAlignment);
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (!error) fs::rename(beside, path, error);
  if (!error) return;
  std::error_code ignored;
  fs::remove(beside, ignored);
  throw DataError(path.string(), "cannot write: " + error.message());
}

void FeatureFolder::stop_adding(const std::string& why) {
  if (adds_.exchange(false))
    log_warning(str_cat("features: ", folder_.string(), " takes no more: ", why));
}

}  // namespace medseg
