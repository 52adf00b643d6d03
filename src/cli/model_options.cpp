#include "model_options.h"

#include "medseg/base/str.h"
#include "medseg/nn/precision.h"

namespace medseg {

void add_model_options(Command& command, ModelOptions& options, bool model_required) {
  auto* model = command.add_option("--model", options.bundle,
                                   "bundle: a folder with config.json and weights");
  if (model_required) model->required();
  command.add_option("--precision", options.precision,
                     join(choice_names<Precision>(), " | ") + "; default: bf16");
  command.add_option("--device", options.device,
                     join(choice_names<DeviceKind>(), " | ") + "; default: cpu");
  command.add_option("--threads", options.threads, "0: one a core");
  command.add_option("--max-new-tokens", options.max_new_tokens,
                     "longest answer; 0: what the bundle says");
}

}  // namespace medseg
