/// \file
/// Text and images inside an HTML page.
#pragma once

#include <string>
#include <string_view>

namespace medseg {

/// Safe between tags and inside quoted attributes; control characters but for tab and line break
/// are dropped.
std::string html(std::string_view text);

std::string base64(std::string_view bytes);

}  // namespace medseg
