// The form of a manifest's text, before any line of it is read.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "manifest_text.h"
#include "medseg/base/str.h"
#include "medseg/dataset/manifest.h"

namespace medseg {
namespace {

using nlohmann::json;

constexpr std::size_t kLargestWhole = 64 << 20;  // bytes of a file that is parsed to be named

bool is_utf16(std::string_view text) {
  if (text.size() < 2) return false;
  const auto first = static_cast<unsigned char>(text[0]);
  const auto second = static_cast<unsigned char>(text[1]);
  const bool marked = (first == 0xff && second == 0xfe) || (first == 0xfe && second == 0xff);
  return marked || (first == '{' && second == 0) || (first == 0 && second == '{');
}

std::string_view without_mark(std::string_view line) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  while (line.starts_with(kMark)) line.remove_prefix(kMark.size());
  return line;
}

/// What other tools' annotation files are, by the keys of the object or of a list's first entry.
std::string foreign_name(const json& value) {
  const json& first = value.is_array() && !value.empty() ? value[0] : value;
  const auto has = [](const json& object, const char* key) {
    return object.is_object() && object.contains(key);
  };
  if (has(value, "images") && has(value, "annotations"))
    return "COCO's annotation file (medseg data convert --from coco)";
  if (has(first, "shapes") && has(first, "text"))
    return "LISA's ReasonSeg annotation (medseg data convert --from reasonseg)";
  if (has(first, "shapes")) return "labelme's annotation (medseg data convert --from labelme)";
  if (value.is_array() && has(first, "conversations") && !has(first, "masks"))
    return "LLaVA's list of conversations (medseg data convert --from llava)";
  if (has(value, "labels") && (has(value, "training") || has(value, "channel_names")))
    return "nnU-Net's or Decathlon's dataset.json (medseg data convert --from nnunet or decathlon)";
  return "";
}

constexpr const char* kExpected = "expected one JSON object a line";

/// Why the file is no JSON Lines; "" where its first line is an object by itself.
std::string other_form(std::string_view text, const std::string& name) {
  const auto start = text.find_first_not_of(" \t\r\n");
  if (start == std::string::npos || text.size() > kLargestWhole) return "";
  const auto line = text.substr(start, text.find('\n', start) - start);
  const bool array = text[start] == '[';
  if (!array && json::accept(line)) {
    const std::string foreign =
        text.find_first_not_of(" \t\r\n", start + line.size()) == std::string::npos
            ? foreign_name(json::parse(line))
            : "";
    return foreign.empty() ? "" : foreign + ", no manifest; " + kExpected;
  }
  const json whole = json::parse(text, nullptr, false);
  if (whole.is_discarded())
    return array ? str_cat("a JSON array, and not a whole one; ", kExpected) : "";
  if (array && (whole.empty() || !whole[0].is_object())) return "";  // not records either
  const std::string foreign = foreign_name(whole);
  if (!foreign.empty()) return foreign + ", no manifest; " + kExpected;
  if (array) {
    return str_cat("a JSON array of ", whole.size(), "; ", kExpected, " (jq -c '.[]' ", name,
                   " writes them)");
  }
  return str_cat("one JSON object over many lines; ", kExpected, " (jq -c . ", name, " writes it)");
}

}  // namespace

ManifestText::ManifestText(const std::filesystem::path& path) : file_(path) {
  const auto bytes = file_.bytes();
  text_ = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  const auto refuse = [&](const std::string& reason) {
    throw ManifestError(FaultKind::kNotJsonLines, path.string(), reason);
  };
  if (is_utf16(text_)) {
    refuse(
        "UTF-16, expected UTF-8 (iconv -f UTF-16 -t UTF-8, or PowerShell's Out-File -Encoding "
        "utf8)");
  }
  const auto reason = other_form(without_mark(text_), path.filename().string());
  if (!reason.empty()) refuse(reason);
}

std::string_view ManifestText::line_at(std::size_t begin) const {
  const auto end = text_.find('\n', begin);
  return without_mark(text_.substr(begin, end == std::string_view::npos ? end : end - begin));
}

std::optional<ManifestText::Line> ManifestText::next() {
  constexpr std::size_t kKept = std::size_t{64} << 20;  // bytes that stay mapped behind the reader
  while (at_ < text_.size()) {
    const std::size_t begin = at_;
    const auto end = text_.find('\n', begin);
    at_ = end == std::string_view::npos ? text_.size() : end + 1;
    ++number_;
    const auto json = line_at(begin);
    if (json.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos) continue;
    if (at_ - released_ > 2 * kKept) {
      file_.release(file_.bytes().subspan(released_, kKept));
      released_ += kKept;
    }
    return Line{number_, begin, json};
  }
  return std::nullopt;
}

std::vector<ManifestLine> manifest_lines(const std::filesystem::path& path) {
  ManifestText text(path);
  std::vector<ManifestLine> lines;
  while (const auto line = text.next()) lines.push_back({line->number, std::string(line->json)});
  return lines;
}

}  // namespace medseg
