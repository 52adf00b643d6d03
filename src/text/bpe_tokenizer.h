/// \file
/// The tokenizer of a tokenizer.json: added tokens, normaliser, pre-tokenizer, merges, decoder.
#pragma once

#include <deque>
#include <filesystem>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "added_tokens.h"
#include "bpe_model.h"
#include "medseg/text/tokenizer.h"
#include "normalizer.h"
#include "pre_tokenizer.h"
#include "token_decoder.h"

namespace medseg {

class BpeTokenizer : public Tokenizer {
 public:
  /// `frame`: a tokenizer.json (its `model` may be empty). `config`: a tokenizer_config.json or an
  /// empty object. `where`: the file, for messages. \throws CheckpointError.
  BpeTokenizer(nlohmann::json frame, nlohmann::json config, BpeDefinition model,
               const std::string& where);

  std::vector<std::int64_t> encode(std::string_view text) const override;
  std::vector<std::int64_t> encode_after(std::string_view text, After after) const override;
  std::string decode(const std::vector<std::int64_t>& ids, bool skip_special) const override;
  std::size_t settled(const std::vector<std::int64_t>& ids) const override;
  std::optional<std::int64_t> id_of(std::string_view token) const override;
  std::vector<std::int64_t> add_tokens(const std::vector<std::string>& tokens) override;
  std::int64_t size() const override { return size_; }
  std::optional<std::int64_t> bos() const override { return bos_; }
  std::optional<std::int64_t> eos() const override { return eos_; }
  bool adds_bos() const override { return adds_bos_; }
  bool adds_eos() const override { return adds_eos_; }
  void save(const std::filesystem::path& folder) const override;
  std::string fingerprint() const override;

 private:
  void read_added_tokens(const std::string& where);
  void read_special_roles(const std::string& where);
  void add(AddedToken token);
  void encode_plain(std::string text, bool at_start, bool glued,
                    std::vector<std::int64_t>& ids) const;
  nlohmann::json added_tokens_json() const;

  nlohmann::json frame_;  // tokenizer.json without added_tokens and model
  // The keys of tokenizer_config.json that are used.
  nlohmann::json config_ = nlohmann::json::object();
  BpeModel model_;
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  TokenDecoder decoder_;
  std::deque<AddedToken> added_;  // a deque, because the matchers point into it
  std::map<std::int64_t, const AddedToken*> added_by_id_;
  std::map<std::string, std::int64_t, std::less<>> added_ids_;
  TokenMatcher raw_matcher_;         // for the text as given
  TokenMatcher normalized_matcher_;  // for the text after the normaliser
  std::optional<std::int64_t> bos_, eos_;
  bool adds_bos_ = false, adds_eos_ = false;
  std::int64_t size_ = 0;
};

/// Opens a tokenizer.json and the tokenizer_config.json next to it, if there is one.
/// \throws CheckpointError.
std::unique_ptr<Tokenizer> load_bpe_tokenizer(const std::filesystem::path& file);

}  // namespace medseg
