/// \file
/// The picture of a record with the values that its file holds.
#pragma once

#include <filesystem>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "medseg/dataset/manifest.h"
#include "medseg/volume/volume.h"
#include "one_thread.h"

namespace medseg {

/// What the page must know before it draws.
struct PixelInfo {
  int width = 0, height = 0, channels = 1;
  std::int64_t slices = 1, slice = 0;  ///< of the volume along the record's axis; the record's own
  double low = 0, high = 255;          ///< the window that it is shown in at first
  std::vector<double> spacing_mm;      ///< x, y; empty where unknown
};

/// Opens pictures and keeps the volumes used last. Several threads may call it.
class ReviewPixels {
 public:
  explicit ReviewPixels(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// All three throw DataError.
  PixelInfo info(const Record& record) {
    return reader_.run([&] { return read_info(record); });
  }
  /// float32 by rows, little-endian; RGB pictures as bytes.
  std::string values(const Record& record, std::int64_t slice) {
    return reader_.run([&] { return read_values(record, slice); });
  }
  /// A mask of the record, of its own slice.
  Mask mask(const Record& record, const std::string& id, const PixelInfo& info) {
    return reader_.run([&] { return read_mask(record, id, info); });
  }

 private:
  PixelInfo read_info(const Record& record);
  std::string read_values(const Record& record, std::int64_t slice);
  Mask read_mask(const Record& record, const std::string& id, const PixelInfo& info);
  std::shared_ptr<const Volume> volume(const Record& record);

  std::filesystem::path folder_;
  std::list<std::pair<std::string, std::shared_ptr<const Volume>>> kept_;
  OneThread reader_;
};

}  // namespace medseg
