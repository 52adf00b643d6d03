// Whole published layouts in and out, against numbers of the Python originals
// (tests/golden/layouts).
#include "medseg/weights/layouts.h"

#include <fstream>
#include <functional>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/bundle/audit.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/exchange/layout_import.h"
#include "medseg/exchange/model_export.h"
#include "medseg/models/clip.h"
#include "medseg/models/grounding.h"
#include "medseg/models/llama.h"
#include "medseg/models/vision_tower.h"
#include "medseg/nn/linear.h"
#include "medseg/weights/peft.h"
#include "models/golden.h"
#include "support/temp_folder.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

fs::path layouts(const std::string& name) {
  return str_cat(MEDSEG_SOURCE_DIR, "/tests/golden/layouts/", name);
}

/// How each mini model is imported; its tower is its own or that of clip/.
LayoutRequest request_of(const std::string& name) {
  LayoutRequest request;
  request.layout = choice_named<ImportLayout>("layout", name.starts_with("llava") ? "llava" : name);
  request.source = layouts(name);
  if (name == "lisa" || name == "glamm" || name == "llava") request.vision = layouts("clip");
  return request;
}

class PublishedLayouts : public ::testing::Test {
 protected:
  OpenBundle imported(const std::string& name) {
    import_layout(request_of(name), scratch_ / name);
    return opened(scratch_ / name);
  }

  /// In fp32, however the file stores it: the originals' numbers are.
  static OpenBundle opened(const fs::path& bundle) {
    auto open = open_bundle(bundle);
    cast_parameters(*open.model, at::kFloat, [](const auto&, const auto&) { return true; });
    return open;
  }

  static std::string refusal(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      return error.what();
    }
    return "no error";
  }

  /// A copy of a mini model that a test may damage.
  fs::path copied(const std::string& name) {
    const auto folder = scratch_ / ("copy-" + name);
    fs::remove_all(folder);
    fs::copy(layouts(name), folder, fs::copy_options::recursive);
    return folder;
  }
  static void edit(const fs::path& file, const std::function<void(Json&)>& change) {
    auto json = Json::parse(read_file(file));
    change(json);
    write_file(file, json.dump());
  }
  /// What an import of the damaged copy says; nothing may be left behind.
  std::string refused(const std::string& name, const std::function<void(const fs::path&)>& damage) {
    auto request = request_of(name);
    request.source = copied(name);
    damage(request.source);
    const auto out = scratch_ / "refused";
    std::string what = "no CheckpointError";
    try {
      import_layout(request, out);
    } catch (const CheckpointError& error) {
      what = error.what();
    }
    EXPECT_EQ(what.find('\n'), std::string::npos) << what;
    EXPECT_FALSE(fs::exists(out));
    return what;
  }

  TempFolder scratch_{"layouts"};
};

void expect_same_numbers(const OpenBundle& bundle, const std::string& name) {
  const auto expected = golden::open("layouts/expected/" + name + ".safetensors");
  const auto& model = *bundle.model;
  const auto ids = expected->load("ids");
  const auto features = model.vision().features(expected->load("pixels"));
  DialogueBatch batch;
  batch.ids = {{ids.data_ptr<std::int64_t>(), ids.data_ptr<std::int64_t>() + ids.numel()}};
  batch.vision_features = features;
  const auto hidden = model.language().forward(model.splice(batch).embeddings);
  EXPECT_TRUE(golden::close(model.language().logits(hidden), expected->load("logits"), 2e-5))
      << name;
  if (!expected->contains("hidden")) return;
  EXPECT_TRUE(golden::close(features, expected->load("features"), 2e-5)) << name;
  EXPECT_TRUE(golden::close(model.project(features), expected->load("projected"), 2e-5)) << name;
  EXPECT_TRUE(golden::close(hidden, expected->load("hidden"), 2e-5)) << name;
  if (!expected->contains("prompts")) return;
  const auto seg = bundle.options.special_tokens.at("[SEG]");
  for (std::int64_t i = 0; i < ids.numel(); ++i) {
    if (ids[i].item<std::int64_t>() == seg)
      batch.seg_positions.resize(1), batch.seg_positions[0].push_back(i);
  }
  const auto prompts = model.forward(batch).prompts;
  EXPECT_TRUE(golden::close(prompts, expected->load("prompts"), 2e-5)) << name;
  const auto embedding = model.grounding().encoder().forward(expected->load("grounding_pixels"));
  EXPECT_TRUE(golden::close(embedding, expected->load("image_embedding"), 2e-5)) << name;
  EXPECT_TRUE(golden::close(model.grounding().decode(embedding, prompts).mask_logits,
                            expected->load("mask_logits"), 2e-5))
      << name;
}

