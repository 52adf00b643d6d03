/// \file
/// The wording of the demonstration set, as data: how each structure is asked for without naming
/// it, and how the answer reasons and names it. One table a group of anatomy, in
/// src/dataset/demo_phrases_*.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace medseg {

/// Everything said about one structure. In answers `$` stands for `<p> label </p> [SEG]`.
struct TargetPhrases {
  std::string label;                      ///< name of the mask; the phrase of every answer
  bool plural = false;                    ///< "There are no lungs", not "There is no lungs"
  std::vector<std::string> stems;         ///< lower-case pieces that would give the name away
  std::vector<std::string> questions;     ///< at least 12, for training, validation, "seen" test
  std::vector<std::string> unseen;        ///< at least 3, in the test split only
  std::vector<std::string> answers;       ///< 3 or 4, each with one `$`
  std::vector<std::string> clues;         ///< noun phrases for turns about several structures
  std::vector<std::string> unseen_clues;  ///< the same, in the test split only
  std::vector<std::string> roles;         ///< what follows "The $" in answers with several masks
};

const std::vector<TargetPhrases>& head_phrases();
const std::vector<TargetPhrases>& thorax_phrases();
const std::vector<TargetPhrases>& deep_brain_phrases();
const std::vector<TargetPhrases>& cortex_phrases();

/// All groups, in a fixed order.
const std::vector<TargetPhrases>& demo_phrases();

/// \pre `label` is in the tables.
const TargetPhrases& phrases_for(std::string_view label);

/// Neutral words round a question: "Looking at this slice, " + q, q + " Please mark it.", …
struct QuestionFrame {
  std::string before;  ///< the question's first letter becomes small behind it
  std::string after;
};
const std::vector<QuestionFrame>& question_frames();
std::string framed(const std::string& question, const QuestionFrame& frame);

/// Sentences with `{a}`, `{b}` (and `{c}`) where clues go.
const std::vector<std::string>& joint_questions(std::size_t structures, bool unseen);

/// `text` with every `$` replaced by `<p> label </p> [SEG]`.
std::string named(const std::string& text, const std::string& label);

/// "The $ …, and the $ …." in the order of the targets; `choice` picks the roles.
std::string joint_answer(const std::vector<const TargetPhrases*>& targets, std::size_t choice);

/// "There is no hippocampus in this slice." in one of several ways.
std::string absent_answer(const TargetPhrases& target, std::size_t choice);
std::size_t absent_answer_count();

}  // namespace medseg
