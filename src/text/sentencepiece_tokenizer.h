/// \file
/// SentencePiece's model with the LLaMA family's rules for added tokens (src/README.md, choice 3).
#pragma once

#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "added_tokens.h"
#include "medseg/text/tokenizer.h"
#include "sentencepiece_files.h"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace medseg {

class SentencePieceTokenizer : public Tokenizer {
 public:
  /// \throws CheckpointError at `where`.
  SentencePieceTokenizer(SentencePieceFiles files, TokenizerMode mode, const std::string& where);
  ~SentencePieceTokenizer() override;

  std::vector<std::int64_t> encode(std::string_view text) const override;
  std::vector<std::int64_t> encode_after(std::string_view text, After after) const override;
  std::string decode(const std::vector<std::int64_t>& ids, bool skip_special) const override;
  std::optional<std::int64_t> id_of(std::string_view token) const override;
  std::vector<std::int64_t> add_tokens(const std::vector<std::string>& tokens) override;
  std::int64_t size() const override { return size_; }
  std::optional<std::int64_t> bos() const override { return role_id(bos_); }
  std::optional<std::int64_t> eos() const override { return role_id(eos_); }
  bool adds_bos() const override;
  bool adds_eos() const override;
  void save(const std::filesystem::path& folder) const override;
  std::string fingerprint() const override;

 private:
  using Processor = sentencepiece::SentencePieceProcessor;
  static std::optional<std::int64_t> role_id(std::int64_t id) {
    return id < 0 ? std::nullopt : std::optional(id);
  }
  void add_listed_tokens(const std::string& where);
  void add(const std::string& token, std::int64_t id);
  void match(const std::string& token, std::int64_t id);
  void load_processors(const std::string& where);
  void append(const Processor& processor, std::string_view text,
              std::vector<std::int64_t>& ids) const;
  void append_glued(std::string_view text, std::vector<std::int64_t>& ids) const;
  void append_modern(std::string_view text, std::vector<std::int64_t>& ids) const;
  std::vector<std::int64_t> encode_modern(const std::string& text, After after) const;
  bool is_marker(std::int64_t id) const;
  bool is_skipped(const std::string& token) const;

  SentencePieceFiles files_;
  TokenizerMode mode_;
  std::unique_ptr<Processor> prefixing_;  // puts a blank in front of a text, as the file says
  std::unique_ptr<Processor> bare_;       // the same model without that blank
  std::int64_t pieces_ = 0;               // of tokenizer.model
  std::int64_t size_ = 0;
  std::int64_t bos_ = -1, eos_ = -1, unknown_ = -1;
  std::deque<AddedToken> tokens_;  // the tokens that are matched inside a text
  std::map<std::string, std::int64_t, std::less<>> added_ids_;
  std::map<std::int64_t, std::string> added_by_id_;
  TokenMatcher matcher_;
};

/// Opens a tokenizer.model and the files next to it. \throws CheckpointError.
std::unique_ptr<Tokenizer> load_sentencepiece_tokenizer(const std::filesystem::path& file,
                                                        TokenizerMode mode);

}  // namespace medseg
