// Each published set in small, in the layout and with the names of its authors: what is converted
// has no fault, and every mask is what the set's own files hold.
#include <map>
#include <set>
#include <tuple>

#include <gmock/gmock.h>

#include "convert/convert_fixture.h"
#include "medseg/base/str.h"
#include "support/write_nifti.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr int kWidth = 40, kHeight = 30;

/// A structure and the samples of a mask file that are part of it, as the set's authors say.
struct Structure {
  std::string label;
  std::set<int> values;
};

/// Values 1, 2, … in this order.
std::vector<Structure> in_order(const std::vector<std::string>& labels) {
  std::vector<Structure> all;
  for (std::size_t i = 0; i < labels.size(); ++i)
    all.push_back({labels[i], {static_cast<int>(i) + 1}});
  return all;
}

/// Where a mask stands: image below src, slice (0 of a picture), structure.
using Place = std::tuple<std::string, std::int64_t, std::string>;

class NamedSets : public ConvertTest {
 protected:
  /// The images of a case (one a channel) and their label volume. In each slice some of the label
  /// values are missing.
  void scan(const std::vector<std::string>& images, const std::string& labels,
            const std::vector<Structure>& structures, int slices = 4) {
    int values = 0;
    for (const auto& one : structures) values = std::max(values, *one.values.rbegin());
    std::vector<std::uint8_t> label;
    for (int k = 0; k < slices; ++k)
      for (int j = 0; j < kHeight; ++j)
        for (int i = 0; i < kWidth; ++i)
          label.push_back(static_cast<std::uint8_t>(label_at(i, j, k, values)));
    const std::array<int, 3> size = {kWidth, kHeight, slices};
    const std::array<float, 3> spacing = {0.8F, 0.8F, 2.5F};
    write_nifti(folder_ / "src" / labels, size, spacing, label);
    for (const auto& image : images) {
      ++tone_;
      std::vector<std::int16_t> grey;
      for (std::size_t n = 0; n < label.size(); ++n)
        grey.push_back(
            static_cast<std::int16_t>(40 * label[n] + static_cast<int>(n * 7 % 101) * tone_ - 100));
      write_nifti(folder_ / "src" / image, size, spacing, grey);
      for (int k = 0; k < slices; ++k) {
        for (const auto& one : structures) {
          const Mask mask = seen(one, k, values);
          if (mask.area() > 0) drawn_[{image, k, one.label}] = mask;
        }
      }
    }
  }
  /// A picture and one mask file of it.
  void picture(const std::string& image_name, const std::string& mask_name,
               const std::string& label, int x0) {
    if (!fs::exists(folder_ / "src" / image_name)) image(image_name, ++tone_);
    mask(mask_name, x0);
    drawn_[{image_name, 0, label}] = square(x0);
  }

  /// What was converted is what was drawn, all of it and nothing else.
  Manifest converted(const std::string& format) { return converted(options(format)); }
  Manifest converted(const ConvertOptions& asked) {
    const Manifest manifest = read(asked);
    std::set<Place> seen;
    for (const auto& record : manifest.records()) {
      const auto image = fs::weakly_canonical(manifest.path().parent_path() / record.image)
                             .lexically_relative(fs::weakly_canonical(folder_ / "src"))
                             .generic_string();
      for (const auto& turn : record.turns) {
        for (const auto& ids : turn.masks) {
          const Place place{image, record.slice ? record.slice->index : 0,
                            record.masks.at(ids.front()).label};
          const auto drawn = drawn_.find(place);
          if (drawn == drawn_.end()) {
            ADD_FAILURE() << record.id << ": " << record.masks.at(ids.front()).label << " of "
                          << image << " was never drawn";
            continue;
          }
          EXPECT_EQ(load_mask(manifest, record, ids, kWidth, kHeight), drawn->second)
              << record.id << " " << std::get<2>(place);
          seen.insert(place);
        }
      }
    }
    for (const auto& [place, mask] : drawn_) {
      EXPECT_TRUE(seen.contains(place)) << std::get<0>(place) << " slice " << std::get<1>(place)
                                        << ": nothing asks for " << std::get<2>(place);
    }
    return manifest;
  }

  static std::set<std::string> of_all(const Manifest& manifest,
                                      const std::function<std::string(const Record&)>& field) {
    std::set<std::string> found;
    for (const auto& record : manifest.records()) found.insert(field(record));
    return found;
  }
  static std::set<std::string> subjects(const Manifest& manifest) {
    return of_all(manifest, [](const Record& record) { return record.subject; });
  }
  static std::set<std::string> splits(const Manifest& manifest) {
    return of_all(manifest, [](const Record& record) { return record.split; });
  }
  static std::set<std::string> modalities(const Manifest& manifest) {
    return of_all(manifest, [](const Record& record) { return record.modality; });
  }

