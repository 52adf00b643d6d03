/// \file
/// What can be wrong with a manifest and its files, by kind. Each kind has one advice.
#pragma once

#include <string>

#include "medseg/base/choice.h"
#include "medseg/base/error.h"

namespace medseg {

enum class FaultKind {
  // the file
  kUnreadableManifest,
  kNotJsonLines,
  kNoRecords,
  // a line
  kNotJson,
  kDuplicateKey,
  kMalformedRecord,
  kUnknownMask,
  kSegCount,
  kDuplicateId,
  kImagePlaceholder,
  kEmptyQuestion,
  kAbsentWithMask,
  // the files that a line names
  kUnreadableImage,
  kUnreadableMask,
  kMaskSize,
  kEmptyMask,
  // several lines together
  kSubjectLeak,
  kVolumeLeak,
  kImageLeak,
  // warnings
  kSplitName,
  kUnusedMask,
  kUnansweredQuestion,
  kAbsolutePath,
  kSoftMask,
  kIgnoreRegion,
  kFlatImage,
  kSaturatedImage,
  kAssumedWindow,
  kSliceView,
  kTurnedImage,
};

template <>
struct Choice<FaultKind> {
  static constexpr ChoiceNames<FaultKind, 30> names = {
      {{FaultKind::kUnreadableManifest, "unreadable-manifest"},
       {FaultKind::kNotJsonLines, "not-json-lines"},
       {FaultKind::kNoRecords, "no-records"},
       {FaultKind::kNotJson, "not-json"},
       {FaultKind::kDuplicateKey, "duplicate-key"},
       {FaultKind::kMalformedRecord, "malformed-record"},
       {FaultKind::kUnknownMask, "unknown-mask"},
       {FaultKind::kSegCount, "seg-count"},
       {FaultKind::kDuplicateId, "duplicate-id"},
       {FaultKind::kImagePlaceholder, "image-placeholder"},
       {FaultKind::kEmptyQuestion, "empty-question"},
       {FaultKind::kAbsentWithMask, "absent-with-mask"},
       {FaultKind::kUnreadableImage, "unreadable-image"},
       {FaultKind::kUnreadableMask, "unreadable-mask"},
       {FaultKind::kMaskSize, "mask-size"},
       {FaultKind::kEmptyMask, "empty-mask"},
       {FaultKind::kSubjectLeak, "subject-leak"},
       {FaultKind::kVolumeLeak, "volume-leak"},
       {FaultKind::kImageLeak, "image-leak"},
       {FaultKind::kSplitName, "split-name"},
       {FaultKind::kUnusedMask, "unused-mask"},
       {FaultKind::kUnansweredQuestion, "unanswered-question"},
       {FaultKind::kAbsolutePath, "absolute-path"},
       {FaultKind::kSoftMask, "soft-mask"},
       {FaultKind::kIgnoreRegion, "ignore-label"},
       {FaultKind::kFlatImage, "flat-image"},
       {FaultKind::kSaturatedImage, "saturated-image"},
       {FaultKind::kAssumedWindow, "assumed-window"},
       {FaultKind::kSliceView, "slice-view"},
       {FaultKind::kTurnedImage, "turned-image"}}};
};

/// How to mend it, in one sentence.
const char* advice_of(FaultKind kind);

/// A line that is no record, or a file of a record that cannot be used. The place is the key:
/// "masks.m0.label".
class ManifestError : public DataError {
 public:
  ManifestError(FaultKind kind, std::string where, std::string reason)
      : DataError(std::move(where), std::move(reason)), kind_(kind) {}
  FaultKind kind() const noexcept { return kind_; }

 private:
  FaultKind kind_;
};

}  // namespace medseg
