#include "medseg/exchange/model_export.h"

#include <iostream>
#include <memory>

#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "model_commands.h"

namespace medseg {

void add_model_export(Command& model) {
  auto* command = model.add_subcommand("export", "a bundle as others read it");
  const auto request = std::make_shared<ExportRequest>();
  const auto out = std::make_shared<std::string>();
  command->add_option("BUNDLE", request->bundle, "folder")->required();
  command
      ->add_option(
          "--layout",
          [request](const std::string& name) {
            request->layout = choice_named<ExportLayout>("--layout", name);
          },
          join(choice_names<ExportLayout>(), " | "))
      ->required();
  command->add_option("--out", *out, "a new or empty folder, filled whole or not at all")
      ->required();
  command->footer(
      "hf-llava    for LlavaForConditionalGeneration.from_pretrained; the grounding part is left "
      "out\n"
      "lisa glamm  names and config.json of these repositories; the CLIP tower goes into "
      "OUT/vision_tower, which\n"
      "            config.json names as mm_vision_tower\n"
      "peft        BUNDLE is a checkpoint of a run: its adapter, kept apart there, and what "
      "trained beside it\n"
      "sam         model.safetensors and config.json for SamModel.from_pretrained (SAM's ViT "
      "only);\n"
      "            segment_anything.safetensors for "
      "Sam.load_state_dict(safetensors.torch.load_file(…))\n"
      "Weights are safetensors, in shards of 5 GB with an index where there are more.\n\n"
      "Example: medseg model export runs/demo/best --layout peft --out adapter");
  command->callback([request, out] {
    const auto report = export_bundle(*request, *out);
    log_info(str_cat("export: ", report.written, " tensors written, ", report.left_out.size(),
                     " of the bundle do not belong there"));
    std::cout << *out << "\n";
  });
}

}  // namespace medseg
