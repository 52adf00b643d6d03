/// \file
/// `post_processor` of a tokenizer.json: the special tokens that the default call adds to a text.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace medseg {

/// "" where none is added.
struct SpecialFrame {
  std::string front = {};
  std::string back = {};
};

/// \throws CheckpointError on an unknown type or more than one token on a side.
SpecialFrame special_frame(const nlohmann::json& processor, const std::string& where);

}  // namespace medseg
