#include "medseg/exchange/open_grounding.h"

#include "grounding_geometry.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "medseg/weights/sam_names.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

/// A SamModel's config.json says two things that the shapes do not: whether it is of a related
/// architecture (SAM-HQ, SAM 2), and the decoder's heads.
void check_config(const fs::path& path, const GroundingOptions& options) {
  if (!fs::exists(path)) return;
  const auto json =
      raised_as<CheckpointError>([&] { return parse_json(read_file(path), path.string()); });
  if (!json.is_object()) throw CheckpointError(path.string(), "no object");
  const auto type = json.find("model_type");
  if (type != json.end() && *type != "sam")
    throw CheckpointError(path.string(), "model_type " + type->dump() + "; known is \"sam\"");
  const auto decoder = json.find("mask_decoder_config");
  if (decoder == json.end() || !decoder->is_object()) return;
  const auto heads = decoder->find("num_attention_heads");
  if (heads != decoder->end() && *heads != options.decoder_heads) {
    throw CheckpointError(path.string(),
                          str_cat("mask_decoder_config.num_attention_heads is ", heads->dump(),
                                  ", expected ", options.decoder_heads));
  }
}

}  // namespace

GroundingPart open_grounding(const fs::path& path) {
  GroundingPart part;
  part.file = open_tensor_file(path);
  part.sources = sam_sources(*part.file);
  part.options = grounding_geometry(*part.file, part.sources);
  if (has_hf_sam_names(*part.file))
    check_config((fs::is_directory(path) ? path : path.parent_path()) / "config.json",
                 part.options);
  return part;
}

}  // namespace medseg
