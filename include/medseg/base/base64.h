/// \file
/// Base64 (RFC 4648): bytes inside JSON and HTML.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace medseg {

std::string base64(std::string_view bytes);
/// Line breaks are skipped; nothing where a character does not belong.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace medseg
