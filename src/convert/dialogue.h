/// \file
/// Turns of sources that bring their own words.
#pragma once

#include <string>
#include <vector>

#include "foreign_json.h"
#include "medseg/convert/draft.h"

namespace medseg {

/// Adds a turn; the first gets `<image>` in front if it has none, later ones lose it.
void add_turn(Record& record, std::string question, std::string answer,
              std::vector<std::vector<std::string>> masks = {});

/// Questions and answers of LLaVA's "conversations" in order: "human" (or "user") and "gpt" (or
/// "assistant") in turn. \throws DataError naming the entry.
std::vector<std::pair<JsonItem, JsonItem>> question_pairs(const JsonItem& conversations);

/// `text` with every `from` as `to`.
std::string replaced(std::string text, const std::string& from, const std::string& to);

/// White space in runs and at the ends becomes one blank and none.
std::string tidy(const std::string& text);

/// The record's id for an annotation that has none: "file-17".
std::string numbered_id(const std::string& file, std::size_t number);

}  // namespace medseg
