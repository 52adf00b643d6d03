#include "medseg/curation/endpoint_stages.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/progress.h"
#include "medseg/base/random.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "stage_json.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct AsideLine {
  std::vector<std::string> labels;
  std::string stage, reason;
};

/// What became of one picture.
struct PictureResult {
  std::vector<Draft> drafts;
  std::vector<AsideLine> aside;
  RuleCounts rejected;
};

using Stages = std::map<std::string, PromptStage>;

/// Takes one group of masks of one picture through the stages.
class Chain {
 public:
  Chain(const Picture& picture, const Stages& stages, Asker& asker, std::string png,
        RuleFacts& known)
      : picture_(picture), stages_(stages), asker_(asker), png_(std::move(png)), known_(known) {}

  /// \throws SetAside.
  Draft run(const std::vector<std::string>& ids) {
    values_["facts"] = group_facts(picture_, ids).dump(1);
    values_["modality"] = picture_.record.modality;
    values_["absent"] = json(picture_.absent).dump();
    values_["previous"] = "";
    for (const char* stage : {"describe", "filter", "questions", "answers"}) {
      const json answer = ask(stage, [&](const json& said) { return id_fault(said, ids); });
      values_["previous"] = answer.dump(1);
    }
    std::vector<Violation> violations;
    Draft draft;
    try {
      const json answer = ask("dialogue", [&](const json& said) {
        draft = draft_of(said);
        violations = violations_of(draft, known_);
        return violations.empty() ? "" : violation_text(violations);
      });
      values_["previous"] = answer.dump(1);
    } catch (const SetAside&) {
      broken_ = violations;
      broken_draft_ = draft;
      throw;
    }
    const json verdict = ask("check", {});
    if (!verdict.value("agree", false))
      throw SetAside("check", "does not agree: " + verdict.value("reason", std::string()));
    return draft;
  }

  /// Of the dialogue that was set aside last.
  const std::vector<Violation>& broken() const { return broken_; }
  const Draft& broken_draft() const { return broken_draft_; }

 private:
  json ask(const std::string& name, const std::function<std::string(const json&)>& fault_of) {
    const PromptStage& stage = stages_.at(name);
    return asker_.ask(stage, picture_.record.id, stage.messages(values_, png_), fault_of);
  }

  const Picture& picture_;
  const Stages& stages_;
  Asker& asker_;
  std::string png_;
  RuleFacts& known_;
  std::map<std::string, std::string> values_;
  std::vector<Violation> broken_;
  Draft broken_draft_;
};

/// The masks that are asked for, in groups that follow from seed and picture.
std::vector<std::vector<std::string>> groups_of(const Picture& picture,
                                                const EndpointOptions& options,
                                                RuleCounts& rejected) {
  std::vector<std::string> ids;
  for (const auto& mask : picture.facts.masks) {
    if (mask.area_px < kFewestPixels) continue;
    const std::string conflict = side_conflict(mask);
    if (conflict.empty()) {
      ids.push_back(mask.id);
    } else {
      rejected.add(picture.record.id, Rule::kSide, conflict);
    }
  }
  RandomStream(options.seed, "groups/" + picture.record.id).shuffle(ids);
  std::vector<std::vector<std::string>> groups;
  for (std::size_t at = 0; at < ids.size(); at += options.masks_most) {
    const auto from = ids.begin() + static_cast<std::ptrdiff_t>(at);
    const auto count = std::min(options.masks_most, ids.size() - at);
    groups.emplace_back(from, from + static_cast<std::ptrdiff_t>(count));
  }
  return groups;
}

PictureResult annotate_picture(const OpenedSet& opened, const Picture& picture,
                               const Stages& stages, const EndpointOptions& options, Asker& asker) {
  PictureResult result;
  RuleFacts known{opened.vocabulary, picture.facts, picture.absent, {}};
  std::string png;
  if (options.send_images) png = encode_png(load_image(opened.manifest, picture.record));
  for (const auto& ids : groups_of(picture, options, result.rejected)) {
    Chain chain(picture, stages, asker, png, known);
    try {
      Draft draft = chain.run(ids);
      for (const auto& turn : draft) known.earlier_questions.push_back(turn.question);
      result.drafts.push_back(std::move(draft));
    } catch (const SetAside& aside) {
      if (!chain.broken().empty())
        result.rejected.add(picture.record.id, chain.broken_draft(), chain.broken());
      AsideLine line{{}, aside.stage, aside.what()};
      for (const auto& id : ids) line.labels.push_back(picture.facts.find(id)->label);
      result.aside.push_back(std::move(line));
    }
  }
  return result;
}

