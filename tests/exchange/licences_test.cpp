// Terms go from the sources' files through a bundle into exports, unchanged and unguessed.
#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "medseg/bundle/bundle.h"
#include "medseg/bundle/licence.h"
#include "medseg/exchange/layout_import.h"
#include "medseg/exchange/model_export.h"
#include "support/temp_folder.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

fs::path layouts(const std::string& name) {
  return str_cat(MEDSEG_SOURCE_DIR, "/tests/golden/layouts/", name);
}

class Licences : public ::testing::Test {
 protected:
  LayoutRequest lisa() {
    LayoutRequest request;
    request.layout = ImportLayout::kLisa;
    request.source = scratch_ / "LISA-mini";
    request.vision = scratch_ / "clip-mini";
    fs::copy(layouts("lisa"), request.source);
    fs::copy(layouts("clip"), request.vision);
    return request;
  }
  std::vector<PartLicence> shown() const {
    const auto options = read_bundle_options(scratch_ / "bundle");
    return by_strictness(options.licences, options.model);
  }
  TempFolder scratch_{"licences"};
};

TEST_F(Licences, WhatNobodyStatesIsUnknown) {
  import_layout(lisa(), scratch_ / "bundle");
  const auto parts = shown();
  ASSERT_EQ(parts.size(), 3U);
  for (const auto& part : parts) EXPECT_EQ(kind_of_terms(part.terms), TermsKind::kUnknown);
  EXPECT_EQ(parts[0].part, "language");
  EXPECT_EQ(parts[2].part, "grounding");
}

TEST_F(Licences, AreKeptAsStatedTheStrictestFirst) {
  const auto request = lisa();
  write_file(
      request.source / "README.md",
      "---\nlanguage: en\nlicense: other\nlicense_name: \"health-ai-developer-foundations\"\n"
      "license_link: https://example.org/terms\n---\n# LISA\nlicense: mit\n");
  write_file(request.source / "LICENSE", "\nTerms of use\n\nYou may.\n");
  write_file(request.vision / "LICENSE.txt",
             "Creative Commons Attribution-NonCommercial 4.0 International\n\nYou may not.\n");
  import_layout(request, scratch_ / "bundle");
  const auto parts = shown();
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].part, "vision");
  EXPECT_EQ(parts[0].terms, "Creative Commons Attribution-NonCommercial 4.0 International");
  EXPECT_EQ(parts[0].stated_in, "LICENSE.txt");
  EXPECT_EQ(parts[0].source, "clip-mini");
  EXPECT_EQ(parts[1].part, "model");
  EXPECT_EQ(parts[1].terms, "health-ai-developer-foundations");
  EXPECT_EQ(parts[1].link, "https://example.org/terms");
  EXPECT_EQ(parts[1].stated_in, "README.md");
  EXPECT_EQ(parts[1].text, "\nTerms of use\n\nYou may.\n");

  export_bundle({.bundle = scratch_ / "bundle", .layout = ExportLayout::kLisa}, scratch_ / "out");
  EXPECT_EQ(read_file(scratch_ / "out/LICENSE-model"), parts[1].text);
  EXPECT_NE(read_file(scratch_ / "out/README.md").find("health-ai-developer-foundations"),
            std::string::npos);
  EXPECT_EQ(read_file(scratch_ / "out/vision_tower/LICENSE-vision"), parts[0].text);
  auto again = request;  // and back, to the same statements
  again.source = scratch_ / "out";
  again.vision = scratch_ / "out/vision_tower";
  import_layout(again, scratch_ / "again");
  EXPECT_EQ(write_options(read_bundle_options(scratch_ / "again")),
            write_options(read_bundle_options(scratch_ / "bundle")));

  export_bundle({.bundle = scratch_ / "bundle", .layout = ExportLayout::kSam}, scratch_ / "sam");
  EXPECT_NE(read_file(scratch_ / "sam/licences.json").find("\"part\": \"model\""),
            std::string::npos);
}

TEST_F(Licences, ADamagedListIsNamed) {
  const auto request = lisa();
  const auto list = request.source / "licences.json";
  for (const char* text : {"{}", "[{\"part\": 3}]", "[{\"owner\": \"me\"}]", "["}) {
    write_file(list, text);
    try {
      import_layout(request, scratch_ / "bundle");
      ADD_FAILURE() << text;
    } catch (const CheckpointError& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with(list.string())) << error.what();
    }
  }
}

TEST(TermsKind, FollowsTheWordsOfTheTerms) {
  using enum TermsKind;
  for (const auto& [terms, kind] : {std::pair{"cc-by-nc-sa-4.0", kNonCommercial},
                                    {"CC-BY-NC 4.0", kNonCommercial},
                                    {"FAIR Noncommercial Research License", kNonCommercial},
                                    {"llama2", kOwnTerms},
                                    {"LLAMA 2 COMMUNITY LICENSE AGREEMENT", kOwnTerms},
                                    {"gemma", kOwnTerms},
                                    {"health-ai-developer-foundations", kOwnTerms},
                                    {"bigscience-openrail-m", kOwnTerms},
                                    {"SAM License", kOwnTerms},
                                    {"other", kOwnTerms},
                                    {"cc-by-nd-4.0", kOwnTerms},
                                    {"gpl-3.0", kShareAlike},
                                    {"cc-by-sa-4.0", kShareAlike},
                                    {"apache-2.0", kPermissive},
                                    {"mit", kPermissive},
                                    {"MIT License", kPermissive},
                                    {"cc-by-4.0", kPermissive},
                                    {"bsd-3-clause", kPermissive},
                                    {"cc0-1.0", kPublicDomain},
                                    {"", kUnknown},
                                    {"unknown", kUnknown}})
    EXPECT_EQ(kind_of_terms(terms), kind) << terms;
}

}  // namespace
}  // namespace medseg
