#include <algorithm>

#include "medseg/base/str.h"
#include "medseg/pipeline/sample.h"

namespace medseg {
namespace {

// A swapped tokenizer gives no error later, only wrong answers: so every token that the model was trained with is
// tried here (the id that the bundle stores, one token, and back to the same text).
void check_tokens(const OpenBundle& bundle) {
  const auto& options = bundle.options;
  const auto& tokenizer = *bundle.tokenizer;
  const auto fail = [&](const std::string& what) {
    throw CheckpointError(bundle.path.string() + ": " + what);
  };
  if (!options.tokenizer_fingerprint.empty() &&
      tokenizer.fingerprint() != options.tokenizer_fingerprint) {
    fail("tokenizer: fingerprint " + tokenizer.fingerprint().substr(0, 12) +
         ", but the model was trained with " + options.tokenizer_fingerprint.substr(0, 12));
  }
  if (tokenizer.size() > options.model.language.vocabulary) {
    fail(str("tokenizer: ", tokenizer.size(), " tokens, but the model has rows for ",
             options.model.language.vocabulary));
  }
  if (bundle.model->has_grounding() && !options.special_tokens.contains(kSegToken)) {
    fail("config.json: special_tokens: no [SEG], but the model has a grounding part");
  }
  for (const auto& [token, id] : options.special_tokens) {
    const auto own = tokenizer.id_of(token);
    if (!own) fail("tokenizer: no token " + token + str(", expected as id ", id));
    if (*own != id)
      fail(str("tokenizer: ", token, " is id ", *own, ", but the model was trained with ", id));
    const auto ids = tokenizer.encode_after(token, After::kText);
    if (ids.size() != 1 || ids.front() != id) {
      fail(str("tokenizer: ", token, " becomes ", ids.size(), " tokens, expected the one id ", id));
    }
    if (trim(tokenizer.decode({id})) != token) {
      fail(str("tokenizer: id ", id, " decodes to \"", tokenizer.decode({id}), "\", expected ",
               token));
    }
  }
}

}  // namespace

ConversationOptions OpenBundle::conversation() const {
  return {.name = options.conversation,
          .system = options.system,
          .image_start_end = options.image_start_end,
          .image_overview = options.image_overview};
}

OpenBundle open_bundle(const std::filesystem::path& path) {
  OpenBundle bundle;
  bundle.path = path;
  bundle.options = read_bundle_options(path);
  try {
    bundle.tokenizer = load_tokenizer(path, tokenizer_mode(bundle.options.tokenizer_mode));
    const auto known = conversation_templates();
    if (std::find(known.begin(), known.end(), bundle.options.conversation) == known.end()) {
      throw ConfigError("conversation: unknown template \"" + bundle.options.conversation + "\"" +
                        did_you_mean(bundle.options.conversation, known));
    }
  } catch (const CheckpointError&) {
    throw;
  } catch (const Error& error) {  // a file of the bundle is at fault: exit code 4, whoever noticed
    throw CheckpointError(path.string() + ": " + error.what());
  }
  bundle.model = load_segmenter(path, bundle.options);
  check_tokens(bundle);
  return bundle;
}

}  // namespace medseg
