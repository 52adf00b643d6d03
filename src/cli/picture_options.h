/// \file
/// The flags of all commands that take an image.
#pragma once

#include "command.h"
#include "medseg/generation/open_picture.h"

namespace medseg {

/// --image, --window, --modality, --slice, --axis, --volume.
void add_picture_options(Command& command, PictureOptions& options, bool picture_required = true);

/// The same without --image: how an image is shown.
void add_view_options(Command& command, PictureOptions& options);

/// open_picture, whose notes become lines on stderr.
RecordImage open_named_picture(const PictureOptions& options);

}  // namespace medseg
