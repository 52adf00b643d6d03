/// \file
/// A model of a few thousand numbers, six pictures with squares in them, and the config that trains
/// the one on the others.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/bundle/bundle.h"
#include "medseg/image/codec.h"
#include "medseg/models/dinov2.h"
#include "medseg/models/tiny_vit.h"
#include "medseg/text/tokenizer.h"
#include "medseg/training/options.h"
#include "medseg/weights/tensor_file.h"
#include "support/tiny_segmenter.h"

namespace medseg::tiny {

namespace fs = std::filesystem;

/// GPT-2's printable stand-in of a byte, as UTF-8.
inline std::string byte_token(int byte) {
  static const std::vector<int> points = [] {
    std::vector<int> made(256);
    int next = 256;
    for (int b = 0; b < 256; ++b) {
      const bool printable =
          (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
      made[static_cast<std::size_t>(b)] = printable ? b : next++;
    }
    return made;
  }();
  const int point = points[static_cast<std::size_t>(byte)];
  if (point < 128) return std::string(1, static_cast<char>(point));
  return {static_cast<char>(0xc0 | (point >> 6)), static_cast<char>(0x80 | (point & 63))};
}

inline std::unique_ptr<Tokenizer> make_byte_tokenizer() {
  GgufVocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "gpt-2";
  for (int b = 0; b < 256; ++b) vocabulary.tokens.push_back(byte_token(b));
  vocabulary.types.assign(256, 1);
  vocabulary.tokens.push_back("</s>");
  vocabulary.types.push_back(3);
  vocabulary.eos = 256;
  auto tokenizer = make_tokenizer(vocabulary);
  tokenizer->add_tokens({"[SEG]", "<p>", "</p>"});
  return tokenizer;
}

inline constexpr std::int64_t kFirstAdded = 257;

inline void write_start(const fs::path& folder, bool tied_head = true, double poison = 0.0) {
  const auto tokenizer = make_byte_tokenizer();
  BundleOptions options;
  auto& model = options.model;
  model = tiny_segmenter(tokenizer->size(), /*max_positions=*/512);
  model.language.heads = 2;
  model.language.kv_heads = 1;
  model.language.rope_theta = LlamaOptions{}.rope_theta;
  model.language.tied_head = tied_head;
  // Wide enough to learn the six images in some dozen steps.
  model.vision.tower.set(Dinov2Options{
      .image_size = 28, .position_grid = 5, .patch = 7, .width = 32, .layers = 1, .heads = 2});
  model.grounding.encoder.set(TinyVitOptions{.image_size = 32,
                                             .widths = {8, 8, 8, 8},
                                             .depths = {1, 1, 1, 1},
                                             .heads = {1, 1, 1, 1},
                                             .windows = {4, 4, 4, 4}});
  model.grounding.width = 32;
  model.grounding.decoder_depth = GroundingOptions{}.decoder_depth;
  model.grounding.decoder_heads = 4;
  model.grounding.decoder_mlp = 48;
  model.grounding.mask_channels = 8;
  options.grounding_preprocess = GroundingPreprocess::kLitemedsam;
  options.conversation = "plain";
  options.tokenizer_fingerprint = tokenizer->fingerprint();
  for (const char* token : {"[SEG]", "<p>", "</p>"})
    options.special_tokens[token] = *tokenizer->id_of(token);
  options.max_new_tokens = 4;
  at::manual_seed(7);
  Segmenter segmenter(model);
  for (const auto& [name, tensor] : segmenter.named_parameters()) {
    if (name.find("text_hidden_fcs") != std::string::npos) options.initialised.push_back(name);
    if (poison != 0 && name == "model.text_hidden_fcs.0.2.bias") tensor->fill_(poison);
  }
  AtomicFolder bundle(folder);
  save_bundle(bundle.path(), segmenter, options, {});
  tokenizer->save(bundle.path());
  bundle.commit();
}

inline Image picture(int index) {
  Image image{40, 36, 1, {}};
  image.pixels.assign(40 * 36, static_cast<std::uint8_t>(20 + 10 * index));
  for (int y = 4; y < 16; ++y) {
    for (int x = 5 + index; x < 20 + index; ++x)
      image.pixels[static_cast<std::size_t>(y * 40 + x)] = 200;
  }
  return image;
}

inline void write_data(const fs::path& folder) {
  std::string lines;
  for (int i = 0; i < 8; ++i) {
    const std::string name = str_cat("p", i);
    write_png(folder / (name + ".png"), picture(i));
    Mask mask(40, 36);
    for (int y = 4; y < 16; ++y) {
      for (int x = 5 + i; x < 20 + i; ++x) mask.pixels[static_cast<std::size_t>(y * 40 + x)] = 1;
    }
    write_png(folder / (name + "-m.png"), mask);
    const bool asks_absent = i == 5;
    nlohmann::json record = {
        {"id", name},
        {"image", name + ".png"},
        {"modality", "ct"},
        {"subject", name},
        {"split", i < 6 ? "train" : "val"},
        {"masks", {{"m0", {{"label", i % 3 == 0 ? "bar" : "box"}, {"file", name + "-m.png"}}}}}};
    nlohmann::json answer = {
        {"from", "gpt"}, {"value", "A <p> box </p> [SEG]."}, {"masks", {"m0"}}};
    if (asks_absent) {
      record["absent"] = {"rib"};
      answer = {{"from", "gpt"}, {"value", "None."}};
    }
    record["conversations"] = {{{"from", "human"}, {"value", "<image>\nWhat?"}}, answer};
    if (i == 1) {
      record["conversations"].push_back({{"from", "human"}, {"value", "Twice?"}});
      record["conversations"].push_back(
          {{"from", "gpt"}, {"value", "[SEG] [SEG]"}, {"masks", {"m0", "m0"}}});
    }
    lines += record.dump() + "\n";
  }
  write_file(folder / "manifest.jsonl", lines);
}

/// A folder of its own for each test, gone afterwards.
class TinyRun : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() /
            str_cat("medseg-training-", ::getpid(), "-",
                    ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    set_quiet(true);
    write_start(root_ / "start");
    write_data(root_ / "data");
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

  TrainConfig config() const {
    TrainConfig config;
    config.model = (root_ / "start").string();
    config.data.train = {{(root_ / "data/manifest.jsonl").string(), "train", 1.0}};
    auto& train = config.train;
    train.steps = 4;
    train.accumulation = 1;
    train.precision = Precision::kFp32;
    train.threads = 1;
    train.trainable = {"mask_decoder", "text_hidden_fcs", "embed_tokens"};
    train.token_rows = TokenRows::kNew;
    train.lora.dropout = 0.0;
    train.optimizer.lr = 5e-3;
    train.schedule = {.type = ScheduleType::kConstant, .warmup_steps = 0};
    train.evaluate_every = train.save_every = 0;
    return config;
  }

  std::vector<nlohmann::json> metrics(const std::string& run) const {
    std::vector<nlohmann::json> lines;
    for (const auto& line : split(read_file(root_ / run / "metrics.jsonl"), '\n')) {
      if (line.empty()) continue;
      lines.push_back(nlohmann::json::parse(line));
      lines.back().erase("seconds");
    }
    return lines;
  }

  fs::path root_;
};

}  // namespace medseg::tiny
