#include "medseg/planning/proposed_config.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr std::int64_t kDialogues = 8;               // of an optimiser step
constexpr std::int64_t kWide = 4096;                 // max_tokens while nothing is measured
constexpr std::int64_t kSmallModel = 1'000'000'000;  // parameters of a language model
constexpr double kImageBytes = 6e6;                  // features of one image, about

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

std::int64_t round_up(double value, std::int64_t step) {
  return static_cast<std::int64_t>(std::ceil(value / static_cast<double>(step))) * step;
}

std::string counts(const std::map<std::string, std::int64_t>& all) {
  std::vector<std::string> parts;
  for (const auto& [name, n] : all) parts.push_back(str_cat(name, " ", n));
  return parts.empty() ? "none" : join_first(parts, 8);
}

/// The line of a key, a comma behind it, its reason above it.
class Text {
 public:
  void open(const std::string& line) {
    add(line);
    indent_ += "  ";
    first_ = true;
  }
  void close(const std::string& bracket = "}") {
    indent_.resize(indent_.size() - 2);
    text_ += "\n" + indent_ + bracket;
    first_ = false;
  }
  void why(const std::string& reason) { reasons_.push_back(reason); }
  void key(const std::string& name, const std::string& value) { add("\"" + name + "\": " + value); }
  void object(const std::string& name) { open("\"" + name + "\": {"); }
  std::string text() const { return text_ + "\n"; }
  void head(const std::string& line) { text_ += "// " + line + "\n"; }

 private:
  void add(const std::string& line) {
    const bool root = indent_.empty();
    if (!root) text_ += first_ ? "\n" : ",\n";
    for (const auto& reason : reasons_) text_ += indent_ + "// " + reason + "\n";
    reasons_.clear();
    text_ += indent_ + line;
    first_ = false;
  }

  std::string text_, indent_;
  std::vector<std::string> reasons_;
  bool first_ = true;
};

struct Chosen {
  std::int64_t max_tokens = kWide, batch = 1, accumulation = kDialogues, steps = 500, rank = 16;
  bool checkpointing = false, small = true;
  double balance = 0, absent_weight = 1, cache_gb = 1;
  std::int64_t commonest = 0, rarest = 0;
  std::string tokens_why, batch_why;
};

void choose_length(Chosen& chosen, const Fingerprint& found, const std::optional<Plan>& plan) {
  if (plan) {
    chosen.max_tokens =
        std::max<std::int64_t>(128, round_up(1.15 * static_cast<double>(plan->largest.tokens), 64));
    chosen.tokens_why = str_cat("the longest dialogue drawn has ", plan->largest.tokens,
                                " tokens, the image's included; a seventh more, in steps of 64");
    return;
  }
  chosen.tokens_why = str_cat("not measured, for want of the bundle; the longest dialogue has ",
                              std::lround(found.length.greatest),
                              found.in_tokens ? " tokens" : " words", " without its image");
}

void choose_batch(Chosen& chosen, const ConfigQuestion& question, const std::optional<Plan>& plan) {
  const Proposal* best = nullptr;
  if (plan) {
    for (const auto& proposal : plan->proposals) {
      const bool fits = question.memory_gb <= 0 || proposal.peak_bytes <= question.memory_gb * 1e9;
      const bool plain = proposal.activation_checkpointing == ActivationCheckpointing::kNone;
      const bool better = best == nullptr || plain ||
                          best->activation_checkpointing != ActivationCheckpointing::kNone;
      if (fits && better) best = &proposal;
    }
  }
  if (best != nullptr) {
    chosen.batch = best->batch_size;
    chosen.accumulation = best->accumulation;
    chosen.checkpointing = best->activation_checkpointing != ActivationCheckpointing::kNone;
    chosen.batch_why =
        str_cat("the largest micro-batch that fits: ", fixed(best->peak_bytes / 1e9, 2),
                " GB at the peak by `medseg plan`");
    if (question.memory_gb > 0) chosen.batch_why += str_cat(", of ", fixed(question.memory_gb, 1));
  } else if (plan) {
    chosen.checkpointing = true;
    chosen.batch_why = str_cat("NOTHING FITS ", fixed(question.memory_gb, 1),
                               " GB: the weights, or one dialogue, take more (`medseg plan`)");
  } else {
    chosen.batch_why = "not measured, for want of the bundle; `medseg plan` measures it";
  }
}

