#include "medseg/bundle/open_bundle.h"

#include <algorithm>

#include "medseg/base/str.h"

namespace medseg {
namespace {

static_assert(kImagePlaceId == kImageToken && kNoLabel == kIgnoreLabel,
              "text renders dialogues for models");

// A text that is in no vocabulary: a private-use character.
constexpr const char* kUnknownText = "\xf3\xb0\x80\x81";

ConversationOptions conversation_of(const BundleOptions& options) {
  return {.name = options.conversation,
          .system = options.system,
          .image_start_end = options.image_start_end,
          .image_overview = options.image_overview};
}

// A swapped tokenizer gives no error later, only wrong answers. So every token that the model was
// trained with is tried here: it has the id that the bundle stores, is one token, is not what
// unknown text becomes, and decodes to the same text.
void check_tokens(const std::filesystem::path& path, const BundleOptions& options,
                  const Tokenizer& tokenizer) {
  const auto fail = [&](const std::string& what) { throw CheckpointError(path.string(), what); };
  if (options.tokenizer_fingerprint.empty()) {
    fail(
        "config.json: tokenizer_fingerprint is empty: nothing says which tokenizer is the model's");
  }
  if (tokenizer.fingerprint() != options.tokenizer_fingerprint) {
    fail("tokenizer: fingerprint " + tokenizer.fingerprint().substr(0, 12) +
         ", but the model was trained with " + options.tokenizer_fingerprint.substr(0, 12));
  }
  if (tokenizer.size() > options.model.language.vocabulary) {
    fail(str_cat("tokenizer: ", tokenizer.size(), " tokens, but the model has rows for ",
                 options.model.language.vocabulary));
  }
  const bool draws = bool(options.model.grounding.encoder);
  if (draws && !options.special_tokens.contains(kSegToken)) {
    fail("config.json: special_tokens: no [SEG], but the model has a grounding part");
  }
  const auto unknown = tokenizer.encode_after(kUnknownText, After::kText);
  for (const auto& [token, id] : options.special_tokens) {
    const auto own = tokenizer.id_of(token);
    if (!own) fail("tokenizer: no token " + token + str_cat(", expected as id ", id));
    if (*own != id)
      fail(str_cat("tokenizer: ", token, " is id ", *own, ", but the model was trained with ", id));
    if (std::find(unknown.begin(), unknown.end(), id) != unknown.end()) {
      fail(str_cat("tokenizer: id ", id, " of ", token, " is also that of unknown text"));
    }
    const auto ids = tokenizer.encode_after(token, After::kText);
    if (ids.size() != 1 || ids.front() != id) {
      fail(str_cat("tokenizer: ", token, " becomes ", ids.size(), " tokens, expected the one id ",
                   id));
    }
    if (trim(tokenizer.decode({id})) != token) {
      fail(str_cat("tokenizer: id ", id, " decodes to \"", tokenizer.decode({id}), "\", expected ",
                   token));
    }
  }
}

// \throws Error if the template is not known or the tokenizer lacks one of its tokens.
void check_conversation(const ConversationOptions& conversation, const Tokenizer& tokenizer) {
  check_conversation_name("conversation", conversation.name);
  render({{"question", ""}}, tokenizer, conversation, /*open_prompt=*/true);
}

}  // namespace

ConversationOptions OpenBundle::conversation() const { return conversation_of(options); }

std::string OpenBundle::first_question(const std::string& question) const {
  const bool says_where = question.find(kImagePlace) != std::string::npos;
  return says_where || !model->has_vision() ? question : str_cat(kImagePlace, "\n", question);
}

void check_conversation_name(const std::string& where, const std::string& name) {
  const auto known = conversation_templates();
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  throw ConfigError(where, str_cat("unknown template \"", name, "\"", did_you_mean(name, known)));
}

void check_tokenizer(const std::filesystem::path& where, const BundleOptions& options,
                     const Tokenizer& tokenizer) {
  raised_as<CheckpointError>(where.string(),
                             [&] { check_conversation(conversation_of(options), tokenizer); });
  check_tokens(where, options, tokenizer);
}

std::unique_ptr<Tokenizer> open_bundle_tokenizer(const std::filesystem::path& path,
                                                 const BundleOptions& options) {
  auto tokenizer = raised_as<CheckpointError>(
      [&] { return load_tokenizer(path, tokenizer_mode(options.tokenizer_mode)); });
  check_tokenizer(path, options, *tokenizer);
  return tokenizer;
}

namespace {

template <class Load>
OpenBundle opened(const std::filesystem::path& path, const Load& load) {
  OpenBundle bundle;
  bundle.path = path;
  bundle.options = read_bundle_options(path);
  bundle.tokenizer = open_bundle_tokenizer(path, bundle.options);  // before gigabytes are read
  bundle.model = load(path, bundle.options);
  return bundle;
}

}  // namespace

OpenBundle open_bundle(const std::filesystem::path& path) { return opened(path, load_segmenter); }

OpenBundle outline_bundle(const std::filesystem::path& path) {
  return opened(path, outline_segmenter);
}

}  // namespace medseg
