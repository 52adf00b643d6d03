#include "medseg/report/evaluation_page.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string_view>

#include "medseg/base/base64.h"
#include "medseg/base/html.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "medseg/report/line_chart.h"
#include "medseg/report/protocol_text.h"
#include "page_style.h"

namespace medseg {
namespace {

using Reports = std::vector<EvaluationReport>;

constexpr int kBins = 20;  // of the histogram of Dice

constexpr const char* kStyle =
    ".wide{overflow-x:auto}th{text-align:left;padding:.1rem .8rem .1rem 0;font-weight:600}"
    "td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}"
    "td.number{white-space:nowrap}.wide td:first-child{white-space:normal;min-width:7rem}"
    ".histogram rect{opacity:.8}.r0{fill:#0072b2}.r1{fill:#d55e00}"
    ".cases{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr));"
    "gap:1rem}.case{border:1px solid #8886;padding:.6rem;min-width:0}"
    ".case img{width:100%;image-rendering:auto;display:block}"
    ".case p{margin:.3rem 0;white-space:pre-wrap;overflow-wrap:anywhere}"
    ".tag{border:1px solid #8886;border-radius:.6rem;padding:0 .5rem;font-size:.8rem}"
    "pre{max-height:none}@media(prefers-color-scheme:dark){.r0{fill:#56b4e9}.r1{fill:#e69f00}}";

std::string shown(double value) {
  if (std::isnan(value)) return "–";
  return std::isinf(value) ? "inf" : fixed(value, 3);
}

double value_of(const ProtocolResult& result, const std::string& name) {
  const auto found = std::find_if(result.metrics.begin(), result.metrics.end(),
                                  [&](const auto& metric) { return metric.first == name; });
  return found == result.metrics.end() ? std::nan("") : found->second;
}

std::string cell(const std::string& text, bool number, const char* tag = "td") {
  return str_cat("<", tag, number ? " class=\"number\">" : ">", html(text), "</", tag, ">");
}

// The first column names the rows; the first row is the head.
std::string table(const std::vector<std::vector<std::string>>& rows, bool numbers = true) {
  std::string text = "<div class=\"wide\"><table>\n";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    text += "<tr>";
    for (std::size_t c = 0; c < rows[r].size(); ++c)
      text += cell(rows[r][c], numbers && c > 0, r == 0 ? "th" : "td");
    text += "</tr>\n";
  }
  return text + "</table></div>\n";
}

std::vector<std::string> head(const Reports& reports, const std::string& first,
                              const std::vector<std::string>& columns) {
  std::vector<std::string> names = {first};
  for (const auto& column : columns) {
    for (const auto& report : reports)
      names.push_back(reports.size() > 1 ? column + ", " + report.name : column);
  }
  return names;
}

std::string with_interval(const ProtocolResult& result, const std::string& name) {
  const auto interval = result.intervals.find(name);
  std::string text = shown(value_of(result, name));
  if (interval != result.intervals.end() && !std::isnan(interval->second.low))
    text += str_cat(" (", shown(interval->second.low), " to ", shown(interval->second.high), ")");
  return text;
}

std::string totals(const Reports& reports) {
  std::vector<std::vector<std::string>> rows = {head(reports, "", {"value"})};
  const auto add = [&](const std::string& title, auto text_of) {
    rows.push_back({title});
    for (const auto& report : reports) rows.back().push_back(text_of(report));
  };
  const auto metric = [&](const std::string& title, const std::string& name) {
    add(title, [&](const auto& report) { return with_interval(report.strict, name); });
  };
  metric("Dice (95 % interval over subjects)", "dice");
  metric("IoU (95 % interval over subjects)", "iou");
  add("gIoU, protocol lisa",
      [](const auto& report) { return shown(value_of(report.lisa, "giou")); });
  add("cIoU, protocol lisa",
      [](const auto& report) { return shown(value_of(report.lisa, "ciou")); });
  metric("Dice, best assignment of masks", "dice_matched");
  metric("HD95, mm (MONAI; a miss is the diagonal)", "hd95_monai");
  metric("NSD (DeepMind)", "nsd_deepmind");
  metric("boundary IoU", "boundary_iou");
  metric("AP50", "ap50");
  metric("exact [SEG] count", "seg_count_accuracy");
  metric("right name", "name_accuracy");
  metric("false positives on absent turns", "false_positive_rate");
  metric("calibration error of mask scores", "score_ece");
  metric("BLEU", "bleu");
  metric("ROUGE-L", "rouge_l");
  const auto count = [&](const std::string& title, std::int64_t ProtocolResult::*member) {
    add(title, [&](const auto& report) { return str_cat(report.strict.*member); });
  };
  count("references scored", &ProtocolResult::n);
  count("turns", &ProtocolResult::turns);
  count("missed masks", &ProtocolResult::missed);
  count("spurious masks", &ProtocolResult::spurious);
  count("absent turns", &ProtocolResult::absent);
  count("failed turns", &ProtocolResult::failed);
  return "<h2>Totals</h2>\n" + table(rows);
}

// What is known of how each was made; nothing where no evaluation.json says it.
std::string made(const Reports& reports) {
  const std::vector<std::pair<const char*, std::string ReportedFacts::*>> kFacts = {
      {"manifest", &ReportedFacts::manifest},
      {"split", &ReportedFacts::split},
      {"mode", &ReportedFacts::mode},
      {"history", &ReportedFacts::history},
      {"decoding", &ReportedFacts::decoding},
      {"seed", &ReportedFacts::seed},
      {"precision", &ReportedFacts::precision},
      {"trained on the test data", &ReportedFacts::leakage}};
  std::vector<std::vector<std::string>> rows = {head(reports, "", {"fact"})};
  for (const auto& [name, member] : kFacts) {
    const bool known =
        std::any_of(reports.begin(), reports.end(),
                    [m = member](const auto& report) { return !(report.facts.*m).empty(); });
    if (!known) continue;
    rows.push_back({name});
    for (const auto& report : reports) {
      const std::string& fact = report.facts.*member;
      rows.back().push_back(fact.empty() ? "unknown" : fact);
    }
  }
  return rows.size() == 1 ? "" : "<h2>How it was made</h2>\n" + table(rows, /*numbers=*/false);
}

std::string comparison_lines(const nlohmann::ordered_json& comparison) {
  if (comparison.is_null()) return "";
  return "<h2>The difference</h2>\n<pre>" + html(comparison_text(comparison)) + "</pre>\n";
}

std::string histogram(const Reports& reports) {
  std::vector<std::array<double, kBins>> shares(reports.size());
  double highest = 0.05;
  for (std::size_t r = 0; r < reports.size(); ++r) {
    for (const auto& row : reports[r].rows) {
      const int bin = std::min(static_cast<int>(row.dice * kBins), kBins - 1);
      shares[r][static_cast<std::size_t>(bin)] += 1.0 / static_cast<double>(reports[r].rows.size());
    }
    for (const double share : shares[r]) highest = std::max(highest, share);
  }
  std::string svg = "<figure class=\"chart histogram\"><figcaption><b>Dice of the references</b>";
  for (std::size_t r = 0; r < reports.size() && reports.size() > 1; ++r)
    svg += str_cat(" <span class=\"key k", r, "\">", html(reports[r].name), "</span>");
  svg += "</figcaption><svg viewBox=\"0 0 460 220\" role=\"img\" aria-label=\"histogram of Dice\">";
  const double width = 420.0 / kBins, own = (width - 2) / static_cast<double>(reports.size());
  for (std::size_t r = 0; r < reports.size(); ++r) {
    for (int b = 0; b < kBins; ++b) {
      const double height = 180 * shares[r][static_cast<std::size_t>(b)] / highest;
      svg += str_cat("<rect class=\"r", r, "\" x=\"",
                     fixed(30 + width * b + own * static_cast<double>(r), 1), "\" y=\"",
                     fixed(190 - height, 1), "\" width=\"", fixed(own, 1), "\" height=\"",
                     fixed(height, 1), "\"/>");
    }
  }
  for (int tick = 0; tick <= 10; tick += 2) {
    svg += str_cat("<text x=\"", 30 + 42 * tick, "\" y=\"208\" text-anchor=\"middle\">",
                   fixed(tick / 10.0, 1), "</text>");
  }
  return svg + str_cat("<text x=\"26\" y=\"18\" text-anchor=\"end\">", fixed(100 * highest, 0),
                       "%</text><text x=\"26\" y=\"190\" text-anchor=\"end\">0</text></svg>"
                       "</figure>\n");
}

std::string reliability_chart(const Reports& reports) {
  LineChart chart{"share of right masks (IoU 0.5) by mask score", {}};
  chart.linear = true;
  for (const auto& report : reports) {
    Curve curve{report.name, {}};
    for (const auto& bin : reliability(report.scored, 10)) {
      if (bin.count > 0) curve.points.emplace_back(bin.mean_score, bin.share_right);
    }
    chart.curves.push_back(std::move(curve));  // of the colour that the histogram has for the run
  }
  chart.curves.push_back({"perfect", {{0, 0}, {1, 1}}});
  return line_chart(chart);
}

std::string by_target(const Reports& reports) {
  std::set<std::string> names;
  for (const auto& report : reports) {
    for (const auto& [name, group] : report.strict.by_target) names.insert(name);
  }
  std::vector<std::vector<std::string>> rows = {
      head(reports, "target", {"n", "Dice", "IoU", "HD95, mm", "NSD"})};
  for (const auto& name : names) {
    auto& row = rows.emplace_back(std::vector<std::string>{name});
    for (const char* column : {"n", "dice", "iou", "hd95_monai", "nsd_deepmind"}) {
      for (const auto& report : reports) {
        const auto found = report.strict.by_target.find(name);
        if (found == report.strict.by_target.end()) {
          row.emplace_back("–");
        } else if (std::string(column) == "n") {
          row.push_back(str_cat(found->second.n));
        } else {
          ProtocolResult one;
          one.metrics = found->second.metrics;
          row.push_back(shown(value_of(one, column)));
        }
      }
    }
  }
  return "<h2>Targets</h2>\n" + table(rows);
}

std::string failures(const Reports& reports) {
  std::vector<std::vector<std::string>> rows = {head(reports, "state", {"references"})};
  for (const auto& [failure, name] : Choice<Failure>::names) {
    rows.push_back({std::string(name)});
    for (const auto& report : reports) {
      rows.back().push_back(str_cat(
          std::count_if(report.rows.begin(), report.rows.end(),
                        [kind = failure](const auto& row) { return row.failure == kind; })));
    }
  }
  rows.push_back({"too many masks"});
  for (const auto& report : reports) rows.back().push_back(str_cat(report.strict.spurious));
  return "<h2>Where it fails</h2>\n" + table(rows);
}

// The placeholder of the image says nothing to a reader.
std::string without_image(const std::string& question) {
  constexpr std::string_view kImage = "<image>";
  return trim(question.starts_with(kImage) ? question.substr(kImage.size()) : question);
}

std::string shown_case(const ShownCase& item) {
  return str_cat(
      "<div class=\"case\"><img alt=\"expected masks to the left, the answer's to the right\" "
      "src=\"data:image/png;base64,",
      base64(encode_png(item.image)), "\"><p><b>", html(item.row.target), "</b> Dice ",
      shown(item.row.dice), " <span class=\"tag\">", html(name_of(item.row.failure)),
      "</span></p><p>", html(without_image(item.question)),
      "</p><p>expected: ", html(item.expected), "</p><p>answered: ", html(item.answer),
      "</p><p><small>", html(item.row.id), ", turn ", item.row.turn, "</small></p></div>\n");
}

std::string case_group(const std::string& title, const std::vector<ShownCase>& cases) {
  if (cases.empty()) return "";
  std::string text = "<h2>" + html(title) + "</h2>\n<div class=\"cases\">\n";
  for (const auto& item : cases) text += shown_case(item);
  return text + "</div>\n";
}

std::string rules(const ProtocolResult& result) {
  return "<p><small>" + html(result.protocol) + ": " + html(result.rules) + "</small></p>\n";
}

}  // namespace

