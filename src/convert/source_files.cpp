#include "source_files.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr int kDeepest = 32;  // folders

std::string lower(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

class Lister {
 public:
  Lister(fs::path root, const fs::path& left_out) : root_(std::move(root)) {
    std::error_code error;
    if (!left_out.empty()) left_out_ = fs::weakly_canonical(left_out, error);
  }

  std::vector<std::string> list() {
    enter(root_, "", 0);
    std::sort(names_.begin(), names_.end());
    return std::move(names_);
  }

 private:
  void enter(const fs::path& folder, const std::string& prefix, int depth) {
    std::error_code error;
    const fs::path real = fs::canonical(folder, error);
    if (error || depth > kDeepest || real == left_out_ || !seen_.insert(real).second) return;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with('.')) continue;  // also of macOS archives: "._image.png"
      std::error_code ignored;
      if (entry.is_directory(ignored)) {
        enter(entry.path(), prefix + name + "/", depth + 1);
      } else if (entry.is_regular_file(ignored)) {
        names_.push_back(prefix + name);
      }
    }
  }

  fs::path root_, left_out_;
  std::set<fs::path> seen_;
  std::vector<std::string> names_;
};

std::string file_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

}  // namespace

SourceFiles::SourceFiles(const fs::path& root, const fs::path& left_out) {
  std::error_code error;
  if (!fs::exists(root, error)) throw DataError(root.string(), "no such file or folder");
  root_ = fs::absolute(root).lexically_normal();
  if (!fs::is_directory(root_)) root_ = root_.parent_path();
  if (!root_.has_filename()) root_ = root_.parent_path();  // "folder/"
  names_ = Lister(root_, left_out).list();
  for (std::size_t i = 0; i < names_.size(); ++i) by_file_name_[file_name(names_[i])].push_back(i);
}

std::vector<std::string> SourceFiles::names_ending(const std::string& ending) const {
  std::vector<std::string> found;
  for (const auto& name : names_) {
    if (lower(name).ends_with(ending)) found.push_back(name);
  }
  return found;
}

fs::path SourceFiles::find(const std::string& name, const std::string& near,
                           const std::string& where) const {
  const std::string inner = inner_name(name, where);
  const std::string folder = near.empty() || near.ends_with('/') ? near : near + "/";
  for (const auto& candidate :
       {folder + inner, inner, folder + "images/" + inner, "images/" + inner}) {
    if (std::binary_search(names_.begin(), names_.end(), candidate)) return root_ / candidate;
  }
  std::vector<std::string> others;
  const auto same = by_file_name_.find(file_name(inner));
  if (same != by_file_name_.end()) {
    for (const auto i : same->second) {
      if (names_[i].ends_with("/" + inner)) others.push_back(names_[i]);
    }
  }
  if (others.empty()) {
    throw DataError(where, "no file \"" + inner + "\" below " + root_.string());
  }
  if (others.size() > 1) {
    throw DataError(where, "\"" + inner + "\" may be any of " + join_first(others, 3));
  }
  return root_ / others.front();
}

std::string inner_name(const std::string& name, const std::string& where) {
  std::string text = name;
  std::replace(text.begin(), text.end(), '\\', '/');
  const bool drive = text.size() > 1 && text[1] == ':';
  if (text.empty() || text.find('\0') != std::string::npos)
    throw DataError(where, "expected the name of a file, found \"\"");
  if (text.starts_with('/') || drive)
    throw DataError(where, "\"" + name + "\" is no path below the source");
  const std::string inner = fs::path(text).lexically_normal().generic_string();
  if (inner == ".." || inner.starts_with("../") || inner == ".")
    throw DataError(where, "\"" + name + "\" leaves the source's folder");
  return inner;
}

std::string stem_of(const std::string& name) {
  std::string stem = file_name(name);
  if (lower(stem).ends_with(".gz")) stem.erase(stem.size() - 3);
  const auto dot = stem.rfind('.');
  return dot == std::string::npos || dot == 0 ? stem : stem.substr(0, dot);
}

bool ends_with_any(const std::string& name, const std::vector<std::string>& endings) {
  const std::string small = lower(name);
  return std::any_of(endings.begin(), endings.end(),
                     [&](const std::string& ending) { return small.ends_with(ending); });
}

bool is_picture_name(const std::string& name) {
  return ends_with_any(name, {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"});
}

}  // namespace medseg