  std::map<Place, Mask> drawn_;

 private:
  /// Squares of 6 pixels in rows of 6; one in four is missing, by the number of the slice.
  static int label_at(int i, int j, int k, int values) {
    if (i >= 36 || j >= 28 || j % 7 == 6) return 0;
    const int value = (j / 7) * 6 + i / 6 + 1;
    return value > values || (value - 1) % 4 == k % 4 ? 0 : value;
  }
  /// With the front up and the patient's right on the left.
  static Mask seen(const Structure& structure, int k, int values) {
    Mask mask(kWidth, kHeight);
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < kWidth; ++x) {
        const int value = label_at(kWidth - 1 - x, kHeight - 1 - y, k, values);
        mask.pixels[static_cast<std::size_t>(y * kWidth + x)] =
            structure.values.contains(value) ? 1 : 0;
      }
    }
    return mask;
  }

  int tone_ = 0;
};

TEST_F(NamedSets, Btcv) {
  const auto names =
      in_order({"spleen", "right kidney", "left kidney", "gallbladder", "esophagus", "liver",
                "stomach", "aorta", "inferior vena cava", "portal and splenic veins", "pancreas",
                "right adrenal gland", "left adrenal gland"});
  for (const char* number : {"0001", "0002"}) {
    scan({str_cat("RawData/Training/img/img", number, ".nii.gz")},
         str_cat("RawData/Training/label/label", number, ".nii.gz"), names);
  }
  const auto manifest = converted("btcv");
  EXPECT_THAT(subjects(manifest), UnorderedElementsAre("0001", "0002"));
  EXPECT_THAT(splits(manifest), ElementsAre("train"));
  EXPECT_THAT(modalities(manifest), ElementsAre("ct"));
}

TEST_F(NamedSets, Flare) {
  const auto names = in_order({"liver", "right kidney", "spleen", "pancreas", "aorta",
                               "inferior vena cava", "right adrenal gland", "left adrenal gland",
                               "gallbladder", "esophagus", "stomach", "duodenum", "left kidney"});
  for (const char* number : {"0001", "0002", "0003"}) {
    scan({str_cat("FLARE22_LabeledCase50/images/FLARE22_Tr_", number, "_0000.nii.gz")},
         str_cat("FLARE22_LabeledCase50/labels/FLARE22_Tr_", number, ".nii.gz"), names);
  }
  const auto manifest = converted("flare");
  EXPECT_THAT(subjects(manifest),
              UnorderedElementsAre("FLARE22_Tr_0001", "FLARE22_Tr_0002", "FLARE22_Tr_0003"));
  EXPECT_THAT(modalities(manifest), ElementsAre("ct"));
}

TEST_F(NamedSets, Kits) {
  const std::vector<Structure> names = {
      {"kidney", {1, 2, 3}}, {"kidney tumour", {2}}, {"kidney cyst", {3}}};
  for (const char* one : {"case_00000", "case_00001"}) {
    const auto folder = str_cat("dataset/", one, "/");
    scan({folder + "imaging.nii.gz"}, folder + "segmentation.nii.gz", names);
    fs::create_directories(folder_ / "src" / folder / "instances");
    fs::copy_file(folder_ / "src" / folder / "segmentation.nii.gz",
                  folder_ / "src" / folder / "instances/kidney_instance-1_annotation-1.nii.gz");
  }
  text("dataset/kits23.json", R"([{"case_id": "case_00000", "age_at_nephrectomy": 51}])");
  const auto manifest = converted("kits");
  EXPECT_THAT(subjects(manifest), UnorderedElementsAre("case_00000", "case_00001"));
  EXPECT_EQ(manifest.records().front().licence, "CC-BY-NC-SA-4.0");
}

TEST_F(NamedSets, Lits) {
  const std::vector<Structure> names = {{"liver", {1, 2}}, {"liver tumour", {2}}};
  scan({"Training Batch 1/volume-0.nii"}, "Training Batch 1/segmentation-0.nii", names);
  scan({"Training Batch 2/volume-28.nii"}, "Training Batch 2/segmentation-28.nii", names);
  scan({"packed/volume-100.nii.gz"}, "packed/segmentation-100.nii.gz", names);
  const auto manifest = converted("lits");
  EXPECT_THAT(subjects(manifest), UnorderedElementsAre("0", "28", "100"));
  EXPECT_THAT(modalities(manifest), ElementsAre("ct"));
}

