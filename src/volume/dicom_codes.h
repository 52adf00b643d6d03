/// \file
/// SNOMED CT codes of structures that segmentations name (PS3.16, CID 7150 and those below it).
#pragma once

#include <string>

namespace medseg {

struct DicomCode {
  std::string value, meaning;  ///< of the scheme SCT
};

struct StructureCode {
  DicomCode category, type;
  DicomCode side;      ///< left or right, where the name says so; else empty
  bool known = false;  ///< false: "Tissue" stands for a name that the table does not have
};

/// Case, a leading article, a plural s and a side do not matter: "the Left Lungs" is a lung.
StructureCode structure_code(const std::string& name);

}  // namespace medseg
