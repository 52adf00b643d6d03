#include "stated_licence.h"

#include <algorithm>
#include <sstream>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kLongestText = 1 << 20;  // bytes; a larger LICENSE is something else
constexpr std::size_t kLongestLine = 160;

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r\n\"'");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n\"'") - first + 1);
}

std::string text_of(const fs::path& file) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored) || fs::file_size(file, ignored) > kLongestText) return "";
  return raised_as<CheckpointError>([&] { return read_file(file); });
}

/// `key: value` lines between the two "---" that a model card begins with. A list of values, one a
/// line, is joined.
std::string front_matter(const std::string& card, const std::string& key) {
  std::istringstream lines(card);
  std::string line, value;
  if (!std::getline(lines, line) || trimmed(line) != "---") return "";
  bool inside = false;
  while (std::getline(lines, line) && trimmed(line) != "---") {
    if (inside && trimmed(line).starts_with("- ")) {
      value += (value.empty() ? "" : ", ") + trimmed(trimmed(line).substr(2));
      continue;
    }
    inside = line.starts_with(key + ":");
    if (inside) value = trimmed(line.substr(key.size() + 1));
  }
  return value;
}

std::string metadata_text(const TensorFile* file, const std::string& key) {
  if (file == nullptr) return "";
  const auto found = file->metadata().find(key);
  if (found == file->metadata().end()) return "";
  const auto* text = std::get_if<std::string>(&found->second);
  return text == nullptr ? "" : *text;
}

/// "other" says only that the name stands elsewhere.
std::string terms_of(const std::string& licence, const std::string& name) {
  if (name.empty() || name == licence) return licence;
  return licence.empty() || licence == "other" ? name : licence + " (" + name + ")";
}

std::string first_line(const std::string& text) {
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    if (!trimmed(line).empty()) return trimmed(line).substr(0, kLongestLine);
  }
  return "";
}

void read_folder(const fs::path& folder, PartLicence& licence) {
  const auto card = text_of(folder / "README.md");
  licence.terms = terms_of(front_matter(card, "license"), front_matter(card, "license_name"));
  licence.link = front_matter(card, "license_link");
  if (!licence.terms.empty()) licence.stated_in = "README.md";
  for (const char* name : {"LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING"}) {
    licence.text = text_of(folder / name);
    if (licence.text.empty()) continue;
    if (licence.terms.empty()) {
      licence.terms = first_line(licence.text);
      licence.stated_in = name;
    }
    return;
  }
}

std::vector<PartLicence> exported(const fs::path& file) {
  const auto json =
      raised_as<CheckpointError>([&] { return parse_json(read_file(file), file.string()); });
  if (!json.is_array()) throw CheckpointError(file.string(), "expected a list");
  std::vector<PartLicence> licences;
  for (const auto& entry : json) {
    PartLicence licence;
    raised_as<CheckpointError>(file.string(), [&] { read_options(entry, licence); });
    licences.push_back(std::move(licence));
  }
  return licences;
}

}  // namespace

std::vector<PartLicence> stated_licences(const std::string& part, const fs::path& path,
                                         const TensorFile* file) {
  const bool is_folder = fs::is_directory(path);
  const auto folder = is_folder ? path : path.parent_path();
  const bool is_model = is_folder || fs::exists(folder / "config.json");
  if (is_model && fs::exists(folder / kLicencesFile)) return exported(folder / kLicencesFile);
  PartLicence licence;
  licence.part = part;
  licence.source = fs::absolute(path).lexically_normal().filename().string();
  if (licence.source.empty())
    licence.source = fs::absolute(path).lexically_normal().parent_path().filename().string();
  const auto prefix = std::string("general.license");
  licence.terms = terms_of(metadata_text(file, prefix), metadata_text(file, prefix + ".name"));
  licence.link = metadata_text(file, prefix + ".link");
  if (!licence.terms.empty()) {
    licence.stated_in = prefix;
  } else if (is_model) {
    read_folder(folder, licence);
  }
  if (licence.terms.empty()) return {};
  return {licence};
}

void export_licences(const fs::path& folder, const std::vector<PartLicence>& licences) {
  if (licences.empty()) return;
  auto list = nlohmann::json::array();
  std::string table;
  const auto strictest = std::min_element(
      licences.begin(), licences.end(),
      [](const auto& a, const auto& b) { return kind_of_terms(a.terms) < kind_of_terms(b.terms); });
  for (const auto& licence : licences) {
    list.push_back(write_options(licence));
    table += str_cat("| ", licence.part, " | ", licence.source, " | ", licence.terms, " | ",
                     licence.link, " |\n");
    if (!licence.text.empty()) write_file(folder / ("LICENSE-" + licence.part), licence.text);
  }
  write_file(folder / kLicencesFile, list.dump(2) + "\n");
  // One licence for all is what a model card can state: the strictest, the others in the table.
  write_file(folder / "README.md",
             str_cat("---\nlicense: other\nlicense_name: ", nlohmann::json(strictest->terms).dump(),
                     "\n", strictest->link.empty() ? "" : "license_link: " + strictest->link + "\n",
                     "---\n\nTerms of the parts, as their sources state them:\n\n"
                     "| part | source | terms | link |\n| --- | --- | --- | --- |\n",
                     table));
}

}  // namespace medseg
