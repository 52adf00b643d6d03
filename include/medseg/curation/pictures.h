/// \file
/// The pictures of a manifest: records that show the same pixels are one picture with the masks of
/// all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "medseg/curation/facts.h"
#include "medseg/curation/vocabulary.h"
#include "medseg/dataset/manifest.h"

namespace medseg {

struct Picture {
  /// Of the first record that shows it, without turns; masks of all records under ids m0, m1, …;
  /// `absent` of all.
  Record record;
  PictureFacts facts;            ///< filled by read_facts
  std::set<std::string> absent;  ///< labels that a question may deny; filled by find_absent
  std::string region;            ///< of its structures in the vocabulary; "" where unknown or mixed
};

/// In the order in which the manifest shows them first. Two sources of one label are kept apart
/// only where they differ; the second is then left out and counted in `dropped`.
std::vector<Picture> pictures_of(const Manifest& manifest, std::int64_t* dropped = nullptr);

/// What a record's picture tells of the patient's sides: a slice of a volume as volume.h draws it,
/// any other picture of CT, MR, PET or radiography as a radiologist hangs it (assumed).
View view_of(const Record& record);

/// Opens the image and all masks of one picture. \throws DataError "manifest:line: …".
PictureFacts read_facts(const Manifest& manifest, const Picture& picture);

/// Reads the facts of all, ranks sizes within each label, finds regions and what may be denied. A
/// label may be denied where the record lists it as absent; where its mask was given and is empty,
/// here and three slices to both sides; or where it belongs to a region that no picture shows
/// together with this one's (vocabulary). `on_picture` is told the number that is done.
void fill_pictures(const Manifest& manifest, const Vocabulary& vocabulary,
                   std::vector<Picture>& pictures,
                   const std::function<void(std::size_t)>& on_picture = {});

}  // namespace medseg
