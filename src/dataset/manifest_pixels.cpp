#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/dataset/manifest.h"
#include "medseg/image/codec.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

std::string where(const Manifest& manifest, const Record& record) {
  return str_cat(manifest.path().string(), ":", record.line, ": ");
}

bool is_volume(const fs::path& file) {
  const std::string name = file.filename().string();
  const std::vector<std::string> ends = {".nii", ".nii.gz", ".nrrd", ".inv3"};
  return std::any_of(ends.begin(), ends.end(),
                     [&](const std::string& end) { return name.ends_with(end); });
}

/// Neighbouring records show slices of one scan: each thread keeps the last one.
std::shared_ptr<const Volume> canonical_volume(const fs::path& path) {
  thread_local fs::path last_path;
  thread_local std::shared_ptr<const Volume> last;
  if (!last || last_path != path) {
    last = std::make_shared<const Volume>(to_canonical(read_volume(path)));
    last_path = path;
  }
  return last;
}

/// Slice `index` along `axis` as a volume of one axial slice, so that every axis is drawn by
/// `axial_slice`: coronal and sagittal pictures have the head at the top, sagittal ones the front
/// on the left.
Volume cut(const Volume& volume, int axis, std::int64_t index) {
  const std::size_t across = axis == 0 ? 1 : 0;
  const std::size_t up = axis == 2 ? 1 : 2;
  Volume out;
  out.size = {volume.size[across], volume.size[up], 1};
  out.voxels.reserve(static_cast<std::size_t>(out.size[0] * out.size[1]));
  for (std::int64_t b = 0; b < out.size[1]; ++b) {
    for (std::int64_t a = 0; a < out.size[0]; ++a) {
      std::array<std::int64_t, 3> at{};
      at[static_cast<std::size_t>(axis)] = index;
      at[across] = a;
      at[up] = b;
      out.voxels.push_back(volume.at(at[0], at[1], at[2]));
    }
  }
  return out;
}

Image slice_image(const Manifest& manifest, const Record& record) {
  const fs::path path = manifest.folder() / record.image;
  if (!record.slice) {
    throw DataError(record.image.string() +
                    " is a volume; expected \"slice\": {\"axis\": 2, \"index\": N}");
  }
  const auto volume = canonical_volume(path);
  const auto [axis, index] = *record.slice;
  const auto count = volume->size[static_cast<std::size_t>(axis)];
  if (index >= count) {
    throw DataError(str_cat("slice.index: ", index, " is out of range: ", record.image.string(),
                            " has ", count, " slices along axis ", axis));
  }
  const Window window = record.window.empty() || record.window == "mr-percentile"
                            ? percentile_window(*volume, 0.5, 99.5)
                            : parse_window(record.window);
  return axial_slice(cut(*volume, axis, index), 0, window);
}

Mask read_source(const Manifest& manifest, const MaskSource& source, int width, int height) {
  if (!source.file.empty()) return read_mask(manifest.folder() / source.file, source.value);
  if (source.rle) return decode_rle(*source.rle);
  return fill_polygons(source.polygons, width, height);
}

}  // namespace

Window parse_window(const std::string& text) {
  const auto open = text.find('(');
  if (open == std::string::npos) {
    if (text == "mr-percentile") return {text, 0, 255};  // of an 8-bit picture: nothing to do
    return named_window(text);
  }
  Window window{trim(text.substr(0, open)), 0, 0};
  const auto numbers = split(text.substr(open + 1), ',');
  const auto number = [](const std::string& piece, const std::string& end, double& value) {
    const std::string digits = trim(piece);
    const auto [last, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && trim(std::string(last, digits.data() + digits.size())) == end;
  };
  if (window.name.empty() || numbers.size() != 2 || !number(numbers[0], "", window.low) ||
      !number(numbers[1], ")", window.high) || !(window.low < window.high)) {
    throw ConfigError("window: expected a name or name(low, high), found \"" + text + "\"");
  }
  return window;
}

std::string window_text(const Window& window) {
  const auto number = [](double value) {
    char digits[32];
    return std::string(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  };
  return window.name + "(" + number(window.low) + ", " + number(window.high) + ")";
}

Image load_image(const Manifest& manifest, const Record& record) {
  try {
    if (is_volume(record.image)) return slice_image(manifest, record);
    const fs::path path = manifest.folder() / record.image;
    auto picture = read_picture(path);
    if (auto* image = std::get_if<Image>(&picture)) return std::move(*image);
    if (record.window.empty() || record.window == "mr-percentile") return read_image(path);
    return through_window(std::get<Image16>(picture), parse_window(record.window));
  } catch (const Error& error) {
    throw DataError(where(manifest, record) + error.what());
  }
}

Mask load_mask(const Manifest& manifest, const Record& record, const std::vector<std::string>& ids,
               int width, int height) {
  Mask all(width, height);
  for (const auto& id : ids) {
    const auto it = record.masks.find(id);
    if (it == record.masks.end()) {
      throw DataError(where(manifest, record) + "masks: unknown mask \"" + id + "\"");
    }
    Mask mask;
    try {
      mask = read_source(manifest, it->second, width, height);
    } catch (const Error& error) {
      throw DataError(where(manifest, record) + "masks." + id + ": " + error.what());
    }
    if (mask.width != width || mask.height != height) {
      throw DataError(str_cat(where(manifest, record), "masks.", id, ": ", mask.width, " x ",
                              mask.height, " pixels, but the picture has ", width, " x ", height));
    }
    all = mask_union(all, mask);
  }
  return all;
}

}  // namespace medseg
