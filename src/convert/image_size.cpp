#include "image_size.h"

#include "medseg/image/codec.h"

namespace medseg {

std::pair<int, int> image_size(const std::filesystem::path& path) {
  const auto file = read_image_file(path);
  return std::visit([](const auto& image) { return std::pair(image.width, image.height); },
                    file.pixels);
}

}  // namespace medseg
