/// \file
/// Head and end that the HTML pages share: a policy that forbids scripts and requests, and the
/// style for both colour schemes.
#pragma once

#include <string>

namespace medseg {

/// Up to and with <h1>. `title` is plain text, `more_style` CSS of the page's own.
std::string page_head(const std::string& title, const std::string& more_style);
/// When it was written, and the closing tags.
std::string page_end();

}  // namespace medseg
