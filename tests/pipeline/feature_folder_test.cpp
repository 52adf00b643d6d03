// Features kept on disk: the same numbers from wherever, nothing taken on trust, nothing ever a
// reason to fail.
#include "medseg/pipeline/feature_folder.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "medseg/base/error.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/models/grounding.h"
#include "medseg/models/llama.h"
#include "medseg/models/vision_tower.h"
#include "medseg/nn/parallel.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr std::uint64_t kPlenty = 1 << 24;

bool equal(const ImageFeatures& a, const ImageFeatures& b) {
  const auto same_frame =
      a.frame.size == b.frame.size && a.frame.resized_height == b.frame.resized_height &&
      a.frame.resized_width == b.frame.resized_width &&
      a.frame.image_height == b.frame.image_height && a.frame.image_width == b.frame.image_width;
  return same_frame && a.vision.scalar_type() == b.vision.scalar_type() &&
         at::equal(a.vision, b.vision) && at::equal(a.grounding, b.grounding);
}

bool aligned(const at::Tensor& tensor) {
  return reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) % 64 == 0;
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_directory()) files.push_back(entry.path());
  }
  return files;
}

class FeatureFolderTest : public ::testing::Test {
 protected:
  void TearDown() override {
    if (!disk_.empty()) ::umount2(disk_.c_str(), MNT_DETACH);
  }

  fs::path folder() const { return scratch_ / "kept"; }
  Image picture(int i) const { return tiny_picture(32, 24, i); }
  FeatureCacheOptions how() const {
    return {.limit_bytes = kPlenty, .folder = folder(), .keep_free_bytes = 0};
  }
  ImageFeatures exact(int i) const {
    return encode_image(picture(i), *bundle_.model, bundle_.options, at::kFloat);
  }

  /// What a new process would count when it asks for picture 0.
  FeatureCounts ask(const FeatureCacheOptions& how) const {
    FeatureCache cache(*bundle_.model, bundle_.options, how);
    cache.get(picture(0));
    return cache.counts();
  }

  /// The one entry of a folder that was just filled with picture 0.
  fs::path only_entry() const {
    fs::remove_all(folder());
    ask(how());
    const auto files = files_in(folder());
    EXPECT_EQ(files.size(), 1U);
    return files.at(0);
  }

  bool mount_disk(std::uint64_t kilobytes) {
    const auto disk = scratch_ / "disk";
    fs::create_directories(disk);
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, str_cat("size=", kilobytes, "k").c_str()) != 0)
      return false;
    disk_ = disk;
    return true;
  }

  TempFolder scratch_{"features"};
  OpenBundle bundle_ = tiny_bundle();
  fs::path disk_;
};

TEST_F(FeatureFolderTest, GivesTheBitsThatWereComputed) {
  {
    FeatureCache cold(*bundle_.model, bundle_.options, how());
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(equal(*cold.get(picture(i)), exact(i)));
    cold.get(picture(1));
    const auto counts = cold.counts();
    EXPECT_EQ(counts.computed, 3U);
    EXPECT_EQ(counts.from_memory, 1U);
    EXPECT_EQ(counts.from_disk, 0U);
    EXPECT_EQ(counts.written, 3U);
    EXPECT_EQ(counts.bytes_written, counts.bytes_in_memory);
  }
  EXPECT_EQ(files_in(folder()).size(), 3U) << "nothing stays in tmp/";
  FeatureCache warm(*bundle_.model, bundle_.options, how());
  for (int i = 0; i < 3; ++i) {
    const auto read = i == 1 ? warm.find(key_of(picture(i))) : warm.get(picture(i));
    ASSERT_NE(read, nullptr);
    EXPECT_TRUE(equal(*read, exact(i)));
    EXPECT_TRUE(aligned(read->vision)) << "products may depend on it";
    EXPECT_TRUE(aligned(read->grounding));
    EXPECT_FALSE(read->vision.is_inference()) << "training must be able to read it";
  }
  warm.get(picture(0));
  const auto counts = warm.counts();
  EXPECT_EQ(counts.computed, 0U);
  EXPECT_EQ(counts.from_disk, 3U);
  EXPECT_EQ(counts.from_memory, 1U);
  EXPECT_EQ(counts.written, 0U);
  EXPECT_EQ(counts.bytes_read, counts.bytes_in_memory);
}

TEST_F(FeatureFolderTest, WhatMemoryHasNoRoomForIsReadAgain) {
  auto little = how();
  little.limit_bytes = 0;
  FeatureCache cache(*bundle_.model, bundle_.options, little);
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(equal(*cache.get(picture(i)), exact(i)));
  }
  EXPECT_EQ(cache.counts().computed, 2U);
  EXPECT_EQ(cache.counts().from_disk, 4U);
  EXPECT_EQ(cache.counts().bytes_in_memory, 0U);
}

