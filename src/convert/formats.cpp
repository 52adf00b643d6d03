#include "formats.h"

#include <algorithm>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {

const std::vector<Format>& formats() {
  using Kind = SourceKind;
  static const std::vector<Format> all = {
      {"pairs", "folders of images and masks by name",
       "files that fit --images and --masks, as 'images/{case}.png' and "
       "'masks/{case}_{label}.png'; volumes with label volumes too",
       "", Kind::kVolumes, read_pairs, write_pairs},
      {"nnunet", "nnU-Net raw", "dataset.json, imagesTr/CASE_0000.ENDING, labelsTr/CASE.ENDING",
       "", Kind::kVolumes, read_nnunet, write_nnunet},
      {"decathlon", "Medical Segmentation Decathlon",
       "Task folders with dataset.json, imagesTr and labelsTr", "CC-BY-SA-4.0", Kind::kVolumes,
       read_decathlon, {}},
      {"coco", "COCO instances", "JSON with images, annotations and categories; the images", "",
       Kind::kMasks, read_coco, write_coco},
      {"labelme", "labelme", "a JSON beside each image", "", Kind::kMasks, read_labelme,
       write_labelme},
      {"reasonseg", "ReasonSeg (LISA)", "train/, val/, test/ with a JSON beside each image", "",
       Kind::kDialogues, read_reasonseg, {}},
      {"refcoco", "RefCOCO, RefCOCO+, RefCOCOg", "refs(…).p, instances.json and COCO's images",
       "", Kind::kDialogues, read_refcoco, {}},
      {"grandf", "GranDf (GLaMM), grounded captions",
       "JSON: a list of {file_name, caption, groundings}; the images", "", Kind::kDialogues,
       read_grandf, write_grandf},
      {"llava", "LLaVA conversations", "JSON: a list of {id, image, conversations}; the images",
       "", Kind::kDialogues, read_llava, write_llava},
      {"biomedparse", "BiomedParseData", "train/, train_mask/, test/, test_mask/", "",
       Kind::kMasks, read_biomedparse, write_biomedparse},
      {"sa-med2d", "SA-Med2D-20M", "images/, masks/, SAMed2D_v1_class_mapping_id.json",
       "CC-BY-NC-SA-4.0", Kind::kMasks, read_sa_med2d, write_sa_med2d},
      {"medplib", "MeCoVQA (MedPLIB)",
       "JSON: LLaVA's conversations with <SEG> and <mask>path</mask>; images and masks", "",
       Kind::kDialogues, read_medplib, write_medplib},
      {"muse", "MUSE (PixelLM)",
       "JSON: a list of {file_name or coco_url, ann_list, questions, answers}; the images", "",
       Kind::kDialogues, read_muse, {}},
      {"medisee", "MediSee",
       "JSON {image: {mask: class}} or JSON Lines with image, mask, class_text, long, short", "",
       Kind::kDialogues, read_medisee, write_medisee},
      {"sa2va", "Sa2VA annotations for fine-tuning",
       "JSON: a list of {image, mask, text}; images/", "", Kind::kDialogues, read_sa2va, {}},
      {"mr-medseg", "MR-MedSeg (MediRound)",
       "JSON: conversations with [IMAGE256:…] and [MASK-DECODE:…]; images and masks", "",
       Kind::kDialogues, read_mr_medseg, write_mr_medseg},
      {"btcv", "BTCV", "Training/img/img0001.nii.gz, Training/label/label0001.nii.gz", "",
       Kind::kVolumes, read_named_set, {}},
      {"amos", "AMOS22", "imagesTr/amos_0001.nii.gz, labelsTr/amos_0001.nii.gz; Va, Ts",
       "CC-BY-4.0", Kind::kVolumes, read_named_set, {}},
      {"flare", "FLARE22", "images/CASE_0000.nii.gz, labels/CASE.nii.gz", "", Kind::kVolumes,
       read_named_set, {}},
      {"kits", "KiTS", "case_00000/imaging.nii.gz, case_00000/segmentation.nii.gz",
       "CC-BY-NC-SA-4.0", Kind::kVolumes, read_named_set, {}},
      {"lits", "LiTS", "volume-0.nii, segmentation-0.nii", "", Kind::kVolumes, read_named_set, {}},
      {"brats", "BraTS 2021", "BraTS2021_00000/BraTS2021_00000_{flair,t1,t1ce,t2,seg}.nii.gz", "",
       Kind::kVolumes, read_named_set, {}},
      {"acdc", "ACDC", "training/patient001/patient001_frame01.nii.gz and …_gt.nii.gz", "",
       Kind::kVolumes, read_named_set, {}},
      {"camus", "CAMUS", "patient0001/patient0001_2CH_ED.nii.gz and …_gt.nii.gz", "",
       Kind::kVolumes, read_named_set, {}},
      {"isic", "ISIC 2018 task 1",
       "ISIC2018_Task1-2_Training_Input/, ISIC2018_Task1_Training_GroundTruth/; Validation, Test",
       "CC-BY-NC-4.0", Kind::kMasks, read_named_set, {}},
      {"kvasir", "Kvasir-SEG", "images/CASE.jpg, masks/CASE.jpg", "", Kind::kMasks,
       read_named_set, {}},
      {"busi", "BUSI", "benign/, malignant/, normal/ with \"benign (1).png\" and …_mask.png", "",
       Kind::kMasks, read_named_set, {}},
      {"drive", "DRIVE", "training/images/21_training.tif, training/1st_manual/21_manual1.png", "",
       Kind::kMasks, read_named_set, {}},
      {"qata", "QaTa-COV19", "Train Set/Images/, Train Set/Ground-truths/mask_CASE.png; Test Set",
       "", Kind::kMasks, read_named_set, {}},
      {"covid-qu-ex", "COVID-QU-Ex", "Train/COVID-19/{images,lung masks,infection masks}/; Val, …",
       "", Kind::kMasks, read_named_set, {}},
      {"refuge", "REFUGE", "Training400/Glaucoma/g0001.jpg, Disc_Cup_Masks/Glaucoma/g0001.bmp", "",
       Kind::kMasks, read_named_set, {}}};
  return all;
}

const Format& format_named(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& format : formats()) {
    if (format.name == name) return format;
    known.emplace_back(format.name);
  }
  throw ConfigError("--from", str_cat("unknown \"", name, "\"", did_you_mean(name, known)));
}

}  // namespace medseg
