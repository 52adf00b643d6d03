#include "bpe_model.h"

#include <algorithm>
#include <array>
#include <queue>

#include "json_field.h"
#include "medseg/base/str.h"
#include "unicode.h"

namespace medseg {
namespace {

std::string byte_token(unsigned char byte) {
  constexpr const char* digits = "0123456789ABCDEF";
  return str_cat("<0x", digits[byte >> 4], digits[byte & 15], ">");
}

std::vector<std::string> read_vocabulary(const nlohmann::json& json, const std::string& where) {
  const auto vocab = json.find("vocab");
  if (vocab == json.end() || !vocab->is_object()) {
    throw CheckpointError(where + ".vocab", "expected an object of tokens and ids");
  }
  std::vector<std::string> tokens;
  // Ids may have gaps, but one very large id must not decide how much memory is allocated.
  const auto largest_id = 4 * static_cast<std::int64_t>(vocab->size()) + 65536;
  for (auto it = vocab->begin(); it != vocab->end(); ++it) {
    if (!it->is_number_integer() || it->get<std::int64_t>() < 0 ||
        it->get<std::int64_t>() > largest_id) {
      throw CheckpointError(where + ".vocab",
                            str_cat("\"", it.key(), "\": expected an id, got ", it->dump()));
    }
    const auto id = it->get<std::size_t>();
    if (id >= tokens.size()) tokens.resize(id + 1);
    if (!tokens[id].empty()) {
      throw CheckpointError(where + ".vocab", str_cat("\"", tokens[id], "\" and \"", it.key(),
                                                      "\" share the id ", id));
    }
    if (it.key().empty())
      throw CheckpointError(where + ".vocab", str_cat("the token of id ", id, " is empty"));
    tokens[id] = it.key();
  }
  if (tokens.empty()) throw CheckpointError(where + ".vocab", "is empty");
  return tokens;
}

std::pair<std::string, std::string> read_merge(const nlohmann::json& json,
                                               const std::string& where) {
  if (json.is_array() && json.size() == 2 && json[0].is_string() && json[1].is_string()) {
    return {json[0].get<std::string>(), json[1].get<std::string>()};
  }
  if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    const auto blank = text.find(' ');
    if (blank != std::string::npos && text.find(' ', blank + 1) == std::string::npos) {
      return {text.substr(0, blank), text.substr(blank + 1)};
    }
  }
  throw CheckpointError(where, str_cat("expected two tokens, got ", json.dump().substr(0, 60)));
}

}  // namespace

BpeDefinition read_bpe_definition(const nlohmann::json& json, const std::string& where) {
  const auto type = field_or<std::string>(json, "type", where, "BPE");
  if (type != "BPE") unknown_type(where, type, {"BPE"});
  BpeDefinition definition;
  definition.tokens = read_vocabulary(json, where);
  const auto merges = json.find("merges");
  if (merges == json.end() || !merges->is_array()) {
    throw CheckpointError(where + ".merges", "expected a list");
  }
  definition.merges.reserve(merges->size());
  for (std::size_t i = 0; i < merges->size(); ++i) {
    definition.merges.push_back(read_merge((*merges)[i], str_cat(where, ".merges[", i, "]")));
  }
  if (const auto dropout = field_or(json, "dropout", where, 0.0); dropout != 0) {
    throw CheckpointError(where + ".dropout",
                          str_cat(dropout, " makes ids random; only 0 is known"));
  }
  definition.byte_fallback = field_or(json, "byte_fallback", where, false);
  definition.ignore_merges = field_or(json, "ignore_merges", where, false);
  definition.fuse_unk = field_or(json, "fuse_unk", where, false);
  definition.unk_token = field_or<std::string>(json, "unk_token", where, "");
  definition.continuing_subword_prefix =
      field_or<std::string>(json, "continuing_subword_prefix", where, "");
  definition.end_of_word_suffix = field_or<std::string>(json, "end_of_word_suffix", where, "");
  return definition;
}

BpeModel::BpeModel(BpeDefinition definition, const std::string& where)
    : definition_(std::move(definition)) {
  const auto& tokens = definition_.tokens;
  ids_.reserve(tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) continue;
    const auto [it, fresh] = ids_.emplace(tokens[id], static_cast<std::int32_t>(id));
    if (!fresh) {
      throw CheckpointError(where + ".vocab",
                            str_cat("\"", tokens[id], "\" has the ids ", it->second, " and ", id));
    }
  }
  merges_.reserve(definition_.merges.size());
  const auto known = [&](const std::string& token, std::size_t rank) {
    const auto it = ids_.find(token);
    if (it != ids_.end()) return it->second;
    throw CheckpointError(str_cat(where, ".merges[", rank, "]"),
                          str_cat("\"", token, "\" is not in the vocabulary"));
  };
  for (std::size_t rank = 0; rank < definition_.merges.size(); ++rank) {
    const auto& [left, right] = definition_.merges[rank];
    const auto& prefix = definition_.continuing_subword_prefix;
    const auto tail = right.starts_with(prefix) ? right.substr(prefix.size()) : right;
    // One after the other: which token is named does not depend on the compiler.
    const auto first = known(left, rank), second = known(right, rank);
    const auto joined = known(left + tail, rank);
    merges_[pair_key(first, second)] = {static_cast<std::int32_t>(rank), joined};
  }
  if (!definition_.unk_token.empty() && !id_of(definition_.unk_token)) {
    throw CheckpointError(where + ".unk_token",
                          str_cat("\"", definition_.unk_token, "\" is not in the vocabulary"));
  }
}

