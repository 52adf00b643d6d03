/// \file
/// The files of a SentencePiece tokenizer: tokenizer.model, added_tokens.json,
/// special_tokens_map.json and tokenizer_config.json. All but the first may be missing.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace medseg {

/// What the files state about one token besides its id.
struct TokenNote {
  bool special = false;  ///< bos_token and so on, or one of additional_special_tokens
  /// Whether it removes white space, where a file states it: an object among the special tokens, or
  /// else added_tokens_decoder (`listed_*`), which transformers before 4.34 did not read.
  std::optional<bool> lstrip = {}, rstrip = {};
  std::optional<bool> listed_lstrip = {}, listed_rstrip = {}, listed_special = {};
};

struct SentencePieceFiles {
  std::string model = {};                          ///< bytes of tokenizer.model
  std::map<std::string, std::int64_t> added = {};  ///< ids by token
  /// Only of tokens about which something is stated.
  std::map<std::string, TokenNote> notes = {};
  std::vector<std::string> specials = {};        ///< the order in which those without an id get one
  std::string bos = {}, eos = {}, unknown = {};  ///< "": as in the model
  bool adds_bos = true, adds_eos = false;
  /// The keys of tokenizer_config.json that are used.
  nlohmann::json config = nlohmann::json::object();
  nlohmann::json special_map = nlohmann::json::object();  ///< special_tokens_map.json
};

/// \throws CheckpointError at the faulty file.
SentencePieceFiles read_sentencepiece_files(const std::filesystem::path& model_file);

}  // namespace medseg
