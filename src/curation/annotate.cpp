#include "medseg/curation/annotate.h"

#include <algorithm>
#include <system_error>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/log.h"
#include "medseg/base/progress.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/base/version.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

/// A file of write_file that was never renamed.
bool left_by_a_kill(const std::string& name) {
  return name.ends_with(".tmp") &&
         (name.starts_with(".manifest.jsonl.") || name.starts_with(".report.json.") ||
          name.starts_with(".set_aside.jsonl."));
}

bool own_file(const std::string& name) {
  return name == "manifest.jsonl" || name == "report.json" || name.starts_with("journal.sqlite") ||
         name == "set_aside.jsonl" || left_by_a_kill(name);
}

void remove_what_a_kill_left(const fs::path& folder) {
  if (!fs::exists(folder)) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (left_by_a_kill(entry.path().filename().string())) fs::remove(entry.path());
  }
}

void say_what_was_assumed(const std::vector<Picture>& pictures, std::int64_t dropped) {
  const auto assumed = std::count_if(pictures.begin(), pictures.end(), [](const auto& picture) {
    return picture.facts.view.assumed;
  });
  if (assumed > 0) {
    log_warning(str_cat(assumed, " of ", pictures.size(),
                        " pictures are no slices of a volume: their left is taken for the "
                        "patient's right"));
  }
  if (dropped > 0) {
    log_warning(str_cat(dropped,
                        " masks are left out: another mask of their label shows the same "
                        "picture"));
  }
}

void note_missing_entries(OpenedSet& opened) {
  for (const auto& picture : opened.pictures) {
    for (const auto& mask : picture.facts.masks) {
      if (opened.vocabulary.find(mask.label) == nullptr) ++opened.set.without_entry()[mask.label];
    }
  }
}

}  // namespace

fs::path prompt_folder(const fs::path& asked) {
  std::vector<fs::path> tried = {asked};
  if (asked.empty()) {
    tried = {"configs/annotate"};
    std::error_code none;
    const fs::path program = fs::read_symlink("/proc/self/exe", none);
    if (!none) {
      tried.push_back(program.parent_path().parent_path() / "configs/annotate");
      tried.push_back(program.parent_path().parent_path() / "share/medseg/configs/annotate");
    }
  }
  for (const auto& folder : tried) {
    if (fs::exists(folder / "vocabulary.json")) return folder;
  }
  std::vector<std::string> names;
  for (const auto& folder : tried) names.push_back(folder.string());
  throw ConfigError("--prompts", "no vocabulary.json in " + join(names, ", "));
}

OpenedSet open_for_annotation(const AnnotateOptions& options) {
  const fs::path folder = prompt_folder(options.prompts);
  refuse_foreign_folder(options.out, own_file);
  remove_what_a_kill_left(options.out);
  Manifest manifest = Manifest::read(options.manifest);
  std::int64_t dropped = 0;
  auto pictures = pictures_of(manifest, &dropped);
  AnnotatedSet set(manifest, options.out);
  OpenedSet opened{std::move(manifest), read_vocabulary(folder / "vocabulary.json"),
                   std::move(pictures), std::move(set)};
  Progress progress("facts of pictures", static_cast<std::int64_t>(opened.pictures.size()));
  fill_pictures(opened.manifest, opened.vocabulary, opened.pictures,
                [&](std::size_t done) { progress.update(static_cast<std::int64_t>(done)); });
  progress.finish();
  say_what_was_assumed(opened.pictures, dropped);
  note_missing_entries(opened);
  opened.set.made_by() = {{"program", str_cat("medseg ", version())},
                          {"source", options.manifest.filename().string()},
                          {"source_sha256", sha256_of_file(options.manifest)},
                          {"vocabulary_version", opened.vocabulary.version},
                          {"vocabulary_sha256", sha256_of_file(folder / "vocabulary.json")}};
  return opened;
}

AnnotatedSet annotate_by_templates(const AnnotateOptions& options,
                                   const TemplateOptions& templates) {
  OpenedSet opened = open_for_annotation(options);
  auto& made_by = opened.set.made_by();
  made_by["stage"] = "templates";
  made_by["seed"] = templates.seed;
  Progress progress("dialogues", static_cast<std::int64_t>(opened.pictures.size()));
  std::int64_t done = 0;
  for (const auto& picture : opened.pictures) {
    stop_if_signalled();
    const auto drafts = template_dialogues(picture, opened.vocabulary, templates, picture.record.id,
                                           opened.set.rejected());
    for (const auto& draft : drafts) opened.set.add(picture, draft);
    if (drafts.empty()) opened.set.add_bare(picture);
    progress.update(++done, str_cat(opened.set.pairs(), " pairs"));
  }
  progress.finish();
  opened.set.write();
  return std::move(opened.set);
}

}  // namespace medseg
