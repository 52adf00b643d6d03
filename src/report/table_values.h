/// \file
/// Numbers of scores as the cells of a table: where they stand, what is better, what is best.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "medseg/report/runs_table.h"

namespace medseg {

using Names = std::vector<std::string>;

/// A metric's name for people; the key itself where it has none.
std::string title_of(const std::string& metric);
bool lower_is_better(const std::string& metric);

/// The value at a path of keys; nullptr where the object lacks it.
const nlohmann::json* value_at(const nlohmann::json& object, const Names& path);
/// An infinity stands as the text "inf".
std::optional<double> number_at(const nlohmann::json& object, const Names& path);
/// "" for nothing.
std::string shown_number(std::optional<double> value);
/// A whole number as it stands; "" for nothing.
std::string shown_count(const nlohmann::json& scores, const std::string& key);

/// A cell of a column.
struct Value {
  std::optional<double> value, low, high;
  RowKind kind = RowKind::kRun;
  bool best = false, within = false;
};

/// Marks runs and references against each other; one alone is not best of anything.
void mark_best(std::vector<Value>& column, bool lower);

}  // namespace medseg
