#include "medseg/optim/adapters.h"

#include <filesystem>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "medseg/base/str.h"
#include "medseg/nn/linear.h"
#include "medseg/weights/peft.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using testing::ThrowsMessage;

struct Layer : Module {
  Layer() {
    register_module("q_proj", q_proj);
    register_module("o_proj", o_proj);
  }
  Linear q_proj{4, 6, false}, o_proj{6, 4, false};
};

/// Two layers, and a linear layer that is not one of theirs.
struct Model : Module {
  Model() {
    register_module("layers.0", first);
    register_module("layers.1", second);
    register_module("q_proj", other);
  }
  std::vector<std::string> adapted() {
    std::vector<std::string> names;
    for (const auto& [name, layer] : modules_of_type<Linear>()) {
      if (layer->has_adapter()) names.push_back(name);
    }
    return names;
  }
  Layer first, second;
  Linear other{4, 4, false};
};

class Adapters : public testing::Test {
 protected:
  Adapters() {
    lora_.rank = 2;
    lora_.alpha = 6;
    lora_.dropout = 0;
    lora_.targets = {"q_proj"};
    both_.targets = {"q_proj"};
    both_.layers = {values("layers.0.q_proj"), values("layers.1.q_proj")};
  }
  ~Adapters() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  static AdapterLayer values(const std::string& module, std::int64_t in = 4, std::int64_t out = 6) {
    return {
        .module = module, .a = at::full({2, in}, 0.5), .b = at::full({out, 2}, 0.25), .scale = 3};
  }

  /// `lora` with the folder that `adapter` was written to.
  LoraOptions from(const Adapter& adapter) {
    write_adapter(folder_, adapter);
    auto lora = lora_;
    lora.adapter = folder_.string();
    return lora;
  }

  static auto adding(const LoraOptions& lora) {
    return [lora] {
      Model model;
      add_adapters(model, "layers.", lora);
    };
  }

  fs::path folder_ = fs::temp_directory_path() / str_cat("medseg-adapters-", ::getpid());
  Model model_;
  LoraOptions lora_;
  Adapter both_;  ///< of both layers' q_proj
};

TEST_F(Adapters, GoToWhatATargetNamesUnderThePrefix) {
  add_adapters(model_, "layers.", lora_);
  EXPECT_THAT(model_.adapted(), ElementsAre("layers.0.q_proj", "layers.1.q_proj"));
  EXPECT_EQ(model_.first.q_proj.lora_a.sizes(), at::IntArrayRef({2, 4}));
  EXPECT_TRUE(at::equal(model_.first.q_proj.merged_weight(), model_.first.q_proj.weight));
}

TEST_F(Adapters, RankZeroAddsNone) {
  lora_.rank = 0;
  add_adapters(model_, "layers.", lora_);
  EXPECT_THAT(model_.adapted(), IsEmpty());
}

TEST_F(Adapters, ATargetThatNamesNothingIsRefusedWithTheNearestName) {
  lora_.targets = {"q_proj", "oproj"};
  EXPECT_THAT(adding(lora_),
              ThrowsMessage<ConfigError>(AllOf(StartsWith("train.lora.targets: \"oproj\" names no"),
                                               HasSubstr("did you mean \"o_proj\"?"))));
}

TEST_F(Adapters, StartFromThoseOfAFolder) {
  both_.replaced = {{"q_proj.weight", at::full({4, 4}, 7.0)}};
  both_.saved_modules = {"q_proj"};
  add_adapters(model_, "layers.", from(both_));
  const auto expected = model_.second.q_proj.weight + 3 * 2 * 0.5 * 0.25;
  EXPECT_TRUE(at::allclose(model_.second.q_proj.merged_weight(), expected));
  EXPECT_TRUE(at::equal(model_.other.weight, at::full({4, 4}, 7.0)));
}

TEST_F(Adapters, ATiedHeadMayStandBesideItsEmbedding) {
  struct Tied : Model {
    Tied() { register_module("embed_tokens", embedding); }
    Linear embedding{4, 5, false};
  };
  const auto rows = at::full({5, 4}, 7.0);
  both_.replaced = {{"embed_tokens.weight", rows}, {"lm_head.weight", rows}};
  both_.saved_modules = {"embed_tokens", "lm_head"};
  Tied model;
  add_adapters(model, "layers.", from(both_));
  EXPECT_TRUE(at::equal(model.embedding.weight, rows));
  both_.replaced[1].second = rows + 1;  // parted: this model has no place for it
  const auto parted = from(both_);
  Tied other;
  EXPECT_THAT(([&] { add_adapters(other, "layers.", parted); }),
              ThrowsMessage<CheckpointError>(HasSubstr("lm_head.weight: the model has no such")));
}

TEST_F(Adapters, OtherRankOrScaleThanTheFoldersIsAFaultOfTheConfig) {
  auto lora = from(both_);
  lora.rank = 3;
  EXPECT_THAT(adding(lora), ThrowsMessage<ConfigError>(StartsWith("train.lora.rank: 3, but ")));
}

TEST_F(Adapters, AnotherAlphaThanTheFoldersIsAFaultOfTheConfig) {
  auto lora = from(both_);
  lora.alpha = 12;
  EXPECT_THAT(adding(lora), ThrowsMessage<ConfigError>(StartsWith("train.lora.alpha: 12, but ")));
}

TEST_F(Adapters, AnotherModelsAreRefused) {
  const auto refused = [&](const std::string& reason) {
    EXPECT_THAT(adding(from(both_)), ThrowsMessage<CheckpointError>(AllOf(
                                         StartsWith(folder_.string() + ": "), HasSubstr(reason))));
  };
  both_.layers[1] = values("layers.1.q_proj", 5);
  refused("layers.1.q_proj: the adapter is [2, 5] and [6, 2], the model needs [2, 4] and [6, 2]");
  both_.layers.pop_back();
  refused("no tensors for layers.1.q_proj, one of train.lora.targets");
}

TEST_F(Adapters, TensorsWithoutALayerAreRefused) {
  both_.layers.push_back(values("layers.2.q_proj"));
  EXPECT_THAT(adding(from(both_)),
              ThrowsMessage<CheckpointError>(HasSubstr("layers.2.q_proj is none of the model's")));
}

}  // namespace
}  // namespace medseg