TEST_F(FeatureFolderTest, ViewsOutliveTheCacheAndTheFile) {
  only_entry();
  std::shared_ptr<const ImageFeatures> kept;
  {
    FeatureCache cache(*bundle_.model, bundle_.options, how());
    kept = cache.get(picture(0));
    EXPECT_EQ(cache.counts().from_disk, 1U);
  }
  fs::remove_all(folder());
  EXPECT_TRUE(equal(*kept, exact(0)));
}

TEST_F(FeatureFolderTest, AnotherModelPictureOrPrecisionIsNotFound) {
  const at::NoGradGuard no_grad;
  ask(how());
  EXPECT_EQ(ask(how()).computed, 0U);
  const auto misses = [&](const std::function<void()>& change, const std::function<void()>& back) {
    change();
    const bool computed = ask(how()).computed == 1;
    back();
    return computed;
  };
  auto& vision = bundle_.model->vision();
  auto& grounding = bundle_.model->grounding().encoder();
  for (Module* encoder : {static_cast<Module*>(&vision), static_cast<Module*>(&grounding)}) {
    auto held = encoder->named_parameters();
    for (const auto& buffer : encoder->named_buffers()) held.push_back(buffer);
    for (const auto place : {std::size_t{0}, held.size() / 2, held.size() - 1}) {
      const auto& [name, tensor] = held[place];
      const auto before = tensor->clone();
      tensor->flatten()[0].add_(1);
      EXPECT_EQ(ask(how()).computed, 1U) << name;
      tensor->copy_(before);
      EXPECT_EQ(ask(how()).computed, 0U) << name;
    }
  }
  auto& mean = bundle_.options.vision_preprocess.mean[1];
  const auto before = mean;
  EXPECT_TRUE(misses([&] { mean = 0.25; }, [&] { mean = before; }));
  auto& mode = bundle_.options.vision_preprocess.mode;
  EXPECT_TRUE(misses([&] { mode = VisionFit::kCrop; }, [&] { mode = VisionFit::kPad; }));
  auto& kind = bundle_.options.grounding_preprocess;
  EXPECT_TRUE(misses([&] { kind = GroundingPreprocess::kSam; },
                     [&] { kind = GroundingPreprocess::kLitemedsam; }));

  auto other = how();
  other.precision = at::kBFloat16;
  EXPECT_EQ(ask(other).computed, 1U);
  other = how();
  other.storage = at::kBFloat16;
  EXPECT_EQ(ask(other).computed, 1U);
  FeatureCache cache(*bundle_.model, bundle_.options, how());
  auto nearly = picture(0);
  nearly.pixels[100] ^= 1;
  EXPECT_EQ(cache.find(key_of(nearly)), nullptr);
  auto turned = picture(0);
  std::swap(turned.width, turned.height);
  EXPECT_EQ(cache.find(key_of(turned)), nullptr);
  EXPECT_NE(cache.find(key_of(picture(0))), nullptr);

  bundle_.model->language().embed_tokens.add_(1.0);  // no matter to the encoders
  EXPECT_EQ(ask(how()).computed, 0U);
}

