#include "bests.h"

#include <algorithm>
#include <filesystem>

namespace medseg {

std::map<std::string, std::int64_t> best_links(const Progressed& done) {
  std::map<std::string, std::int64_t> links;
  if (done.best_step) links["best"] = *done.best_step;
  for (const auto& [name, best] : done.also_best) links["best-" + name] = best.step;
  return links;
}

void take_bests(const TrainOptions& options, const NamedScores& scores, Progressed& done) {
  for (const auto& [name, score] : scores) {
    const auto known = find_choice<ValidationScore>(name);
    if (!known) continue;
    if (known == options.best && score > done.best_score) {
      done.best_score = score;
      done.best_step = done.step;
    }
    const auto& also = options.also_best;
    if (std::find(also.begin(), also.end(), *known) == also.end()) continue;
    auto& best = done.also_best[name];
    if (score > best.score) best = {done.step, score};
  }
}

void forget_lost_bests(const RunFolder& folder, Progressed& done) {
  const auto lost = [&](std::int64_t step) {
    return !std::filesystem::exists(folder.checkpoint(step) / "training.json");
  };
  if (done.best_step && lost(*done.best_step)) {
    done.best_step.reset();
    done.best_score = -1;
  }
  std::erase_if(done.also_best, [&](const auto& best) { return lost(best.second.step); });
}

}  // namespace medseg
