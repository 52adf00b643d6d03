#include "medseg/dataset/sides.h"

#include <gtest/gtest.h>

namespace medseg {
namespace {

TEST(Sides, AreToldByWordsAbbreviationsAndOrgans) {
  for (const char* text : {"Which finding lies in the left lung?",
                           "RIGHT",
                           "the right-sided effusion",
                           "leftmost vessel",
                           "LeftLung",
                           "lungLeft",
                           "kidney_right",
                           "leftlung",
                           "Lung_R",
                           "Hippocampus_L",
                           "hippocampus_l",
                           "l-thalamus",
                           "lh.precentral",
                           "ctx-rh-cuneus",
                           "electrode (R)",
                           "L",
                           "a nodule in the RUL",
                           "pain in the LLQ",
                           "the RCA is occluded",
                           "dextrocardia",
                           "levoscoliosis",
                           "situs inversus",
                           "clockwise",
                           "at 3 o'clock",
                           "dexter",
                           "linke Niere",
                           "rechts",
                           "le poumon gauche",
                           "pulmón izquierdo",
                           "polmone destro",
                           "rim direito",
                           "左肺",
                           "右肾",
                           "Where is the liver?",
                           "gallbladder",
                           "the descending colon",
                           "heart",
                           "aortic arch",
                           "vena cava"}) {
    EXPECT_TRUE(tells_sides(text)) << text;
  }
  for (const char* text : {"",
                           "Which bright ring of bone encloses the brain?",
                           "cleft palate",
                           "upright film",
                           "The <p> skull </p> [SEG] does.",
                           "lungs",
                           "ipsilateral and contralateral",
                           "bilateral",
                           "the fracture of L4",
                           "L5/S1",
                           "l'image",
                           "per l'esame",
                           "splenium of the corpus callosum",
                           "white matter",
                           "a 3 mm lesion",
                           "Largest structure",
                           "ROI",
                           "flair",
                           "T1 MR",
                           "rl"}) {
    EXPECT_FALSE(tells_sides(text)) << text;
  }
}

TEST(Sides, OfARecordStandAnywhereInIt) {
  Record plain;
  plain.turns.push_back({"<image>\nWhich is it?", "The <p> tumour </p> [SEG].", {{"m"}}, true});
  plain.masks["m"].label = "tumour";
  plain.absent = {"oedema"};
  EXPECT_FALSE(tells_sides(plain));
  auto record = plain;
  record.turns[0].question = "<image>\nWhat lies on the left?";
  EXPECT_TRUE(tells_sides(record));
  record = plain;
  record.turns[0].answer = "The right <p> tumour </p> [SEG].";
  EXPECT_TRUE(tells_sides(record));
  record = plain;
  record.masks["m"].label = "tumour_L";
  EXPECT_TRUE(tells_sides(record));
  record = plain;
  record.absent = {"left effusion"};
  EXPECT_TRUE(tells_sides(record));
}

}  // namespace
}  // namespace medseg