TEST_F(PublishedLayouts, GiveTheNumbersOfTheOriginals) {
  const at::NoGradGuard guard;
  for (const char* name : {"lisa", "glamm", "llava", "llava-med", "llava-hf"})
    expect_same_numbers(imported(name), name);
}

TEST_F(PublishedLayouts, BringTheirTemplateTokensAndPreprocessing) {
  const auto lisa = imported("lisa").options;
  EXPECT_EQ(lisa.conversation, "llava_v1");
  EXPECT_EQ(lisa.tokenizer_mode, "hf_legacy");
  EXPECT_TRUE(lisa.image_start_end);
  EXPECT_FALSE(lisa.image_overview);
  EXPECT_EQ(lisa.vision_preprocess.mode, VisionFit::kCrop);
  EXPECT_EQ(lisa.special_tokens, (std::map<std::string, std::int64_t>{
                                     {"[SEG]", 563}, {"<im_start>", 561}, {"<im_end>", 562}}));
  EXPECT_EQ(lisa.model.projector.type, ProjectorType::kLinear);
  EXPECT_TRUE(lisa.initialised.empty());

  const auto glamm = imported("glamm").options;
  EXPECT_TRUE(glamm.image_overview);
  EXPECT_EQ(glamm.special_tokens.at("<p>"), 565);
  EXPECT_EQ(glamm.special_tokens.at("[SEG]"), 564);
  EXPECT_EQ(glamm.model.projector.type, ProjectorType::kMlp2xGelu);

  const auto med = imported("llava-med").options;
  EXPECT_EQ(med.conversation, "mistral_instruct");
  EXPECT_EQ(med.tokenizer_mode, "hf_legacy_nostrip");
  EXPECT_EQ(med.vision_preprocess.mode, VisionFit::kPad);
  EXPECT_FALSE(med.image_start_end);
  EXPECT_DOUBLE_EQ(med.model.language.rope_theta, 1e6);
  EXPECT_FALSE(med.model.grounding.encoder);
  EXPECT_NEAR(med.vision_preprocess.mean[0], 0.48145466, 1e-9);
}

TEST_F(PublishedLayouts, WordsOnlyBecomeASegmenterWithAGroundingPart) {
  auto request = request_of("llava");
  import_layout(request_of("lisa"), scratch_ / "lisa");
  export_bundle({.bundle = scratch_ / "lisa", .layout = ExportLayout::kSam}, scratch_ / "sam");
  request.grounding = scratch_ / "sam";
  const auto report = import_layout(request, scratch_ / "start");
  EXPECT_EQ(report.initialised.size(), 6U);  // rows of two matrices, four tensors of the head
  const auto bundle = open_bundle(scratch_ / "start");
  EXPECT_EQ(bundle.options.special_tokens.at("[SEG]"), 560);
  EXPECT_THROW(refuse_untrained(bundle.options, bundle.path), CheckpointError);
  const auto old =
      open_tensor_file(layouts("llava"))->load("model.embed_tokens.weight").to(at::kFloat);
  EXPECT_TRUE(at::equal(bundle.model->language().embed_tokens.slice(0, 0, 560), old));
}

