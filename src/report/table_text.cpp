#include "table_text.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr std::size_t kLongestName = 40;  // longer ones are wrapped in a LaTeX table
constexpr std::size_t kLongestWord = 20;  // and broken inside a word, if need be

bool starts_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

// A label of one line: line breaks and other control characters become blanks.
std::string one_line(const std::string& text) {
  std::string line = text;
  for (char& c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
  }
  return line;
}

// The UTF-8 characters of a text; a stray byte stands alone.
std::vector<std::string> characters(const std::string& text) {
  std::vector<std::string> found;
  for (const char c : text) {
    if (found.empty() || starts_character(c)) found.emplace_back();
    found.back() += c;
  }
  return found;
}

std::uint32_t code_point(const std::string& character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first;
  std::uint32_t code = first & (character.size() == 2 ? 0x1fU : character.size() == 3 ? 0xfU : 7U);
  for (std::size_t i = 1; i < character.size(); ++i)
    code = code << 6 | (static_cast<unsigned char>(character[i]) & 0x3fU);
  return code;
}

// Columns of a terminal: East Asian wide characters take two.
std::size_t width_of(const std::string& text) {
  std::size_t width = 0;
  for (const auto& character : characters(text)) {
    const auto code = code_point(character);
    const bool wide = (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) ||
                      (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff) ||
                      (code >= 0xff00 && code <= 0xff60);
    width += wide ? 2 : 1;
  }
  return width;
}

// --- escapes -------------------------------------------------------------------

std::string markdown_escaped(const std::string& text) {
  std::string escaped;
  for (const char c : one_line(text)) {
    if (c == '<') {
      escaped += "&lt;";
      continue;
    }
    if (std::string_view("\\|*`~").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

// Signs of measurements and dashes, which plain fonts have in mathematics alone.
const std::vector<std::pair<std::string_view, std::string_view>> kLatexSigns = {
    {"–", "--"},        {"—", "---"},    {"µ", "$\\mu$"},    {"μ", "$\\mu$"},
    {"°", "$^\\circ$"}, {"±", "$\\pm$"}, {"×", "$\\times$"}, {"²", "$^2$"},
    {"³", "$^3$"},      {"≤", "$\\le$"}, {"≥", "$\\ge$"},    {"·", "$\\cdot$"}};

// pdflatex knows the accented Latin letters by itself, but for those that need T1 fonts.
bool known_to_pdflatex(std::uint32_t code) {
  const bool latin = code >= 0xc0 && code <= 0x17e;
  const bool needs_t1 = code == 0xd0 || code == 0xde || code == 0xf0 || code == 0xfe ||
                        (code >= 0x110 && code <= 0x111) || (code >= 0x126 && code <= 0x127) ||
                        code == 0x104 || code == 0x105 || (code >= 0x118 && code <= 0x119) ||
                        (code >= 0x132 && code <= 0x133) || code == 0x138 ||
                        (code >= 0x13f && code <= 0x140) || (code >= 0x149 && code <= 0x14b) ||
                        (code >= 0x166 && code <= 0x167) || code == 0x172 || code == 0x173 ||
                        code == 0x12e || code == 0x12f;
  return latin && !needs_t1;
}

std::string latex_character(const std::string& character) {
  const auto code = code_point(character);
  switch (code) {
    case '\\':
      return "\\textbackslash{}";
    case '~':
      return "\\textasciitilde{}";
    case '^':
      return "\\textasciicircum{}";
    case '<':
      return "\\textless{}";
    case '>':
      return "\\textgreater{}";
    case '|':
      return "\\textbar{}";
    case '"':
      return "''";
    case '[':
      return "{[}";  // behind a row's "\\" it would open the optional length
    case '*':
      return "{*}";  // and this would be its starred form
    case '-':
      return "{-}";  // no ligature: "--" stays two
    default:
      break;
  }
  if (code < 0x80) {
    return std::string_view(
               "%&_#$"
               "{}")
                       .find(character[0]) == std::string_view::npos
               ? character
               : "\\" + character;
  }
  if (known_to_pdflatex(code)) return character;
  for (const auto& [sign, command] : kLatexSigns) {
    if (character == sign) return std::string(command);
  }
  // XeLaTeX and LuaLaTeX print it if the font has it; pdflatex prints its number.
  static const char* const kHex = "0123456789ABCDEF";
  std::string number;
  for (std::uint32_t left = code; left != 0 || number.size() < 4; left >>= 4)
    number.insert(number.begin(), kHex[left & 0xfU]);
  return "{\\ifdefined\\Uchar " + character + "\\else U+" + number + "\\fi}";
}

std::string latex_escaped(const std::string& text) {
  std::string escaped;
  std::size_t unbroken = 0;  // characters since the last place where a line may end
  for (const auto& character : characters(one_line(text))) {
    escaped += latex_character(character);
    unbroken = character == " " ? 0 : unbroken + 1;
    if (unbroken < kLongestWord) continue;
    escaped += "\\hspace{0pt}";
    unbroken = 0;
  }
  return escaped;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("+-.0123456789eE") == std::string::npos &&
         text.find_first_of("0123456789") != std::string::npos;
}

std::string csv_escaped(const std::string& text) {
  // A spreadsheet runs a cell that begins so as a formula; the quote makes it text.
  const bool formula = !text.empty() && !is_number(text) &&
                       std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos;
  const std::string safe = formula ? "'" + text : text;
  if (safe.find_first_of(",\"\n\r") == std::string::npos) return safe;
  std::string quoted;
  for (const char c : safe) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return "\"" + quoted + "\"";
}

// --- forms ---------------------------------------------------------------------

// Columns of equal width between `bar`s; names to the left, numbers to the right.
std::string aligned(const std::vector<std::vector<std::string>>& rows, const std::string& bar,
                    bool rule) {
  std::vector<std::size_t> widths(rows.front().size(), 3);
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width_of(row[c]));
  }
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line = bar;
    for (std::size_t c = 0; c < widths.size(); ++c) {
      const std::string fill(widths[c] - width_of(rows[r][c]), ' ');
      line += (c == 0 ? rows[r][c] + fill : fill + rows[r][c]) + (bar.empty() ? "  " : " | ");
    }
    text += trim("x" + line).substr(1) + "\n";
    if (r > 0 || !rule) continue;
    for (std::size_t c = 0; c < widths.size(); ++c) {
      text += c == 0 ? "|" + std::string(widths[c] + 2, '-') + "|"
                     : std::string(widths[c] + 1, '-') + ":|";
    }
    text += "\n";
  }
  return text;
}

