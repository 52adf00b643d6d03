#include "medseg/report/run_page.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/base/base64.h"
#include "medseg/base/clock.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/html.h"
#include "medseg/base/process.h"
#include "medseg/base/str.h"
#include "medseg/report/line_chart.h"
#include "page_style.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// What comes first, in this order; other numbers of metrics.jsonl stand below, folded.
const std::vector<std::pair<std::string, std::string>> kCharts = {
    {"loss", "loss, all parts weighted"},
    {"loss_text", "loss of the text"},
    {"loss_bce", "cross entropy of the masks"},
    {"loss_dice", "Dice loss of the masks"},
    {"lr", "rate"},
    {"grad_norm", "norm of the gradient, before clipping"},
    {"seconds", "seconds a step"},
    {"loss_scale", "loss scale"}};
const std::vector<std::string> kOverlaps = {"dice_over_targets", "giou", "ciou", "dice"};
const std::vector<std::string> kShares = {"seg_count_accuracy", "name_accuracy",
                                          "false_positive_rate"};

struct Metrics {
  std::map<std::string, Curve> train;
  std::map<std::string, std::map<std::string, Curve>> evaluations;  // by split, by score
  double last_step = 0, seconds = 0, samples = 0;
};

Json parse_file(const fs::path& path) {
  try {
    return Json::parse(read_file(path));
  } catch (const nlohmann::json::parse_error& error) {
    throw DataError(path.string(), str_cat("not JSON near byte ", error.byte));
  }
}

void add_line(const Json& line, Metrics& metrics) {
  const auto step = line.at("step").get<double>();
  const bool scores = line.contains("split");
  std::string source;
  if (scores)
    source = str_cat(line.at("split").get<std::string>(), "\n", line.value("manifest", ""));
  auto& curves = scores ? metrics.evaluations[source] : metrics.train;
  for (const auto& [key, value] : line.items()) {
    if (!value.is_number() || key == "step") continue;
    curves[key].name = key;
    curves[key].points.emplace_back(step, value.get<double>());
  }
  metrics.last_step = std::max(metrics.last_step, step);
  if (scores) return;
  metrics.seconds += line.value("seconds", 0.0);
  metrics.samples += line.value("samples", 0.0);
}

Metrics read_metrics(const fs::path& path) {
  const std::string text = read_file(path);
  Metrics metrics;
  int number = 0;
  for (const auto& line : split(text.substr(0, text.rfind('\n') + 1), '\n')) {
    ++number;
    if (line.empty()) continue;
    try {
      add_line(Json::parse(line), metrics);
    } catch (const nlohmann::json::exception&) {
      throw DataError(str_cat(path.string(), ":", number),
                      "not a line of metrics, expected an object with a number \"step\"");
    }
  }
  return metrics;
}

// "split" where one manifest has it, else with the manifest's path.
std::string shown_source(const std::string& source, const Metrics& metrics) {
  const auto name = split(source, '\n');
  const auto same = std::count_if(
      metrics.evaluations.begin(), metrics.evaluations.end(),
      [&](const auto& other) { return split(other.first, '\n').front() == name.front(); });
  return same > 1 ? name.front() + " of " + name.back() : name.front();
}

std::string tile(const std::string& name, const std::string& value) {
  return "<div><b>" + html(value) + "</b>" + html(name) + "</div>";
}

std::string tiles(const Json& run, const Json& config, const Metrics& metrics) {
  std::string text = "<div class=\"tiles\">";
  if (run.contains("state"))
    text += tile("state",
                 run["state"].is_string() ? run["state"].get<std::string>() : run["state"].dump());
  std::string steps = fixed(metrics.last_step, 0);
  const Json::json_pointer all("/train/steps");
  if (config.contains(all) && config.at(all).is_number()) steps += " of " + config.at(all).dump();
  text += tile("steps", steps);
  const auto loss = metrics.train.find("loss");
  if (loss != metrics.train.end())
    text += tile("last loss", fixed(loss->second.points.back().second, 4));
  for (const auto& [source, scores] : metrics.evaluations) {
    const auto found = scores.find("dice_over_targets");
    if (found == scores.end()) continue;
    const auto& points = found->second.points;
    const auto best =
        *std::max_element(points.begin(), points.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; });
    text += tile(str_cat("best Dice over targets, ", shown_source(source, metrics), ", step ",
                         fixed(best.first, 0)),
                 fixed(best.second, 3));
  }
  if (metrics.seconds > 0) {
    text += tile("in training steps", duration_text(metrics.seconds));
    text += tile("samples a second", fixed(metrics.samples / metrics.seconds, 2));
  }
  return text + "</div>\n";
}

