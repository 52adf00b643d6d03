#include "medseg/training/options.h"

#include <array>

#include <gmock/gmock.h>

#include "medseg/config/load.h"

namespace medseg {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

nlohmann::json minimal() { return {{"model", "m"}, {"data", {{"train", {{{"manifest", "d"}}}}}}}; }

std::string fault_of(const nlohmann::json& json) {
  try {
    read_train_config(json);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(TrainConfig, DefaultsAreLisas) {
  const auto config = read_train_config(minimal());
  EXPECT_EQ(config.train.optimizer.lr, 3e-4);
  EXPECT_EQ(config.train.loss.bce, 2.0);
  EXPECT_EQ(config.train.loss.dice, 0.5);
  EXPECT_EQ(config.train.lora.targets, (std::vector<std::string>{"q_proj", "v_proj"}));
  EXPECT_EQ(config.train.accumulation, 10);
}

TEST(TrainConfig, IsReadBackFromWhatItWrites) {
  auto json = minimal();
  json["train"]["optimizer"]["groups"] = {{{"match", {"mask_decoder"}}, {"lr", 5e-4}}};
  const auto config = read_train_config(json);
  EXPECT_EQ(write_options(read_train_config(write_options(config))), write_options(config));
}

TEST(TrainConfig, FaultsNameTheirPlace) {
  auto json = minimal();
  json["train"]["lora"]["rnak"] = 4;
  EXPECT_NE(fault_of(json).find("train.lora.rnak: unknown key (did you mean \"rank\"?)"),
            std::string::npos)
      << fault_of(json);
  json = minimal();
  json["train"]["steps"] = "many";
  EXPECT_NE(fault_of(json).find("train.steps: wrong type"), std::string::npos);
  json = minimal();
  json["train"]["schedule"]["type"] = "cosin";
  EXPECT_NE(
      fault_of(json).find("train.schedule.type: unknown \"cosin\" (did you mean \"cosine\"?)"),
      std::string::npos);
  json = minimal();
  json["train"]["steps"] = 50;
  EXPECT_NE(fault_of(json).find("train.schedule.warmup_steps: 100 of 50"), std::string::npos);
  json = minimal();
  json["data"]["train"] = nlohmann::json::array();
  EXPECT_NE(fault_of(json).find("data.train: empty"), std::string::npos);
  json = minimal();
  json["train"]["optimizer"]["betas"] = {0.9};
  EXPECT_NE(fault_of(json).find("train.optimizer.betas"), std::string::npos);
  json = minimal();
  json["data"]["augment"]["flp"] = 0.5;
  EXPECT_NE(fault_of(json).find("data.augment.flp: unknown key (did you mean \"flip\"?)"),
            std::string::npos);
  for (const char* key :
       {"share", "flip", "rotate", "scale", "shift", "brightness", "contrast", "gamma", "noise"}) {
    for (const double value : {-0.1, 45.5}) {
      json = minimal();
      json["data"]["augment"][key] = value;
      EXPECT_NE(fault_of(json).find(str_cat("data.augment.", key, ": ", value, " is out of range")),
                std::string::npos)
          << fault_of(json);
    }
  }
  json = minimal();
  json["data"]["mixing"] = "temprature";
  EXPECT_NE(
      fault_of(json).find("data.mixing: unknown \"temprature\" (did you mean \"temperature\"?)"),
      std::string::npos);
  json = minimal();
  json["data"]["mixing_alpha"] = 1.5;
  EXPECT_NE(fault_of(json).find("data.mixing_alpha: 1.5 is out of range"), std::string::npos);
  json = minimal();
  json["data"]["on_bad_sample"] = "skip";
  EXPECT_NE(fault_of(json).find("data.on_bad_sample: unknown \"skip\""), std::string::npos);
  json = minimal();
  json["data"]["quarantine_limit"] = -1;
  EXPECT_NE(fault_of(json).find("data.quarantine_limit: -1 is out of range"), std::string::npos);
}

TEST(TrainConfig, AnUnknownNameOfAChoiceIsRefusedWithTheKnownOnes) {
  const std::vector<std::array<std::string, 3>> faults = {
      {"device", "cudo", "\"cuda\"?); known are cpu cuda"},
      {"precision", "bf61", "\"bf16\"?); known are bf16 fp16 fp32"},
      {"frozen_storage", "nf3", "\"nf4\"?); known are precision int8 nf4"},
      {"activation_checkpointing", "block", "\"blocks\"?); known are none blocks"},
      {"token_rows", "ne", "\"new\"?); known are all new"},
      {"non_finite", "skp", "\"skip\"?); known are stop skip"},
      {"optimizer/type", "adam", "\"adamw\"?); known are adamw"},
      {"schedule/type", "cosin", "\"cosine\"?); known are linear cosine polynomial constant"},
      {"loss/reduction", "batch_mean", "\"micro_batch_mean\"?); known are micro_batch_mean"},
      {"best", "dic", "\"dice\"?); known are dice_over_targets giou ciou dice"},
      {"also_best/1", "gio", "\"giou\"?); known are dice_over_targets giou ciou dice"}};
  for (const auto& [key, name, rest] : faults) {
    auto json = minimal();
    json["train"]["also_best"] = {"dice", "giou"};
    json["train"][nlohmann::json::json_pointer("/" + key)] = name;
    const auto fault = fault_of(json);
    EXPECT_THAT(fault,
                AllOf(HasSubstr("unknown \"" + name + "\" (did you mean "), HasSubstr(rest)));
    EXPECT_THAT(fault, StartsWith("train." + key.substr(0, key.find('/')))) << fault;
  }
}

TEST(TrainConfig, EveryConfigOfTheProjectIsValid) {
  std::size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(MEDSEG_SOURCE_DIR "/configs/train")) {
    if (entry.path().extension() != ".json") continue;
    EXPECT_NO_THROW(read_train_config(load_config(entry.path()))) << entry.path();
    ++count;
  }
  EXPECT_GT(count, 0U);
}

}  // namespace
}  // namespace medseg
