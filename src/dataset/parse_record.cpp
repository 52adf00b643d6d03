#include "json_line.h"
#include "json_reader.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/dataset/manifest.h"
#include "medseg/text/conversation.h"

namespace medseg {
namespace {

using nlohmann::json;

constexpr std::int64_t kLargestSide = 1 << 20;

std::array<double, 2> parse_spacing(const JsonReader& reader, const json& value) {
  const bool pair = value.is_array() && value.size() == 2 && value[0].is_number() &&
                    value[1].is_number() && value[0].get<double>() > 0 &&
                    value[1].get<double>() > 0;
  if (!pair) reader.fail("spacing_mm", "expected two numbers above 0, found " + shown(value));
  return {value[0].get<double>(), value[1].get<double>()};
}

/// Run lengths as pycocotools' uncompressed form lists them: 0 and 1 in turn, columns first.
std::string packed_runs(const JsonReader& reader, const json& runs, int height, int width) {
  Mask mask(width, height);
  std::size_t at = 0;
  std::uint8_t value = 0;
  for (const auto& run : runs) {
    if (!run.is_number_unsigned()) {
      reader.fail("counts", "expected run lengths, found " + shown(run) + " in them");
    }
    const auto length = run.get<std::uint64_t>();
    if (length > mask.pixels.size() - at) reader.fail("counts", "the runs exceed height * width");
    for (std::uint64_t i = 0; i < length; ++i, ++at) {
      const std::size_t x = at / static_cast<std::size_t>(height);
      const std::size_t y = at % static_cast<std::size_t>(height);
      mask.pixels[y * static_cast<std::size_t>(width) + x] = value;
    }
    value = value == 0 ? 1 : 0;
  }
  if (at != mask.pixels.size()) reader.fail("counts", "the runs fall short of height * width");
  return encode_rle(mask).counts;
}

Rle parse_rle(const json& value, const std::string& path) {
  JsonReader reader(value, path);
  const auto* size = reader.find("size");
  const auto side = [](const json& side_json) {
    return side_json.is_number_unsigned() && side_json.get<std::uint64_t>() > 0 &&
           side_json.get<std::uint64_t>() <= static_cast<std::uint64_t>(kLargestSide);
  };
  if (size == nullptr) reader.fail("size", "missing; expected [height, width]");
  if (!size->is_array() || size->size() != 2 || !side((*size)[0]) || !side((*size)[1])) {
    reader.fail("size", "expected [height, width], found " + shown(*size));
  }
  Rle rle{(*size)[0].get<int>(), (*size)[1].get<int>(), ""};
  const auto* counts = reader.find("counts");
  reader.reject_misspelt_keys();
  if (counts == nullptr) reader.fail("counts", "missing");
  if (counts->is_array()) {
    rle.counts = packed_runs(reader, *counts, rle.height, rle.width);
  } else {
    rle.counts = reader.required_text("counts");
  }
  return rle;
}

std::vector<std::vector<double>> parse_polygons(const JsonReader& reader, const json& value) {
  if (!value.is_array() || value.empty()) {
    reader.fail("polygons", "expected [[x, y, x, y, ...], ...], found " + shown(value));
  }
  std::vector<std::vector<double>> polygons;
  for (const auto& polygon : value) {
    std::vector<double> numbers;
    const bool list = polygon.is_array();
    for (std::size_t i = 0; list && i < polygon.size() && polygon[i].is_number(); ++i) {
      numbers.push_back(polygon[i].get<double>());
    }
    if (!list || numbers.size() != polygon.size() || numbers.size() < 6 ||
        numbers.size() % 2 != 0) {
      reader.fail("polygons", "expected three or more points x, y, found " + shown(polygon));
    }
    polygons.push_back(std::move(numbers));
  }
  return polygons;
}

std::array<int, 3> parse_colour(const JsonReader& reader, const json& value) {
  std::array<int, 3> colour{};
  bool good = value.size() == 3;
  for (std::size_t i = 0; good && i < 3; ++i) {
    good = value[i].is_number_unsigned() && value[i].get<std::uint64_t>() <= 255;
    if (good) colour[i] = value[i].get<int>();
  }
  if (!good)
    reader.fail("value", "expected [red, green, blue] from 0 to 255, found " + shown(value));
  return colour;
}

MaskSource parse_mask(const json& value, const std::string& path) {
  JsonReader reader(value, path);
  MaskSource mask;
  mask.label = reader.required_text("label");
  mask.kind = reader.text("kind");
  if (reader.find("file") != nullptr) mask.file = reader.required_text("file");
  if (const auto* value_json = reader.find("value"); value_json && value_json->is_array()) {
    mask.colour = parse_colour(reader, *value_json);
  } else if (const auto grey = reader.whole("value", 0, 65535)) {
    mask.value = static_cast<int>(*grey);
  }
  const auto optional_int = [&](const char* key, std::int64_t max) -> std::optional<int> {
    const auto number = reader.whole(key, 0, max);
    return number ? std::optional<int>(static_cast<int>(*number)) : std::nullopt;
  };
  mask.threshold = optional_int("threshold", 65534);
  mask.ignore = optional_int("ignore", 65535);
  mask.page = optional_int("page", 65535);
  if (const auto* rle = reader.find("rle")) mask.rle = parse_rle(*rle, reader.path_of("rle"));
  if (const auto* polygons = reader.find("polygons")) {
    mask.polygons = parse_polygons(reader, *polygons);
  }
  reader.reject_misspelt_keys();
  const int forms = static_cast<int>(!mask.file.empty()) + static_cast<int>(mask.rle.has_value()) +
                    static_cast<int>(!mask.polygons.empty());
  if (forms != 1) {
    throw ManifestError(FaultKind::kMalformedRecord, path,
                        str_cat("expected one of file, rle, polygons, found ", forms));
  }
  if (mask.file.empty()) {
    if (mask.value || mask.colour) reader.fail("value", "needs a file");
    if (mask.threshold) reader.fail("threshold", "needs a file");
    if (mask.ignore) reader.fail("ignore", "needs a file");
    if (mask.page) reader.fail("page", "needs a file");
  }
  if (mask.threshold && (mask.value || mask.colour))
    reader.fail("threshold", "stands beside \"value\"; expected one of them");
  return mask;
}

/// `"masks"` of one answer: an id, or a list of ids that mean their union, for every `[SEG]`.
std::vector<std::vector<std::string>> parse_mask_ids(const JsonReader& reader, const json& value) {
  if (!value.is_array()) reader.fail("masks", "expected a list, found " + shown(value));
  std::vector<std::vector<std::string>> masks;
  for (const auto& item : value) {
    std::vector<std::string> ids;
    const auto entries = item.is_array() ? item : json::array({item});
    for (const auto& id : entries) {
      if (!id.is_string()) reader.fail("masks", "expected mask ids, found " + shown(id));
      ids.push_back(id.get<std::string>());
    }
    if (ids.empty()) reader.fail("masks", "expected mask ids, found []");
    masks.push_back(std::move(ids));
  }
  return masks;
}

void add_question(Record& record, JsonReader& reader) {
  if (!record.turns.empty() && !record.turns.back().has_answer) {
    reader.fail("from", "\"human\" twice in a row; expected \"gpt\"");
  }
  RecordTurn turn;
  turn.question = reader.text("value");
  turn.has_answer = false;
  record.turns.push_back(std::move(turn));
}

void add_answer(Record& record, JsonReader& reader) {
  if (record.turns.empty() || record.turns.back().has_answer) {
    reader.fail("from", "\"gpt\" without a question; expected \"human\"");
  }
  RecordTurn& turn = record.turns.back();
  turn.answer = reader.required_text("value");
  turn.has_answer = true;
  if (const auto* masks = reader.find("masks")) turn.masks = parse_mask_ids(reader, *masks);
  const std::size_t count = count_seg(turn.answer);
  if (count != turn.masks.size()) {
    reader.fail("masks", str_cat("[SEG] count ", count, ", masks ", turn.masks.size()),
                FaultKind::kSegCount);
  }
  for (const auto& ids : turn.masks) {
    for (const auto& id : ids) {
      if (record.masks.contains(id)) continue;
      std::vector<std::string> known;
      for (const auto& [name, mask] : record.masks) known.push_back(name);
      reader.fail("masks",
                  "unknown mask \"" + id + "\"; " +
                      (known.empty() ? "the record has none" : "known are " + join(known, " ")),
                  FaultKind::kUnknownMask);
    }
  }
}

void parse_conversations(Record& record, const json& value) {
  if (!value.is_array() || value.empty()) {
    throw ManifestError(FaultKind::kMalformedRecord, "conversations",
                        "expected a list of turns, found " + shown(value));
  }
  for (std::size_t i = 0; i < value.size(); ++i) {
    JsonReader reader(value[i], str_cat("conversations[", i, "]"));
    const std::string from = reader.required_text("from");
    if (reader.find("value") == nullptr) reader.required_text("value");
    if (from == "human") {
      add_question(record, reader);
    } else if (from == "gpt") {
      add_answer(record, reader);
    } else {
      reader.fail("from", "expected \"human\" or \"gpt\", found \"" + from + "\"");
    }
    reader.find("masks");
    reader.reject_misspelt_keys();
  }
}

}  // namespace

Record parse_record(const std::string& json_line) {
  const json value = parse_json_line(json_line);
  JsonReader reader(value, "");
  Record record;
  record.id = reader.required_text("id");
  record.image = reader.required_text("image");
  record.modality = reader.text("modality");
  record.subject = reader.text("subject");
  record.split = reader.text("split");
  record.split_unit = reader.text("split_unit");
  if (!record.split_unit.empty() && record.split_unit != "slab" && record.split_unit != "subject") {
    reader.fail("split_unit",
                "expected \"subject\" or \"slab\", found \"" + record.split_unit + "\"");
  }
  record.source = reader.text("source");
  record.licence = reader.text("licence");
  record.window = reader.text("window");
  if (!record.window.empty()) {
    try {
      parse_window(record.window);
    } catch (
        const ConfigError& error) {  // of a config it would be wrong usage, here it is bad data
      throw ManifestError(FaultKind::kMalformedRecord, error.where(), error.reason());
    }
  }
  if (const auto* slice = reader.find("slice")) {
    JsonReader inner(*slice, "slice");
    SliceOfVolume chosen;
    const auto axis = inner.whole("axis", 0, 2);
    const auto index = inner.whole("index", 0, kLargestSide);
    chosen.volume = inner.whole("volume", 0, kLargestSide);
    inner.reject_misspelt_keys();
    if (!index) inner.fail("index", "missing");
    chosen.axis = static_cast<int>(axis.value_or(2));
    chosen.index = *index;
    record.slice = chosen;
  }
  if (const auto page = reader.whole("page", 0, 65535)) record.page = static_cast<int>(*page);
  if (const auto* spacing = reader.find("spacing_mm")) {
    record.spacing_mm = parse_spacing(reader, *spacing);
  }
  if (const auto* masks = reader.find("masks")) {
    if (!masks->is_object()) reader.fail("masks", "expected an object, found " + shown(*masks));
    for (const auto& item : masks->items()) {
      record.masks.emplace(item.key(), parse_mask(item.value(), "masks." + item.key()));
    }
  }
  record.absent = reader.texts("absent");
  record.phrasing = reader.text("phrasing");
  if (const auto* review = reader.find("review")) {
    JsonReader inner(*review, "review");
    record.review = Review{inner.text("status"), inner.text("reviewer"), inner.text("note")};
    inner.reject_misspelt_keys();
  }
  const auto* turns = reader.find("conversations");
  reader.reject_misspelt_keys();
  if (turns == nullptr) reader.fail("conversations", "missing");
  parse_conversations(record, *turns);
  return record;
}

}  // namespace medseg
