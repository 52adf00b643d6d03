/// \file
/// Shows a run while it trains: TensorBoard events, answers as images, and a page. All of it is
/// made from metrics.jsonl and the evaluations; nothing of it is needed to resume.
///
///     events.out.tfevents.*         train/KEY of every step, evaluation/SPLIT/SCORE, images and
///                                   texts of answers, config, hyperparameters
///     answers/answers.json, *.png   answers of the last evaluation
///     run.html                      all of it as one page (report/run_page.h)
///
/// Deliberately without exceptions: the first file that cannot be written gives a warning, and the
/// run goes on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/base/clock.h"
#include "medseg/evaluation/shown_answers.h"
#include "medseg/report/event_file.h"

namespace medseg {

/// Answers to show, of one split of one manifest.
struct ShownSource {
  std::string split, manifest;
  std::vector<ShownAnswer> answers;
};

class RunView {
 public:
  /// Of several processes only one `writes`; in the others nothing here does anything.
  explicit RunView(std::filesystem::path folder, bool writes = true)
      : folder_(std::move(folder)), writes_(writes) {}

  /// Opens a new event file for a run that goes on after `step`. Events of later steps in earlier
  /// files become void, those of an evaluation of `step` too if it is still due
  /// (`owes_evaluation`). A folder without event files gets the events of all lines of
  /// metrics.jsonl.
  void begin(std::int64_t step, bool owes_evaluation, const nlohmann::json& config);
  /// Adds the events of a line of metrics.jsonl.
  void add_metrics(const nlohmann::ordered_json& line);
  /// Adds the answers of an evaluation, and replaces the files in answers/.
  void show(std::int64_t step, const std::vector<ShownSource>& sources);
  /// Events so far survive a power cut. Called when a checkpoint is saved.
  void sync();
  /// Writes run.html. Before the end of the run only if writing it costs less than a twentieth of
  /// the time since it was last written.
  void refresh_page(bool at_the_end = false);
  /// The run is complete: ends the record of its hyperparameters.
  void finish();

 private:
  /// Runs `write`; the first error becomes a warning.
  void attempt(const std::function<void()>& write);
  void add_lines_from(std::int64_t first_step);
  void forget_answers(std::int64_t first) const;
  std::string label(const std::string& split, const std::string& manifest) const;
  void write_answers(std::int64_t step, const std::vector<ShownSource>& sources) const;

  std::filesystem::path folder_;
  bool writes_;
  std::optional<EventFile> events_;
  /// Names of splits that several validation sources have: their labels need the manifest too.
  std::vector<std::string> shared_splits_;
  bool failed_ = false;
  Stopwatch since_page_;
  /// How long it took to write the page the last time.
  double page_seconds_ = 0;
};

}  // namespace medseg
