/// \file
/// Rows of cells as Markdown, LaTeX, CSV or aligned text. Every cell is escaped for its format.
#pragma once

#include <string>
#include <vector>

#include "medseg/report/table.h"

namespace medseg {

struct TableCell {
  std::string text;
  bool best = false;  ///< of its row: bold in Markdown and LaTeX, a star in text
};
using TableRow = std::vector<TableCell>;

/// The first row is the head; the first column names the rows. \pre all rows have one length.
std::string table_text(const std::vector<TableRow>& rows, TableFormat format);

}  // namespace medseg
