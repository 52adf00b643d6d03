/// \file
/// Value ranges that an image is shown in: by name, by source, or found from the values.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "medseg/image/image.h"

namespace medseg {

struct Volume;

/// Value range shown as 0…255.
struct Window {
  std::string name;  ///< "ct-bone", "ct-lung", "mr-percentile", …; stored in manifests and bundles
  double low = 0;
  double high = 255;
};

/// Fixed windows by name: ct-bone, ct-lung, ct-soft, ct-brain, and those of other projects under
/// their names (medsam-ct-lung, biomedparse-ct-lung, …). \throws ConfigError listing the known.
Window named_window(const std::string& name);
std::vector<std::string> window_names();

/// The three windows that MedGemma shows a CT in, as red, green and blue.
std::array<Window, 3> medgemma_ct_windows();

/// "ct-bone" (a named window), or any name with its bounds: "mr-percentile(12, 1480.5)".
/// \throws ConfigError on an unknown name without bounds, or bounds that are not low < high.
Window parse_window(const std::string& text);
std::string window_text(const Window& window);  ///< with bounds; parse_window gives the same back

/// From the two percentiles (0…100) of the finite voxels above zero, linear between ranks as numpy.
Window percentile_window(const Volume& volume, double low_percent, double high_percent);

/// The same over the finite voxels of the body: those above zero; in a volume with negative values
/// all but the one value that fills its background, where one voxel in five or more has it.
Window body_percentile_window(const Volume& volume, double low_percent, double high_percent);

/// A window that was chosen for an image, and what a user should know of the choice.
struct ChosenWindow {
  Window window;
  std::vector<std::string> notes;  ///< one line each; empty where the choice was asked for
  bool assumed = false;            ///< nobody named it
};

/// `asked` is the record's or the command's window, "" for none. Without one: the file's own
/// (DICOM), `ct-soft` for a CT in Hounsfield units, percentiles of the body for everything else.
ChosenWindow choose_window(const Volume& volume, const std::string& modality,
                           const std::string& asked);

/// Of a 16-bit image: its own range without a window.
ChosenWindow choose_window(const Image16& image, const std::string& modality,
                           const std::string& asked);

/// A 16-bit image through a window: round(255 * clamp((v - low) / (high - low))).
Image through_window(const Image16& picture, const Window& window);

/// How much of an image is at the ends of its range.
struct GreyUse {
  int levels = 0;    ///< different grey values
  double black = 0;  ///< share of pixels that are 0
  double white = 0;  ///< share that are 255
};
GreyUse grey_use(const Image& image);

}  // namespace medseg
