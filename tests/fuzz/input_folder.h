/// \file
/// A folder for inputs that a reader wants as files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/temp_folder.h"

namespace medseg {

/// In memory where the machine has a folder for that.
class InputFolder : public TempFolder {
 public:
  InputFolder()
      : TempFolder("fuzz", std::filesystem::exists("/dev/shm")
                               ? std::filesystem::path("/dev/shm")
                               : std::filesystem::temp_directory_path()) {}

  std::filesystem::path write(const std::string& name, const std::uint8_t* data,
                              std::size_t size) const {
    std::ofstream(path() / name, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
    return path() / name;
  }
};

}  // namespace medseg
