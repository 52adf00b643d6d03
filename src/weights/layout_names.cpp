// Sources of the names: LISA model/LISA.py, GLaMM model/GLaMM.py, LLaVA llava_arch.py, transformers
// modeling_llava (with its checkpoint conversions of 4.52 and 5).
#include "layout_names.h"

namespace medseg {
namespace {

using Rules = std::vector<NameRule>;

const Rules& language_rules() {
  static const Rules rules = {{"model.embed_tokens.weight", "model.embed_tokens.weight"},
                              {"model.layers.*", "model.layers.*"},
                              {"model.norm.weight", "model.norm.weight"},
                              {"lm_head.weight", "lm_head.weight"}};
  return rules;
}

const Rules& llava_rules() {
  static const Rules rules = {
      {"model.vision_tower.vision_tower.*", "model.vision_tower.vision_tower.*"},
      {"model.mm_projector.*", "model.mm_projector.*"}};
  return rules;
}

const NameRule kHead = {"model.text_hidden_fcs.0.*", "model.text_hidden_fcs.0.*"};

Rules joined(std::initializer_list<Rules> lists) {
  Rules all;
  for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

// When writing, the first matching rule counts. So the names of the published llava-hf files, which
// every version of transformers reads, come first.
const Rules& hugging_face_rules() {
  static const Rules rules = {
      {"language_model.model.embed_tokens.weight", "model.embed_tokens.weight"},
      {"language_model.model.layers.*", "model.layers.*"},
      {"language_model.model.norm.weight", "model.norm.weight"},
      {"language_model.lm_head.weight", "lm_head.weight"},
      {"multi_modal_projector.linear_1.*", "model.mm_projector.0.*"},
      {"multi_modal_projector.linear_2.*", "model.mm_projector.2.*"},
      {"vision_tower.vision_model.*", "model.vision_tower.vision_tower.vision_model.*"},
      // transformers 4.52 and later
      {"model.language_model.embed_tokens.weight", "model.embed_tokens.weight"},
      {"model.language_model.layers.*", "model.layers.*"},
      {"model.language_model.norm.weight", "model.norm.weight"},
      {"lm_head.weight", "lm_head.weight"},
      {"model.multi_modal_projector.linear_1.*", "model.mm_projector.0.*"},
      {"model.multi_modal_projector.linear_2.*", "model.mm_projector.2.*"},
      {"model.vision_tower.vision_model.*", "model.vision_tower.vision_tower.vision_model.*"},
      // transformers 5: a CLIP tower whose names lack "vision_model"
      {"vision_tower.embeddings.*", "model.vision_tower.vision_tower.vision_model.embeddings.*"},
      {"vision_tower.encoder.*", "model.vision_tower.vision_tower.vision_model.encoder.*"},
      {"vision_tower.p*", "model.vision_tower.vision_tower.vision_model.p*"},
      {"model.vision_tower.embeddings.*",
       "model.vision_tower.vision_tower.vision_model.embeddings.*"},
      {"model.vision_tower.encoder.*", "model.vision_tower.vision_tower.vision_model.encoder.*"},
      {"model.vision_tower.p*", "model.vision_tower.vision_tower.vision_model.p*"},
  };
  return rules;
}

// Tensors that are not needed: tables that follow from the sizes, CLIP's text half, constants.
const std::vector<std::string>& ignorable() {
  static const std::vector<std::string> patterns = {
      "*rotary_emb.inv_freq",     "*embeddings.position_ids",   "*.text_model.*",
      "*.text_projection.weight", "*.visual_projection.weight", "*.logit_scale"};
  return patterns;
}

std::vector<std::string> ignorable_and(const std::vector<std::string>& more) {
  auto all = ignorable();
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace

const std::vector<Layout>& published_layouts() {
  static const std::vector<Layout> layouts = {
      {"lisa",
       joined({language_rules(),
               llava_rules(),
               {kHead, {"model.visual_model.*", "model.grounding_encoder.*"}}}),
       ignorable_and({"model.visual_model.pixel_mean", "model.visual_model.pixel_std"})},
      {"glamm",
       joined({language_rules(),
               llava_rules(),
               {kHead, {"model.grounding_encoder.*", "model.grounding_encoder.*"}}}),
       ignorable_and({"model.grounding_encoder.pixel_mean", "model.grounding_encoder.pixel_std",
                      "model.region_encoder.*"})},
      {"llava", joined({language_rules(), llava_rules()}), ignorable()},
      {"llava-hf", hugging_face_rules(), ignorable()},
  };
  return layouts;
}

}  // namespace medseg
