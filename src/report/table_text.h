/// \file
/// Rows of cells as Markdown, LaTeX, CSV or aligned text. Every cell is escaped for its format.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "medseg/report/table.h"

namespace medseg {

struct TableCell {
  std::string text;
  bool best = false;    ///< bold in Markdown and LaTeX, a star in text
  bool within = false;  ///< as good within the interval: italic, underlined, a plus in text
};
using TableRow = std::vector<TableCell>;

/// The first row is the head; the first column names the rows. \pre all rows have one length.
std::string table_text(const std::vector<TableRow>& rows, TableFormat format);

/// Lines of "name: value" above a table; two columns in CSV.
std::string facts_text(const std::vector<std::pair<std::string, std::string>>& facts,
                       TableFormat format);

}  // namespace medseg
