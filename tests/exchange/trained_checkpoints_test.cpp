// Checkpoints as trainers leave them: adapters not merged, matrices tied and parted, weights beside
// an adapter, several sets of weights.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/bundle/bundle.h"
#include "medseg/exchange/layout_import.h"
#include "medseg/weights/peft.h"
#include "support/temp_folder.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Tensors = std::vector<std::pair<std::string, at::Tensor>>;

fs::path layouts(const std::string& name) {
  return str_cat(MEDSEG_SOURCE_DIR, "/tests/golden/layouts/", name);
}

class TrainedCheckpoints : public ::testing::Test {
 protected:
  /// A mini model with other tensors and another config.json.
  LayoutRequest changed(const std::string& name, const std::function<void(Tensors&)>& tensors,
                        const std::function<void(Json&)>& config = {}) {
    const auto folder = scratch_ / name;
    fs::remove_all(folder);
    fs::create_directories(folder);
    for (const auto& entry : fs::directory_iterator(layouts(name))) {
      const auto file = entry.path().filename();
      if (file.string().find("model-0") == std::string::npos &&
          file.string().find(".index.") == std::string::npos)
        fs::copy(entry.path(), folder / file);
    }
    Tensors list;
    const auto file = open_tensor_file(layouts(name));
    for (const auto& info : file->tensors())
      list.emplace_back(info.name, file->load(info.name).clone());
    tensors(list);
    write_safetensors(folder / "model.safetensors", list, metadata_);
    auto json = Json::parse(read_file(folder / "config.json"));
    if (config) config(json);
    write_file(folder / "config.json", json.dump());
    LayoutRequest request;
    request.layout = name == "lisa" ? ImportLayout::kLisa : ImportLayout::kLlava;
    request.source = folder;
    request.vision = layouts("clip");
    return request;
  }

  std::unique_ptr<TensorFile> imported(const LayoutRequest& request) {
    import_layout(request, out_);
    return open_tensor_file(out_ / "model.safetensors");
  }
  bool tied() const { return read_bundle_options(out_).model.language.tied_head; }

  /// A PEFT folder that replaces whole matrices.
  fs::path adapter_of(const Tensors& replaced) {
    auto adapter = read_adapter(layouts("adapter"));
    adapter.replaced = replaced;
    adapter.saved_modules = {"embed_tokens", "lm_head"};
    const auto folder = scratch_ / "adapter";
    fs::remove_all(folder);
    fs::create_directories(folder);
    write_adapter(folder, adapter);
    return folder;
  }

  TempFolder scratch_{"trained"};
  fs::path out_ = scratch_ / "bundle";
  std::map<std::string, std::string> metadata_ = {{"format", "pt"}};
};

const char* const kEmbedding = "model.embed_tokens.weight";
const char* const kHead = "lm_head.weight";

void drop(Tensors& tensors, const std::string& name) {
  std::erase_if(tensors, [&](const auto& entry) { return entry.first == name; });
}

void name_as_peft_does(Tensors& tensors) {
  const auto adapter = read_adapter(layouts("adapter"));
  for (auto& [name, tensor] : tensors) name = "base_model.model." + name;
  for (const auto& layer : adapter.layers) {
    tensors.emplace_back("base_model.model." + layer.module + ".lora_A.default.weight", layer.a);
    tensors.emplace_back("base_model.model." + layer.module + ".lora_B.default.weight", layer.b);
  }
}

TEST_F(TrainedCheckpoints, LisasOwnTrainersResultIsMerged) {
  auto with = changed("lisa", [](Tensors&) {});
  with.adapter = layouts("adapter");
  const auto expected = imported(with);
  const auto weights = read_file(out_ / "model.safetensors");

  auto request = changed("lisa", name_as_peft_does);
  request.lora_alpha = 12;  // of the adapter
  imported(request);
  EXPECT_EQ(read_file(out_ / "model.safetensors"), weights);

  request.lora_alpha.reset();  // LISA's 16, said aloud
  testing::internal::CaptureStderr();
  const auto guessed = imported(request);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("16, the default of LISA's"),
            std::string::npos);
  const std::string name = "model.layers.0.self_attn.q_proj.weight";
  const auto base = open_tensor_file(layouts("lisa"))->load(name).to(at::kFloat);
  const auto by_16 = base + (expected->load(name) - base) * (16.0 / 12.0);
  EXPECT_TRUE(at::allclose(guessed->load(name), by_16, 1e-5, 1e-6));
}

TEST_F(TrainedCheckpoints, AnAlphaWithoutLayersIsRefused) {
  auto request = changed("lisa", [](Tensors&) {});
  request.lora_alpha = 16;
  EXPECT_THROW(import_layout(request, out_), ConfigError);
}

