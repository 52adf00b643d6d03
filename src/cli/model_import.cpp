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

void add_parts(CLI::App& import) {
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
  parts
      ->add_option("--grounding-preprocess", request->grounding_preprocess,
                   "sam | medsam_square | medsam_pil | litemedsam")
      ->capture_default_str();
  parts->add_option("--vision-preprocess", request->vision_preprocess,
                    "pad | crop | square; default: square for SigLIP, else pad");
  parts
      ->add_option("--dtype", request->dtype,
                   "fp32 | bf16: of the language model's matrices in the bundle")
      ->capture_default_str();
  parts->add_option("--projector", request->projector, "linear | mlp2x_gelu")
      ->capture_default_str();
  parts->add_option("--merge", request->merge, "side of the patch block that becomes one token")
      ->capture_default_str();
  parts->add_option("--conversation", request->conversation,
                    "template; default: the tokenizer's own");
  parts->add_option("--seed", request->seed, "of what is initialised")->capture_default_str();
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
  const char* name;
  const char* what;
  const char* example;
};

void add_layout(CLI::App& import, const LayoutText& text) {
  auto* command = import.add_subcommand(text.name, text.what);
  const auto request = std::make_shared<LayoutRequest>();
  const auto out = std::make_shared<std::string>();
  request->layout = text.name;
  command
      ->add_option("SRC", request->source,
                   "folder: config.json, tokenizer, weights and their index")
      ->required();
  command->add_option(
      "--vision", request->vision,
      "the vision tower's folder, where SRC holds none (LISA, GLaMM, LLaVA-1.5: their CLIP is a "
      "repository of its own)");
  if (request->layout == "llava") {
    command->add_option(
        "--grounding", request->grounding,
        "SAM's file or folder: adds [SEG], <p>, </p> and a segmentation head, to be trained");
  }
  command
      ->add_option("--grounding-preprocess", request->grounding_preprocess,
                   "sam | medsam_square | medsam_pil | litemedsam")
      ->capture_default_str();
  command->add_option("--adapter", request->adapter, "PEFT folder, merged into the weights");
  command->add_option("--conversation", request->conversation,
                      "template; default: the layout's own");
  command->add_option("--seed", request->seed, "of what is initialised")->capture_default_str();
  command->add_option("--out", *out, "the bundle's folder; only a bundle there is replaced")
      ->required();
  command->footer(std::string("Example: ") + text.example);
  command->callback([request, out] {
    request->command = "medseg model import " + request->layout;
    print(import_layout(*request, *out), *out);
  });
}

}  // namespace

void add_model_import(CLI::App& model) {
  auto* import = model.add_subcommand("import", "published weights into a bundle");
  import->require_subcommand(1);
  add_parts(*import);
  for (const auto& text :
       {LayoutText{"lisa", "LISA-7B-v1, -13B, and the llama2 variants",
                   "medseg model import lisa LISA-7B-v1 --vision clip-vit-large-patch14 --out "
                   "models/lisa-7b"},
        LayoutText{"glamm", "GLaMM-GCG, -FullScope, -RefSeg, -GranD",
                   "medseg model import glamm GLaMM-GCG --vision clip-vit-large-patch14-336 --out "
                   "models/glamm"},
        LayoutText{
            "llava", "LLaVA-1.5, LLaVA-Med v1.5, llava-hf",
            "medseg model import llava llava-med-v1.5-mistral-7b --grounding medsam_vit_b.pth "
            "--grounding-preprocess medsam_square --out models/start"}}) {
    add_layout(*import, text);
  }
}

}  // namespace medseg
