#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "medseg/base/str.h"
#include "medseg/exchange/open_tokenizer.h"

namespace medseg {
namespace {

struct TokenizeArguments {
  std::filesystem::path tokenizer;
  std::string mode;
  bool json = false;
};

std::string text_of(const std::string& line, std::size_t number, bool json) {
  if (!json) return line;
  const auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object() || !object.contains("text") || !object["text"].is_string()) {
    throw DataError(str_cat("stdin:", number),
                    str_cat("expected {\"text\": …}, got ", line.substr(0, 60)));
  }
  return object["text"].get<std::string>();
}

void tokenize(const TokenizeArguments& arguments) {
  const auto tokenizer = open_tokenizer(arguments.tokenizer, arguments.mode);
  std::string line;
  for (std::size_t number = 1; std::getline(std::cin, line); ++number) {
    auto ids = tokenizer->encode(text_of(line, number, arguments.json));
    const auto decoded = tokenizer->decode(ids);  // before BOS and EOS are added
    if (tokenizer->adds_bos()) ids.insert(ids.begin(), *tokenizer->bos());
    if (tokenizer->adds_eos()) ids.push_back(*tokenizer->eos());
    const nlohmann::ordered_json result = {{"ids", ids}, {"decoded", decoded}};
    std::cout << result.dump() << "\n";
  }
  std::cout << std::flush;
}

}  // namespace

void add_tokenize(Command& app) {
  auto arguments = std::make_shared<TokenizeArguments>();
  auto* command =
      app.add_subcommand("tokenize", "Token ids of lines on stdin, and their text again");
  command
      ->add_option("--tokenizer", arguments->tokenizer,
                   "bundle, Hugging Face folder, tokenizer.model, tokenizer.json or GGUF")
      ->required();
  command->add_option("--mode", arguments->mode,
                      str_cat("tokenizer.model only: ", join(choice_names<TokenizerMode>(), " | "),
                              "; default: the bundle's, else ", name_of(TokenizerMode::kHfLegacy)));
  command->add_flag("--json", arguments->json, "lines are {\"text\": …} objects");
  command->footer("Example: echo 'It is [SEG].' | medseg tokenize --tokenizer runs/demo-start");
  command->callback([arguments] { tokenize(*arguments); });
}

}  // namespace medseg
