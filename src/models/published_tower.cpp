#include "published_tower.h"

#include <algorithm>
#include <cmath>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

// Of every published size but a few, whose config.json says so.
constexpr std::int64_t kHeadWidth = 64;

}  // namespace

void PublishedConfig::expect(const char* key, std::int64_t found) const {
  const auto stated = integer(key, found);
  if (stated == found) return;
  throw CheckpointError(path.string(), str_cat(key, ": ", stated, ", but the weights say ", found));
}

std::int64_t PublishedConfig::integer(const char* key, std::int64_t otherwise) const {
  const auto at = json.find(key);
  if (at == json.end() || at->is_null()) return otherwise;
  if (!at->is_number_integer())
    throw CheckpointError(path.string(), str_cat(key, ": expected an integer, found ", at->dump()));
  return at->get<std::int64_t>();
}

double PublishedConfig::number(const char* key, double otherwise) const {
  const auto at = json.find(key);
  if (at == json.end() || at->is_null()) return otherwise;
  if (!at->is_number())
    throw CheckpointError(path.string(), str_cat(key, ": expected a number, found ", at->dump()));
  return at->get<double>();
}

std::string PublishedConfig::word(const char* key, const std::string& otherwise) const {
  const auto at = json.find(key);
  if (at == json.end() || at->is_null()) return otherwise;
  if (!at->is_string())
    throw CheckpointError(path.string(), str_cat(key, ": expected a word, found ", at->dump()));
  return at->get<std::string>();
}

std::int64_t heads_of(const PublishedTower& part, std::int64_t width) {
  const auto heads =
      part.config.integer("num_attention_heads", width % kHeadWidth == 0 ? width / kHeadWidth : 0);
  if (heads < 1) {
    part.shapes.refuse(str_cat("a width of ", width,
                               " does not tell the number of heads; a config.json with "
                               "num_attention_heads beside it would"));
  }
  if (width % heads != 0) {
    throw CheckpointError(
        part.config.path.string(),
        str_cat("num_attention_heads: ", heads, " heads do not divide a width of ", width));
  }
  return heads;
}

std::int64_t side_of(const NamedShapes& shapes, const std::string& name, std::int64_t positions) {
  const auto side = std::llround(std::sqrt(static_cast<double>(positions)));
  if (side < 1 || side * side != positions)
    shapes.refuse(str_cat(name, ": ", positions, " patches fill no square"));
  return side;
}

std::int64_t image_size_of(const PublishedConfig& config, std::int64_t grid, std::int64_t patch) {
  const auto stated = config.integer("image_size", grid * patch);
  if (stated / patch != grid) {
    throw CheckpointError(config.path.string(),
                          str_cat("image_size: ", stated, " pixels are ", stated / patch,
                                  " patches a side, but the weights have positions for ", grid));
  }
  return stated;
}

std::optional<std::string> before(const TensorFile& file, std::string_view ending) {
  for (const auto& info : file.tensors()) {
    if (info.name.ends_with(ending)) return info.name.substr(0, info.name.size() - ending.size());
  }
  return std::nullopt;
}

std::vector<TensorSource> sources_below(const TensorFile& file, const std::string& prefix,
                                        const std::vector<std::string_view>& beginnings) {
  std::vector<TensorSource> sources;
  for (const auto& info : file.tensors()) {
    if (!info.name.starts_with(prefix)) continue;
    const auto rest = info.name.substr(prefix.size());
    const bool wanted = std::any_of(beginnings.begin(), beginnings.end(),
                                    [&](const auto begins) { return rest.starts_with(begins); });
    if (wanted) sources.push_back({rest, info.name, {}});
  }
  return sources;
}

}  // namespace medseg
