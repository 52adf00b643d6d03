#include "medseg/dataset/stats_page.h"

#include <algorithm>
#include <map>
#include <set>

#include "medseg/base/base64.h"
#include "medseg/base/html.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "medseg/image/overlay.h"

namespace medseg {
namespace {

constexpr int kShownSide = 320;
constexpr std::size_t kMostRows = 60;  // of one chart

constexpr const char* kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;margin:1rem auto;max-width:70rem;padding:0 1rem;"
    "color:#222;background:#fff}h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}"
    "table{border-collapse:collapse}td,th{text-align:left;padding:.1rem .8rem .1rem 0;"
    "vertical-align:middle}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    ".wide{overflow-x:auto}.bar{display:inline-block;height:.8rem;vertical-align:middle}"
    ".s0{background:#0072b2}.s1{background:#e69f00}.s2{background:#009e73}.s3{background:#888}"
    ".images{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,260px),1fr));"
    "gap:1rem}figure{margin:0;border:1px solid #8886;padding:.5rem;min-width:0}"
    "figure img{width:100%;display:block}figcaption{font-size:.9rem;overflow-wrap:anywhere}"
    ".bad{color:#b00020;font-weight:600}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}.bad{color:#ff8a80}}";

class Page {
 public:
  Page(const Manifest& manifest, const ManifestStats& stats) : manifest_(manifest), stats_(stats) {
    for (const char* name : {"train", "val", "test"}) {
      if (stats.splits.contains(name)) splits_.emplace_back(name);
    }
    for (const auto& [name, counts] : stats.splits) {
      if (std::find(splits_.begin(), splits_.end(), name) == splits_.end()) splits_.push_back(name);
    }
  }

  std::string text(int most_images) {
    const std::string name = manifest_.path().filename().string();
    const std::string folder = manifest_.path().parent_path().filename().string();
    const std::string title = folder.empty() ? name : folder + "/" + name;
    out_ =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>" +
        html(title) + "</title><style>" + kStyle + "</style></head><body>\n<h1>" + html(title) +
        "</h1>\n";
    counts();
    leaks();
    chart("Images by structure", &SplitStats::pairs_by_target, true);
    chart("Absent structures", &SplitStats::denied_by_target, true);
    chart("Records by modality", &SplitStats::records_by_modality, true);
    chart("Masks by their share of the image", &SplitStats::areas, false);
    chart("[SEG] of a turn", &SplitStats::turns_by_seg, false);
    chart("Records by " + stats_.length_unit + ", from", &SplitStats::records_by_length, false);
    images(most_images);
    return out_ + "</body></html>\n";
  }

 private:
  void counts() {
    out_ += "<div class=\"wide\"><table><tr><th></th>";
    for (const auto& split : splits_) out_ += "<th class=\"n\">" + html(split) + "</th>";
    out_ += "</tr>\n";
    const auto row = [&](const char* title, std::int64_t SplitStats::*field) {
      out_ += str_cat("<tr><td>", title, "</td>");
      for (const auto& split : splits_)
        out_ += str_cat("<td class=\"n\">", stats_.splits.at(split).*field, "</td>");
      out_ += "</tr>\n";
    };
    row("records", &SplitStats::records);
    row("images", &SplitStats::pictures);
    row("subjects", &SplitStats::subjects);
    row("pairs of image and structure", &SplitStats::pairs);
    row("answered turns", &SplitStats::answered_turns);
    row("of them without a mask", &SplitStats::absent_turns);
    row("masks asked for", &SplitStats::masks_asked);
    out_ += "</table></div>\n";
  }

  void leaks() {
    out_ += "<h2>Leakage between splits</h2>\n";
    if (stats_.leaks.empty()) out_ += "<p>none</p>\n";
    for (const auto& leak : stats_.leaks) {
      out_ += str_cat("<p", leak.declared ? ">" : " class=\"bad\">", html(leak.what), " in ",
                      html(join(leak.splits, ", ")),
                      leak.declared ? " (declared: split by slab)" : " (not declared)", "</p>\n");
    }
  }

