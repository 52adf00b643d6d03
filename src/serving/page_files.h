/// \file
/// The files of the web page, from src/serving/page/, as the build put them into the program.
#pragma once

#include <map>
#include <string>

#include "medseg/http/router.h"

namespace medseg {

/// By path: "/", "/page/app.js", …
const std::map<std::string, StaticFile>& serving_page_files();

}  // namespace medseg