/// Workers take the next picture; the first error ends them all.
std::vector<PictureResult> annotate_all(const OpenedSet& opened, const Stages& stages,
                                        const EndpointOptions& options, Journal& journal) {
  Spending spending(options.limits, journal.totals());
  std::vector<PictureResult> results(opened.pictures.size());
  std::atomic<std::size_t> next{0}, done{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    try {
      std::unique_ptr<ChatEndpoint> endpoint;
      if (options.replay.empty()) endpoint = std::make_unique<ChatEndpoint>(options.chat);
      Asker asker(journal, spending, endpoint.get(), options.chat);
      while (!failed) {
        const std::size_t i = next++;
        if (i >= results.size()) return;
        stop_if_signalled();
        results[i] = annotate_picture(opened, opened.pictures[i], stages, options, asker);
        ++done;
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      failed = true;
    }
  };
  std::vector<std::thread> workers;
  const int count = options.replay.empty() ? options.concurrency : 1;
  for (int i = 0; i < count; ++i) workers.emplace_back(work);
  Progress progress("dialogues of pictures", static_cast<std::int64_t>(results.size()));
  while (!failed && done < results.size()) {
    progress.update(static_cast<std::int64_t>(done.load()));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  for (auto& worker : workers) worker.join();
  progress.update(static_cast<std::int64_t>(done.load()));
  progress.finish();
  if (failure) std::rethrow_exception(failure);
  return results;
}

void say_where_it_goes(const EndpointOptions& options) {
  if (!options.replay.empty()) {
    log_info("answers come from " + options.replay.string() + "; nothing is sent");
    return;
  }
  log_info(str_cat("facts and names of masks are sent to ", options.chat.url));
  if (options.send_images) log_warning("the pictures themselves are sent to " + options.chat.url);
}

}  // namespace

AnnotatedSet annotate_by_endpoint(const AnnotateOptions& options, const EndpointOptions& endpoint) {
  const ChatEndpoint checked(endpoint.chat);  // a bad URL before any work
  Stages stages;
  const fs::path folder = prompt_folder(options.prompts);
  for (const auto& name : annotation_stages())
    stages[name] = read_prompt_stage(folder / (name + ".json"));
  OpenedSet opened = open_for_annotation(options);
  fs::create_directories(options.out);
  const bool replay = !endpoint.replay.empty();
  Journal journal(replay ? endpoint.replay : options.out / "journal.sqlite",
                  replay ? Journal::Use::kReplay : Journal::Use::kGoOn);
  say_where_it_goes(endpoint);
  const auto results = annotate_all(opened, stages, endpoint, journal);
  auto& made_by = opened.set.made_by();
  made_by["stage"] = "endpoint";
  made_by["model"] = endpoint.chat.model;
  made_by["seed"] = endpoint.seed;
  made_by["pictures_sent"] = endpoint.send_images;
  for (const auto& [name, stage] : stages)
    made_by["prompts"][name] = {{"version", stage.version}, {"sha256", stage.digest}};
  const auto totals = journal.totals();
  made_by["journal"] = {{"requests", totals.requests},
                        {"answers", totals.answers},
                        {"failures", totals.failures},
                        {"in_doubt", totals.in_doubt},
                        {"prompt_tokens", totals.prompt_tokens},
                        {"answer_tokens", totals.answer_tokens},
                        {"price", totals.price}};
  std::string aside;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& picture = opened.pictures[i];
    for (const auto& draft : results[i].drafts) opened.set.add(picture, draft);
    if (results[i].drafts.empty()) opened.set.add_bare(picture);
    opened.set.rejected().add(results[i].rejected);
    for (const auto& [labels, stage, reason] : results[i].aside) {
      const nlohmann::ordered_json line = {
          {"picture", picture.record.id}, {"labels", labels}, {"stage", stage}, {"reason", reason}};
      aside += line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
      opened.set.count_aside(stage);
    }
  }
  write_file(options.out / "set_aside.jsonl", aside);
  opened.set.write();
  return std::move(opened.set);
}

}  // namespace medseg
