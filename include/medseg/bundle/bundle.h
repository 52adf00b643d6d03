/// \file
/// A bundle: the folder that holds everything needed to predict.
///
///     config.json          architecture, preprocessing, template, special tokens, provenance
///     tokenizer.json | tokenizer.model
///     model.safetensors    (or shards with model.safetensors.index.json)
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "medseg/bundle/licence.h"
#include "medseg/config/fields.h"
#include "medseg/models/segmenter.h"
#include "medseg/models/vision_preprocess.h"
#include "medseg/weights/name_map.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

/// How an image becomes the grounding encoder's input (src/README.md, choice 13).
enum class GroundingPreprocess {
  kSam,           ///< longest side resized, SAM's mean and deviation, padded (segment_anything)
  kLitemedsam,    ///< the same resize, min-max to [0, 1], padded
  kMedsamSquare,  ///< stretched by a spline, cut to 8 bits, min-max (MedSAM_Inference.py)
  kMedsamSquareFloat,  ///< without the cut (MedSAM's pre_CT_MR.py, for training)
  kMedsamPil,          ///< stretched by Pillow's bicubic, min-max
};
template <>
struct Choice<GroundingPreprocess> {
  static constexpr ChoiceNames<GroundingPreprocess, 5> names = {
      {{GroundingPreprocess::kSam, "sam"},
       {GroundingPreprocess::kLitemedsam, "litemedsam"},
       {GroundingPreprocess::kMedsamSquare, "medsam_square"},
       {GroundingPreprocess::kMedsamSquareFloat, "medsam_square_float"},
       {GroundingPreprocess::kMedsamPil, "medsam_pil"}}};
};

/// Everything of config.json but provenance.
struct BundleOptions {
  SegmenterOptions model;
  VisionPreprocess vision_preprocess;
  GroundingPreprocess grounding_preprocess = GroundingPreprocess::kSam;
  std::string conversation = "llava_v1";
  std::string system;
  bool image_start_end = false;
  bool image_overview = false;  ///< GLaMM's sentence around the image
  std::string tokenizer_mode = "hf_legacy";
  std::string tokenizer_fingerprint;
  std::map<std::string, std::int64_t> special_tokens;  ///< "[SEG]" -> id, …
  /// Parameters that are neither loaded nor trained yet (exact names); empty in a bundle one may
  /// use.
  std::vector<std::string> initialised;
  std::int64_t max_new_tokens = 128;
  std::vector<PartLicence> licences;  ///< as the sources of the parts state them

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("model", self.model);
    visit("vision_preprocess", self.vision_preprocess);
    visit("grounding_preprocess", self.grounding_preprocess);
    visit("conversation", self.conversation);
    visit("system", self.system);
    visit("image_start_end", self.image_start_end);
    visit("image_overview", self.image_overview);
    visit("tokenizer_mode", self.tokenizer_mode);
    visit("tokenizer_fingerprint", self.tokenizer_fingerprint);
    visit("special_tokens", self.special_tokens);
    visit("initialised", self.initialised);
    visit("max_new_tokens", self.max_new_tokens, at_least(1));
    visit("licences", self.licences);
  }
};

/// Reads config.json. \throws CheckpointError naming the folder and the fault.
BundleOptions read_bundle_options(const std::filesystem::path& bundle);

/// Builds the model and loads every tensor, strictly; matrices of the language model that the file
/// holds in bf16 stay so. \throws CheckpointError listing missing, unused or mismatched tensors.
std::unique_ptr<Segmenter> load_segmenter(const std::filesystem::path& bundle,
                                          const BundleOptions& options);

/// The model that load_segmenter would give, in shapes and dtypes alone (torch's meta device): it
/// can be counted and searched by name, not computed with. Reads only the headers of the weights.
/// \throws CheckpointError.
std::unique_ptr<Segmenter> outline_segmenter(const std::filesystem::path& bundle,
                                             const BundleOptions& options);

/// Writes config.json and model.safetensors into `folder` (which the caller makes appear
/// atomically, with the tokenizer's files). Adapters are merged into the written weights, the model
/// in memory keeps them. `provenance` is free JSON.
void save_bundle(const std::filesystem::path& folder, Segmenter& model,
                 const BundleOptions& options, const nlohmann::json& provenance);

/// The same from tensors that are ready made, in the order of the model and in their own dtype.
void write_bundle(const std::filesystem::path& folder, const std::vector<TensorToWrite>& tensors,
                  const BundleOptions& options, const nlohmann::json& provenance);

/// Checks that `tensors` are all that a model of these options has, name by name and size by size;
/// no value is needed. Returns them in the model's order. \throws CheckpointError "where: …"
/// listing missing, unused or mismatched tensors.
std::vector<TensorToWrite> fit_to_model(std::vector<TensorToWrite> tensors,
                                        const SegmenterOptions& options, const std::string& where);

/// Called before a bundle is written where a user says: another bundle may be replaced, nothing
/// else.
/// \throws DataError naming what `folder` holds beside a bundle's own files (a run's
/// training.safetensors, say), or all of a folder that is no bundle.
void refuse_all_but_bundle(const std::filesystem::path& folder);

/// The file or index of a bundle's weights. \throws CheckpointError when there is none.
std::filesystem::path weights_of_bundle(const std::filesystem::path& bundle);

}  // namespace medseg
