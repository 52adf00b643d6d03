// The files that a record names, whatever form its paths have.
#include <memory>

#include <utf8proc.h>

#include "medseg/base/str.h"
#include "medseg/dataset/manifest.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

/// Composed (NFC), so that names stored by macOS and by others compare equal; the text itself where
/// it is no UTF-8.
std::string composed(const std::string& name) {
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> text(
      utf8proc_NFC(reinterpret_cast<const utf8proc_uint8_t*>(name.c_str())), &std::free);
  return text ? reinterpret_cast<const char*>(text.get()) : name;
}

std::string small(std::string name) {
  for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

}  // namespace

fs::path file_of(const Manifest& manifest, const fs::path& path) {
  const fs::path full = manifest.folder() / path;
  std::error_code error;
  if (fs::exists(full, error)) return full;
  std::string text = path.string();
  if (text.find('\\') != std::string::npos) {
    std::replace(text.begin(), text.end(), '\\', '/');
    if (text.starts_with("./")) text.erase(0, 2);
    const bool drive = text.size() > 1 && text[1] == ':';
    throw DataError(full.string(), drive ? "a path of another computer (\"" + path.string() +
                                               "\"); write it relative to the manifest"
                                         : "a Windows path; write \"" + text + "\"");
  }
  const std::string name = composed(full.filename().string());
  const auto folder = full.has_parent_path() ? full.parent_path() : fs::path(".");
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string other = composed(entry.path().filename().string());
    if (other == name) return entry.path();
    if (small(other) == small(name))
      throw DataError(full.string(), "no such file; there is \"" + other + "\"");
  }
  return full;  // its reader says what is wrong
}

}  // namespace medseg