  template <class Key>
  void chart(const std::string& title, std::map<Key, std::int64_t> SplitStats::*field,
             bool by_count) {
    std::map<Key, std::int64_t> sums;
    for (const auto& [split, counts] : stats_.splits) {
      for (const auto& [key, n] : counts.*field) sums[key] += n;
    }
    if (sums.empty()) return;
    std::vector<std::pair<Key, std::int64_t>> rows(sums.begin(), sums.end());
    if (by_count) {
      std::stable_sort(rows.begin(), rows.end(),
                       [](const auto& a, const auto& b) { return a.second > b.second; });
    }
    std::int64_t most = 1;
    for (const auto& [key, n] : rows) most = std::max(most, n);
    out_ += "<h2>" + html(title) + "</h2>\n<p>";
    for (std::size_t i = 0; i < splits_.size(); ++i)
      out_ += str_cat("<span class=\"bar s", std::min<std::size_t>(i, 3),
                      "\" style=\"width:.8rem\"></span> ", html(splits_[i]), " &nbsp; ");
    out_ += "</p>\n<div class=\"wide\"><table>\n";
    for (std::size_t r = 0; r < std::min(rows.size(), kMostRows); ++r) {
      out_ += str_cat("<tr><td>", html(str_cat(rows[r].first)), "</td><td class=\"n\">",
                      rows[r].second, "</td><td style=\"white-space:nowrap;min-width:16rem\">");
      for (std::size_t i = 0; i < splits_.size(); ++i) {
        const auto& counts = stats_.splits.at(splits_[i]).*field;
        const auto found = counts.find(rows[r].first);
        if (found == counts.end()) continue;
        const double width = 24.0 * static_cast<double>(found->second) / static_cast<double>(most);
        out_ += str_cat("<span class=\"bar s", std::min<std::size_t>(i, 3),
                        "\" style=\"width:", fixed(std::max(width, 0.1), 2), "rem\" title=\"",
                        html(splits_[i]), " ", found->second, "\"></span>");
      }
      out_ += "</td></tr>\n";
    }
    out_ += "</table></div>\n";
    if (rows.size() > kMostRows) out_ += str_cat("<p>and ", rows.size() - kMostRows, " more</p>\n");
  }

  void images(int most) {
    std::set<std::string> shown;
    std::string figures;
    int count = 0;
    for (const auto& record : manifest_.records()) {
      if (count >= most) break;
      for (const auto& turn : record.turns) {
        for (const auto& ids : turn.masks) {
          if (count >= most || !shown.insert(target_label(record, ids)).second) continue;
          figures += figure(record, turn);
          ++count;
        }
      }
    }
    if (count > 0)
      out_ +=
          "<h2>One image of each structure</h2>\n<div class=\"images\">\n" + figures + "</div>\n";
  }

  std::string figure(const Record& record, const RecordTurn& turn) const {
    const Image image = load_image(manifest_, record);
    std::vector<OverlayMask> masks;
    for (const auto& ids : turn.masks)
      masks.push_back({load_mask(manifest_, record, ids, image.width, image.height),
                       target_label(record, ids)});
    const std::string png = encode_png(draw_overlay(image, masks, kShownSide));
    std::string question = turn.question;
    const auto mark = question.find("<image>");
    if (mark != std::string::npos) question.erase(mark, 7);
    return str_cat("<figure><img alt=\"", html(record.id), "\" src=\"data:image/png;base64,",
                   base64(png), "\"><figcaption>", html(record.id), " (", html(record.split),
                   ")<br>", html(trim(question)), "<br>", html(turn.answer),
                   "</figcaption></figure>\n");
  }

  const Manifest& manifest_;
  const ManifestStats& stats_;
  std::vector<std::string> splits_;
  std::string out_;
};

}  // namespace

std::string stats_page(const Manifest& manifest, const ManifestStats& stats, int most_images) {
  return Page(manifest, stats).text(most_images);
}

}  // namespace medseg
