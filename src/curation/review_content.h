/// \file
/// What a reader makes of a record: JSON of turns and masks.
#pragma once

#include <map>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "medseg/dataset/manifest.h"

namespace medseg {

/// Height and width of a mask from `[height, width]`. \throws DataError.
std::pair<int, int> size_of_mask(const nlohmann::json& size, const std::string& where);

/// The masks of a revision by id, decoded. \throws DataError.
std::map<std::string, Mask> masks_of_content(const nlohmann::json& content);

/// The texts of a revision, turn by turn, in one string: equal where the words are.
std::string words_of_content(const nlohmann::json& content);

}  // namespace medseg
