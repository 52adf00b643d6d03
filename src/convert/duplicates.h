/// \file
/// One picture in two splits of a source.
#pragma once

#include "medseg/convert/draft.h"

namespace medseg {

/// Leaves out drafts of image files whose pixels stand in another split too; the one that is scored
/// (test, then val) stays. Files that cannot be read are left out as well, by their reason.
void drop_duplicates(Reading& reading);

}  // namespace medseg
