/// \file
/// A whole model that runs in milliseconds, random but the same every time, and pictures to ask it
/// about.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "medseg/base/file.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/image/codec.h"
#include "medseg/models/llama.h"
#include "support/temp_folder.h"
#include "support/tiny_segmenter.h"

namespace medseg {

inline BundleOptions tiny_bundle_options(const Tokenizer& tokenizer) {
  BundleOptions options;
  options.model = tiny_segmenter(tokenizer.size(), /*max_positions=*/512);
  options.grounding_preprocess = GroundingPreprocess::kLitemedsam;
  options.conversation = "chatml";
  options.tokenizer_fingerprint = tokenizer.fingerprint();
  for (const char* token : {"[SEG]", "<p>", "</p>"})
    options.special_tokens[token] = *tokenizer.id_of(token);
  options.max_new_tokens = 12;
  return options;
}

/// In memory, with logits far enough apart that a greedy choice is no matter of rounding.
inline OpenBundle tiny_bundle() {
  OpenBundle bundle;
  bundle.path = "tiny";
  bundle.tokenizer =
      load_tokenizer(MEDSEG_SOURCE_DIR "/tests/golden/text/bpe/smollm/tokenizer.json");
  bundle.options = tiny_bundle_options(*bundle.tokenizer);
  at::manual_seed(7);
  bundle.model = std::make_unique<Segmenter>(bundle.options.model);
  const at::NoGradGuard no_grad;
  bundle.model->language().embed_tokens.normal_();
  bundle.model->language().head.normal_();
  return bundle;
}

/// The model says `token` after a state like `state`.
inline void prefer(OpenBundle& bundle, std::int64_t token, const at::Tensor& state) {
  const at::NoGradGuard no_grad;
  const auto direction = state.flatten() / state.norm();
  bundle.model->language().head[token] += 40.0 * direction;
}

inline void save_tiny_bundle(const OpenBundle& bundle, const std::filesystem::path& folder) {
  AtomicFolder written(folder);
  save_bundle(written.path(), *bundle.model, bundle.options, {{"made_by", "a test"}});
  bundle.tokenizer->save(written.path());
  written.commit();
}

/// Grey, with a bright square.
inline Image tiny_picture(int width, int height, int shift = 0) {
  Image image{width, height, 1, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const bool inside = x > 5 + shift && x < 15 + shift && y > 4 && y < 14;
      image.pixels.push_back(static_cast<std::uint8_t>(inside ? 230 : (x * 5 + y * 3) % 90));
    }
  }
  return image;
}

inline Mask tiny_mask(int width, int height, int shift = 0) {
  Mask mask(width, height);
  for (int y = 5; y < 14; ++y) {
    for (int x = 6 + shift; x < 15 + shift; ++x)
      mask.pixels[static_cast<std::size_t>(y * width + x)] = 1;
  }
  return mask;
}

/// Two slices for training and two records about one slice for testing; the last test record has
/// two turns, of which the second asks for something absent. Returns the manifest's path.
inline std::filesystem::path write_tiny_data(const std::filesystem::path& folder) {
  std::string lines;
  const auto record = [&](const std::string& id, const std::string& split, int slice, int shift,
                          const std::string& phrasing, const std::string& more) {
    const std::string picture = "images/slice-" + std::to_string(slice) + ".png";
    const std::string mask = "masks/slice-" + std::to_string(slice) + ".png";
    write_png(folder / picture, tiny_picture(32, 24, shift));
    write_png(folder / mask, tiny_mask(32, 24, shift));
    lines += R"({"id": ")" + id + R"(", "image": ")" + picture +
             R"(", "modality": "ct", "subject": "s1", "split": ")" + split +
             R"(", "split_unit": "slab", "slice": {"axis": 2, "index": )" + std::to_string(slice) +
             R"(}, "phrasing": ")" + phrasing +
             R"(", "masks": {"m0": {"label": "skull", "file": ")" + mask +
             R"("}}, "absent": ["tumour"], )" +
             R"("conversations": [{"from": "human", "value": "<image>\nWhat protects it?"}, )" +
             R"({"from": "gpt", "value": "The <p> skull </p> [SEG] does.", "masks": ["m0"]})" +
             more + "]}\n";
  };
  record("train-1", "train", 1, 0, "seen", "");
  record("train-2", "train", 2, 3, "seen", "");
  record("test-1", "test", 4, 2, "unseen", "");
  record("test-2", "test", 4, 2, "seen",
         R"(, {"from": "human", "value": "Is there a tumour?"}, )"
         R"({"from": "gpt", "value": "No, there is none.", "masks": []})");
  write_file(folder / "manifest.jsonl", lines);
  return folder / "manifest.jsonl";
}

}  // namespace medseg
