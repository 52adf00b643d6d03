/// \file
/// A run made visible while it trains: TensorBoard events and the last answers as pictures. All of it follows from
/// metrics.jsonl and the evaluations; nothing here is needed to go on.
///
///     events.out.tfevents.*       train/KEY of every step, evaluation/SPLIT/SCORE, pictures and texts of answers, config, hparams
///     answers/answers.json, *.png answers of the last evaluation
///     run.html                    all of it as one page (metrics/run_page.h)
///
/// Deliberately without exceptions: what cannot be written is a warning, once, and the run goes on.
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

/// Of the evaluations: one split of one manifest.
struct ShownSource {
  std::string split, manifest;
  std::vector<ShownAnswer> answers;
};

class RunView {
 public:
  /// Of several processes only one `writes`; for the others nothing here does anything.
  explicit RunView(std::filesystem::path folder, bool writes = true)
      : folder_(std::move(folder)), writes_(writes) {}

  /// Opens an event file of its own. `step` is where the run goes on; an evaluation of that step comes again if the run still
  /// `owes_evaluation`. Earlier events of what comes again are void, and a folder without events is told all of
  /// metrics.jsonl.
  void begin(std::int64_t step, bool owes_evaluation, const nlohmann::json& config);
  /// A line that metrics.jsonl got.
  void add_metrics(const nlohmann::ordered_json& line);
  /// Answers of an evaluation, replacing those before them in answers/.
  void show(std::int64_t step, const std::vector<ShownSource>& sources);
  /// With the checkpoints: events so far survive a power cut.
  void sync();
  /// run.html again; between steps only where that has cost less than a twentieth of the time since the last one.
  void refresh_page(bool at_the_end = false);
  void finish();  ///< the run is done

 private:
  void attempt(const std::function<void()>& write);
  void replay(std::int64_t first);
  void forget_answers(std::int64_t first) const;
  std::string label(const std::string& split, const std::string& manifest) const;
  void write_answers(std::int64_t step, const std::vector<ShownSource>& sources) const;

  std::filesystem::path folder_;
  bool writes_;
  std::optional<EventFile> events_;
  std::vector<std::string> shared_splits_;  ///< that several validation sources have
  bool failed_ = false;
  Stopwatch since_page_;
  double page_seconds_ = 0;  ///< that the last one took
};

}  // namespace medseg
