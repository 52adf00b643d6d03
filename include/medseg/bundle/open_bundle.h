/// \file
/// A bundle opened for use: model, tokenizer and options that fit each other.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "medseg/bundle/bundle.h"
#include "medseg/text/conversation.h"
#include "medseg/text/tokenizer.h"

namespace medseg {

/// A bundle opened for use: model, tokenizer, options.
struct OpenBundle {
  std::filesystem::path path;
  BundleOptions options;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<Segmenter> model;

  ConversationOptions conversation() const;
  /// A dialogue's first question: the `<image>` placeholder goes in front, unless the question has
  /// one or the model has no vision tower.
  std::string first_question(const std::string& question) const;
};
/// Loads all, after the check of open_bundle_tokenizer. \throws CheckpointError.
OpenBundle open_bundle(const std::filesystem::path& path);
/// The same with outline_segmenter's model, which takes no memory. \throws CheckpointError.
OpenBundle outline_bundle(const std::filesystem::path& path);
/// The check of open_bundle_tokenizer, for a bundle that is opened and for one that is about to be
/// written. \throws CheckpointError at `where`.
void check_tokenizer(const std::filesystem::path& where, const BundleOptions& options,
                     const Tokenizer& tokenizer);

/// \throws ConfigError at `where` unless `name` is one of conversation_templates().
void check_conversation_name(const std::string& where, const std::string& name);

/// The tokenizer of a bundle, checked: it is the one that the model was trained with (its hash),
/// every token of `special_tokens` ([SEG], <p>, </p> …) is one id, the bundle's, that no other text
/// becomes and that decodes to the token; and the conversation template has the tokens it needs.
/// \throws CheckpointError.
std::unique_ptr<Tokenizer> open_bundle_tokenizer(const std::filesystem::path& path,
                                                 const BundleOptions& options);

}  // namespace medseg
