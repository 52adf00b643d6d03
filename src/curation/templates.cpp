#include "medseg/curation/templates.h"

#include <algorithm>

#include "follow_ups.h"
#include "medseg/base/str.h"
#include "template_phrases.h"

namespace medseg {
namespace {

constexpr int kTries = 4;  // wordings before a dialogue is given up
constexpr double kJointShare = 0.12;
constexpr double kFollowUpShare = 0.6;

/// Words the dialogues of one picture.
class Writer {
 public:
  Writer(const Picture& picture, const Vocabulary& vocabulary, const TemplateOptions& options,
         RandomStream& random)
      : picture_(picture),
        vocabulary_(vocabulary),
        options_(options),
        random_(random),
        absent_(picture.absent.begin(), picture.absent.end()) {}

  /// One dialogue about the last of `left`; what it asks for is taken off. `left` is never empty.
  Draft write(std::vector<const MaskFacts*>& left) {
    Draft draft;
    const std::size_t turns =
        options_.turns_least + random_.below(options_.turns_most - options_.turns_least + 1);
    while (draft.size() < turns) {
      if (!draft.empty() && !absent_.empty() && random_.uniform() < options_.absent_share) {
        if (add_absent(draft)) continue;
      }
      if (last_ != nullptr && random_.uniform() < kFollowUpShare && add_follow_up(draft)) continue;
      if (!left.empty()) {
        add_question(draft, left);
        continue;
      }
      if (add_follow_up(draft)) continue;
      if (absent_.empty() || !add_absent(draft)) break;
    }
    last_ = nullptr;
    followed_.clear();
    denied_.clear();
    return draft;
  }

 private:
  const MaskFacts& take(std::vector<const MaskFacts*>& left) {
    const MaskFacts& mask = *left.back();
    left.pop_back();
    return mask;
  }

  Clue clue_of(const std::string& label) {
    const auto clues = clues_of(vocabulary_.find(label));
    return clues[random_.below(clues.size())];
  }

  bool has_clues(const std::string& label) const {
    return !clues_of(vocabulary_.find(label)).empty();
  }

  Side side_of_label(const std::string& label) const { return label_name(label).side; }

  void add_question(Draft& draft, std::vector<const MaskFacts*>& left) {
    const MaskFacts& mask = take(left);
    if (!left.empty() && has_clues(mask.label) && has_clues(left.back()->label) &&
        random_.uniform() < kJointShare && add_joint(draft, mask, *left.back())) {
      last_ = left.back();
      left.pop_back();
      return;
    }
    DraftTurn turn;
    turn.targets = {mask.id};
    const auto& modality = picture_.record.modality;
    if (has_clues(mask.label)) {
      const Clue clue = clue_of(mask.label);
      turn.kind = clue.kind;
      turn.question = question_of(clue, side_of_label(mask.label), random_);
      turn.answer = answer_of(clue, mask, picture_.facts, modality);
    } else {
      turn.kind = TurnKind::kLocation;
      turn.question = question_by_facts(mask, random_);
      turn.answer = answer_by_facts(mask, picture_.facts, modality);
    }
    draft.push_back(std::move(turn));
    last_ = &mask;
    followed_.clear();
  }

  std::string appearance(const MaskFacts& mask) const {
    const auto* structure = vocabulary_.find(mask.label);
    if (structure == nullptr || structure->appearance.empty()) return "";
    const Side side = side_of_label(mask.label);
    const bool sided = side == Side::kLeft || side == Side::kRight;
    return structure->appearance.front() + (sided ? " on the patient's " + name_of(side) : "");
  }

