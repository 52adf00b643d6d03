#include "examine_record.h"

#include <algorithm>

#include "medseg/base/str.h"
#include "medseg/text/conversation.h"

namespace medseg {
namespace {

void examine_question(const Record& record, std::size_t i, RecordFindings& findings) {
  const std::string placeholder = kImagePlace;
  std::string question = record.turns[i].question;
  const auto at = question.find(placeholder);
  if (i == 0 && at == std::string::npos) {
    findings.fault(record.line, FaultKind::kImagePlaceholder,
                   "<image> is missing from the first question");
  }
  if (i > 0 && at != std::string::npos) {
    findings.fault(record.line, FaultKind::kImagePlaceholder,
                   str_cat("<image> stands in question ", i + 1));
  }
  if (at != std::string::npos) question.erase(at, placeholder.size());
  if (question.find(placeholder) != std::string::npos) {
    findings.fault(record.line, FaultKind::kImagePlaceholder,
                   str_cat("<image> stands twice in question ", i + 1));
  }
  if (record.turns[i].answer.find(placeholder) != std::string::npos) {
    findings.fault(record.line, FaultKind::kImagePlaceholder,
                   str_cat("<image> stands in answer ", i + 1));
  }
  if (trim(question).empty()) {
    findings.fault(record.line, FaultKind::kEmptyQuestion,
                   str_cat("question ", i + 1, " is empty"));
  }
  if (!record.turns[i].has_answer) {
    findings.warn(record.line, FaultKind::kUnansweredQuestion,
                  str_cat("question ", i + 1, " has no answer"));
  }
}

void examine_split(const Record& record, RecordFindings& findings) {
  static const std::vector<std::string> known = {"train", "val", "test"};
  if (record.split.empty()) return;
  if (std::find(known.begin(), known.end(), record.split) != known.end()) return;
  findings.warn_once(record.line, FaultKind::kSplitName, record.split,
                     "split \"" + record.split + "\" is none of train, val and test");
}

void examine_paths(const Record& record, RecordFindings& findings) {
  const auto look = [&](const std::filesystem::path& path, const char* key) {
    if (!path.is_absolute()) return;  // those of another system cannot be read: a fault
    findings.warn_once(record.line, FaultKind::kAbsolutePath, key,
                       str_cat(key, ": \"", path.string(), "\" is an absolute path"));
  };
  look(record.image, "image");
  for (const auto& [id, mask] : record.masks) look(mask.file, "masks");
}

}  // namespace

bool is_asked(const Record& record, const std::string& id) {
  for (const auto& turn : record.turns) {
    for (const auto& ids : turn.masks) {
      if (std::find(ids.begin(), ids.end(), id) != ids.end()) return true;
    }
  }
  return false;
}

void examine_text(const Record& record, RecordFindings& findings) {
  for (std::size_t i = 0; i < record.turns.size(); ++i) examine_question(record, i, findings);
  for (const auto& label : record.absent) {
    for (const auto& [id, mask] : record.masks) {
      if (mask.label != label) continue;
      findings.fault(record.line, FaultKind::kAbsentWithMask,
                     "\"" + label + "\" is absent and has the mask \"" + id + "\"");
    }
  }
  for (const auto& [id, mask] : record.masks) {
    if (!is_asked(record, id))
      findings.warn(record.line, FaultKind::kUnusedMask, "masks." + id + ": no [SEG] asks for it");
  }
  examine_split(record, findings);
  examine_paths(record, findings);
}

}  // namespace medseg
