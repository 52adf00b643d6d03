/// \file
/// The flags of all commands that take an image.
#pragma once

#include <CLI/CLI.hpp>

#include "medseg/generation/open_picture.h"

namespace medseg {

/// --image, --window, --modality, --slice, --axis.
void add_picture_options(CLI::App& command, PictureOptions& options, bool picture_required = true);

/// open_picture, whose notes become lines on stderr.
RecordImage open_named_picture(const PictureOptions& options);

}  // namespace medseg
