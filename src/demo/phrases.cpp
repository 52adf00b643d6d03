#include "medseg/demo/phrases.h"

#include "medseg/base/error.h"

namespace medseg {
const std::vector<TargetPhrases>& demo_phrases() {
  static const std::vector<TargetPhrases> all = [] {
    std::vector<TargetPhrases> joined;
    for (const auto* group :
         {&head_phrases(), &thorax_phrases(), &deep_brain_phrases(), &cortex_phrases()}) {
      joined.insert(joined.end(), group->begin(), group->end());
    }
    return joined;
  }();
  return all;
}

const TargetPhrases& phrases_for(std::string_view label) {
  for (const auto& phrases : demo_phrases()) {
    if (phrases.label == label) return phrases;
  }
  MEDSEG_CHECK(false, "no phrases for " + std::string(label));
  return demo_phrases().front();
}

const std::vector<QuestionFrame>& question_frames() {
  static const std::vector<QuestionFrame> frames = {
      {"", ""},
      {"", ""},
      {"", ""},
      {"Looking at this slice, ", ""},
      {"In this picture, ", ""},
      {"Consider the scan. ", ""},
      {"Doctor, ", ""},
      {"", " Please mark it."},
      {"", " Outline the answer."},
      {"", " Show where."},
      {"", " Segment it if it is there."},
      {"On this image, ", " Please segment the answer."},
      {"Tell me: ", ""},
      {"A student asks: ", ""},
      {"Please answer with a mask. ", ""},
  };
  return frames;
}

std::string framed(const std::string& question, const QuestionFrame& frame) {
  std::string text = question;
  const bool sentence_goes_on =
      !frame.before.empty() && frame.before.find('.') == std::string::npos;
  if (sentence_goes_on && !text.empty() && text[0] >= 'A' && text[0] <= 'Z') {
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  }
  return frame.before + text + frame.after;
}

const std::vector<std::string>& joint_questions(std::size_t structures, bool unseen) {
  static const std::vector<std::string> two = {
      "Which two structures are these: {a}, and {b}?",
      "Where are {a} and {b}?",
      "Find {a} as well as {b}.",
      "Mark both {a} and {b}.",
      "Show me {a} and also {b}.",
      "Which two structures fit these descriptions: {a}; {b}?",
      "Please segment {a} and {b}.",
      "Outline {a}, and {b} too.",
      "I need {a} along with {b}.",
      "Draw {a} and next to it {b}.",
      "Label {a}; then label {b}.",
      "Both are asked for: {a} and {b}.",
      "Trace {a}, and after that {b}.",
  };
  static const std::vector<std::string> two_unseen = {
      "Point out {a} together with {b}.",
      "Delineate first {a}, then {b}.",
      "Two things are wanted: {a}, and {b}.",
  };
  static const std::vector<std::string> three = {
      "Which three structures are these: {a}, {b}, and {c}?",
      "Find {a}, {b} and {c}.",
      "Mark three things: {a}; {b}; {c}.",
      "Where are {a}, {b} and {c}?",
      "Please segment {a}, {b} and {c}.",
      "Outline {a}, {b}, and {c} too.",
      "I need {a}, along with {b} and {c}.",
      "Trace {a}, then {b}, and after that {c}.",
  };
  static const std::vector<std::string> three_unseen = {
      "Point out {a}, {b} and {c} together.",
      "Delineate in this order: {a}, {b}, {c}.",
      "Three things are wanted: {a}, {b}, and {c}.",
  };
  MEDSEG_CHECK(structures == 2 || structures == 3, "two or three structures a turn");
  if (structures == 2) return unseen ? two_unseen : two;
  return unseen ? three_unseen : three;
}

namespace {

std::string found(const std::string& label) {
  return "<p> " + label + " </p> [SEG], which " + phrases_for(label).role;
}

}  // namespace

std::string present_answer(const std::string& view, const std::string& label,
                           const std::string& location) {
  return view + " that would be the " + label + " (" + location + "): " + found(label) + ".";
}

std::string absent_answer(const std::string& view, const std::string& label,
                          const std::string& location) {
  return view + " that would be the " + label + " (" + location + "): not seen here.";
}

std::string joint_answer(const std::string& view, const std::vector<std::string>& labels) {
  std::string names, all;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool last = i + 1 == labels.size();
    names += (i == 0 ? "" : last ? " and the " : ", the ") + labels[i];
    all += (i == 0 ? "" : last ? ", and " : ", ") + found(labels[i]);
  }
  return view + " those would be the " + names + ": " + all + ".";
}

}  // namespace medseg
