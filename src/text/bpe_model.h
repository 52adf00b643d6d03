/// \file
/// Byte-pair encoding of one word: the best-ranked neighbours merge first, until no pair is known.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace medseg {

/// What a file states; BpeModel checks it.
struct BpeDefinition {
  std::vector<std::string> tokens = {};  ///< by id; "" where no token has the id
  std::vector<std::pair<std::string, std::string>> merges = {};  ///< best first
  bool byte_fallback = false;  ///< an unknown character becomes its <0x..> tokens
  /// A word that is in the vocabulary is encoded as that token, without merges.
  bool ignore_merges = false;
  bool fuse_unk = false;
  std::string unk_token = {};
  std::string continuing_subword_prefix = {};
  std::string end_of_word_suffix = {};
};

/// Reads `model` of a tokenizer.json. \throws CheckpointError.
BpeDefinition read_bpe_definition(const nlohmann::json& json, const std::string& where);

class BpeModel {
 public:
  BpeModel() = default;
  /// \throws CheckpointError naming a merge of unknown tokens, or a token with two ids.
  BpeModel(BpeDefinition definition, const std::string& where);

  /// Appends the ids of one word, in O(n log n).
  void encode(std::string_view word, std::vector<std::int64_t>& ids) const;

  std::optional<std::int64_t> id_of(std::string_view token) const;
  const BpeDefinition& definition() const { return definition_; }
  nlohmann::json to_json() const;  ///< in the form that read_bpe_definition reads

 private:
  struct Merge {
    std::int32_t rank;
    std::int32_t id;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  static std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) |
           static_cast<std::uint32_t>(right);
  }
  std::vector<std::int32_t> letters_of(std::string_view word) const;
  void merge(std::vector<std::int32_t>& symbols) const;

  BpeDefinition definition_;
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;
  std::unordered_map<std::uint64_t, Merge> merges_;
};

}  // namespace medseg
