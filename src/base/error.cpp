#include "medseg/base/error.h"

#include "medseg/base/str.h"

namespace medseg {

Error::Error(int exit_code, std::string where, std::string reason)
    : exit_code_(exit_code), where_(std::move(where)), reason_(std::move(reason)) {
  compose();
}

void Error::add_place(const std::string& outer) {
  if (outer.empty()) return;
  where_ = where_.empty() ? outer : str_cat(outer, ": ", where_);
  compose();
}

void Error::compose() { message_ = where_.empty() ? reason_ : str_cat(where_, ": ", reason_); }

void check_failed(const char* file, int line, const char* condition, const std::string& message) {
  throw CheckFailed(str_cat(file, ":", line, ": ", message, " (", condition, ")"));
}

}  // namespace medseg
