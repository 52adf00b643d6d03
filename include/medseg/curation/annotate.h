/// \file
/// `data annotate`: from scans and masks to dialogues.
#pragma once

#include <filesystem>

#include "medseg/curation/annotated_set.h"
#include "medseg/curation/templates.h"

namespace medseg {

struct AnnotateOptions {
  std::filesystem::path manifest;
  std::filesystem::path out;      ///< manifest.jsonl, report.json; an endpoint's journal.sqlite
  std::filesystem::path prompts;  ///< folder of the vocabulary and of the stages' prompts
};

/// The folder `asked`; if empty, `configs/annotate` of the working folder, of the program's source
/// tree or of its installation. \throws ConfigError naming the folders that were tried.
std::filesystem::path prompt_folder(const std::filesystem::path& asked);

/// The pictures of a manifest with facts, and the set that their dialogues go into.
struct OpenedSet {
  Manifest manifest;
  Vocabulary vocabulary;
  std::vector<Picture> pictures;
  AnnotatedSet set;
};
/// Shows progress and says what was assumed. \throws DataError, ConfigError; also where `out` holds
/// other files.
OpenedSet open_for_annotation(const AnnotateOptions& options);

/// Without a language model. The same options write the same bytes.
AnnotatedSet annotate_by_templates(const AnnotateOptions& options,
                                   const TemplateOptions& templates);

}  // namespace medseg
