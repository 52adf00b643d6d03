#include "medseg/report/threshold_text.h"

#include <cmath>

#include "medseg/base/str.h"
#include "table_text.h"

namespace medseg {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isnan(value) ? Json(nullptr) : Json(value); }

std::string shown(double value) { return std::isnan(value) ? "-" : fixed(value, 4); }

}  // namespace

Json threshold_json(const ThresholdChoice& choice, const std::string& manifest,
                    const std::string& split) {
  return {{"thresholds",
           {{"mask_score", choice.threshold},
            {"manifest", manifest},
            {"split", split},
            {"right", choice.right},
            {"right_without", choice.right_without},
            {"dice", number(choice.dice)},
            {"dice_without", number(choice.dice_without)},
            {"false_positive_rate", number(choice.false_positive_rate)},
            {"false_positive_rate_without", number(choice.false_positive_rate_without)},
            {"references", choice.references},
            {"absent", choice.absent},
            {"masks", choice.masks}}}};
}

std::string threshold_text(const ThresholdChoice& choice) {
  const std::vector<TableRow> rows = {{{""}, {"n"}, {"without"}, {"with threshold"}},
                                      {{"right"},
                                       {str_cat(choice.references + choice.absent)},
                                       {shown(choice.right_without)},
                                       {shown(choice.right)}},
                                      {{"Dice of references"},
                                       {str_cat(choice.references)},
                                       {shown(choice.dice_without)},
                                       {shown(choice.dice)}},
                                      {{"false positives on absent turns"},
                                       {str_cat(choice.absent)},
                                       {shown(choice.false_positive_rate_without)},
                                       {shown(choice.false_positive_rate)}}};
  return str_cat("threshold of mask scores: ", choice.threshold, "\n") +
         table_text(rows, TableFormat::kText) +
         "right: mean of the Dice of each reference and of each absent turn (1 without a mask)\n";
}

}  // namespace medseg
