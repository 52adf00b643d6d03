#include <iostream>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "commands.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/training/trace.h"
#include "medseg/weights/tensor_file.h"
#include "picture_options.h"

namespace medseg {
namespace {

struct TraceArguments {
  std::filesystem::path model, manifest, out;
  PictureOptions picture;
  std::string id, prompt, answer;
  TraceOptions options;
  int threads = 1;
};

void check(const TraceArguments& arguments) {
  const bool has_record = !arguments.manifest.empty() || !arguments.id.empty();
  const bool has_question =
      !arguments.prompt.empty() || !arguments.answer.empty() || !arguments.picture.file.empty();
  if (has_record == has_question) {
    throw ConfigError("trace", "either --data and --id, or --image and --prompt, are needed");
  }
  if (has_record && arguments.manifest.empty())
    throw ConfigError("--data", "missing, --id is given");
  if (has_record && arguments.id.empty()) throw ConfigError("--id", "missing, --data is given");
  if (has_question && trim(arguments.prompt).empty()) throw ConfigError("--prompt", "empty");
  if (arguments.options.generate < 0) {
    throw ConfigError("--generate", str_cat(arguments.options.generate, " is out of range"));
  }
  if (arguments.threads < 0) {
    throw ConfigError("--threads", str_cat(arguments.threads, " is out of range"));
  }
  if (arguments.answer.find(kImagePlace) != std::string::npos) {
    throw ConfigError("--answer", "holds <image>; only a question may");
  }
}

const Record& find_record(const Manifest& manifest, const std::string& id) {
  if (const Record* record = manifest.find(id)) return *record;
  std::vector<std::string> known;
  for (const auto& record : manifest.records()) known.push_back(record.id);
  throw DataError(manifest.path().string(),
                  str_cat("no record \"", id, "\"; did you mean \"", nearest(id, known), "\"?"));
}

Trace of_record(OpenBundle& bundle, const TraceArguments& arguments) {
  const auto manifest = Manifest::read(arguments.manifest);
  return trace_record(bundle, manifest, find_record(manifest, arguments.id), arguments.options);
}

Trace of_question(OpenBundle& bundle, const TraceArguments& arguments) {
  if (count_seg(arguments.answer) > 0 && !bundle.tokenizer->id_of(kSegToken)) {
    throw ConfigError("--answer", "holds [SEG], but the bundle's tokenizer has no such token");
  }
  std::optional<Image> image;
  if (!arguments.picture.file.empty()) image = open_named_picture(arguments.picture).image;
  return trace_question(bundle, image, arguments.prompt, arguments.answer, arguments.options);
}

void trace(const TraceArguments& arguments) {
  check(arguments);
  at::set_num_threads(arguments.threads > 0 ? arguments.threads
                                            : at::intraop_default_num_threads());
  OpenBundle bundle = open_bundle(arguments.model);
  if (!bundle.options.initialised.empty()) {
    log_warning(str_cat(arguments.model.string(), ": ", bundle.options.initialised.size(),
                        " tensors were initialised and never trained (medseg model audit)"));
  }
  const Trace traced =
      arguments.manifest.empty() ? of_question(bundle, arguments) : of_record(bundle, arguments);
  write_safetensors(arguments.out, traced, {{"format", "pt"}});
  for (const auto& [name, tensor] : traced) {
    std::cout << (tensor.scalar_type() == at::kLong ? "I64 " : "F32 ") << name << " "
              << tensor.sizes() << "\n";
  }
}

}  // namespace

void add_model_trace(Command& model) {
  auto arguments = std::make_shared<TraceArguments>();
  auto* command = model.add_subcommand(
      "trace", "named tensors of one teacher-forced pass in float32 on the CPU, stage by stage");
  command->add_option("--model", arguments->model, "bundle")->required();
  add_picture_options(*command, arguments->picture, /*picture_required=*/false);
  command->add_option("--prompt", arguments->prompt, "the question about --image");
  command->add_option("--answer", arguments->answer,
                      "the answer that is fed; without it the prompt stays open");
  command->add_option("--data", arguments->manifest,
                      "manifest.jsonl: all turns of a record instead, with the losses");
  command->add_option("--id", arguments->id, "the record of --data");
  command
      ->add_option("--gradients", arguments->options.gradients,
                   "with --data: also d total loss / d PARAMETER for names that match, such as "
                   "'model.text_hidden_fcs.*'; may be given again")
      ->one_each_time();
  command->add_option("--generate", arguments->options.generate,
                      "also a greedy answer to the first question, at most so many tokens");
  command->add_option("--threads", arguments->threads,
                      "0: one a core; 1 (default) gives the same bits on any number of cores");
  command->add_option("--out", arguments->out, "safetensors file")->required();
  command->footer(
      "Example: medseg model trace --model runs/demo/best --data data/demo/manifest.jsonl --id "
      "ct-head-000-1 --gradients 'model.text_hidden_fcs.*' --out trace.safetensors");
  command->callback([arguments] { trace(*arguments); });
}

}  // namespace medseg
