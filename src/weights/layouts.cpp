#include "medseg/weights/layouts.h"

#include <algorithm>
#include <functional>
#include <map>

#include <ATen/ATen.h>

#include "formats.h"
#include "layout_names.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

// The text that `*` of the pattern matches in `name`; nothing if the name does not match.
std::optional<std::string> star_of(const std::string& pattern, const std::string& name) {
  const auto star = pattern.find('*');
  if (star == std::string::npos) {
    return name == pattern ? std::optional<std::string>("") : std::nullopt;
  }
  const auto tail = pattern.substr(star + 1);
  const bool fits = name.size() > star + tail.size() && name.starts_with(pattern.substr(0, star)) &&
                    name.ends_with(tail);
  if (!fits) return std::nullopt;
  return name.substr(star, name.size() - star - tail.size());
}

std::optional<std::string> renamed(const std::string& from, const std::string& to,
                                   const std::string& name) {
  const auto kept = star_of(from, name);
  if (!kept) return std::nullopt;
  const auto star = to.find('*');
  if (star == std::string::npos) return to;
  return to.substr(0, star) + *kept + to.substr(star + 1);
}

// Some of the tensors of another file, under other names.
class View : public TensorFileBase {
 public:
  explicit View(std::shared_ptr<const TensorFile> file)
      : TensorFileBase(file->path()), file_(std::move(file)) {
    metadata_ = file_->metadata();
  }

  void show(TensorInfo info, const std::string& as) {
    original_[as] = info.name;
    info.name = as;
    add(std::move(info));
  }

  std::string format() const override { return file_->format(); }
  at::Tensor load(const std::string& name) const override {
    index_of(name);
    return file_->load(original_.at(name));
  }
  const std::filesystem::path& path_of(const std::string& name) const override {
    const auto found = original_.find(name);
    return found == original_.end() ? path_ : file_->path_of(found->second);
  }
  std::vector<std::filesystem::path> files() const override { return file_->files(); }

 private:
  std::shared_ptr<const TensorFile> file_;
  std::map<std::string, std::string> original_;
};

}  // namespace

const Layout& layout_of(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& layout : published_layouts()) {
    if (layout.name == name) return layout;
    known.push_back(layout.name);
  }
  throw ConfigError("unknown layout \"" + name + "\"" + did_you_mean(name, known));
}

std::optional<std::string> our_name(const Layout& layout, const std::string& theirs) {
  for (const auto& rule : layout.rules) {
    if (auto name = renamed(rule.theirs, rule.ours, theirs)) return name;
  }
  return std::nullopt;
}

std::optional<std::string> their_name(const Layout& layout, const std::string& ours) {
  for (const auto& rule : layout.rules) {
    if (auto name = renamed(rule.ours, rule.theirs, ours)) return name;
  }
  return std::nullopt;
}

bool is_skipped(const Layout& layout, const std::string& theirs) {
  return std::any_of(layout.skipped.begin(), layout.skipped.end(), [&](const std::string& pattern) {
    return star_of(pattern, theirs).has_value();
  });
}

RenamedTensors under_our_names(std::shared_ptr<const TensorFile> file, const Layout& layout) {
  RenamedTensors tensors;
  auto view = std::make_shared<View>(file);
  for (const auto& info : file->tensors()) {
    if (is_skipped(layout, info.name)) {
      tensors.skipped.push_back(info.name);
    } else if (const auto name = our_name(layout, info.name)) {
      view->show(info, *name);
    } else {
      tensors.unknown.push_back(info.name);
    }
  }
  tensors.file = std::move(view);
  return tensors;
}

std::shared_ptr<const TensorFile> renamed_tensors(std::shared_ptr<const TensorFile> file,
                                                  const NewName& new_name) {
  auto view = std::make_shared<View>(file);
  for (const auto& info : file->tensors()) {
    if (const auto name = new_name(info.name)) view->show(info, *name);
  }
  return view;
}

std::shared_ptr<const TensorFile> with_second_name(std::shared_ptr<const TensorFile> file,
                                                   const std::string& name,
                                                   const std::string& second) {
  auto view = std::make_shared<View>(file);
  for (const auto& info : file->tensors()) {
    view->show(info, info.name);
    if (info.name == name) view->show(info, second);
  }
  return view;
}

std::shared_ptr<const TensorFile> part_of(std::shared_ptr<const TensorFile> file,
                                          const std::string& prefix) {
  auto view = std::make_shared<View>(file);
  for (const auto& info : file->tensors()) {
    if (info.name.size() > prefix.size() && info.name.starts_with(prefix))
      view->show(info, info.name.substr(prefix.size()));
  }
  return view;
}

}  // namespace medseg
