#include "dicom_colour.h"

#include <algorithm>
#include <cmath>

#include "dicom_tags.h"
#include "medseg/base/error.h"
#include "medseg/volume/dicom.h"
#include "readers.h"

namespace medseg {

DicomColours::DicomColours(const DicomFile& file, const DicomPixelFormat& format) {
  const auto& photometric = format.photometric;
  if (photometric == "PALETTE COLOR" && format.samples == 1) {
    kind_ = Kind::kPalette;
    if (file.data().has(kSegmentedPalette))
      file.fail("a DICOM palette in segments, which is not read; convert it to RGB");
    for (std::size_t c = 0; c < 3; ++c) {
      palette_[c] =
          dicom_lut(file, file.data(), kPaletteDescriptor[c], kPaletteData[c], format.is_signed);
    }
    // Some writers state 16 bits and store 8.
    std::uint16_t greatest = 0;
    for (const auto& lut : palette_)
      greatest = std::max(greatest, *std::max_element(lut.table.begin(), lut.table.end()));
    to_8_bit_ = palette_[0].bits > 8 && greatest > 255 ? 1.0 / 256 : 1;
    return;
  }
  if (format.samples == 1) {
    if (photometric != "MONOCHROME1" && photometric != "MONOCHROME2" && !photometric.empty())
      file.fail("DICOM of the photometric interpretation \"" + photometric +
                "\" with one sample a pixel");
    return;
  }
  to_8_bit_ = 255 / std::max(1.0, std::ldexp(1.0, format.stored) - 1);
  if (photometric == "RGB") {
    kind_ = Kind::kRgb;
  } else if (photometric == "YBR_FULL" || photometric == "YBR_FULL_422") {
    kind_ = Kind::kYbr;
  } else {
    file.fail("DICOM of the photometric interpretation \"" + photometric +
              "\"; known are MONOCHROME1, MONOCHROME2, PALETTE COLOR, RGB, YBR_FULL, "
              "YBR_FULL_422");
  }
}

std::array<std::uint8_t, 3> DicomColours::rgb(const std::vector<double>& samples,
                                              std::size_t at) const {
  std::array<double, 3> colour{};
  for (std::size_t c = 0; c < 3; ++c) {
    colour[c] = kind_ == Kind::kPalette ? std::floor(palette_[c].at(samples[at]) * to_8_bit_)
                                        : samples[3 * at + c] * to_8_bit_;
  }
  if (kind_ == Kind::kYbr) {  // PS3.3 C.7.6.3.1.2
    const double y = colour[0], b = colour[1] - 128, r = colour[2] - 128;
    colour = {y + 1.402 * r, y - 0.114 * 1.772 / 0.587 * b - 0.299 * 1.402 / 0.587 * r,
              y + 1.772 * b};
  }
  std::array<std::uint8_t, 3> out{};
  for (std::size_t c = 0; c < 3; ++c)
    out[c] = static_cast<std::uint8_t>(std::lround(std::clamp(colour[c], 0.0, 255.0)));
  return out;
}

float DicomColours::grey(const std::vector<double>& samples, std::size_t at) const {
  const auto c = rgb(samples, at);
  return static_cast<float>(std::lround(0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2]));
}

std::optional<Image> read_dicom_colour(const std::filesystem::path& path, std::int64_t frame) {
  const DicomFile file(path);
  if (!file.has_pixels()) file.fail("a DICOM file without an image");
  const DicomSamples samples(file);
  const auto& format = samples.format();
  const DicomColours colours(file, format);
  if (!colours.coloured()) return std::nullopt;
  if (frame < 0 || frame >= format.frames)
    file.fail("frame " + std::to_string(frame) + " is out of range: it has " +
              std::to_string(format.frames));
  std::vector<double> read;
  samples.read(static_cast<int>(frame), read);
  Image image{format.columns, format.rows, 3, {}};
  image.pixels.reserve(format.pixels() * 3);
  for (std::size_t i = 0; i < format.pixels(); ++i) {
    const auto colour = colours.rgb(read, i);
    image.pixels.insert(image.pixels.end(), colour.begin(), colour.end());
  }
  return image;
}

}  // namespace medseg