Chosen choose(const Fingerprint& found, const ConfigQuestion& question,
              const std::optional<Plan>& plan) {
  Chosen chosen;
  choose_length(chosen, found, plan);
  choose_batch(chosen, question, plan);
  if (plan) {
    for (const auto& part : plan->parts)
      if (part.name == "language model") chosen.small = part.parameters < kSmallModel;
  }
  const auto records = found.records_by_split.at("train");
  const std::int64_t visits = records < 500 ? 30 : records < 5000 ? 10 : 3;
  chosen.steps = std::clamp<std::int64_t>(records * visits / kDialogues, 100, 5000);
  chosen.rank = records < 1000 ? 8 : records < 20000 ? 16 : 32;
  for (const auto& [target, n] : found.records_by_target) {
    chosen.commonest = std::max(chosen.commonest, n);
    chosen.rarest = chosen.rarest == 0 ? n : std::min(chosen.rarest, n);
  }
  const double ratio = chosen.rarest == 0 ? 1
                                          : static_cast<double>(chosen.commonest) /
                                                static_cast<double>(chosen.rarest);
  chosen.balance = ratio > 4 ? 0.5 : ratio > 2 ? 0.25 : 0;
  const double share =
      found.turns == 0 ? 0
                       : static_cast<double>(found.absent_turns) / static_cast<double>(found.turns);
  chosen.absent_weight = share > 0 ? std::clamp(std::round(0.2 / share * 10) / 10, 1.0, 3.0) : 1;
  const double wanted = static_cast<double>(found.pictures) * kImageBytes / 1e9;
  const double room = question.memory_gb > 0 ? 0.3 * question.memory_gb : 4.0;
  chosen.cache_gb = std::max(0.5, std::ceil(std::min(wanted, room) * 10) / 10);
  return chosen;
}

void write_head(Text& text, const Fingerprint& found, const ConfigQuestion& question) {
  const auto pixels = [](const Spread& one) {
    return str_cat(one.least, " to ", one.greatest, ", median ", one.median);
  };
  text.head("Proposed by `medseg data fingerprint " + question.manifest +
            "`; edit what you know better.");
  text.head(str_cat("Records: ", counts(found.records_by_split), "; subjects: ",
                    counts(found.subjects_by_split), "; training images: ", found.pictures));
  text.head(str_cat("Sizes of ", found.images_read, " images: width ", pixels(found.width),
                    "; height ", pixels(found.height), "."));
  text.head("The bundle scales images to its encoders' own sizes; no key here sets one.");
  if (found.mask_share.median > 0) {
    text.head(str_cat("Masks cover ", fixed(100 * found.mask_share.least, 2), " to ",
                      fixed(100 * found.mask_share.greatest, 1), " % of their image, median ",
                      fixed(100 * found.mask_share.median, 2), " %",
                      found.mask_share.median < 0.005
                          ? ": small; a grounding encoder with 1024 pixels sees them best"
                          : ""));
  }
  text.head("Modalities: " + counts(found.records_by_modality) +
            "; windows of volumes: " + counts(found.records_by_window));
  if (found.assumed_windows > 0) {
    text.head(str_cat(found.assumed_windows,
                      " of the images read have no \"window\": one is "
                      "assumed; `medseg data doctor` names them"));
  }
  if (!found.records_by_split.contains("val"))
    text.head("There is no split \"val\": nothing chooses the best step.");
}

