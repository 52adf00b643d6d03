/// \file
/// Pickles of plain data (lists, tuples, dicts with text keys, texts, numbers, none), protocols 0
/// to 4, as JSON. Nothing in them is executed: an opcode that would import or call is refused.
#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

namespace medseg {

/// \throws DataError naming the file: another opcode, cut short, nested deeper than 64, a value
/// that holds itself, or more than 2^23 values.
nlohmann::json read_plain_pickle(const std::filesystem::path& path);

}  // namespace medseg
