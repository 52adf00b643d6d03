/// \file
/// The flags of all commands that take an image.
#pragma once

#include <CLI/CLI.hpp>

#include "medseg/generation/open_picture.h"

namespace medseg {

/// --image, --window, --slice.
void add_picture_options(CLI::App& command, PictureOptions& options, bool picture_required = true);

}  // namespace medseg
