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
  /// A dialogue's first question: the picture goes in front, unless the question says itself where it goes or the model has
  /// no eyes.
  std::string first_question(const std::string& question) const;
};
/// Loads all, behind the guard of open_bundle_tokenizer. \throws CheckpointError.
OpenBundle open_bundle(const std::filesystem::path& path);
/// The same with an outline of the model (outline_segmenter), which takes no memory. \throws CheckpointError.
OpenBundle outline_bundle(const std::filesystem::path& path);
/// The guard itself, asked of a bundle that is opened and of one that is about to be written; `where` begins its message.
/// \throws CheckpointError.
void check_tokenizer(const std::filesystem::path& where, const BundleOptions& options,
                     const Tokenizer& tokenizer);

/// The tokenizer of a bundle, checked: it is the one that the model was trained with (its hash), every token of
/// `special_tokens` ([SEG], <p>, </p> …) is one id, the bundle's, that no other text becomes and that reads back as the
/// token; and the conversation template has the tokens it needs. \throws CheckpointError.
std::unique_ptr<Tokenizer> open_bundle_tokenizer(const std::filesystem::path& path,
                                                 const BundleOptions& options);

}  // namespace medseg
