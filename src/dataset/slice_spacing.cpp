#include "medseg/dataset/slice_spacing.h"

#include "medseg/base/str.h"
#include "volume_cache.h"

namespace medseg {

std::optional<double> slice_step_mm(const Manifest& manifest, const Record& record) {
  if (!record.slice) return std::nullopt;
  return raised_as<DataError>(
      str_cat(manifest.path().string(), ":", record.line), [&]() -> std::optional<double> {
        const auto path = file_of(manifest, record.image);
        if (!volume_format(path)) return std::nullopt;
        const auto spacing = cached_volume(path, record.slice->volume)->turned.spacing_mm();
        return spacing[static_cast<std::size_t>(record.slice->axis)];
      });
}

}  // namespace medseg