  bool add_joint(Draft& draft, const MaskFacts& a, const MaskFacts& b) {
    const std::string first = appearance(a), second = appearance(b);
    if (first.empty() || second.empty()) return false;
    DraftTurn turn{TurnKind::kJoint, "", "", {a.id, b.id}, {}};
    static const std::vector<std::vector<std::string>> frames = {
        {"Find two things: ", "; and ", "."},
        {"Mark both ", ", and ", "."},
        {"Where are ", ", and ", "?"},
    };
    const auto& frame = frames[random_.below(frames.size())];
    turn.question = frame[0] + first + frame[1] + second + frame[2];
    turn.answer = str_cat("The first is the ", marked(a), ",", place_text(a),
                          "; the second is the ", marked(b), ",", place_text(b), ".");
    draft.push_back(std::move(turn));
    followed_.clear();
    return true;
  }

  bool add_follow_up(Draft& draft) {
    if (last_ == nullptr) return false;
    auto turns = follow_ups_of(*last_, picture_, vocabulary_, random_);
    std::erase_if(turns, [&](const DraftTurn& turn) {
      return std::find(followed_.begin(), followed_.end(), turn.answer) != followed_.end();
    });
    if (turns.empty()) return false;
    DraftTurn turn = turns[random_.below(turns.size())];
    followed_.push_back(turn.answer);
    if (!turn.targets.empty() && turn.targets.front() != last_->id) {
      last_ = picture_.facts.find(turn.targets.front());
      followed_.clear();
    }
    if (turn.targets.empty()) last_ = nullptr;  // "it" would be what is not there
    draft.push_back(std::move(turn));
    return true;
  }

  bool add_absent(Draft& draft) {
    const std::string& label = absent_[random_.below(absent_.size())];
    if (!has_clues(label) || std::find(denied_.begin(), denied_.end(), label) != denied_.end())
      return false;
    denied_.push_back(label);
    const Clue clue = clue_of(label);
    DraftTurn turn;
    turn.kind = TurnKind::kAbsent;
    turn.question = question_of(clue, side_of_label(label), random_);
    turn.answer = denial_of(clue, label, picture_.facts.view.plane != Plane::kUnknown, random_);
    turn.absent = {label};
    draft.push_back(std::move(turn));
    last_ = nullptr;
    return true;
  }

  const Picture& picture_;
  const Vocabulary& vocabulary_;
  const TemplateOptions& options_;
  RandomStream& random_;
  std::vector<std::string> absent_;
  const MaskFacts* last_ = nullptr;    ///< what "it" means
  std::vector<std::string> followed_;  ///< answers given about it
  std::vector<std::string> denied_;    ///< in this dialogue
};

}  // namespace

std::vector<Draft> template_dialogues(const Picture& picture, const Vocabulary& vocabulary,
                                      const TemplateOptions& options, const std::string& stream,
                                      RuleCounts& rejected) {
  RandomStream random(options.seed, "annotate/" + stream);
  std::vector<const MaskFacts*> left;
  for (const auto& mask : picture.facts.masks) {
    if (mask.area_px < kFewestPixels) continue;
    const std::string conflict = side_conflict(mask);
    if (conflict.empty()) {
      left.push_back(&mask);
    } else {
      rejected.add(stream, Rule::kSide, conflict);
    }
  }
  random.shuffle(left);
  RuleFacts known{vocabulary, picture.facts, picture.absent, {}};
  std::vector<Draft> drafts;
  Writer writer(picture, vocabulary, options, random);
  while (!left.empty()) {
    Draft draft;
    std::vector<Violation> violations;
    auto rest = left;
    for (int attempt = 0; attempt < kTries; ++attempt) {
      rest = left;
      draft = writer.write(rest);
      violations = violations_of(draft, known);
      if (violations.empty()) break;
    }
    left = std::move(rest);
    if (!violations.empty()) {
      rejected.add(stream, draft, violations);
      continue;
    }
    for (const auto& turn : draft) {
      if (turn.kind != TurnKind::kFollowUp) known.earlier_questions.push_back(turn.question);
    }
    drafts.push_back(std::move(draft));
  }
  return drafts;
}

}  // namespace medseg