std::vector<ScoredCase> scored_masks(const Replay& replay) {
  std::vector<ScoredCase> cases;
  for (const auto& turn : replay.turns()) {
    for (std::size_t m = 0; m < turn.predicted.size(); ++m) {
      const bool right =
          std::any_of(turn.reference.begin(), turn.reference.end(), [&](const auto& reference) {
            const auto counts = count_overlap(turn.predicted[m], reference);
            return counts.union_() > 0 && 2 * counts.intersection >= counts.union_();
          });
      cases.push_back({turn.scores[m], right});
    }
  }
  return cases;
}

ChosenCases choose_cases(const std::vector<CaseRow>& rows, std::size_t count) {
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return rows[a].dice < rows[b].dice; });
  const std::size_t each = std::min(count, rows.size() / 3);
  if (each == 0) return {order, {}, {}};
  const auto part = [&](std::size_t first) {
    const auto begin = order.begin() + static_cast<std::ptrdiff_t>(first);
    return std::vector<std::size_t>(begin, begin + static_cast<std::ptrdiff_t>(each));
  };
  return {part(0), part((rows.size() - each) / 2), part(rows.size() - each)};
}

std::string evaluation_page(const std::vector<EvaluationReport>& reports,
                            const nlohmann::ordered_json& comparison) {
  MEDSEG_CHECK(!reports.empty() && reports.size() <= 2, "one report or two");
  std::string title = "medseg evaluation " + reports.front().name;
  if (reports.size() > 1) title += " and " + reports.back().name;
  std::string page = page_head(title, kStyle) + totals(reports) + comparison_lines(comparison) +
                     made(reports) + "<h2>Distributions</h2>\n<div class=\"charts\">\n" +
                     histogram(reports) + reliability_chart(reports) + "</div>\n" +
                     by_target(reports) + failures(reports);
  for (const auto& report : reports) {
    const std::string of = reports.size() > 1 ? " of " + report.name : "";
    page += case_group("Worst cases" + of, report.worst) +
            case_group("Median cases" + of, report.median) +
            case_group("Best cases" + of, report.best);
  }
  return page + "<h2>Rules</h2>\n" + rules(reports.front().strict) + rules(reports.front().lisa) +
         page_end();
}

}  // namespace medseg
