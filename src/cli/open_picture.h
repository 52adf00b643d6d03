/// \file
/// The picture that a user names on the command line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "medseg/image/image.h"

namespace medseg {

struct PictureOptions {
  std::filesystem::path file;
  std::string window;
  std::optional<std::int64_t> slice;
};

/// --image, --window, --slice.
void add_picture_options(CLI::App& command, PictureOptions& options, bool picture_required = true);

/// 8 bits, as the manifest's reader would make it: a 16-bit picture or a slice of a scan through its window.
/// \throws DataError naming the file; ConfigError on an unknown window, or a scan without --slice.
Image open_picture(const PictureOptions& options);

}  // namespace medseg
