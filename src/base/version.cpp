#include "medseg/base/version.h"

namespace medseg {

std::string_view version() { return MEDSEG_VERSION; }

}  // namespace medseg