template <class Print>
std::vector<std::vector<std::string>> printed(const std::vector<TableRow>& rows, Print print) {
  std::vector<std::vector<std::string>> all;
  for (const auto& row : rows) {
    auto& cells = all.emplace_back();
    for (const auto& cell : row) cells.push_back(print(cell));
  }
  return all;
}

std::string csv(const std::vector<TableRow>& rows) {
  std::string text;
  for (const auto& cells : printed(rows, [](const auto& cell) { return csv_escaped(cell.text); }))
    text += join(cells, ",") + "\n";
  return text;
}

std::string latex(const std::vector<TableRow>& rows) {
  const bool wraps = std::any_of(rows.begin(), rows.end(), [](const TableRow& row) {
    return width_of(row.front().text) > kLongestName;
  });
  std::string text = "% needs \\usepackage{booktabs}\n\\begin{tabular}{";
  text += wraps ? "p{0.45\\linewidth}" : "l";
  text += std::string(rows.front().size() - 1, 'r') + "}\n\\toprule\n";
  const auto cells = printed(rows, [](const auto& cell) {
    const std::string escaped = latex_escaped(cell.text);
    if (cell.within) return "\\underline{" + escaped + "}";
    return cell.best ? "\\textbf{" + escaped + "}" : escaped;
  });
  for (std::size_t r = 0; r < cells.size(); ++r)
    text += join(cells[r], " & ") + " \\\\\n" + (r == 0 ? "\\midrule\n" : "");
  return text + "\\bottomrule\n\\end{tabular}\n";
}

}  // namespace

std::string table_text(const std::vector<TableRow>& rows, TableFormat format) {
  switch (format) {
    case TableFormat::kText:
      return aligned(
          printed(rows,
                  [](const auto& cell) {
                    return one_line(cell.text) + (cell.best ? "*" : cell.within ? "+" : "");
                  }),
          "", false);
    case TableFormat::kMarkdown:
      return aligned(printed(rows,
                             [](const auto& cell) {
                               const std::string escaped = markdown_escaped(cell.text);
                               if (cell.within) return "*" + escaped + "*";
                               return cell.best ? "**" + escaped + "**" : escaped;
                             }),
                     "| ", true);
    case TableFormat::kCsv:
      return csv(rows);
    case TableFormat::kLatex:
      return latex(rows);
  }
  return "";
}

std::string facts_text(const std::vector<std::pair<std::string, std::string>>& facts,
                       TableFormat format) {
  std::string text;
  for (const auto& [name, value] : facts) {
    switch (format) {
      case TableFormat::kText:
        text += one_line(name + ": " + value) + "\n";
        break;
      case TableFormat::kMarkdown:
        text += "- " + markdown_escaped(name + ": " + value) + "\n";
        break;
      case TableFormat::kCsv:
        text += csv_escaped(name) + "," + csv_escaped(value) + "\n";
        break;
      case TableFormat::kLatex:
        text += latex_escaped(name + ": " + value) + "\\par\n";
        break;
    }
  }
  return format == TableFormat::kLatex
             ? "\\begin{flushleft}\\footnotesize\n" + text + "\\end{flushleft}\n"
             : text;
}

}  // namespace medseg
