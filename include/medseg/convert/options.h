/// \file
/// What a user can say about a conversion.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace medseg {

/// Samples of a mask or label file that are one structure.
struct LabelValues {
  std::vector<int> values;  ///< several mean their union; empty: every sample but 0
  std::string label;
};

/// "1=liver,2=tumour,1+2=liver with tumour". \throws ConfigError at `where`.
std::vector<LabelValues> parse_labels(const std::string& where, const std::string& text);

struct ConvertOptions {
  std::string format;
  std::vector<std::filesystem::path> sources;  ///< folders or annotation files
  std::filesystem::path out;
  // of `pairs`
  std::string images, masks;        ///< name patterns (name_pattern.h)
  std::vector<LabelValues> labels;  ///< of label files, or one name for all
  // of every source
  std::string modality;  ///< "" is the format's own, or what the source says
  std::string source, licence;
  std::uint64_t seed = 0;                          ///< of splits, questions and subsets
  std::array<double, 3> shares = {0.7, 0.1, 0.2};  ///< of subjects: train, val, test
  std::int64_t limit = 0;   ///< most pictures, a subset stratified by split and structure; 0: all
  bool copy = false;        ///< images and masks into `out`, else they stay where they are
  bool pseudonyms = false;  ///< subjects, ids and copied files get numbers for names
  // of sources without questions
  double absent = 0.25;        ///< questions about absent structures, for each about a present one
  std::int64_t min_area = 30;  ///< pixels; smaller structures are neither asked for nor denied
  std::int64_t turns = 3;      ///< most of one record
  // of volumes
  int axis = 2;
  std::int64_t every = 1;  ///< n-th slice
  std::string channel;     ///< of sets with several images a case; "" is all
};

}  // namespace medseg
