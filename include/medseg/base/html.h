/// \file
/// Text inside an HTML page.
#pragma once

#include <string>
#include <string_view>

namespace medseg {

/// Safe between tags and inside quoted attributes; control characters but for tab and line break
/// are dropped.
std::string html(std::string_view text);

}  // namespace medseg
