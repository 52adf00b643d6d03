#include "medseg/metrics/protocols.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "medseg/base/str.h"
#include "medseg/metrics/boundary.h"
#include "protocol_parts.h"

namespace medseg {
namespace {

// Words: I, U, P, G are the pixels of intersection, union, prediction and reference. An item is a
// reference with the mask of its position; a missing mask is empty.
const std::vector<Protocol> kProtocols = {
    {"lisa",
     "i-th mask against i-th [SEG]; a missing mask is empty; logit > 0 at the picture's size; "
     "IoU = I/(U+1e-5), 1 if both are empty; Dice = 2I/(P+G+1e-6), 1 if both are empty; "
     "cIoU = sum I/(sum U+1e-10); _with_absent: each absent turn is one more item without "
     "reference; ignored pixels count neither way. LISA itself forces the answer",
     false, score_lisa},
    {"glamm",
     "items as lisa: IoU = I/(U+1e-5), 1 if both are empty; cIoU = sum I/(sum U+1e-10). GLaMM "
     "itself forces an answer drawn at random",
     false, score_glamm},
    {"glamm-gcg",
     "turns with references, all masks; ap50: COCO's AP at IoU 0.5, one class, every score 1, 100 "
     "masks a turn; miou: pairs taken from the largest IoU down, 0 for a turn with an empty-empty "
     "pair; recall_iou: references hit at IoU 0.5; recall_exact: the phrase equals the label as "
     "well (the original compares BERT means); meteor without WordNet",
     false, score_glamm_gcg},
    {"pixellm",
     "giou and ciou as glamm; muse: one-to-one assignment of masks to references by BCE and Dice "
     "of binary masks, muse_giou = sum IoU / sum over records of max(masks, references)",
     false, score_pixellm},
    {"sa2va",
     "each turn with references: union of its masks against union of its references; IoU as lisa",
     false, score_sa2va},
    {"unibiomed",
     "the first 300 items, those with a reference that is not empty; Dice = 2I/(P+G), IoU = I/U; "
     "class means over labels; volume_: slices put together, no limit. Its hd95 and nsd are not "
     "replayed",
     false, score_unibiomed},
    {"medplib",
     "items; a pixel is drawn at probability above 0.1; IoU = I/U, 0 if both are empty; "
     "dice = 2 IoU/(1+IoU)",
     true, score_medplib},
    {"biomedparse",
     "items; miou = mean I/(U+1e-6), 0 if both are empty; ciou = sum I/sum U; "
     "mdice = mean 2I/(P+G+1e-6); cdice = sum I/sum((P+G)/2); precision_at_t = share with IoU >= t",
     false, score_biomedparse},
    {"nnunet",
     "every case and label of the split; Dice and IoU are left out where a case has the label on "
     "neither side; mean over cases, then over labels; spacing plays no part",
     false, score_nnunet},
    {"monai",
     "items and absent turns; dice_ignore_empty leaves out empty references, dice_count_empty "
     "scores them 1 or 0; surfaces in mm, hd95 leaves out a miss (MONAI issue 9095); mean of what "
     "is not NaN",
     false, score_monai},
    {"medsam2",
     "every case: labels with a reference that is not empty; dsc = 2I/(P+G), nsd by DeepMind's "
     "surface elements at the tolerance (2 mm there); mean over labels, then over cases",
     false, score_medsam2},
    {"strict",
     "generated answers; items with a reference that is not empty; a miss has Dice 0, NSD 0 and "
     "the image's diagonal as distance; Dice = 2I/(P+G), IoU = I/U; _matched: one-to-one "
     "assignment in each turn; absent targets apart; intervals: 1000 resamples of subjects",
     false, score_strict}};

void count_turns(const Replay& replay, ProtocolResult& result) {
  result.turns = static_cast<std::int64_t>(replay.turns().size());
  for (const auto& turn : replay.turns()) {
    const auto expected = static_cast<std::int64_t>(turn.reference.size());
    const auto drawn = static_cast<std::int64_t>(turn.predicted.size());
    result.missed += std::max(std::int64_t{0}, expected - drawn);
    result.spurious += std::max(std::int64_t{0}, drawn - expected);
    result.absent += turn.asks_absent;
    result.failed += turn.failed;
  }
}

void check_maps(const Protocol& protocol, const Replay& replay) {
  for (const auto& turn : replay.turns()) {
    if (turn.probable.size() == turn.predicted.size()) continue;
    throw DataError(str_cat(turn.id, " turn ", turn.turn),
                    str_cat("no probability maps, which protocol ", protocol.name,
                            " needs; `medseg evaluate --keep-logits` writes them"));
  }
}

}  // namespace

const std::vector<Protocol>& protocols() { return kProtocols; }

const Protocol& protocol_named(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& protocol : kProtocols) {
    if (protocol.name == name) return protocol;
    names.emplace_back(protocol.name);
  }
  names.emplace_back("all");
  throw ConfigError("--protocol",
                    str_cat("unknown protocol \"", name, "\"", did_you_mean(name, names)));
}

ProtocolResult score_by(const Protocol& protocol, const Replay& replay) {
  if (protocol.needs_maps) check_maps(protocol, replay);
  ProtocolResult result;
  result.protocol = protocol.name;
  result.rules = protocol.rules;
  count_turns(replay, result);
  protocol.score(replay, result);
  return result;
}

std::vector<CaseRow> case_rows(const Replay& replay) {
  std::vector<CaseRow> rows;
  for (std::size_t i = 0; i < replay.items().size(); ++i) {
    const auto& item = replay.items()[i];
    const auto& turn = replay.turn_of(item);
    if (item.counts.reference == 0) continue;
    CaseRow row;
    row.id = turn.id;
    row.target = replay.target_of(item);
    row.modality = turn.modality;
    row.subject = turn.group();
    row.turn = turn.turn;
    row.index = item.index;
    row.missing = item.missing;
    row.failed = turn.failed;
    row.failure = failure_of(replay, item);
    row.dice = plain_dice(item.counts);
    row.iou = plain_iou(item.counts);
    row.surfaces = worst_case_scores(replay.surfaces()[i], turn.size(), turn.spacing_or_1(),
                                     Dimensions::kImage);
    row.boundary_iou =
        item.missing ? 0 : boundary_iou(turn.predicted[item.index], turn.reference[item.index]);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<SubjectDifference> subject_differences(const std::vector<CaseRow>& first,
                                                   const std::vector<CaseRow>& second) {
  const auto by_subject = [](const std::vector<CaseRow>& rows) {
    std::map<std::string, std::vector<double>> dice;
    for (const auto& row : rows) dice[row.subject].push_back(row.dice);
    return dice;
  };
  const auto a = by_subject(first), b = by_subject(second);
  std::vector<SubjectDifference> differences;
  for (const auto& [subject, dice] : a) {
    const auto found = b.find(subject);
    if (found != b.end()) differences.push_back({subject, mean_of(dice), mean_of(found->second)});
  }
  return differences;
}

}  // namespace medseg