std::optional<std::int64_t> BpeModel::id_of(std::string_view token) const {
  const auto it = ids_.find(token);
  if (it == ids_.end()) return std::nullopt;
  return it->second;
}

void BpeModel::encode(std::string_view word, std::vector<std::int64_t>& ids) const {
  if (word.empty()) return;
  if (definition_.ignore_merges) {
    if (const auto id = id_of(word)) {
      ids.push_back(*id);
      return;
    }
  }
  auto symbols = letters_of(word);
  merge(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

std::vector<std::int32_t> BpeModel::letters_of(std::string_view word) const {
  std::vector<std::int32_t> symbols;
  symbols.reserve(word.size());
  bool pending_unknown = false;  // unknown characters are merged until a known one comes (fuse_unk)
  const auto unknown = [&] { return static_cast<std::int32_t>(*id_of(definition_.unk_token)); };
  std::string decorated;
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t bytes = code_point_at(word, at).bytes;
    const bool first = at == 0;
    std::string_view letter = word.substr(at, bytes);
    const std::string_view plain = letter;
    at += bytes;
    if (!definition_.continuing_subword_prefix.empty() && !first) {
      decorated = definition_.continuing_subword_prefix + std::string(letter);
      letter = decorated;
    }
    if (!definition_.end_of_word_suffix.empty() && at >= word.size()) {
      decorated = std::string(letter) + definition_.end_of_word_suffix;
      letter = decorated;
    }
    if (const auto it = ids_.find(letter); it != ids_.end()) {
      if (pending_unknown) symbols.push_back(unknown());
      pending_unknown = false;
      symbols.push_back(it->second);
      continue;
    }
    if (definition_.byte_fallback) {
      std::array<std::int32_t, 4> fallback{};
      std::size_t found = 0;
      for (const char c : plain) {
        const auto id = id_of(byte_token(static_cast<unsigned char>(c)));
        if (!id) break;
        fallback[found++] = static_cast<std::int32_t>(*id);
      }
      if (found == plain.size()) {
        symbols.insert(symbols.end(), fallback.begin(),
                       fallback.begin() + static_cast<long>(found));
        continue;
      }
    }
    if (definition_.unk_token.empty()) continue;  // the reference drops the character too
    if (pending_unknown && !definition_.fuse_unk) symbols.push_back(unknown());
    pending_unknown = true;
  }
  if (pending_unknown) symbols.push_back(unknown());
  return symbols;
}

void BpeModel::merge(std::vector<std::int32_t>& symbols) const {
  const auto count = static_cast<std::int32_t>(symbols.size());
  if (count < 2) return;
  struct Node {
    std::int32_t id, previous, next;  // -1: none; an id of -1: merged into another symbol
  };
  struct Candidate {
    std::int32_t rank, position, id;
    // Top of the queue: the smallest rank, then the leftmost.
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };
  std::vector<Node> nodes(symbols.size());
  std::vector<Candidate> start;
  const auto node = [&](std::int32_t i) -> Node& { return nodes[static_cast<std::size_t>(i)]; };
  const auto find = [&](std::int32_t left, std::int32_t right) {
    return merges_.find(pair_key(left, right));
  };
  for (std::int32_t i = 0; i < count; ++i) {
    node(i) = {symbols[static_cast<std::size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1};
    if (i == 0) continue;
    const auto merge = find(node(i - 1).id, node(i).id);
    if (merge != merges_.end()) start.push_back({merge->second.rank, i - 1, merge->second.id});
  }
  std::priority_queue<Candidate> queue({}, std::move(start));
  const auto offer = [&](std::int32_t left, std::int32_t right) {
    if (left < 0 || right < 0) return;
    const auto merge = find(node(left).id, node(right).id);
    if (merge != merges_.end()) queue.push({merge->second.rank, left, merge->second.id});
  };
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Node& left = node(top.position);
    if (left.id < 0 || left.next < 0) continue;
    const Node right = node(left.next);
    const auto merge = find(left.id, right.id);
    if (merge == merges_.end() || merge->second.id != top.id) continue;  // the entry is out of date
    node(left.next).id = -1;
    left.id = top.id;
    left.next = right.next;
    if (right.next >= 0) node(right.next).previous = top.position;
    offer(left.previous, top.position);
    offer(top.position, left.next);
  }
  symbols.clear();
  for (std::int32_t i = 0; i >= 0; i = node(i).next) symbols.push_back(node(i).id);
}

nlohmann::json BpeModel::to_json() const {
  auto vocab = nlohmann::json::object();
  for (std::size_t id = 0; id < definition_.tokens.size(); ++id) {
    if (!definition_.tokens[id].empty()) vocab[definition_.tokens[id]] = id;
  }
  auto merges = nlohmann::json::array();
  for (const auto& [left, right] : definition_.merges) merges.push_back({left, right});
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? nlohmann::json() : nlohmann::json(text);
  };
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", text_or_null(definition_.unk_token)},
          {"continuing_subword_prefix", text_or_null(definition_.continuing_subword_prefix)},
          {"end_of_word_suffix", text_or_null(definition_.end_of_word_suffix)},
          {"fuse_unk", definition_.fuse_unk},
          {"byte_fallback", definition_.byte_fallback},
          {"ignore_merges", definition_.ignore_merges},
          {"vocab", std::move(vocab)},
          {"merges", std::move(merges)}};
}

}  // namespace medseg