std::string charts(const Metrics& metrics) {
  std::string text = "<div class=\"charts\">\n";
  std::set<std::string> shown;
  for (const auto& [key, title] : kCharts) {
    const auto found = metrics.train.find(key);
    shown.insert(key);
    if (found == metrics.train.end()) continue;
    const bool is_rate = key == "lr";  // a schedule: no noise, and its form says most
    text += line_chart({title, {found->second}, /*smooth=*/!is_rate, /*linear=*/is_rate});
  }
  for (const auto& [source, scores] : metrics.evaluations) {
    for (const auto& [title, keys] :
         {std::pair{"overlap", kOverlaps}, std::pair{"answers", kShares}}) {
      LineChart chart{str_cat(title, ", ", shown_source(source, metrics)), {}};
      for (const auto& key : keys) {
        if (scores.contains(key)) chart.curves.push_back(scores.at(key));
      }
      text += line_chart(chart);
    }
  }
  text += "</div>\n<details><summary>more curves</summary><div class=\"charts\">\n";
  for (const auto& [key, curve] : metrics.train) {
    if (!shown.contains(key)) text += line_chart({key, {curve}, /*smooth=*/true});
  }
  return text + "</div></details>\n";
}

std::string picture_source(const fs::path& folder, const std::string& name) {
  const auto path = folder / name;
  if (fs::path(name).filename() != name || !fs::exists(path))
    throw DataError((folder / "answers.json").string(), "no such picture: " + name);
  const std::string bytes = read_file(path);
  if (!bytes.starts_with("\x89PNG")) throw DataError(path.string(), "no PNG");
  return "data:image/png;base64," + base64(bytes);
}

std::string answers(const fs::path& folder) {
  const auto path = folder / "answers.json";
  if (!fs::exists(path)) return "";
  const Json file = parse_file(path);
  try {
    std::string text =
        str_cat("<h2>Answers after step ", file.at("step").get<std::int64_t>(),
                "</h2><p>Expected masks to the left, the answer's to the right.</p>\n");
    for (const auto& answer : file.at("answers")) {
      const auto said = [&](const char* key) { return html(answer.at(key).get<std::string>()); };
      text += str_cat("<div class=\"answer\"><img alt=\"\" src=\"",
                      picture_source(folder, answer.at("picture").get<std::string>()), "\"><p><b>",
                      said("question"), "</b></p><p>expected: ", said("expected"),
                      "</p><p>answered: ", said("answer"), "</p><p><small>", said("split"), ", ",
                      said("id"), ", turn ", answer.at("turn").get<std::int64_t>(),
                      "</small></p></div>\n");
    }
    return text;
  } catch (const nlohmann::json::exception& error) {
    throw DataError(path.string(), std::string("not the answers of a run: ") + error.what());
  }
}

void add_rows(const std::string& path, const Json& json, std::string& rows) {
  if (json.is_structured()) {
    for (const auto& [key, value] : json.items())
      add_rows(path.empty() ? key : path + "." + key, value, rows);
    return;
  }
  rows += "<tr><td>" + html(path) + "</td><td>" +
          html(json.is_string() ? json.get<std::string>() : json.dump()) + "</td></tr>\n";
}

std::string where_time_went(const Json& run) {
  const auto parts = run.find("parts");
  if (parts == run.end() || !parts->is_object()) return "";
  const auto number = [](const Json& part, const char* key) {
    const auto found = part.is_object() ? part.find(key) : part.end();
    return part.is_object() && found != part.end() && found->is_number() ? found->get<double>()
                                                                         : 0.0;
  };
  double sum = 0;
  for (const auto& [name, part] : parts->items()) sum += number(part, "seconds");
  if (sum <= 0) return "";
  std::string text = "<h2>Where the time went</h2><table>\n";
  for (const auto& [name, part] : parts->items()) {
    const double seconds = number(part, "seconds"), peak = number(part, "peak_memory_bytes");
    const double share = seconds / sum;
    text += str_cat("<tr><td>", html(name), "</td><td>", duration_text(seconds), "</td><td>",
                    fixed(100 * share, 1), " %</td><td>",
                    peak > 0 ? gigabytes_text(static_cast<std::uint64_t>(peak)) : std::string(),
                    "</td><td><span class=\"bar\" style=\"width:", fixed(300 * share, 0),
                    "px\"></span></td></tr>\n");
  }
  return text + "</table>\n";
}

}  // namespace

bool is_run_folder(const fs::path& folder) { return fs::is_regular_file(folder / "metrics.jsonl"); }

std::string run_page(const fs::path& folder) {
  if (!is_run_folder(folder))
    throw DataError(folder.string(), "no run folder, expected metrics.jsonl in it");
  const Metrics metrics = read_metrics(folder / "metrics.jsonl");
  const auto optional = [&](const char* name) {
    return fs::exists(folder / name) ? parse_file(folder / name) : Json::object();
  };
  const Json run = optional("run.json"), config = optional("config.json");
  const auto whole = (fs::absolute(folder) / "").lexically_normal().parent_path();
  std::string page = page_head("medseg run " + whole.filename().string(), "");
  page += tiles(run, config, metrics) + "<h2>Curves</h2>\n" + charts(metrics) +
          answers(folder / "answers") + where_time_went(run);
  std::string rows;
  add_rows("", run, rows);
  page += "<h2>The run</h2><table>\n" + rows + "</table>\n";
  page += "<h2>Effective config</h2><pre>" + html(config.dump(2)) + "</pre>\n";
  return page + page_end();
}

void write_run_page(const fs::path& folder) { write_file(folder / "run.html", run_page(folder)); }

}  // namespace medseg
