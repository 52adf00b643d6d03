/// \file
/// The wording of the demonstration set, as data: how a question describes each structure without
/// naming it, and how the answer explains and names it. One table per group of anatomy, in
/// src/demo/phrases_*.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace medseg {

/// All wordings for one structure.
struct TargetPhrases {
  std::string label;  ///< name of the mask; the phrase of every answer
  /// Lower-case parts of words that would give the name away.
  std::vector<std::string> stems;
  /// At least 12, for training, validation and the "seen" half of test.
  std::vector<std::string> questions;
  std::vector<std::string> unseen;        ///< at least 3, in the test split only
  std::vector<std::string> clues;         ///< noun phrases for turns about several structures
  std::vector<std::string> unseen_clues;  ///< the same, in the test split only
  std::string role;                       ///< how an answer describes it, after "which"
};

const std::vector<TargetPhrases>& head_phrases();
const std::vector<TargetPhrases>& thorax_phrases();
const std::vector<TargetPhrases>& deep_brain_phrases();
const std::vector<TargetPhrases>& cortex_phrases();

/// All groups, in a fixed order.
const std::vector<TargetPhrases>& demo_phrases();

/// \pre `label` is in the tables.
const TargetPhrases& phrases_for(std::string_view label);

/// Neutral words around a question: "Looking at this slice, " + q, q + " Please mark it.", …
struct QuestionFrame {
  std::string before;  ///< the question's first letter is then written small
  std::string after;
};
const std::vector<QuestionFrame>& question_frames();
std::string framed(const std::string& question, const QuestionFrame& frame);

/// Sentences with `{a}`, `{b}` (and `{c}`) as placeholders of clues.
const std::vector<std::string>& joint_questions(std::size_t structures, bool unseen);

/// "In this middle head MR slice that would be the caudate (lower and middle head): <p> caudate
/// </p> [SEG], which hugs the lateral ventricle."
///
/// The order helps a model that writes word by word: first what the image is, then the name and
/// where such a structure lies, then what was found. A structure has one role only. With several,
/// the choice between them would be chance, which is noise in the labels.
std::string present_answer(const std::string& view, const std::string& label,
                           const std::string& location);

/// "In this highest head MR slice that would be the caudate (lower and middle head): not seen
/// here."
std::string absent_answer(const std::string& view, const std::string& label,
                          const std::string& location);

/// "In this lowest chest CT slice those would be the lungs and the trunk: <p> lungs </p> [SEG],
/// which …, and <p> trunk </p> [SEG], which …." for two or three structures that are all present,
/// in their order.
std::string joint_answer(const std::string& view, const std::vector<std::string>& labels);

}  // namespace medseg
