/// \file
/// Text to token ids and back.
///
/// Two kinds: SentencePiece (`tokenizer.model`, with the added-token rules of the published LLaMA
/// family; reference/semantics 3) and byte-level BPE (`tokenizer.json`, or the vocabulary inside a GGUF).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "medseg/base/error.h"

namespace medseg {

/// What a GGUF's `tokenizer.ggml.*` keys say; filled by the caller (`text` does not read weights).
struct GgufVocabulary {
  std::string model = {};  ///< "gpt2" (byte-level BPE); others are refused by name
  std::string pre = {};    ///< pre-tokenizer: "smollm", "gpt-2", "llama-bpe", "qwen2", …
  std::vector<std::string> tokens = {};  ///< by id
  std::vector<std::int32_t> types = {};  ///< 1 normal, 3 control, 4 user-defined, …; may be empty
  std::vector<std::string> merges = {};  ///< "left right", best first
  std::optional<std::int64_t> bos = {}, eos = {}, unknown = {}, padding = {};
  bool add_bos = false;
};

/// How text round added tokens is treated by SentencePiece tokenizers (semantics 3).
enum class TokenizerMode { kHf, kHfLegacy, kHfLegacyNoStrip, kSpmNative };
/// \throws ConfigError listing hf, hf_legacy, hf_legacy_nostrip, spm_native.
TokenizerMode tokenizer_mode(const std::string& name);
std::string tokenizer_mode_name(TokenizerMode mode);

/// What stands before a text that is encoded in parts; it decides whether a blank is put in front.
enum class After {
  kNothing,       ///< the text begins here (or behind an image)
  kText,          ///< it goes on in the middle of a sentence: nothing is put in front
  kSpecialToken,  ///< it follows a token such as `</s>`, as if that stood in the same text
};

/// Immutable but for add_tokens; `encode` and `decode` are safe to call from several threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Ids of `text`; special and added tokens inside it become their one id. No BOS is added.
  /// Bytes that are no UTF-8 count as U+FFFD.
  virtual std::vector<std::int64_t> encode(std::string_view text) const = 0;

  /// The same for a text that goes on: encode(a) and then encode_after(b, kText) are the ids of encode(a + b)
  /// wherever no word spans the cut. Dialogues are built from such parts.
  virtual std::vector<std::int64_t> encode_after(std::string_view text, After after) const {
    static_cast<void>(after);
    return encode(text);
  }

  /// Text of `ids`; invalid ids are an error (CheckFailed), bytes that are no UTF-8 become U+FFFD.
  /// `skip_special` leaves out markers (BOS, EOS, `<|im_end|>` …); `[SEG]`, `<p>` and `</p>` stay.
  virtual std::string decode(const std::vector<std::int64_t>& ids,
                             bool skip_special = false) const = 0;

  /// How many of the leading `ids` keep their text whatever comes behind them. Byte tokens of a tokenizer.json wait for
  /// the end of their run: one byte that is no UTF-8 turns all of the run into U+FFFD.
  virtual std::size_t settled(const std::vector<std::int64_t>& ids) const { return ids.size(); }

  /// Id of a whole token ("[SEG]", "<|im_end|>", "▁the"), if it has one.
  virtual std::optional<std::int64_t> id_of(std::string_view token) const = 0;

  /// Appends tokens that are missing, in order, as special added tokens with the next free ids; ids of all.
  virtual std::vector<std::int64_t> add_tokens(const std::vector<std::string>& tokens) = 0;

  virtual std::int64_t size() const = 0;  ///< ids are 0 … size-1
  virtual std::optional<std::int64_t> bos() const = 0;
  virtual std::optional<std::int64_t> eos() const = 0;
  virtual bool adds_bos() const = 0;  ///< the reference's default call puts BOS in front
  /// The same for EOS behind. Dialogues have end tokens of their own and take no notice.
  virtual bool adds_eos() const = 0;

  /// Writes `tokenizer.json` or `tokenizer.model` (+ what it needs) into a folder; load_tokenizer reads it back.
  virtual void save(const std::filesystem::path& folder) const = 0;

  /// sha256 over vocabulary, merges and added tokens: what a bundle stores and the start-up guard compares.
  virtual std::string fingerprint() const = 0;
};

/// `path`: a folder (bundle or Hugging Face) holding tokenizer.json or tokenizer.model, or one of those files.
/// `mode` is for SentencePiece only. \throws CheckpointError naming the file and the fault, DataError if there is no such
/// path.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path,
                                          TokenizerMode mode = TokenizerMode::kHfLegacy);
/// \throws CheckpointError if `vocabulary.model` or `.pre` is not known, listing the known, or a token is at fault.
std::unique_ptr<Tokenizer> make_tokenizer(const GgufVocabulary& vocabulary);

/// Decodes a growing id list piece by piece: every piece is valid UTF-8, and together they are the text of all ids.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::string push(std::int64_t id);  ///< the new complete text, maybe ""
  std::string flush();                ///< what is left; incomplete bytes become U+FFFD

 private:
  std::string fresh(std::string text);

  const Tokenizer& tokenizer_;
  std::vector<std::int64_t> ids_;
  std::string emitted_;
};

}  // namespace medseg
