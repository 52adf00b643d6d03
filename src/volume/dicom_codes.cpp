#include "dicom_codes.h"

#include <cctype>
#include <vector>

#include "medseg/base/str.h"

namespace medseg {
namespace {

struct Row {
  const char* name;
  const char* code;
  const char* meaning;
};

/// As pydicom's dictionary of PS3.16 has them (pydicom/sr/_concepts_dict.py).
const std::vector<Row>& anatomy() {
  static const std::vector<Row> table = {
      {"liver", "10200004", "Liver"},
      {"spleen", "78961009", "Spleen"},
      {"pancreas", "15776009", "Pancreas"},
      {"gallbladder", "28231008", "Gallbladder"},
      {"stomach", "69695003", "Stomach"},
      {"esophagus", "32849002", "Esophagus"},
      {"duodenum", "38848004", "Duodenum"},
      {"colon", "71854001", "Colon"},
      {"small intestine", "30315005", "Small intestine"},
      {"rectum", "34402009", "Rectum"},
      {"kidney", "64033007", "Kidney"},
      {"ureter", "87953007", "Ureter"},
      {"adrenal gland", "23451007", "Adrenal gland"},
      {"lung", "39607008", "Lung"},
      {"trachea", "44567001", "Trachea"},
      {"bronchus", "955009", "Bronchus"},
      {"larynx", "4596009", "Larynx"},
      {"pharynx", "54066008", "Pharynx"},
      {"heart", "80891009", "Heart"},
      {"left ventricle", "87878005", "Left ventricle"},
      {"right ventricle", "53085002", "Right ventricle"},
      {"left atrium", "82471001", "Left atrium"},
      {"right atrium", "73829009", "Right atrium"},
      {"aorta", "15825003", "Aorta"},
      {"inferior vena cava", "64131007", "Inferior vena cava"},
      {"superior vena cava", "48345005", "Superior vena cava"},
      {"portal vein", "32764006", "Portal vein"},
      {"pulmonary artery", "81040000", "Pulmonary artery"},
      {"pulmonary vein", "122972007", "Pulmonary vein"},
      {"mediastinum", "72410000", "Mediastinum"},
      {"bladder", "89837001", "Bladder"},
      {"urethra", "13648007", "Urethra"},
      {"prostate", "41216001", "Prostate"},
      {"uterus", "35039007", "Uterus"},
      {"ovary", "15497006", "Ovary"},
      {"testis", "40689003", "Testis"},
      {"breast", "76752008", "Breast"},
      {"brain", "12738006", "Brain"},
      {"brain stem", "119238007", "Brain Stem"},
      {"midbrain", "61962009", "Midbrain"},
      {"cerebellum", "113305005", "Cerebellum"},
      {"cerebral cortex", "40146001", "Cerebral cortex"},
      {"corpus callosum", "88442005", "Corpus callosum"},
      {"lateral ventricle", "66720007", "Lateral Ventricle"},
      {"white matter", "389080008", "White Matter"},
      {"gray matter", "389081007", "Gray Matter"},
      {"thalamus", "42695009", "Thalamus"},
      {"caudate nucleus", "11000004", "Caudate Nucleus"},
      {"putamen", "89278009", "Putamen"},
      {"globus pallidus", "14738005", "Globus Pallidus"},
      {"hippocampus", "5366008", "Hippocampus"},
      {"amygdala", "4958002", "Amygdala"},
      {"spinal cord", "2748008", "Spinal cord"},
      {"skull", "89546000", "Skull"},
      {"mandible", "91609006", "Mandible"},
      {"maxilla", "70925003", "Maxilla"},
      {"frontal sinus", "55060009", "Frontal sinus"},
      {"maxillary sinus", "15924003", "Maxillary sinus"},
      {"tooth", "38199008", "Tooth"},
      {"tongue", "21974007", "Tongue"},
      {"parotid gland", "45289007", "Parotid gland"},
      {"thyroid", "69748006", "Thyroid"},
      {"eye", "81745001", "Eye"},
      {"lens", "78076003", "Lens"},
      {"retina", "5665001", "Retina"},
      {"optic nerve", "18234004", "Optic nerve"},
      {"rib", "113197003", "Rib"},
      {"sternum", "56873002", "Sternum"},
      {"vertebra", "51282000", "Vertebra"},
      {"spine", "421060004", "Spine"},
      {"clavicle", "51299004", "Clavicle"},
      {"scapula", "79601000", "Scapula"},
      {"humerus", "85050009", "Humerus"},
      {"radius", "131190003", "Radius"},
      {"ulna", "23416004", "Ulna"},
      {"sacrum", "54735007", "Sacrum"},
      {"pelvis", "816092008", "Pelvis"},
      {"hip", "29836001", "Hip"},
      {"femur", "71341001", "Femur"},
      {"patella", "64234005", "Patella"},
      {"tibia", "12611008", "Tibia"},
      {"fibula", "87342007", "Fibula"},
      {"bone", "272673000", "Bone"},
      {"cartilage", "309312004", "Cartilage"},
      {"meniscus", "74135004", "Meniscus"},
      {"muscle", "71616004", "Muscle"},
      {"fat", "256674009", "Fat"},
      {"skin", "39937001", "Skin"},
      {"lymph node", "59441001", "Lymph Node"},
      {"diaphragm", "5798000", "Diaphragm"},
      // other words for the same
      {"urinary bladder", "89837001", "Bladder"},
      {"bowel", "30315005", "Small intestine"},
      {"oesophagus", "32849002", "Esophagus"},
      {"thyroid gland", "69748006", "Thyroid"},
      {"caudate", "11000004", "Caudate Nucleus"},
      {"cranium", "89546000", "Skull"},
      {"brainstem", "119238007", "Brain Stem"},
      {"grey matter", "389081007", "Gray Matter"},
      {"vertebrae", "51282000", "Vertebra"},
  };
  return table;
}

const std::vector<Row>& findings() {
  static const std::vector<Row> table = {
      {"neoplasm", "108369006", "Neoplasm"},
      {"tumor", "108369006", "Tumor"},
      {"mass", "4147007", "Mass"},
      {"nodule", "27925004", "Nodule"},
      {"lesion", "52988006", "Lesion"},
      {"cyst", "367643001", "Cyst"},
      {"hemorrhage", "50960005", "Hemorrhage"},
      {"edema", "79654002", "Edema"},
      {"pleural effusion", "60046008", "Pleural effusion"},
      {"tumour", "108369006", "Tumor"},
      {"haemorrhage", "50960005", "Hemorrhage"},
      {"oedema", "79654002", "Edema"},
      {"effusion", "60046008", "Pleural effusion"},
  };
  return table;
}

std::vector<std::string> words_of(const std::string& name) {
  std::vector<std::string> words(1);
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) {
      words.back() += static_cast<char>(std::tolower(byte));
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

const Row* find(const std::vector<Row>& table, const std::string& name) {
  for (const auto& row : table) {
    if (name == row.name || name == std::string(row.name) + "s") return &row;
  }
  return nullptr;
}

}  // namespace

StructureCode structure_code(const std::string& name) {
  StructureCode found;
  auto words = words_of(name);
  if (!words.empty() && (words[0] == "the" || words[0] == "a" || words[0] == "an"))
    words.erase(words.begin());
  const auto look = [&](const std::string& text) {
    if (const Row* row = find(anatomy(), text)) {
      found.category = {"91723000", "Anatomical Structure"};
      found.type = {row->code, row->meaning};
      found.known = true;
    } else if (const Row* finding = find(findings(), text)) {
      found.category = {"49755003", "Morphologically Abnormal Structure"};
      found.type = {finding->code, finding->meaning};
      found.known = true;
    }
    return found.known;
  };
  // The whole name first: "left ventricle" is a structure, not a side of one.
  if (look(join(words, " "))) return found;
  if (!words.empty() && (words[0] == "left" || words[0] == "right")) {
    const bool left = words[0] == "left";
    words.erase(words.begin());
    if (look(join(words, " "))) {
      found.side = left ? DicomCode{"7771000", "Left"} : DicomCode{"24028007", "Right"};
      return found;
    }
  }
  found.category = found.type = {"85756007", "Tissue"};
  return found;
}

}  // namespace medseg