TEST_F(FeatureFolderTest, DamageIsComputedAgainAndReplaced) {
  const auto flip = [](const fs::path& file, std::int64_t from_end) {
    auto bytes = read_file(file);
    auto& byte = bytes[from_end > 0 ? bytes.size() - static_cast<std::size_t>(from_end)
                                    : static_cast<std::size_t>(-from_end)];
    byte = static_cast<char>(byte ^ 4);
    write_file(file, bytes);
  };
  const std::vector<std::pair<std::string, std::function<void(const fs::path&)>>> damages = {
      {"cut", [](const fs::path& at) { fs::resize_file(at, fs::file_size(at) / 2); }},
      {"cut by a byte", [](const fs::path& at) { fs::resize_file(at, fs::file_size(at) - 1); }},
      {"cut in its header", [](const fs::path& at) { fs::resize_file(at, 40); }},
      {"empty", [](const fs::path& at) { fs::resize_file(at, 0); }},
      {"longer", [](const fs::path& at) { fs::resize_file(at, fs::file_size(at) + 64); }},
      {"a bit of the numbers", [&](const fs::path& at) { flip(at, 5); }},
      {"a bit of the header", [&](const fs::path& at) { flip(at, -30); }},
      {"other bytes", [](const fs::path& at) { write_file(at, "PK\x03\x04 no archive"); }},
      {"another picture's",
       [&](const fs::path& at) {
         FeatureCache cache(*bundle_.model, bundle_.options, how());
         cache.get(picture(1));
         for (const auto& file : files_in(folder())) {
           if (file != at) fs::copy_file(file, at, fs::copy_options::overwrite_existing);
         }
       }},
      {"another frame",
       [](const fs::path& at) {
         auto bytes = read_file(at);
         const auto frame = bytes.find("24 32");
         ASSERT_NE(frame, std::string::npos);
         bytes.replace(frame, 5, "23 32");
         write_file(at, bytes);
       }},
      {"another shape",
       [](const fs::path& at) {
         auto bytes = read_file(at);
         const auto shape = bytes.find("[16,6]");
         ASSERT_NE(shape, std::string::npos);
         bytes.replace(shape, 6, "[6,16]");
         write_file(at, bytes);
       }},
      {"a pipe",
       [](const fs::path& at) {
         fs::remove(at);
         ASSERT_EQ(::mkfifo(at.c_str(), 0600), 0);
       }},
      {"a link to nowhere",
       [](const fs::path& at) {
         fs::remove(at);
         fs::create_symlink("nowhere", at);
       }},
  };
  for (const auto& [name, damage] : damages) {
    SCOPED_TRACE(name);
    const auto file = only_entry();
    damage(file);
    ::testing::internal::CaptureStderr();
    {
      FeatureCache cache(*bundle_.model, bundle_.options, how());
      EXPECT_EQ(cache.find(key_of(picture(0))), nullptr);
      EXPECT_TRUE(equal(*cache.get(picture(0)), exact(0)));
      EXPECT_EQ(cache.counts().damaged, 1U);
      EXPECT_EQ(cache.counts().written, 1U);
    }
    const auto said = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(said, HasSubstr("computed again"));
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
    const auto after = ask(how());
    EXPECT_EQ(after.from_disk, 1U);
    EXPECT_EQ(after.damaged, 0U);
  }
}

TEST_F(FeatureFolderTest, WhatCannotBeReplacedIsNoReasonToFail) {
  const auto file = only_entry();
  fs::remove(file);
  fs::create_directories(file / "in the way");
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 2; ++i) {
    FeatureCache cache(*bundle_.model, bundle_.options, how());
    EXPECT_TRUE(equal(*cache.get(picture(0)), exact(0)));
    EXPECT_TRUE(equal(*cache.get(picture(1)), exact(1)));
    EXPECT_EQ(cache.counts().written, 0U);
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("takes no more: "));
}

TEST_F(FeatureFolderTest, AugmentedPicturesPassItBy) {
  FeatureCache cache(*bundle_.model, bundle_.options, how());
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(equal(*cache.get_augmented(picture(0)), exact(0)));
  }
  EXPECT_EQ(cache.find(key_of(picture(0))), nullptr) << "nor is it kept for those that are not";
  const auto kept = cache.get(picture(0));
  EXPECT_NE(cache.get_augmented(picture(0)), kept) << "nor taken from what is kept";
  const auto counts = cache.counts();
  EXPECT_EQ(counts.augmented, 3U);
  EXPECT_EQ(counts.computed, 4U);
  EXPECT_EQ(counts.written, 1U);
}

TEST_F(FeatureFolderTest, NarrowStorageGivesTheSameFromEverywhere) {
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    auto narrow = how();
    narrow.storage = dtype;
    FeatureCache cold(*bundle_.model, bundle_.options, narrow);
    const auto computed = cold.get(picture(0));
    EXPECT_EQ(computed->vision.scalar_type(), dtype);
    EXPECT_TRUE(at::equal(computed->grounding, exact(0).grounding.to(dtype)));
    EXPECT_EQ(cold.get(picture(0)), computed);
    FeatureCache warm(*bundle_.model, bundle_.options, narrow);
    EXPECT_TRUE(equal(*warm.get(picture(0)), *computed));
    EXPECT_EQ(warm.counts().from_disk, 1U);
    EXPECT_EQ(2 * warm.counts().bytes_read, exact(0).vision.nbytes() + exact(0).grounding.nbytes());
  }
}

TEST_F(FeatureFolderTest, Fp16ThatOverflowsIsRefused) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : bundle_.model->vision().named_parameters()) {
    if (name.find("norm") != std::string::npos) tensor->mul_(1e6);
  }
  auto half = how();
  half.storage = at::kHalf;
  try {
    ask(half);
    ADD_FAILURE() << "infinite features were kept";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("\"bf16\" does"));
  }
  EXPECT_TRUE(files_in(folder()).empty());
}