TEST_F(NamedSets, Brats) {
  const std::vector<Structure> names = {{"brain tumour", {1, 2, 4}},
                                        {"necrotic tumour core", {1}},
                                        {"peritumoural oedema", {2}},
                                        {"enhancing tumour", {4}}};
  for (const char* one : {"BraTS2021_00000", "BraTS2021_00002"}) {
    const auto name = [&](const char* what) {
      return str_cat(one, "/", one, "_", what, ".nii.gz");
    };
    scan({name("flair"), name("t1"), name("t1ce"), name("t2")}, name("seg"), names);
  }
  const auto manifest = converted("brats");
  EXPECT_THAT(subjects(manifest), UnorderedElementsAre("BraTS2021_00000", "BraTS2021_00002"));
  EXPECT_THAT(modalities(manifest), ElementsAre("mr"));
  auto asked = options("brats");
  asked.channel = "t1ce";
  const auto one = read(asked);
  for (const auto& record : one.records())
    EXPECT_THAT(record.image.string(), HasSubstr("_t1ce.nii.gz"));
  EXPECT_EQ(one.records().size() * 4, manifest.records().size());
}

TEST_F(NamedSets, Acdc) {
  const auto names = in_order({"right ventricle", "myocardium", "left ventricle"});
  const auto patient = [&](const std::string& folder, const std::string& name, const char* end) {
    for (const char* frame : {"01", end}) {
      const auto stem = str_cat("database/", folder, "/", name, "/", name, "_frame", frame);
      scan({stem + ".nii.gz"}, stem + "_gt.nii.gz", names);
    }
    text(str_cat("database/", folder, "/", name, "/Info.cfg"), "ED: 1\nGroup: DCM\n");
    text(str_cat("database/", folder, "/", name, "/", name, "_4d.nii.gz"), "never opened");
  };
  patient("training", "patient001", "12");
  patient("testing", "patient101", "14");
  const auto manifest = converted("acdc");
  EXPECT_THAT(subjects(manifest), UnorderedElementsAre("patient001", "patient101"));
  EXPECT_THAT(splits(manifest), UnorderedElementsAre("train", "test"));
  for (const auto& record : manifest.records())
    EXPECT_EQ(record.split, record.subject == "patient001" ? "train" : "test");
}

TEST_F(NamedSets, Camus) {
  const auto names = in_order({"left ventricle", "myocardium", "left atrium"});
  for (const char* one : {"patient0001", "patient0002"}) {
    for (const char* view : {"2CH", "4CH"}) {
      for (const char* phase : {"ED", "ES"}) {
        const auto stem = str_cat("database_nifti/", one, "/", one, "_", view, "_", phase);
        scan({stem + ".nii.gz"}, stem + "_gt.nii.gz", names, 1);
      }
    }
    text(str_cat("database_nifti/", one, "/Info_2CH.cfg"), "ED: 1\n");
  }
  const auto manifest = converted("camus");
  EXPECT_THAT(subjects(manifest), UnorderedElementsAre("patient0001", "patient0002"));
  EXPECT_THAT(modalities(manifest), ElementsAre("us"));
}

TEST_F(NamedSets, Isic) {
  const std::vector<std::pair<std::string, std::string>> parts = {
      {"Training", "ISIC_0000000"}, {"Validation", "ISIC_0012255"}, {"Test", "ISIC_0012169"}};
  for (const auto& part : parts) {
    picture(
        str_cat("ISIC2018_Task1-2_", part.first, "_Input/", part.second, ".jpg"),
        str_cat("ISIC2018_Task1_", part.first, "_GroundTruth/", part.second, "_segmentation.png"),
        "skin lesion", 5);
    text(str_cat("ISIC2018_Task1-2_", part.first, "_Input/LICENSE.txt"), "CC-0");
  }
  const auto manifest = converted("isic");
  EXPECT_THAT(splits(manifest), UnorderedElementsAre("train", "val", "test"));
  EXPECT_THAT(subjects(manifest),
              UnorderedElementsAre("ISIC_0000000", "ISIC_0012255", "ISIC_0012169"));
}

TEST_F(NamedSets, KvasirHasItsMasksAsJpeg) {
  const auto mask_file = fs::path(MEDSEG_SOURCE_DIR) / "tests/golden/convert/square.jpg";
  for (const char* one : {"cju0qkwl35piu0993l0dewei2", "cju0qoxqj9q6s0835b43399p4"}) {
    picture(str_cat("Kvasir-SEG/images/", one, ".jpg"), str_cat("Kvasir-SEG/masks/", one, ".jpg"),
            "polyp", 5);
    fs::copy_file(mask_file, folder_ / "src/Kvasir-SEG/masks" / str_cat(one, ".jpg"),
                  fs::copy_options::overwrite_existing);
  }
  text("Kvasir-SEG/kavsir_bboxes.json", R"({"cju0qkwl35piu0993l0dewei2": {"height": 30}})");
  const auto manifest = converted("kvasir");
  EXPECT_EQ(manifest.records().size(), 2U);
  EXPECT_THAT(modalities(manifest), ElementsAre("endoscopy"));
}

