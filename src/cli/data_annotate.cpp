// medseg data annotate: from scans and masks to dialogues.
#include <cstdlib>
#include <iostream>
#include <memory>

#include "data_commands.h"
#include "medseg/base/error.h"
#include "medseg/base/signals.h"
#include "medseg/curation/annotate.h"
#include "medseg/curation/endpoint_stages.h"

namespace medseg {
namespace {

struct AnnotateCommand {
  AnnotateOptions files;
  TemplateOptions templates;
  EndpointOptions endpoint;
  std::string key_variable;
  std::uint64_t seed = 0;
  bool by_templates = false;
  bool json = false;
};

/// Options that one of the two ways has and the other has not.
void refuse_what_does_not_apply(const Command& app, bool by_templates) {
  const std::vector<const char*> of_templates = {"--min-turns", "--max-turns", "--absent-share"};
  const std::vector<const char*> of_endpoint = {
      "--model",        "--key-env",      "--send-images", "--replay",
      "--concurrency",  "--masks",        "--retries",     "--repairs",
      "--rate",         "--max-requests", "--max-tokens",  "--max-price",
      "--price-prompt", "--price-answer", "--temperature", "--timeout"};
  for (const char* name : by_templates ? of_endpoint : of_templates) {
    if (app.count(name) == 0) continue;
    throw ConfigError(name, by_templates ? "belongs to --endpoint" : "belongs to --templates");
  }
}

std::string secret_of(const std::string& variable) {
  if (variable.empty()) return "";
  const char* value = std::getenv(variable.c_str());
  if (value == nullptr || *value == '\0')
    throw ConfigError("--key-env", "the environment has no " + variable);
  return value;
}

void annotate(const Command& app, AnnotateCommand& command) {
  const bool by_endpoint = app.count("--endpoint") + app.count("--replay") > 0;
  if (command.by_templates == by_endpoint)
    throw ConfigError("data annotate", "expected either --templates or --endpoint URL");
  refuse_what_does_not_apply(app, command.by_templates);
  const SignalWatch watch;
  command.templates.seed = command.endpoint.seed = command.seed;
  const auto made = [&] {
    if (command.by_templates) {
      if (command.templates.turns_most < command.templates.turns_least)
        throw ConfigError("--max-turns", "is below --min-turns");
      return annotate_by_templates(command.files, command.templates);
    }
    if (command.endpoint.chat.model.empty()) throw ConfigError("--model", "missing");
    if (app.count("--endpoint") == 0) command.endpoint.chat.url = "https://replay.invalid/v1";
    command.endpoint.chat.key = secret_of(command.key_variable);
    return annotate_by_endpoint(command.files, command.endpoint);
  };
  const AnnotatedSet set = made();
  std::cout << (command.json ? set.report().dump() + "\n" : set.report_text());
}

void add_endpoint_options(Command& app, AnnotateCommand& command) {
  auto& chat = command.endpoint.chat;
  auto& limits = command.endpoint.limits;
  app.add_option("--endpoint", chat.url,
                 "URL of OpenAI's chat completions, up to /v1; https, or http to this machine");
  app.add_option("--model", chat.model, "its name at the endpoint");
  app.add_option("--key-env", command.key_variable, "environment variable that holds the secret");
  app.add_flag("--send-images", command.endpoint.send_images, "send the pictures too");
  app.add_option("--replay", command.endpoint.replay,
                 "journal.sqlite of a finished run: the same set without a network");
  app.add_option("--concurrency", command.endpoint.concurrency, "pictures at a time (4)")
      ->in_range(1, 64);
  app.add_option("--masks", command.endpoint.masks_most, "of a dialogue, at most (2)")
      ->in_range(1, 4);
  app.add_option("--retries", limits.retries, "of a request that fails for a while (8)")
      ->in_range(0, 100);
  app.add_option("--repairs", limits.repairs, "of an answer that has a fault (2)")->in_range(0, 10);
  app.add_option("--rate", limits.requests_per_minute, "requests a minute")->positive();
  app.add_option("--max-requests", limits.requests_most, "of this run")->positive();
  app.add_option("--max-tokens", limits.tokens_most, "of the whole journal")->positive();
  app.add_option("--max-price", limits.price_most, "of the whole journal")->positive();
  app.add_option("--price-prompt", limits.price_prompt, "of a million tokens sent")->not_negative();
  app.add_option("--price-answer", limits.price_answer, "of a million tokens received")
      ->not_negative();
  app.add_option("--temperature", chat.temperature, "of the model (0)")->in_range(0.0, 2.0);
  app.add_option("--timeout", chat.request_s, "seconds for one answer (300)")->positive();
}

}  // namespace

void add_data_annotate(Command& data) {
  auto command = std::make_shared<AnnotateCommand>();
  auto* app = data.add_subcommand("annotate", "Write dialogues about the masks of a manifest");
  app->add_option("manifest", command->files.manifest, "manifest.jsonl with masks")->required();
  app->add_option("--out", command->files.out,
                  "folder of the new manifest, its report, its journal")
      ->required();
  app->add_option("--prompts", command->files.prompts,
                  "folder of vocabulary.json and the stages (configs/annotate)");
  app->add_option("--seed", command->seed, "the same seed gives the same bytes");
  app->add_flag("--json", command->json, "the report as one JSON object");
  app->add_flag("--templates", command->by_templates, "from sentences of a table, without a model");
  app->add_option("--min-turns", command->templates.turns_least, "of a dialogue (2)")
      ->in_range(1, 12);
  app->add_option("--max-turns", command->templates.turns_most, "of a dialogue (5)")
      ->in_range(1, 12);
  app->add_option("--absent-share", command->templates.absent_share,
                  "of the turns that ask for what is not there (0.25)")
      ->in_range(0.0, 0.9);
  add_endpoint_options(*app, *command);
  app->footer(
      "Example: medseg data annotate data/demo/manifest.jsonl --out data/medseg-qa --templates");
  app->callback([app, command] { annotate(*app, *command); });
}

}  // namespace medseg
