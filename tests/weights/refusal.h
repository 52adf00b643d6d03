/// \file
/// The error of a tensor file that is refused.
#pragma once

#include <filesystem>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

/// Writes `bytes` to `path`, opens it and loads every tensor. Returns the error without the path,
/// "" if there is none. Checks that the error is one line that begins with the path.
inline std::string refusal(const std::filesystem::path& path, const std::string& bytes) {
  write_file(path, bytes);
  try {
    const auto file = open_tensor_file(path);
    for (const auto& info : file->tensors()) file->load(info.name);
  } catch (const CheckpointError& error) {
    const std::string message = error.what();
    EXPECT_TRUE(message.starts_with(path.string() + ": ")) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message.substr(path.string().size() + 2);
  }
  return "";
}

}  // namespace medseg