void write_data(Text& text, const Fingerprint& found, const ConfigQuestion& question,
                const Chosen& chosen) {
  text.object("data");
  const auto source = [&](const char* split) {
    return "[{\"manifest\": " + quoted(question.manifest) + ", \"split\": \"" + split + "\"}]";
  };
  text.key("train", source("train"));
  if (found.records_by_split.contains("val")) text.key("validation", source("val"));
  text.why(chosen.tokens_why);
  text.key("max_tokens", str_cat(chosen.max_tokens));
  text.why(str_cat("the commonest structure stands in ", chosen.commonest,
                   " records, the rarest in ", chosen.rarest, " (", found.records_by_target.size(),
                   " structures)"));
  text.key("balance", str_cat(chosen.balance));
  text.why(str_cat(found.absent_turns, " of ", found.turns,
                   " turns are answered without a mask; a fifth is aimed at"));
  text.key("absent_weight", str_cat(chosen.absent_weight));
  const bool uneven = found.length.median > 0 && found.length.most_of_all > 2 * found.length.median;
  text.why(str_cat("lengths in ", found.in_tokens ? "tokens" : "words", ": median ",
                   found.length.median, ", 99 of 100 up to ", found.length.most_of_all));
  text.key("group_by_length", uneven ? "true" : "false");
  text.why(str_cat("features of ", found.pictures, " images, about 6 MB each"));
  text.key("cache_gb", str_cat(chosen.cache_gb));
  text.close();
}

void write_train(Text& text, const Fingerprint& found, const Chosen& chosen) {
  const auto records = found.records_by_split.at("train");
  text.object("train");
  text.why(str_cat(records, " records are visited about ",
                   std::max<std::int64_t>(1, chosen.steps * kDialogues / records), " times"));
  text.key("steps", str_cat(chosen.steps));
  text.why(chosen.batch_why);
  text.key("batch_size", str_cat(chosen.batch));
  text.key("accumulation", str_cat(chosen.accumulation));
  if (chosen.checkpointing) text.key("activation_checkpointing", "\"blocks\"");
  text.key("precision", "\"bf16\"");
  text.why(chosen.small ? "a small language model: its projector may be random yet, so it trains"
                        : "LISA's parts");
  text.key("trainable",
           chosen.small
               ? "[\"mask_decoder\", \"text_hidden_fcs\", \"mm_projector\", \"embed_tokens\"]"
               : "[\"mask_decoder\", \"text_hidden_fcs\", \"lm_head\", \"embed_tokens\"]");
  text.why("of the embeddings the rows of [SEG], <p> and </p> alone");
  text.key("token_rows", "\"new\"");
  if (chosen.small) text.key("standardise_vision", "true");
  text.why(str_cat("rank by the number of records (", records, "); alpha twice the rank"));
  text.key("lora", str_cat("{\"rank\": ", chosen.rank, ", \"alpha\": ", 2 * chosen.rank,
                           ", \"dropout\": ", records < 1000 ? "0.05" : "0.0", ", \"targets\": [",
                           chosen.small ? "\"q_proj\", \"k_proj\", \"v_proj\", \"o_proj\""
                                        : "\"q_proj\", \"v_proj\"",
                           "]}"));
  text.why(chosen.small ? "few steps on a small model: ten times LISA's rate" : "LISA's rate");
  text.key("optimizer",
           chosen.small
               ? "{\"lr\": 3e-3, \"groups\": [{\"match\": [\"mask_decoder\"], \"lr\": 8e-4}, "
                 "{\"match\": [\"text_hidden_fcs\"], \"lr\": 1e-3}]}"
               : "{\"lr\": 3e-4}");
  text.key("schedule", str_cat("{\"type\": \"linear\", \"warmup_steps\": ",
                               std::max<std::int64_t>(5, chosen.steps / 15), "}"));
  if (chosen.small) {
    text.key("loss", "{\"dice\": 3.0, \"prompt_gradient\": 0.3}");
    text.why("the mask decoder sees further masks beside each step's dialogues");
    text.key("replay", "{\"masks\": 32, \"pool\": 2, \"weight\": 1.5}");
  }
  text.key("evaluate_every", str_cat(std::max<std::int64_t>(50, chosen.steps / 4)));
  text.key("evaluate_limit", "32");
  text.key("save_every", str_cat(std::max<std::int64_t>(50, chosen.steps / 4)));
  text.key("keep", "1");
  text.close();
}

}  // namespace

std::string proposed_config(const Fingerprint& found, const ConfigQuestion& question,
                            const std::optional<Plan>& plan) {
  const Chosen chosen = choose(found, question, plan);
  Text text;
  write_head(text, found, question);
  text.open("{");
  text.key("model", quoted(question.model));
  write_data(text, found, question, chosen);
  write_train(text, found, chosen);
  text.close();
  return text.text();
}

}  // namespace medseg