TEST_F(NamedSets, Qata) {
  const auto pair = [&](const std::string& folder, const std::string& name) {
    picture(str_cat("QaTa-COV19-v2/", folder, "/Images/", name, ".png"),
            str_cat("QaTa-COV19-v2/", folder, "/Ground-truths/mask_", name, ".png"),
            "COVID-19 infection", 5);
  };
  pair("Train Set", "covid_1");
  pair("Train Set", "sub-S09345_ses-E23238_run-1_bp-chest_vp-ap_cr");
  pair("Test Set", "covid_8");
  const auto manifest = converted("qata");
  EXPECT_THAT(splits(manifest), UnorderedElementsAre("train", "test"));
  EXPECT_EQ(manifest.split("train").size(), 2U);
}

TEST_F(NamedSets, CovidQuEx) {
  const std::string root = "Infection Segmentation Data/Infection Segmentation Data/";
  const auto infected = [&](const std::string& folder, const std::string& name) {
    const auto place = root + folder + "/";
    picture(place + "images/" + name, place + "lung masks/" + name, "lungs", 5);
    picture(place + "images/" + name, place + "infection masks/" + name, "COVID-19 infection", 10);
  };
  const auto healthy = [&](const std::string& folder, const std::string& name) {
    const auto place = root + folder + "/";
    picture(place + "images/" + name, place + "lung masks/" + name, "lungs", 7);
    write_png(folder_ / "src" / (place + "infection masks/" + name), Mask(kWidth, kHeight));
  };
  const auto lungs_alone = [&](const std::string& folder, const std::string& name) {
    const auto place = "Lung Segmentation Data/Lung Segmentation Data/" + folder + "/";
    picture(place + "images/" + name, place + "lung masks/" + name, "lungs", 9);
  };
  lungs_alone("Train/COVID-19", "covid_9.png");
  infected("Train/COVID-19", "covid_1.png");
  infected("Val/COVID-19", "covid_2.png");
  infected("Test/COVID-19", "covid_3.png");
  healthy("Train/Normal", "Normal (1).png");
  healthy("Train/Non-COVID", "non_COVID (1).png");
  auto asked = options("covid-qu-ex");
  asked.absent = 1;
  const auto manifest = converted(asked);
  EXPECT_THAT(splits(manifest), UnorderedElementsAre("train", "val", "test"));
  for (const auto& record : manifest.records()) {
    if (record.id.find("covid_") == std::string::npos)
      EXPECT_THAT(record.absent, ElementsAre("COVID-19 infection")) << record.id;
    else
      EXPECT_THAT(record.absent, IsEmpty()) << record.id;
  }
}

TEST_F(NamedSets, RefugeHasItsMasksAsGrey) {
  const auto pair = [&](const std::string& image_name, const std::string& mask_name) {
    picture(image_name, mask_name, "optic cup", 12);
    Image grey{kWidth, kHeight, 1, std::vector<std::uint8_t>(kWidth * kHeight, 255)};
    const Mask disc = square(9, 16), cup = square(12);
    for (std::size_t i = 0; i < grey.pixels.size(); ++i)
      grey.pixels[i] = cup.pixels[i] != 0 ? 0 : disc.pixels[i] != 0 ? 128 : 255;
    write_png(folder_ / "src" / mask_name, grey);
    drawn_[{image_name, 0, "optic disc"}] = disc;
  };
  pair("Training400/Glaucoma/g0001.jpg",
       "Annotation-Training400/Disc_Cup_Masks/Glaucoma/g0001.bmp");
  pair("Training400/Non-Glaucoma/n0001.jpg",
       "Annotation-Training400/Disc_Cup_Masks/Non-Glaucoma/n0001.bmp");
  pair("REFUGE-Validation400/V0001.jpg", "REFUGE-Validation400-GT/Disc_Cup_Masks/V0001.bmp");
  pair("Test400/T0001.jpg", "REFUGE-Test-GT/Disc_Cup_Masks/T0001.bmp");
  const auto manifest = converted("refuge");
  EXPECT_THAT(splits(manifest), UnorderedElementsAre("train", "val", "test"));
  EXPECT_THAT(subjects(manifest), UnorderedElementsAre("g0001", "n0001", "V0001", "T0001"));
  EXPECT_THAT(modalities(manifest), ElementsAre("fundus"));
}

}  // namespace
}  // namespace medseg
