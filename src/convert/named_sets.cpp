// Published data sets that are folders of images and masks: their names, labels and licences.
// Layouts: torch-em (torch_em/data/datasets/medical), Awesome-Medical-Dataset, the sets' own pages.
#include <map>

#include "formats.h"
#include "medseg/base/str.h"
#include "paired_files.h"

namespace medseg {
namespace {

std::vector<LabelValues> labels(const std::string& text) { return parse_labels("labels", text); }

std::vector<LabelValues> numbered(const std::vector<std::string>& names) {
  std::vector<LabelValues> all;
  for (std::size_t i = 0; i < names.size(); ++i)
    all.push_back({{static_cast<int>(i) + 1}, names[i]});
  return all;
}

MaskLayout one(const std::string& pattern, const std::string& label) {
  return {pattern, labels(label)};
}

PairSource volumes(const std::string& modality, const std::vector<LabelValues>& names,
                   const std::vector<std::pair<std::string, std::string>>& patterns) {
  PairSource source;
  source.modality = modality;
  for (const auto& [images, masks] : patterns)
    source.layouts.push_back({images, {{masks, names}}, ""});
  return source;
}

PairSource pictures(const std::string& modality, std::vector<PairLayout> layouts) {
  return {std::move(layouts), modality, {}};
}

PairSource amos() {
  auto source = volumes(
      "ct",
      numbered({"spleen", "right kidney", "left kidney", "gallbladder", "esophagus", "liver",
                "stomach", "aorta", "inferior vena cava", "pancreas", "right adrenal gland",
                "left adrenal gland", "duodenum", "bladder", "prostate or uterus"}),
      {{"images{split}/amos_{case#}.nii.gz", "labels{split}/amos_{case#}.nii.gz"}});
  // Cases from 500 on are MR.
  source.layouts.front().modality = [](const NameFields& fields) {
    const std::string digits = fields.at("case").substr(0, 9);
    return std::stoi(digits) >= 500 ? "mr" : "ct";
  };
  return source;
}

PairSource busi() {
  const auto by_folder = [](const NameFields& fields) -> std::vector<LabelValues> {
    if (fields.at("kind") == "normal") return {{{}, "breast tumour"}};
    return {{{}, fields.at("kind") + " breast tumour"}};
  };
  auto source = pictures(
      "us", {{"{kind}/{case}.png", {{"{kind}/{case}_mask{more?}.png", {}, by_folder}}, ""}});
  source.looked_for = {"benign breast tumour", "malignant breast tumour"};
  return source;
}

PairSource covid_qu_ex() {
  return pictures("xray",
                  {{"{split}/{kind}/images/{case}.png",
                    {one("{split}/{kind}/lung masks/{case}.png", "lungs"),
                     one("{split}/{kind}/infection masks/{case}.png", "COVID-19 infection")},
                    ""}});
}

PairSource refuge() {
  const auto names = labels("0=optic cup,0+128=optic disc");
  const auto layout = [&](const char* images, const char* masks, const char* split) {
    return PairLayout{images, {{masks, names}}, split};
  };
  return pictures(
      "fundus",
      {layout("Training400/{kind}/{case}.jpg", "Disc_Cup_Masks/{kind}/{case}.bmp", "train"),
       layout("REFUGE-Validation400/{case}.jpg", "Disc_Cup_Masks/{case}.bmp", "val"),
       layout("Test400/{case}.jpg", "Disc_Cup_Masks/{case}.bmp", "test"),
       layout("{split}/Images/{case}.jpg", "{split}/gts/{case}.bmp", "")});
}

const std::map<std::string, PairSource>& sets() {
  static const std::map<std::string, PairSource> all = {
      {"btcv", volumes("ct",
                       numbered({"spleen", "right kidney", "left kidney", "gallbladder",
                                 "esophagus", "liver", "stomach", "aorta", "inferior vena cava",
                                 "portal and splenic veins", "pancreas", "right adrenal gland",
                                 "left adrenal gland"}),
                       {{"{split}/img/img{case#}.nii.gz", "{split}/label/label{case#}.nii.gz"}})},
      {"amos", amos()},
      {"flare",
       volumes("ct",
               numbered({"liver", "right kidney", "spleen", "pancreas", "aorta",
                         "inferior vena cava", "right adrenal gland", "left adrenal gland",
                         "gallbladder", "esophagus", "stomach", "duodenum", "left kidney"}),
               {{"images/{case}_0000.nii.gz", "labels/{case}.nii.gz"}})},
      {"kits", volumes("ct", labels("1+2+3=kidney,2=kidney tumour,3=kidney cyst"),
                       {{"{case}/imaging.nii.gz", "{case}/segmentation.nii.gz"}})},
      {"lits", volumes("ct", labels("1+2=liver,2=liver tumour"),
                       {{"volume-{case#}.nii", "segmentation-{case#}.nii"},
                        {"volume-{case#}.nii.gz", "segmentation-{case#}.nii.gz"}})},
      {"brats", volumes("mr",
                        labels("1+2+4=brain tumour,1=necrotic tumour core,2=peritumoural oedema,"
                               "4=enhancing tumour"),
                        {{"{case}/{case}_{channel}.nii.gz", "{case}/{case}_seg.nii.gz"},
                         {"{case}/{case}_{channel}.nii", "{case}/{case}_seg.nii"}})},
      {"acdc", volumes("mr", numbered({"right ventricle", "myocardium", "left ventricle"}),
                       {{"{split}/{case}/{case}_frame{frame#}.nii.gz",
                         "{split}/{case}/{case}_frame{frame#}_gt.nii.gz"}})},
      {"camus", volumes("us", numbered({"left ventricle", "myocardium", "left atrium"}),
                        {{"{case}/{case}_{view}_{phase}.nii.gz",
                          "{case}/{case}_{view}_{phase}_gt.nii.gz"}})},
      {"isic",
       pictures("dermoscopy", {{"ISIC2018_Task1-2_{split}_Input/{case}.jpg",
                                {one("ISIC2018_Task1_{split}_GroundTruth/{case}_segmentation.png",
                                     "skin lesion")},
                                ""}})},
      {"kvasir",
       pictures("endoscopy", {{"images/{case}.jpg", {one("masks/{case}.jpg", "polyp")}, ""}})},
      {"busi", busi()},
      {"drive",
       pictures("fundus", {{"{split}/images/{case#}_*.tif",
                            {one("{split}/1st_manual/{case#}_manual1.*", "retinal vessels")},
                            ""}})},
      {"qata",
       pictures("xray", {{"{split}/Images/{case}.png",
                          {one("{split}/Ground-truths/mask_{case}.png", "COVID-19 infection")},
                          ""}})},
      {"covid-qu-ex", covid_qu_ex()},
      {"refuge", refuge()}};
  return all;
}

}  // namespace

void read_named_set(Reading& reading) {
  read_paired_files(sets().at(reading.options().format), reading);
}

}  // namespace medseg
