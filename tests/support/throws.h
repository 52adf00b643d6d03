/// \file
/// A matcher for the errors of base/error.h:
///
///     EXPECT_THAT([&] { read_file("none"); }, ThrowsError<DataError>("none", "cannot open"));
///
/// The class must be exactly the one that is named or derive from it. A failure prints what was
/// thrown, or that nothing was.
#pragma once

#include <string>

#include <gmock/gmock.h>

#include "medseg/base/error.h"

namespace medseg {

/// `where` is the whole of Error::where() or a matcher of it. `reason` is a part of Error::reason()
/// or a matcher of the whole.
template <class AnError>
auto ThrowsError(const ::testing::Matcher<const std::string&>& where,
                 const ::testing::Matcher<const std::string&>& reason) {
  return ::testing::Throws<AnError>(
      ::testing::AllOf(::testing::Property("where", &Error::where, where),
                       ::testing::Property("reason", &Error::reason, reason)));
}
template <class AnError>
auto ThrowsError(const ::testing::Matcher<const std::string&>& where, const char* part_of_reason) {
  return ThrowsError<AnError>(where, ::testing::HasSubstr(std::string(part_of_reason)));
}
template <class AnError>
auto ThrowsError(const ::testing::Matcher<const std::string&>& where,
                 const std::string& part_of_reason) {
  return ThrowsError<AnError>(where, ::testing::HasSubstr(part_of_reason));
}

}  // namespace medseg
