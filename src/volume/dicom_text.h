/// \file
/// Values as DICOM wants them written (PS3.5 6.2).
#pragma once

#include <string>

namespace medseg {

/// Decimal string of at most 16 bytes, as many digits as fit.
std::string dicom_number(double value);

/// ASCII of at most `longest` bytes: other characters and backslashes become "?".
std::string dicom_text(const std::string& text, std::size_t longest);

/// A UID below 2.25 that follows from `seed`: equal content has equal UIDs.
std::string dicom_uid(const std::string& seed);

}  // namespace medseg