TEST_F(PublishedLayouts, MergedAdaptersAreAdaptersKeptApart) {
  const at::NoGradGuard guard;
  const auto plain = imported("lisa");
  for (const std::string name : {"adapter", "adapter_rs"}) {
    const auto expected = golden::open("layouts/expected/" + name + ".safetensors");
    auto request = request_of("lisa");
    request.adapter = layouts(name);
    import_layout(request, scratch_ / name);
    const auto merged = opened(scratch_ / name);
    const auto logits = [&](const OpenBundle& bundle) {
      const auto& language = bundle.model->language();
      return language.logits(language.forward(language.embed(expected->load("ids"))));
    };
    EXPECT_TRUE(golden::close(logits(merged), expected->load("logits"), 2e-5)) << name;
    if (name != "adapter") continue;
    const auto adapter = read_adapter(layouts(name));
    std::size_t kept_apart = 0;
    for (const auto& [module, layer] : plain.model->modules_of_type<Linear>()) {
      for (const auto& given : adapter.layers) {
        if (given.module != module) continue;
        layer->add_adapter(given.rank(), given.scale * static_cast<double>(given.rank()), 0.0);
        layer->lora_a.copy_(given.a);
        layer->lora_b.copy_(given.b);
        ++kept_apart;
      }
    }
    EXPECT_EQ(kept_apart, adapter.layers.size());
    EXPECT_TRUE(golden::close(logits(plain), logits(merged), 1e-5));
  }
}

TEST_F(PublishedLayouts, GoOutAsTheyCameIn) {
  const std::vector<std::pair<std::string, std::string>> round_trips = {
      {"lisa", "lisa"}, {"glamm", "glamm"}, {"llava-hf", "hf-llava"}};
  for (const auto& [name, layout] : round_trips) {
    import_layout(request_of(name), scratch_ / name);
    const auto out = scratch_ / ("out-" + name);
    export_bundle(
        {.bundle = scratch_ / name, .layout = choice_named<ExportLayout>("layout", layout)}, out);
    const auto before = open_tensor_file(layouts(name)), after = open_tensor_file(out);
    const auto& rules = layout_of(name);
    std::size_t compared = 0;
    for (const auto& info : before->tensors()) {
      if (is_skipped(rules, info.name)) continue;
      ASSERT_TRUE(after->contains(info.name)) << name << ": " << info.name;
      const auto was = before->load(info.name), is = after->load(info.name);
      EXPECT_EQ(was.scalar_type(), is.scalar_type()) << info.name;
      EXPECT_TRUE(at::equal(was, is)) << info.name;
      ++compared;
    }
    EXPECT_EQ(compared, after->tensors().size()) << name;
    auto again = request_of(name);  // and what went out comes in, to the same bundle
    again.source = out;
    if (!again.vision.empty()) again.vision = out / "vision_tower";
    import_layout(again, scratch_ / ("again-" + name));
    EXPECT_EQ(read_file(scratch_ / name / "model.safetensors"),
              read_file(scratch_ / ("again-" + name) / "model.safetensors"));
    EXPECT_EQ(write_options(read_bundle_options(scratch_ / name)),
              write_options(read_bundle_options(scratch_ / ("again-" + name))));
  }
}

