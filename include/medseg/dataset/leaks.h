/// \file
/// What stands in two splits and must not: subjects, volumes, images.
#pragma once

#include <string>
#include <vector>

#include "medseg/dataset/manifest.h"

namespace medseg {

/// What is known of one record; digests are "" where the files cannot be read.
struct LeakEntry {
  const Record* record = nullptr;
  std::string image_digest;   ///< `picture_digest`
  std::string volume_digest;  ///< `volume_digest`; "" for an image file
};

/// One subject, volume or image that stands in two splits.
struct Leak {
  FaultKind kind = FaultKind::kSubjectLeak;
  std::string what;  ///< "subject colin27", "subject P-01 = p1", "picture a.png = b.png"
  std::vector<std::string> splits;
  bool declared = false;          ///< all its records say "split_unit": "slab"
  const Record* first = nullptr;  ///< of its records
};

/// Subjects are compared without case, separators and leading zeros; volumes and images by their
/// pixels, whatever file holds them. An image whose volume leaks, and a volume whose one subject
/// leaks, are not said again.
std::vector<Leak> find_leaks(const std::vector<LeakEntry>& entries);

/// "Patient_007" and "patient-7" are one subject.
std::string subject_key(const std::string& subject);

/// sha256 of size, channels and pixels; a colour image whose channels are equal counts as grey.
std::string picture_digest(const Image& image);

/// The picture's name in counts: its file, and the slice of a scan.
std::string picture_key(const Record& record);

}  // namespace medseg
