#include "medseg/exchange/model_import.h"

#include <iostream>
#include <memory>

#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/exchange/layout_import.h"
#include "model_commands.h"

namespace medseg {
namespace {

void print(const ImportReport& report, const std::string& out) {
  log_info(str_cat("import: ", report.loaded, " tensors loaded, ", report.unused.size(),
                   " of the files not needed"));
  for (const auto& name : report.initialised) log_info("  initialised, to be trained: " + name);
  std::cout << out << "\n";
}

/// An option whose value is one of the names of a choice.
template <NamedChoice Enum>
Option* add_choice(Command& command, const std::string& option, Enum& value,
                   const std::string& after = "") {
  const auto read = [option, &value](const std::string& name) {
    value = choice_named<Enum>(option, name);
  };
  return command.add_option(option, read, join(choice_names<Enum>(), " | ") + after)
      ->show_default(name_of(value));
}

void add_parts(Command& import) {
  auto* parts = import.add_subcommand(
      "parts", "a language model, a vision tower and a grounding part, each from its own file");
  const auto request = std::make_shared<ImportRequest>();
  const auto out = std::make_shared<std::string>();
  parts
      ->add_option("LANGUAGE", request->language,
                   "LLaMA, Mistral, Qwen2 or SmolLM2: GGUF or Hugging Face folder")
      ->required();
  parts->add_option("--vision", request->vision,
                    "CLIP, SigLIP or DINOv2 tower: folder, safetensors, .bin, or DINOv2 in ONNX");
  parts->add_option(
      "--grounding", request->grounding,
      "SAM, MedSAM, LiteMedSAM or MobileSAM: .pth or safetensors, or a SamModel folder");
  add_choice(*parts, "--grounding-preprocess", request->grounding_preprocess);
  parts->add_option(
      "--vision-preprocess",
      [request](const std::string& name) {
        request->vision_preprocess = choice_named<VisionFit>("--vision-preprocess", name);
      },
      join(choice_names<VisionFit>(), " | ") + "; default: square for SigLIP, else pad");
  add_choice(*parts, "--dtype", request->dtype, ": of the language model's matrices in the bundle");
  add_choice(*parts, "--projector", request->projector);
  parts->add_option("--merge", request->merge, "side of the patch block that becomes one token")
      ->show_default();
  parts->add_option("--conversation", request->conversation,
                    "template; default: the tokenizer's own");
  parts->add_option("--seed", request->seed, "of what is initialised")->show_default();
  parts->add_option("--out", *out, "the bundle's folder; only a bundle there is replaced")
      ->required();
  parts->footer(
      "Example: medseg model import parts SmolLM2-135M-Instruct.Q4_1.gguf --vision "
      "vit_s_focus.onnx --grounding "
      "lite_medsam.pth --grounding-preprocess litemedsam --merge 2 --out runs/demo-start");
  parts->callback([request, out] {
    request->command = "medseg model import parts";
    const auto report = import_parts(*request, *out);
    print(report, *out);
  });
}

struct LayoutText {
  ImportLayout layout;
  const char* what;
  const char* example;
};

void add_layout(Command& import, const LayoutText& text) {
  auto* command = import.add_subcommand(name_of(text.layout), text.what);
  const auto request = std::make_shared<LayoutRequest>();
  const auto out = std::make_shared<std::string>();
  request->layout = text.layout;
  command
      ->add_option("SRC", request->source,
                   "folder: config.json, tokenizer, weights and their index")
      ->required();
  command->add_option(
      "--vision", request->vision,
      "the vision tower's folder, where SRC holds none (LISA, GLaMM, LLaVA-1.5: their CLIP is a "
      "repository of its own); else a folder whose config.json describes the tower in SRC");
  if (request->layout == ImportLayout::kLlava) {
    command->add_option(
        "--grounding", request->grounding,
        "SAM's file or folder: adds [SEG], <p>, </p> and a segmentation head, to be trained");
  }
  add_choice(*command, "--grounding-preprocess", request->grounding_preprocess);
  command->add_option("--adapter", request->adapter, "PEFT folder, merged into the weights");
  command
      ->add_option("--lora-alpha", request->lora_alpha,
                   "of LoRA layers that SRC holds unmerged (a DeepSpeed checkpoint turned into one "
                   "file), where SRC has no adapter_config.json; default: 16, LISA's")
      ->positive();
  command->add_option("--conversation", request->conversation,
                      "template; default: the layout's own");
  command->add_option("--seed", request->seed, "of what is initialised")->show_default();
  command->add_option("--out", *out, "the bundle's folder; only a bundle there is replaced")
      ->required();
  command->footer(std::string("Example: ") + text.example);
  command->callback([request, out] {
    request->command = "medseg model import " + name_of(request->layout);
    print(import_layout(*request, *out), *out);
  });
}

}  // namespace

void add_model_import(Command& model) {
  auto* import = model.add_subcommand("import", "published weights into a bundle");
  import->require_subcommand();
  add_parts(*import);
  for (const auto& text :
       {LayoutText{ImportLayout::kLisa, "LISA-7B-v1, -13B, and the llama2 variants",
                   "medseg model import lisa LISA-7B-v1 --vision clip-vit-large-patch14 --out "
                   "models/lisa-7b"},
        LayoutText{ImportLayout::kGlamm, "GLaMM-GCG, -FullScope, -RefSeg, -GranD",
                   "medseg model import glamm GLaMM-GCG --vision clip-vit-large-patch14-336 --out "
                   "models/glamm"},
        LayoutText{
            ImportLayout::kLlava, "LLaVA-1.5, LLaVA-Med v1.5, llava-hf",
            "medseg model import llava llava-med-v1.5-mistral-7b --grounding medsam_vit_b.pth "
            "--grounding-preprocess medsam_square --out models/start"}}) {
    add_layout(*import, text);
  }
}

}  // namespace medseg
