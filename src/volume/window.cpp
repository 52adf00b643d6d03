#include "medseg/volume/window.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <unordered_map>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/volume/morphology.h"
#include "medseg/volume/volume.h"
#include "shade.h"

namespace medseg {
namespace {

// Radiological reading windows; the level and width behind each is common practice. The others are
// those that a published model was trained with: the same word stands for other numbers there.
const std::vector<Window>& windows() {
  static const std::vector<Window> table = {
      {"ct-bone", -200, 1200},  // bone against soft tissue, air black
      {"ct-lung", -1000, 200},  // lung vessels and nodules, mediastinum white
      {"ct-soft", -160, 240},   // level 40, width 400
      {"ct-brain", 0, 80},      // level 40, width 80
      // MedSAM, pre_CT_MR.py: soft tissue L40 W400, lung L-600 W1500, brain L40 W80, bone L400
      // W1800
      {"medsam-ct-soft", -160, 240},
      {"medsam-ct-lung", -1350, 150},
      {"medsam-ct-brain", 0, 80},
      {"medsam-ct-bone", -500, 1300},
      // BiomedParse v2's preparation: lung L-160 W1500
      {"biomedparse-ct-lung", -910, 590},
      // MedGemma: wide L-100 W2250, soft tissue L40 W350, brain L40 W80
      {"medgemma-ct-wide", -1225, 1025},
      {"medgemma-ct-soft", -135, 215},
      {"medgemma-ct-brain", 0, 80},
  };
  return table;
}

double percentile_of(std::vector<float> values, double percent) {
  MEDSEG_CHECK(!values.empty() && percent >= 0 && percent <= 100,
               "percentile of nothing or out of range");
  const double rank = percent / 100 * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(rank);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(low);
  std::nth_element(values.begin(), middle, values.end());
  const double below = *middle;
  if (low + 1 >= values.size()) return below;
  const double above = *std::min_element(middle + 1, values.end());
  return below + (rank - static_cast<double>(low)) * (above - below);
}

/// The value that at least one voxel in five has; backgrounds are constant.
std::optional<float> background_of(const std::vector<float>& values) {
  constexpr std::size_t kLook = 100000;  // voxels, evenly spaced
  std::unordered_map<float, std::size_t> counts;
  const std::size_t step = std::max<std::size_t>(1, values.size() / kLook);
  std::size_t seen = 0;
  for (std::size_t i = 0; i < values.size(); i += step, ++seen) ++counts[values[i]];
  for (const auto& [value, count] : counts) {
    if (5 * count >= seen && count > 1) return value;
  }
  return std::nullopt;
}

struct ValueRange {
  double low = 0, high = 0;
  bool whole = true;  ///< no fractions
};

ValueRange range_of(const Volume& volume) {
  ValueRange range{1e300, -1e300, true};
  for (const float value : volume.voxels) {
    if (!std::isfinite(value)) continue;
    range.low = std::min(range.low, static_cast<double>(value));
    range.high = std::max(range.high, static_cast<double>(value));
    range.whole = range.whole && value == std::floor(value);
  }
  if (range.low > range.high) range = {0, 0, true};
  return range;
}

bool is_ct(const std::string& modality) {
  std::string lower;
  for (const char c : modality)
    lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower == "ct" || lower.starts_with("ct-") || lower.starts_with("ct ") || lower == "cta" ||
         lower == "ncct" || lower == "cect" || lower == "computed tomography";
}

std::string range_text(double low, double high) {
  return str_cat("values from ", low, " to ", high);
}

bool asks_for_percentiles(const std::string& asked) { return asked == "mr-percentile"; }

}  // namespace

Window named_window(const std::string& name) {
  for (const auto& window : windows()) {
    if (window.name == name) return window;
  }
  throw ConfigError("window", "unknown \"" + name + "\"" + did_you_mean(name, window_names()));
}

std::vector<std::string> window_names() {
  std::vector<std::string> names;
  for (const auto& window : windows()) names.push_back(window.name);
  return names;
}

std::array<Window, 3> medgemma_ct_windows() {
  return {named_window("medgemma-ct-wide"), named_window("medgemma-ct-soft"),
          named_window("medgemma-ct-brain")};
}

Window parse_window(const std::string& text) {
  const auto open = text.find('(');
  if (open == std::string::npos) {
    if (asks_for_percentiles(text)) return {text, 0, 255};  // of an 8-bit image: nothing to do
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
    throw ConfigError("window", "expected a name or name(low, high), found \"" + text + "\"");
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

Window percentile_window(const Volume& volume, double low_percent, double high_percent) {
  std::vector<float> positive;
  std::copy_if(volume.voxels.begin(), volume.voxels.end(), std::back_inserter(positive),
               [](float v) { return v > 0 && std::isfinite(v); });
  if (positive.empty()) return {"mr-percentile", 0, 1};
  return {"mr-percentile", percentile_of(positive, low_percent),
          percentile_of(positive, high_percent)};
}

Window body_percentile_window(const Volume& volume, double low_percent, double high_percent) {
  std::vector<float> finite;
  finite.reserve(volume.voxels.size());
  std::copy_if(volume.voxels.begin(), volume.voxels.end(), std::back_inserter(finite),
               [](float v) { return std::isfinite(v); });
  if (finite.empty()) return {"mr-percentile", 0, 1};
  if (*std::min_element(finite.begin(), finite.end()) >= 0)
    return percentile_window(volume, low_percent, high_percent);
  if (const auto background = background_of(finite)) {
    std::vector<float> body;
    std::copy_if(finite.begin(), finite.end(), std::back_inserter(body),
                 [&](float v) { return v != *background; });
    if (!body.empty()) finite = std::move(body);
  }
  Window window{"mr-percentile", percentile_of(finite, low_percent),
                percentile_of(finite, high_percent)};
  if (!(window.low < window.high)) window.high = window.low + 1;
  return window;
}

double percentile(const Volume& volume, double percent) {
  std::vector<float> values;
  values.reserve(volume.voxels.size());
  std::copy_if(volume.voxels.begin(), volume.voxels.end(), std::back_inserter(values),
               [](float v) { return !std::isnan(v); });
  return values.empty() ? 0.0 : percentile_of(std::move(values), percent);
}

ChosenWindow choose_window(const Volume& volume, const std::string& modality,
                           const std::string& asked) {
  if (asks_for_percentiles(asked)) return {body_percentile_window(volume, 0.5, 99.5), {}, false};
  if (!asked.empty()) return {parse_window(asked), {}, false};
  const ValueRange range = range_of(volume);
  const std::string type = modality.empty() ? volume.modality : modality;
  // Hounsfield units begin with air, about -1000; scanners pad with lower values.
  const bool hounsfield = range.low <= -200 && range.high >= 100;
  if (is_ct(type) && hounsfield) {
    const Window soft = named_window("ct-soft");
    return {soft, {"a CT without \"window\": shown as " + window_text(soft)}, true};
  }
  if (type.empty() && range.whole && range.low <= -900 && range.low >= -8192 && range.high >= 200 &&
      range.high <= 32767) {
    const Window soft = named_window("ct-soft");
    return {soft,
            {str_cat("no \"modality\" and no \"window\": ", range_text(range.low, range.high),
                     " look like a CT, shown as ", window_text(soft))},
            true};
  }
  if (volume.window) {
    return {*volume.window,
            {"no \"window\": shown as the file says, " + window_text(*volume.window)},
            true};
  }
  ChosenWindow chosen{body_percentile_window(volume, 0.5, 99.5), {}, true};
  if (is_ct(type)) {
    chosen.notes.push_back(
        str_cat("a CT without \"window\" whose ", range_text(range.low, range.high),
                " are no Hounsfield units: shown as ", window_text(chosen.window)));
  }
  return chosen;
}

ChosenWindow choose_window(const Image16& image, const std::string& modality,
                           const std::string& asked) {
  if (!asked.empty() && !asks_for_percentiles(asked)) return {parse_window(asked), {}, false};
  const GreyRange range = own_range(image);
  ChosenWindow chosen{
      {"own-range", static_cast<double>(range.low), static_cast<double>(range.high)}, {}, true};
  std::string note =
      "a 16-bit image without \"window\": shown by its own range, " + window_text(chosen.window);
  if (is_ct(modality) && range.low >= 30000 && range.high <= 40000)
    note +=
        "; its values look like Hounsfield units + 32768, where ct-soft is ct-soft(32608, 33008)";
  chosen.notes.push_back(note);
  return chosen;
}

Image through_window(const Image16& picture, const Window& window) {
  Image image{picture.width, picture.height, 1, {}};
  image.pixels.reserve(picture.pixels.size());
  for (const auto value : picture.pixels) image.pixels.push_back(shade(value, window));
  return image;
}

GreyUse grey_use(const Image& image) {
  std::array<std::int64_t, 256> counts{};
  for (const auto pixel : image.pixels) ++counts[pixel];
  const double total = std::max<double>(1, static_cast<double>(image.pixels.size()));
  GreyUse use;
  for (const auto count : counts) use.levels += count > 0 ? 1 : 0;
  use.black = static_cast<double>(counts[0]) / total;
  use.white = static_cast<double>(counts[255]) / total;
  return use;
}

}  // namespace medseg
