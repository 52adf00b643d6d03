/// \file
/// The files of a SentencePiece tokenizer's folder: tokenizer.model, added_tokens.json, special_tokens_map.json and
/// tokenizer_config.json (all but the first may be missing).
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace medseg {

/// What the files say about one token beside its id.
struct TokenNote {
  bool special = false;  ///< bos_token … or one of additional_special_tokens
  /// What it takes away, where that is said: by an object among the special tokens, or else (`listed_*`, which transformers
  /// before 4.34 did not read) by added_tokens_decoder.
  std::optional<bool> lstrip = {}, rstrip = {};
  std::optional<bool> listed_lstrip = {}, listed_rstrip = {}, listed_special = {};
};

struct SentencePieceFiles {
  std::string model = {};                          ///< bytes of tokenizer.model
  std::map<std::string, std::int64_t> added = {};  ///< token and id
  std::map<std::string, TokenNote> notes = {};     ///< only of tokens that something is said of
  std::vector<std::string> specials = {};  ///< in the order in which missing ones get their ids
  std::string bos = {}, eos = {}, unknown = {};  ///< "" leaves the model's own
  bool adds_bos = true, adds_eos = false;
  nlohmann::json config = nlohmann::json::object();       ///< what matters of tokenizer_config.json
  nlohmann::json special_map = nlohmann::json::object();  ///< special_tokens_map.json
};

/// \throws CheckpointError naming the file that is at fault.
SentencePieceFiles read_sentencepiece_files(const std::filesystem::path& model_file);

}  // namespace medseg
