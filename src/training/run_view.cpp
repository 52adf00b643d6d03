#include "medseg/training/run_view.h"

#include <algorithm>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "medseg/report/run_page.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

// Scores in TensorBoard's table of runs and hyperparameters.
const std::vector<std::string> kResults = {"dice_over_targets", "giou", "ciou", "dice"};

bool is_coordinate(const std::string& key) {
  return key == "step" || key == "split" || key == "manifest";
}

// "train.optimizer.lr": 3e-4, …; of a list its JSON text.
void flatten(const std::string& path, const nlohmann::json& json,
             std::map<std::string, Hyperparameter>& into) {
  if (json.is_object()) {
    for (const auto& [key, value] : json.items())
      flatten(path.empty() ? key : path + "." + key, value, into);
  } else if (json.is_boolean()) {
    into[path] = json.get<bool>();
  } else if (json.is_number()) {
    into[path] = json.get<double>();
  } else {
    into[path] = json.is_string() ? json.get<std::string>() : json.dump();
  }
}

bool is_own_file(const std::string& name) {
  return name == "answers.json" || (name.starts_with("answer-") && name.ends_with(".png"));
}

// As a Markdown code block, with a fence that does not occur in the text.
std::string fenced(const std::string& text) {
  std::string fence = "```";
  while (text.find(fence) != std::string::npos) fence += '`';
  return fence + "\n" + text + "\n" + fence + "\n";
}

}  // namespace

void RunView::attempt(const std::function<void()>& write) {
  if (!writes_) return;
  try {
    write();
  } catch (const Error& error) {
    if (!failed_)
      log_warning(str_cat(error.what(), "; the run goes on, its events and images lack this"));
    failed_ = true;
  }
}

std::string RunView::label(const std::string& split, const std::string& manifest) const {
  const bool shared =
      std::find(shared_splits_.begin(), shared_splits_.end(), split) != shared_splits_.end();
  return shared ? split + " " + manifest : split;
}

void RunView::begin(std::int64_t step, bool owes_evaluation, const nlohmann::json& config) {
  if (!writes_) return;
  std::map<std::string, int> times;
  std::vector<std::string> results;
  const auto& validation = config.at("data").at("validation");
  for (const auto& source : validation) ++times[source.at("split").get<std::string>()];
  for (const auto& [split, count] : times) {
    if (count > 1) shared_splits_.push_back(split);
  }
  for (const auto& source : validation) {
    for (const auto& score : kResults) {
      results.push_back(
          str_cat("evaluation/", label(source.at("split"), source.at("manifest")), "/", score));
    }
  }
  bool has_events = false;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder_, none))
    has_events = has_events || EventFile::is_event_file(entry.path());
  const std::int64_t first = owes_evaluation ? step : step + 1;
  attempt([&] { forget_answers(first); });
  attempt([&] {
    events_.emplace(folder_);
    events_->begin_session(has_events ? first : 0);
    if (!has_events) {
      std::map<std::string, Hyperparameter> parameters;
      flatten("", {{"model", config.at("model")}, {"train", config.at("train")}}, parameters);
      events_->add_hyperparameters(parameters, results);
      events_->add_text(0, "config", fenced(config.dump(2)));
    }
    add_lines_from(has_events ? first : 0);
  });
}

// Of metrics.jsonl: the lines from this step on, which the event files lack.
void RunView::add_lines_from(std::int64_t first_step) {
  const auto path = folder_ / "metrics.jsonl";
  if (!fs::exists(path)) return;
  for (const auto& text : split(read_file(path), '\n')) {
    const auto line = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (line.is_object() && line.value("step", std::int64_t{-1}) >= first_step) add_metrics(line);
  }
}

void RunView::add_metrics(const nlohmann::ordered_json& line) {
  if (!events_) return;
  std::string group = "train/";
  if (line.contains("split")) {
    group = "evaluation/" + label(line.at("split").get<std::string>(), line.value("manifest", "")) +
            "/";
  }
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [key, value] : line.items()) {
    if (value.is_number() && !is_coordinate(key))
      scalars.emplace_back(group + key, value.get<double>());
  }
  attempt([&] { events_->add_scalars(line.at("step").get<std::int64_t>(), scalars); });
}

void RunView::show(std::int64_t step, const std::vector<ShownSource>& sources) {
  const bool any = std::any_of(sources.begin(), sources.end(),
                               [](const auto& source) { return !source.answers.empty(); });
  if (!any) return;
  attempt([&] {
    for (const auto& source : sources) {
      for (std::size_t i = 0; events_ && i < source.answers.size(); ++i) {
        const auto& shown = source.answers[i];
        const auto tag = str_cat("answers/", label(source.split, source.manifest), "/", i + 1);
        events_->add_image(step, tag, shown.picture);
        events_->add_text(step, tag + "/text",
                          str_cat(shown.id, ", turn ", shown.turn, "\n\n", fenced(shown.question),
                                  "\nexpected\n\n", fenced(shown.expected), "\nanswered\n\n",
                                  fenced(shown.answer)));
      }
    }
  });
  attempt([&] { write_answers(step, sources); });
}

void RunView::write_answers(std::int64_t step, const std::vector<ShownSource>& sources) const {
  refuse_foreign_folder(folder_ / "answers", is_own_file);
  AtomicFolder folder(folder_ / "answers");
  nlohmann::ordered_json answers = nlohmann::ordered_json::array();
  for (const auto& source : sources) {
    for (const auto& shown : source.answers) {
      const auto picture = str_cat("answer-", answers.size() + 1, ".png");
      write_png(folder.path() / picture, shown.picture);
      answers.push_back({{"split", label(source.split, source.manifest)},
                         {"id", shown.id},
                         {"turn", shown.turn},
                         {"question", shown.question},
                         {"expected", shown.expected},
                         {"answer", shown.answer},
                         {"picture", picture}});
    }
  }
  const nlohmann::ordered_json whole = {{"step", step}, {"answers", answers}};
  write_file(folder.path() / "answers.json",
             whole.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  folder.commit();
}

// Removes answers of an evaluation that will be done again, or of an earlier run without
// checkpoints.
void RunView::forget_answers(std::int64_t first) const {
  const auto path = folder_ / "answers/answers.json";
  if (!fs::exists(path)) return;
  const auto answers = nlohmann::json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (answers.is_object() && answers.value("step", first) < first) return;
  refuse_foreign_folder(path.parent_path(), is_own_file);
  std::error_code ignored;
  fs::remove_all(path.parent_path(), ignored);
}

void RunView::sync() {
  if (events_) attempt([&] { events_->sync(); });
}

void RunView::refresh_page(bool at_the_end) {
  if (!at_the_end && since_page_.seconds() < 20 * page_seconds_) return;
  const Stopwatch watch;
  attempt([&] { write_run_page(folder_); });
  page_seconds_ = watch.seconds();
  since_page_.restart();
}

void RunView::finish() {
  if (events_) attempt([&] { events_->finish_hyperparameters(); });
}

}  // namespace medseg
