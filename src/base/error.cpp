#include "medseg/base/error.h"

#include "medseg/base/str.h"

namespace medseg {

void check_failed(const char* file, int line, const char* condition, const std::string& message) {
  throw CheckFailed(str_cat(file, ":", line, ": ", message, " (", condition, ")"));
}

}  // namespace medseg