TEST_F(PublishedLayouts, LargeExportsAreSharded) {
  import_layout(request_of("lisa"), scratch_ / "lisa");
  export_bundle({.bundle = scratch_ / "lisa", .layout = ExportLayout::kLisa, .shard_bytes = 40'000},
                scratch_ / "out");
  EXPECT_TRUE(fs::exists(scratch_ / "out/model.safetensors.index.json"));
  EXPECT_FALSE(fs::exists(scratch_ / "out/model.safetensors"));
  std::uintmax_t largest = 0;
  for (const auto& entry : fs::directory_iterator(scratch_ / "out")) {
    if (entry.path().extension() == ".safetensors") largest = std::max(largest, entry.file_size());
  }
  EXPECT_LT(largest, 60'000U);  // 40,000 and a header
  auto request = request_of("lisa");
  request.source = scratch_ / "out";
  import_layout(request, scratch_ / "again");
  EXPECT_EQ(read_file(scratch_ / "lisa/model.safetensors"),
            read_file(scratch_ / "again/model.safetensors"));
}

TEST_F(PublishedLayouts, AModelThatALayoutCannotHoldIsRefused) {
  import_layout(request_of("glamm"), scratch_ / "glamm");
  import_layout(request_of("llava"), scratch_ / "llava");
  const auto export_says = [&](const std::string& name, const std::string& layout) {
    const auto what = refusal([&] {
      export_bundle(
          {.bundle = scratch_ / name, .layout = choice_named<ExportLayout>("--layout", layout)},
          scratch_ / "out");
    });
    EXPECT_FALSE(fs::exists(scratch_ / "out"));
    return what;
  };
  EXPECT_NE(export_says("glamm", "lisa").find("has a linear projector"), std::string::npos);
  EXPECT_NE(export_says("llava", "glamm").find("needs SAM's ViT"), std::string::npos);
  EXPECT_NE(export_says("llava", "sam").find("no grounding part"), std::string::npos);
  EXPECT_NE(export_says("llava", "peft").find("no training.safetensors"), std::string::npos);
  EXPECT_NE(export_says("llava", "lava").find("--layout: unknown \"lava\""), std::string::npos);
}

TEST_F(PublishedLayouts, ATowerThatIsNowhereIsAskedFor) {
  for (const char* name : {"lisa", "glamm", "llava"}) {
    auto request = request_of(name);
    request.vision.clear();
    EXPECT_NE(refusal([&] {
                import_layout(request, scratch_ / "out");
              }).find("holds no vision tower, it was trained with openai/clip-vit-large-patch14"),
              std::string::npos);
  }
  auto request = request_of("llava-med");
  request.vision = layouts("clip/model.safetensors");
  EXPECT_NE(
      refusal([&] { import_layout(request, scratch_ / "out"); }).find("holds its own vision tower"),
      std::string::npos);
}

TEST_F(PublishedLayouts, AFolderDescribesTheTowerThatIsInside) {
  import_layout(request_of("llava-med"), scratch_ / "alone");
  auto request = request_of("llava-med");
  request.vision = scratch_ / "described";
  fs::create_directories(request.vision);
  Json config = {{"model_type", "clip_vision_model"}, {"hidden_act", "gelu"}};
  write_file(request.vision / "config.json", config.dump());
  import_layout(request, scratch_ / "bundle");
  const auto tower_of = [&](const char* name) {
    return read_bundle_options(scratch_ / name).model.vision.tower.as<ClipOptions>();
  };
  EXPECT_EQ(name_of(tower_of("bundle").activation), "gelu");
  EXPECT_EQ(name_of(tower_of("alone").activation), "quick_gelu");
  EXPECT_EQ(read_file(scratch_ / "bundle/model.safetensors"),
            read_file(scratch_ / "alone/model.safetensors"));
  config["num_hidden_layers"] = 77;
  write_file(request.vision / "config.json", config.dump());
  EXPECT_NE(refusal([&] {
              import_layout(request, scratch_ / "out");
            }).find((request.vision / "config.json").string()),
            std::string::npos);
}

/// Both shards of a pickled mini model as one safetensors file, with `change` made to them.
void rewrite(const fs::path& folder,
             const std::function<void(std::vector<std::pair<std::string, at::Tensor>>&)>& change) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  {
    const auto file = open_tensor_file(folder);
    for (const auto& info : file->tensors())
      tensors.emplace_back(info.name, file->load(info.name).clone());
  }
  change(tensors);
  write_safetensors(folder / "model.safetensors", tensors);
  fs::remove(folder / "pytorch_model.bin.index.json");
  fs::remove(folder / "model.safetensors.index.json");
}

TEST_F(PublishedLayouts, DamagedFoldersGiveOneLine) {
  const auto says = [](const std::string& what, const std::string& part) {
    EXPECT_NE(what.find(part), std::string::npos) << what << "\n  does not say: " << part;
  };
  const auto config = [](const std::function<void(Json&)>& change) {
    return [change](const fs::path& folder) { edit(folder / "config.json", change); };
  };
  const auto without = [](const std::string& part) {
    return [part](const fs::path& folder) {
      rewrite(folder, [&](auto& tensors) {
        std::erase_if(tensors,
                      [&](const auto& t) { return t.first.find(part) != std::string::npos; });
      });
    };
  };
  says(refused("lisa", [](const auto& f) { fs::remove(f / "pytorch_model-00002-of-00002.bin"); }),
       "pytorch_model-00002-of-00002.bin");
  says(refused("lisa", [](const auto& f) { fs::remove(f / "config.json"); }), "config.json");
  says(refused("lisa", [](const auto& f) { fs::remove(f / "tokenizer.model"); }), "tokenizer");
  says(refused("lisa", [](const auto& f) { fs::remove(f / "added_tokens.json"); }),
       "no token [SEG]");
  says(refused("lisa", config([](Json& c) { c["hidden_size"] = 32; })),
       "hidden_size is 32, but model.embed_tokens.weight");
  says(refused("lisa", config([](Json& c) { c["num_hidden_layers"] = 3; })),
       "num_hidden_layers is 3");
  says(refused("lisa", config([](Json& c) { c["intermediate_size"] = 25; })),
       "intermediate_size is 25");
  says(refused("lisa", config([](Json& c) { c["vocab_size"] = 32004; })), "vocab_size is 32004");
  says(refused("lisa", config([](Json& c) { c["out_dim"] = 256; })), "out_dim is 256");
  says(refused("lisa", config([](Json& c) { c["mm_projector_type"] = "mlp2x_gelu"; })),
       "model.mm_projector.0.weight");
  says(refused("lisa", config([](Json& c) { c["mm_projector_type"] = "resampler"; })),
       "\"resampler\" is not supported");
  says(refused("lisa", config([](Json& c) { c["mm_vision_select_layer"] = -9; })), "select_layer");
  says(refused("lisa", config([](Json& c) { c["architectures"] = {"GLaMMForCausalLM"}; })),
       "of the layout glamm, not lisa");
  says(refused("llava", config([](Json& c) { c["image_aspect_ratio"] = "anyres"; })), "anyres");
  says(refused("lisa", [](const auto& f) { write_file(f / "config.json", "{"); }), "not JSON");
  says(refused("lisa", without("text_hidden_fcs")), "4 missing: model.text_hidden_fcs.0.0.weight");
  says(refused("lisa", without("layers.1.mlp.up_proj")), "model.layers.1.mlp.up_proj.weight");
  says(refused("lisa", without("mask_decoder.iou_token")), "mask_decoder.iou_token.weight");
  says(refused("lisa", without("embed_tokens")), "model.embed_tokens.weight");
  says(refused("glamm", without("grounding_encoder")), "image encoder");
  says(refused("llava-hf", without("vision_tower.vision_model.post_layernorm")), "post_layernorm");
  says(refused("lisa",
               [](const auto& folder) {
                 rewrite(folder, [](auto& tensors) {
                   tensors.emplace_back("model.adaptor.weight", at::ones({2}));
                 });
               }),
       "1 tensors have no place in the layout lisa: model.adaptor.weight");
  says(refused("lisa",
               [](const auto& folder) {
                 edit(folder / "added_tokens.json", [](Json& c) { c["<extra>"] = 564; });
               }),
       "the tokenizer has 565 tokens, but model.embed_tokens.weight has rows for 564");
}

}  // namespace
}  // namespace medseg
