/// \file
/// Text to token ids and back.
///
/// Two kinds: SentencePiece (`tokenizer.model`, with the added-token rules of the published LLaMA
/// family: src/README.md, choice 3) and byte-level BPE (`tokenizer.json`, or the vocabulary inside
/// a GGUF).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "medseg/base/choice.h"
#include "medseg/base/error.h"

namespace medseg {

/// The `tokenizer.ggml.*` keys of a GGUF, filled by the caller, since `text` does not read weights.
struct GgufVocabulary {
  /// "gpt2" (byte-level BPE) or "llama" (SentencePiece); others are refused by name
  std::string model = {};
  std::string pre = {};  ///< pre-tokenizer: "smollm", "gpt-2", "llama-bpe", "qwen2", …
  std::vector<std::string> tokens = {};  ///< by id
  std::vector<std::int32_t> types = {};  ///< 1 normal, 3 control, 4 user-defined, …; may be empty
  std::vector<std::string> merges = {};  ///< "left right", best first
  std::optional<std::int64_t> bos = {}, eos = {}, unknown = {}, padding = {};
  bool add_bos = false;
  // Of SentencePiece.
  std::vector<float> scores = {};  ///< by id
  bool add_eos = false, add_space_prefix = true, remove_extra_whitespaces = false;
};

/// How a SentencePiece tokenizer treats the text beside added tokens (src/README.md, choice 3).
enum class TokenizerMode { kHf, kHfLegacy, kHfLegacyNoStrip, kSpmNative };
template <>
struct Choice<TokenizerMode> {
  static constexpr ChoiceNames<TokenizerMode, 4> names = {
      {{TokenizerMode::kHf, "hf"},
       {TokenizerMode::kHfLegacy, "hf_legacy"},
       {TokenizerMode::kHfLegacyNoStrip, "hf_legacy_nostrip"},
       {TokenizerMode::kSpmNative, "spm_native"}}};
};
/// \throws ConfigError on an unknown name, with the known ones.
TokenizerMode tokenizer_mode(const std::string& name);
std::string tokenizer_mode_name(TokenizerMode mode);

/// What precedes a text that is encoded in parts. It decides whether a blank is put in front.
enum class After {
  kNothing,       ///< the text begins here (or after an image)
  kText,          ///< the text continues a sentence: nothing is put in front
  kSpecialToken,  ///< the text follows a token such as `</s>`, as if both were one text
};

/// Immutable except for add_tokens. `encode` and `decode` may be called from several threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Ids of `text`. Each special or added token inside it becomes one id. No BOS is added. Bytes
  /// that are not UTF-8 count as U+FFFD.
  virtual std::vector<std::int64_t> encode(std::string_view text) const = 0;

  /// The same for a text that continues another: the ids of encode(a) followed by those of
  /// encode_after(b, kText) are the ids of encode(a + b), unless a word spans the border. Dialogues
  /// are encoded in such parts.
  virtual std::vector<std::int64_t> encode_after(std::string_view text, After after) const {
    static_cast<void>(after);
    return encode(text);
  }

  /// Text of `ids`. Bytes that are not UTF-8 become U+FFFD. `skip_special` leaves out markers (BOS,
  /// EOS, `<|im_end|>` …) but keeps `[SEG]`, `<p>` and `</p>`. \throws CheckFailed on invalid ids.
  virtual std::string decode(const std::vector<std::int64_t>& ids,
                             bool skip_special = false) const = 0;

  /// How many of the leading `ids` keep their text whatever follows. Byte tokens of a
  /// tokenizer.json are settled at the end of their run, because one byte that is not UTF-8 turns
  /// the whole run into U+FFFD.
  virtual std::size_t settled(const std::vector<std::int64_t>& ids) const { return ids.size(); }

  /// Id of a whole token ("[SEG]", "<|im_end|>", "▁the"), if it has one.
  virtual std::optional<std::int64_t> id_of(std::string_view token) const = 0;

  /// Appends the tokens that are missing, in order, as special added tokens with the next free ids.
  /// Returns the ids of all.
  virtual std::vector<std::int64_t> add_tokens(const std::vector<std::string>& tokens) = 0;

  virtual std::int64_t size() const = 0;  ///< ids are 0 … size-1
  virtual std::optional<std::int64_t> bos() const = 0;
  virtual std::optional<std::int64_t> eos() const = 0;
  virtual bool adds_bos() const = 0;  ///< whether the reference's default call puts BOS in front
  /// The same for EOS at the end. Dialogues have their own end tokens and ignore this.
  virtual bool adds_eos() const = 0;

  /// Writes `tokenizer.json` or `tokenizer.model` with its other files into a folder, for
  /// load_tokenizer.
  virtual void save(const std::filesystem::path& folder) const = 0;

  /// sha256 of vocabulary, merges and added tokens. A bundle stores it and checks it when opened.
  virtual std::string fingerprint() const = 0;
};

/// `path`: a folder (bundle or Hugging Face) with tokenizer.model or tokenizer.json, or one of
/// those files. Of both in a folder tokenizer.model is read, unless it is tiktoken's list of ranks
/// (Llama 3), which is no SentencePiece model. `mode` is for SentencePiece only.
/// \throws CheckpointError at the faulty file; DataError if there is no such path.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path,
                                          TokenizerMode mode = TokenizerMode::kHfLegacy);
/// `mode` is for SentencePiece only. \throws CheckpointError if a token is faulty or
/// `vocabulary.model` or `.pre` is not known, with the known ones.
std::unique_ptr<Tokenizer> make_tokenizer(const GgufVocabulary& vocabulary,
                                          TokenizerMode mode = TokenizerMode::kHfLegacy);

/// Decodes a growing list of ids piece by piece. Every piece is valid UTF-8, and all pieces
/// together are the text of all ids.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::string push(std::int64_t id);  ///< the new complete text, maybe ""
  std::string flush();                ///< the rest; incomplete bytes become U+FFFD

 private:
  std::string fresh(std::string text);

  const Tokenizer& tokenizer_;
  std::vector<std::int64_t> ids_;
  std::string emitted_;
};

}  // namespace medseg
