#include "name_pattern.h"

#include <algorithm>
#include <cctype>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {

NamePattern::NamePattern(const std::string& where, const std::string& text) {
  const auto add_text = [&](const std::string& piece) {
    if (!piece.empty()) pieces_.push_back({Piece::Kind::kText, piece, false, false});
  };
  std::size_t at = 0;
  while (at < text.size()) {
    const auto next = text.find_first_of("{}*", at);
    add_text(text.substr(at, next - at));
    if (next == std::string::npos) break;
    if (text[next] == '*') {
      pieces_.push_back({Piece::Kind::kStar, "", false, true});
      at = next + 1;
      continue;
    }
    const auto close = text.find('}', next);
    std::string name = close == std::string::npos || text[next] == '}'
                           ? ""
                           : text.substr(next + 1, close - next - 1);
    const bool digits = name.ends_with('#'), may_be_empty = name.ends_with('?');
    if (digits || may_be_empty) name.pop_back();
    if (name.empty() || name.find_first_of("{/") != std::string::npos)
      throw ConfigError(where, "expected fields like {case} in \"" + text + "\"");
    pieces_.push_back({Piece::Kind::kField, name, digits, may_be_empty});
    at = close + 1;
  }
  if (pieces_.empty())
    throw ConfigError(where, "expected a name pattern like \"images/{case}.png\"");
}

bool NamePattern::has_field(const std::string& name) const {
  return std::any_of(pieces_.begin(), pieces_.end(), [&](const Piece& piece) {
    return piece.kind == Piece::Kind::kField && piece.text == name;
  });
}

std::size_t NamePattern::literal_size() const {
  std::size_t size = 0;
  for (const auto& piece : pieces_)
    size += piece.kind == Piece::Kind::kText ? piece.text.size() : 0;
  return size;
}

bool NamePattern::match(const std::string& path,
                        const std::function<bool(const NameFields&)>& accept) const {
  for (std::size_t at = 0; at != std::string::npos && at <= path.size();) {
    NameFields fields;
    if (match_from(0, path, at, fields, accept)) return true;
    at = path.find('/', at);
    if (at != std::string::npos) ++at;
  }
  return false;
}

bool NamePattern::match_from(std::size_t piece, const std::string& path, std::size_t at,
                             NameFields& fields,
                             const std::function<bool(const NameFields&)>& accept) const {
  if (piece == pieces_.size()) return at == path.size() && accept(fields);
  const Piece& now = pieces_[piece];
  if (now.kind == Piece::Kind::kText) {
    return path.compare(at, now.text.size(), now.text) == 0 &&
           match_from(piece + 1, path, at + now.text.size(), fields, accept);
  }
  const auto bound = now.kind == Piece::Kind::kField ? fields.find(now.text) : fields.end();
  if (bound != fields.end()) {
    return path.compare(at, bound->second.size(), bound->second) == 0 &&
           match_from(piece + 1, path, at + bound->second.size(), fields, accept);
  }
  std::size_t longest = at;
  while (longest < path.size() && path[longest] != '/' &&
         (!now.digits || std::isdigit(static_cast<unsigned char>(path[longest])) != 0))
    ++longest;
  const std::size_t shortest = now.may_be_empty ? at : at + 1;
  for (std::size_t end = longest; end + 1 > shortest; --end) {
    if (now.kind == Piece::Kind::kField) fields[now.text] = path.substr(at, end - at);
    if (match_from(piece + 1, path, end, fields, accept)) return true;
    if (end == 0) break;
  }
  if (now.kind == Piece::Kind::kField) fields.erase(now.text);
  return false;
}

std::string split_named(const std::string& word) {
  std::string text;
  for (const char c : word) {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0)
      text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  for (const char* noise : {"images", "labels", "image", "label", "set", "folder", "split"}) {
    const auto at = text.find(noise);
    if (at != std::string::npos && text.size() > std::string(noise).size())
      text.erase(at, std::string(noise).size());
  }
  if (text == "train" || text == "training" || text == "tr") return "train";
  if (text == "val" || text == "valid" || text == "validation" || text == "va" || text == "dev")
    return "val";
  if (text == "test" || text == "testing" || text == "ts") return "test";
  return "";
}

}  // namespace medseg