TEST_F(TrainedCheckpoints, AnAdapterPartsWhatWasTied) {
  const auto tie = [&] {
    return changed(
        "llava", [](Tensors& tensors) { drop(tensors, kHead); },
        [](Json& config) { config["tie_word_embeddings"] = true; });
  };
  auto request = tie();
  const auto base = imported(request)->load(kEmbedding).clone();
  EXPECT_TRUE(tied());
  const auto rows = at::full_like(base, 0.5, at::kFloat), head = at::full_like(rows, -0.25);

  request.adapter = adapter_of({{kEmbedding, rows}, {kHead, head}});
  auto file = imported(request);
  EXPECT_FALSE(tied());
  EXPECT_TRUE(at::equal(file->load(kEmbedding), rows));
  EXPECT_TRUE(at::equal(file->load(kHead), head));

  request.adapter = adapter_of({{kEmbedding, rows}, {kHead, rows}});
  file = imported(request);
  EXPECT_TRUE(tied());
  EXPECT_TRUE(at::equal(file->load(kEmbedding), rows));
  EXPECT_FALSE(file->contains(kHead));

  request.adapter = adapter_of({{kEmbedding, rows}});  // PEFT trains a copy; the head keeps its own
  file = imported(request);
  EXPECT_FALSE(tied());
  EXPECT_TRUE(at::equal(file->load(kHead), base));

  request.adapter = adapter_of({{kHead, head}});
  file = imported(request);
  EXPECT_FALSE(tied());
  EXPECT_TRUE(at::equal(file->load(kEmbedding), base));
  EXPECT_TRUE(at::equal(file->load(kHead), head));
}

TEST_F(TrainedCheckpoints, TiesAreKnownFromEitherSideAndFromMetadata) {
  const auto embedding = open_tensor_file(layouts("llava"))->load(kEmbedding).clone();
  const auto expect_tied = [&](const LayoutRequest& request) {
    const auto file = imported(request);
    EXPECT_TRUE(tied());
    EXPECT_TRUE(at::equal(file->load(kEmbedding), embedding));
    EXPECT_FALSE(file->contains(kHead));
  };
  const auto silent = [](Json& config) { config.erase("tie_word_embeddings"); };
  const auto stated = [](Json& config) { config["tie_word_embeddings"] = true; };
  const auto head_alone = [](Tensors& tensors) {
    drop(tensors, kHead);
    for (auto& [name, tensor] : tensors) {
      if (name == kEmbedding) name = kHead;
    }
  };
  const auto both = [](Tensors& tensors) {
    for (auto& [name, tensor] : tensors) {
      if (name == kHead) tensor = tensors.front().second.clone();
    }
  };
  const auto embedding_alone = [](Tensors& tensors) { drop(tensors, kHead); };
  EXPECT_EQ(open_tensor_file(layouts("llava"))->tensors().front().name, kEmbedding);
  for (const auto& config : {std::function<void(Json&)>(silent), {stated}}) {
    expect_tied(changed("llava", embedding_alone, config));
    expect_tied(changed("llava", head_alone, config));
    expect_tied(changed("llava", both, config));
  }
  metadata_ = {{"format", "pt"}, {kHead, kEmbedding}};
  expect_tied(changed("llava", embedding_alone, silent));
  metadata_ = {{"format", "pt"}, {kEmbedding, kHead}};
  expect_tied(changed("llava", head_alone, stated));
}

TEST_F(TrainedCheckpoints, WithoutATieAMissingMatrixIsRefused) {
  auto request = changed("llava", [](Tensors& tensors) { drop(tensors, kEmbedding); });
  EXPECT_THROW(import_layout(request, out_), CheckpointError);
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(TrainedCheckpoints, OnlyWhatWasReadIsListed) {
  auto request = changed("llava", [](Tensors&) {});
  write_file(request.source / "pytorch_model.bin", "another set of weights");
  request.adapter = adapter_of({});
  const auto projector = at::full({16, 32}, 0.25, at::kHalf);
  write_safetensors(request.adapter / "non_lora_trainables.bin",
                    {{"base_model.model.model.mm_projector.0.weight", projector}});
  write_file(request.adapter / "optimizer.pt", "x");
  const auto file = imported(request);
  EXPECT_TRUE(at::equal(file->load("model.mm_projector.0.weight"), projector));
  const auto config = Json::parse(read_file(out_ / "config.json"));
  std::set<std::string> names;
  for (const auto& entry : config["provenance"]["files"]) names.insert(entry["name"]);
  EXPECT_TRUE(names.contains("model.safetensors"));
  EXPECT_TRUE(names.contains("non_lora_trainables.bin"));
  EXPECT_TRUE(names.contains("adapter_model.safetensors"));
  EXPECT_FALSE(names.contains("pytorch_model.bin"));
  EXPECT_FALSE(names.contains("optimizer.pt"));
}

TEST_F(TrainedCheckpoints, AFaultIsNamedWithTheFileThatHoldsIt) {
  auto request = changed("llava", [](Tensors&) {});
  request.adapter = adapter_of({{kHead, at::ones({7, 16})}});
  try {
    import_layout(request, out_);
    ADD_FAILURE() << "a head of 7 rows was taken";
  } catch (const CheckpointError& error) {
    EXPECT_NE(
        std::string(error.what()).find((request.adapter / "adapter_model.safetensors").string()),
        std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace medseg