TEST_F(FeatureFolderTest, NearlyFullDisksAreLeftAlone) {
  ask(how());
  auto modest = how();
  modest.keep_free_bytes = std::uint64_t{1} << 60;
  ::testing::internal::CaptureStderr();
  FeatureCache cache(*bundle_.model, bundle_.options, modest);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(equal(*cache.get(picture(i)), exact(i)));
  const auto said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr("takes no more: "));
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  EXPECT_EQ(cache.counts().from_disk, 1U) << "what is there is used";
  EXPECT_EQ(cache.counts().computed, 3U);
  EXPECT_EQ(files_in(folder()).size(), 1U);
}

TEST_F(FeatureFolderTest, ADiskThatFillsUpIsNoReasonToFail) {
  if (!mount_disk(256)) GTEST_SKIP() << "may not mount";
  auto here = how();
  here.folder = disk_ / "kept";
  ::testing::internal::CaptureStderr();
  {
    FeatureCache cache(*bundle_.model, bundle_.options, here);
    for (int i = 0; i < 200; ++i) {
      const auto image = tiny_picture(32 + i, 24);
      EXPECT_TRUE(equal(*cache.get(image),
                        encode_image(image, *bundle_.model, bundle_.options, at::kFloat)));
    }
    EXPECT_GT(cache.counts().written, 4U);
    EXPECT_LT(cache.counts().written, 200U);
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("takes no more: "));
  EXPECT_TRUE(fs::is_empty(disk_ / "kept/tmp")) << "no half entry stays";
  ::testing::internal::CaptureStderr();
  FeatureCache warm(*bundle_.model, bundle_.options, here);  // full as the disk is
  warm.get(tiny_picture(32, 24));
  ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(warm.counts().from_disk, 1U);
}

TEST_F(FeatureFolderTest, AFolderThatCannotBeOneIsRefused) {
  const auto refusal = [&](const fs::path& at) -> std::string {
    auto wrong = how();
    wrong.folder = at;
    try {
      const FeatureCache cache(*bundle_.model, bundle_.options, wrong);
    } catch (const DataError& error) {
      return error.what();
    }
    return "none";
  };
  write_file(scratch_ / "file", "x");
  EXPECT_THAT(refusal(scratch_ / "file"), HasSubstr("is a file, expected a folder"));
  EXPECT_THAT(refusal(scratch_ / "file/deeper"), HasSubstr("features cannot be kept there"));
  EXPECT_EQ(read_file(scratch_ / "file"), "x");
  EXPECT_THAT(refusal("/proc/features"), HasSubstr("features cannot be kept there"));
  fs::create_directories(scratch_ / "odd");
  write_file(scratch_ / "odd/tmp", "x");
  EXPECT_THAT(refusal(scratch_ / "odd"), HasSubstr("features cannot be kept there"));
  if (!mount_disk(1024)) GTEST_SKIP() << "may not mount";
  ASSERT_EQ(::mount("", disk_.c_str(), "", MS_REMOUNT | MS_RDONLY, nullptr), 0);
  EXPECT_THAT(refusal(disk_ / "kept"), HasSubstr("Read-only file system"));
}

TEST_F(FeatureFolderTest, LeavesOfKilledProcessesGoAfterAnHour) {
  const auto dead = folder() / "tmp/.host-1-0.safetensors.1.tmp",
             alive = folder() / "tmp/host-2-0.safetensors";
  write_file(dead, "half");
  write_file(alive, "half");
  fs::last_write_time(dead, fs::file_time_type::clock::now() - std::chrono::hours(2));
  ask(how());
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(alive));
}

TEST_F(FeatureFolderTest, SeveralCachesAndThreadsShareIt) {
  const auto team = at::get_num_threads();
  at::set_num_threads(1);
  std::vector<ImageFeatures> expected;
  for (int i = 0; i < 6; ++i) expected.push_back(exact(i));
  auto little = how();
  little.limit_bytes = 2 * (expected[0].vision.nbytes() + expected[0].grounding.nbytes());
  FeatureCache first(*bundle_.model, bundle_.options, little);
  FeatureCache second(*bundle_.model, bundle_.options, little);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      stay_on_one_thread();
      auto& cache = t % 2 == 0 ? first : second;
      for (int i = 0; i < 60; ++i) {
        const auto which = (i * (t + 1)) % 6;
        if (!equal(*cache.get(picture(which)), expected[static_cast<std::size_t>(which)])) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  at::set_num_threads(team);
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(first.counts().damaged + second.counts().damaged, 0U);
  EXPECT_EQ(files_in(folder()).size(), 6U);
}

}  // namespace
}  // namespace medseg
