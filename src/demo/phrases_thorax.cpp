#include "medseg/demo/phrases.h"

namespace medseg {

const std::vector<TargetPhrases>& thorax_phrases() {
  static const std::vector<TargetPhrases> table = {
      {.label = "lungs",
       .stems = {"lung", "pulmon"},
       .questions =
           {
               "Which organs exchange oxygen and carbon dioxide with the blood?",
               "Which large dark organs fill with air at every breath?",
               "Which organs would turn white in a case of pneumonia?",
               "What collapses when air leaks into the pleural space?",
               "Which spongy organs lie on both sides of the heart?",
               "Which organs does a smoker damage first?",
               "Where do the bronchi branch until they end in alveoli?",
               "Which air-holding organs expand when the diaphragm moves down?",
               "What does a physician listen to for crackles with a stethoscope on the back?",
               "Which paired organs are mostly black here because they hold air?",
               "Where would an emphysema destroy the small air sacs?",
               "Which organs does a mechanical ventilator inflate?",
               "Which organs would explain breathlessness and a productive cough?",
           },
       .unseen =
           {
               "Which spongy paired organs take up oxygen at every breath?",
               "Which dark, air-holding organs beside the heart become white with pneumonia?",
               "What would a ventilator inflate, and a smoker ruin?",
           },
       .clues = {"the spongy organs of gas exchange", "the dark paired organs full of air",
                 "the organs inflated at every breath", "the organs that pneumonia turns white",
                 "the air-holding organs beside the heart",
                 "the place where bronchi end in alveoli"},
       .unseen_clues = {"the air-filled organs that take up oxygen",
                        "the dark organs a ventilator inflates"},
       .role = "exchange oxygen and carbon dioxide"},
      {.label = "trunk",
       .stems = {"trunk", "torso"},
       .questions =
           {
               "Where does the patient end and the table begin below the neck?",
               "Which whole cross-section, from skin to skin, holds heart and ribs?",
               "What is the full outline of the patient at the level of the chest?",
               "Which region would a belt or a vest go round?",
               "Which area is body tissue at chest level, rather than room air or table?",
               "What must be contoured as the external surface for a chest radiotherapy plan?",
               "Which large region covers skin, fat, muscles and all chest organs together?",
               "What part of the person lies between neck and legs and fills the gantry here?",
               "Which complete region inside the skin of chest and upper belly is shown?",
               "What would be left if only the couch and the air round the chest were deleted?",
               "Which part of the body carries the arms and contains the heart?",
               "What does a life jacket wrap round?",
               "Which broad oval holds the chest wall and everything within it?",
           },
       .unseen =
           {
               "What broad region, skin included, would a vest or a life jacket wrap?",
               "Which area is the patient from skin to skin at chest level, without the table?",
               "Which complete oval contains heart, ribs, muscle and skin together?",
           },
       .clues = {"the whole chest section from skin to skin", "the region that a vest goes round",
                 "the full outline of the patient below the neck",
                 "the external contour at chest level", "the broad oval with chest wall and organs",
                 "everything but table and room air at chest level"},
       .unseen_clues = {"the complete body section that a life jacket wraps",
                        "the patient's outline at chest level"},
       .role = "is the whole body section"},
      {.label = "thoracic bones",
       .stems = {"bone", "thora", "skelet"},
       .questions =
           {
               "Which hard arches and vertebrae guard the heart?",
               "What might crack during vigorous chest compressions?",
               "Which bright, calcium-rich parts form the cage of the chest?",
               "Where do ribs, spine and breastplate show on this scan?",
               "Which rigid parts move up and out when the patient breathes in?",
               "What would osteoporosis weaken in the spine and the rib cage?",
               "Which structures look white here because they hold calcium?",
               "Where would you search for a rib fracture after a car crash?",
               "Which rigid frame do the breathing muscles of the chest pull on?",
               "What supports the chest wall and surrounds the spinal cord?",
               "Which hard tissue of the chest stops the most X-rays?",
               "Where would metastases to ribs or vertebrae sit?",
               "What rigid cage does a surgeon spread to operate on the heart?",
           },
       .unseen =
           {
               "Which calcium-rich cage of ribs and spine guards the heart?",
               "What could crack in the chest wall when someone is hit by a car?",
               "Which hard white frame do the breathing muscles pull on?",
           },
       .clues = {"the rigid cage of ribs and spine", "the bright calcium-rich parts of the chest",
                 "the hard arches that guard the heart", "the ribs, vertebrae and sternum",
                 "the parts a car crash may fracture", "the white frame of the chest wall"},
       .unseen_clues = {"the hard white cage round the heart", "the calcium-rich ribs and spine"},
       .role = "form the rigid cage"},
      {.label = "lung tumour",
       .stems = {"tumour", "tumor", "lung", "cancer", "pulmon"},
       .questions =
           {
               "Which abnormal mass could explain the smoker's bloody cough?",
               "Which solid growth among the airways should be biopsied?",
               "What lesion would a thoracic surgeon resect with a lobe?",
               "Which finding in the chest suggests a malignancy?",
               "Where would a bronchoscopist take tissue for histology?",
               "Which nodular opacity does not belong in the aerated tissue?",
               "Which suspicious soft-tissue mass should get a PET scan?",
               "What growth could cause weight loss and blood in the sputum?",
               "Which lesion of the chest would be irradiated with a tight margin?",
               "What neoplasm interrupts the dark, air-filled tissue?",
               "Which focal opacity needs staging before treatment?",
               "Is there a mass in the chest that an oncologist would measure, and where?",
               "Which dense lump in a long-term smoker is the most worrying finding?",
           },
       .unseen =
           {
               "What mass in the chest could be behind the blood in the smoker's sputum?",
               "Which solid lesion would the surgeon resect or the bronchoscopist biopsy?",
               "Which suspicious opacity in aerated tissue points to a malignancy?",
           },
       .clues = {"the solid mass behind a bloody cough", "the growth that needs a biopsy",
                 "the suspicious opacity in aerated tissue",
                 "the lesion an oncologist would measure", "the dense lump of a smoker's chest",
                 "the neoplasm among the airways"},
       .unseen_clues = {"the suspicious solid mass of the chest",
                        "the growth that bleeds into the sputum"},
       .role = "is the suspicious solid mass"},
  };
  return table;
}

}  // namespace medseg
