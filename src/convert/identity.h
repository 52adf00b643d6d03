/// \file
/// What could tell who a patient is: names of subjects, texts inside image files, keys of
/// annotations. None of it is printed.
#pragma once

#include <string>
#include <vector>

#include "medseg/convert/draft.h"

namespace medseg {

/// Looks like a person's name ("Doe^Jane", "DOE_JANE"), a date, or a hospital's record number.
bool looks_identifying(const std::string& subject);

/// With `options().pseudonyms` subjects, ids and texts of records get numbers for names.
void pseudonymise(std::vector<Record>& records);

/// The report, one line each; to be called before pseudonymise.
std::vector<std::string> identity_report(const std::vector<Record>& records,
                                         const Reading& reading);

}  // namespace medseg
