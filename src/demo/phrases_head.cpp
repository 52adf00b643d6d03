#include "medseg/demo/phrases.h"

namespace medseg {

const std::vector<TargetPhrases>& head_phrases() {
  static const std::vector<TargetPhrases> table = {
      {.label = "skull",
       .stems = {"skull", "crani", "calvari"},
       .questions =
           {
               "Which rigid shell shields the brain from a blow?",
               "Which bright ring of bone encloses the brain?",
               "What would break if the patient fell and hit the vault above the ears?",
               "Which hard bony case absorbs the most X-rays in this picture?",
               "What does a neurosurgeon drill through before reaching the brain?",
               "Which bony box leaves no room when the brain swells?",
               "Where would you look for a fracture line after a blow to the temple?",
               "Which mineralised structure forms the vault and the facial skeleton?",
               "What is the densest, whitest structure of this scan?",
               "Which bone carries the sockets of the eyes and the upper teeth?",
               "Which part would a burr hole go through?",
               "What hard armour surrounds the brain and shapes the face?",
               "Which calcium-rich wall stands between scalp and brain?",
           },
       .unseen =
           {
               "Which bony armour protects the brain when someone is hit?",
               "What hard, white wall must be drilled open to reach the brain?",
               "Where would a fracture show after a fall onto the temple?",
               "Which dense bone makes up the vault and the face?",
           },
       .clues = {"the rigid bony case of the brain", "the bright ring of dense bone",
                 "the hard shell that a burr hole goes through", "the bone of vault and face",
                 "the white wall between scalp and brain", "the bony armour against blows"},
       .unseen_clues = {"the dense bony shell round the brain", "the hard white bone of the vault"},
       .role = "is the rigid bony case"},
      {.label = "head",
       .stems = {"head"},
       .questions =
           {
               "Where does the patient end and the surrounding air begin above the neck?",
               "Which whole region from skin to skin holds brain, eyes and ears?",
               "What is the full outline of the patient, scalp and face included?",
               "Which part of the person rests on the neck and is imaged here?",
               "What would a helmet enclose completely?",
               "Which area is tissue of the patient at this level, rather than empty background?",
               "What is everything inside the scalp's outer surface?",
               "Which complete cross-section, with skin, bone and brain, lies in the scanner?",
               "What must a radiation mask fit round, skin and all?",
               "Which large oval region covers scalp, muscle, bone and brain together?",
               "What part of the patient lies inside the neuroimaging coil?",
               "Which region remains when only the air round the face is removed?",
               "Which body part carries the face and the organs of special sense?",
           },
       .unseen =
           {
               "What whole region, scalp and face included, would sit inside a helmet?",
               "Which area is the patient, skin to skin, and not the air round the face?",
               "Which oval cross-section holds scalp, bone and brain all together?",
           },
       .clues = {"the full outline of scalp and face", "the whole region inside a helmet",
                 "the patient's cross-section above the neck from skin to skin",
                 "all tissue within the scalp", "the oval region of scalp, bone and brain",
                 "the body part that carries the face"},
       .unseen_clues = {"the complete region from scalp to scalp",
                        "everything a helmet would cover"},
       .role = "is everything within the scalp"},
      {.label = "air-filled sinuses",
       .stems = {"sinus", "air"},
       .questions =
           {
               "Which hollow spaces in the facial bones get blocked during a bad cold?",
               "Which black cavities inside the face are lined by mucosa?",
               "What hollow chambers make the facial skeleton lighter?",
               "Which cavities would fill with fluid when pressure builds behind the cheeks?",
               "Which dark pockets within bone and nose hold only gas?",
               "Where does the pain sit when a cold settles behind the forehead and cheeks?",
               "Which chambers beside the nose give the voice its resonance?",
               "Which spaces drain mucus into the nasal passages?",
               "What are the black holes inside the face at this level?",
               "Which gas-holding cavities lie beside the nose and behind the ear?",
               "Which spaces would an endoscope through the nose explore?",
               "Which regions inside the patient have the lowest density, close to minus 1000?",
               "What mucosa-lined hollows become opaque in chronic nasal disease?",
           },
       .unseen =
           {
               "Which hollow chambers in the face fill with mucus when a cold will not go away?",
               "What black cavities beside the nose contain nothing but gas?",
               "Which mucosa-lined hollows in the facial bones make the voice resonate?",
           },
       .clues = {"the black hollow chambers of the face", "the gas pockets beside the nose",
                 "the cavities that a cold blocks", "the mucosa-lined hollows in the facial bones",
                 "the chambers that let the voice resonate",
                 "the dark cavities that drain into the nose"},
       .unseen_clues = {"the hollow gas spaces of nose and face",
                        "the cavities that fill with mucus in a cold"},
       .role = "are the gas-holding hollows of the face"},
      {.label = "brain tumour",
       .stems = {"tumour", "tumor", "cancer"},
       .questions =
           {
               "Which abnormal growth could explain the patient's new seizures?",
               "Which lesion in the cerebrum would a neurosurgeon plan to remove?",
               "What mass inside the cranium does not belong there?",
               "Which finding could raise the intracranial pressure and cause morning headaches?",
               "Where would a stereotactic biopsy needle be aimed?",
               "Which abnormal intracranial tissue has lost its normal structure?",
               "What suspicious mass displaces the healthy tissue inside the cranium?",
               "Which lesion might account for a slowly progressive weakness on one side?",
               "Which focal abnormality should be followed for growth after radiotherapy?",
               "What neoplasm is visible between the normal cerebral structures?",
               "Which intracranial lesion would take up contrast if its vessels leak?",
               "Is there a growth that a neuro-oncologist would measure, and where?",
               "Which region of diseased tissue could trigger epileptic fits?",
           },
       .unseen =
           {
               "Which growth inside the cranium might be the cause of the epileptic seizures?",
               "What abnormal mass would the neurosurgeon biopsy and remove?",
               "Which lesion could push on healthy cerebral tissue and give headaches?",
           },
       .clues = {"the abnormal growth that may cause seizures", "the mass a surgeon would biopsy",
                 "the intracranial lesion", "the neoplasm among normal cerebral tissue",
                 "the diseased focus that raises the pressure",
                 "the mass that does not belong here"},
       .unseen_clues = {"the abnormal intracranial mass", "the growth behind the seizures"},
       .role = "is the abnormal mass"},
  };
  return table;
}

}  // namespace medseg
