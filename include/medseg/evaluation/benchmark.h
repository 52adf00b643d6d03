/// \file
/// A benchmark of this field as a file of configs/eval/: which data, which split, how it is asked
/// and by which conventions it is scored. Whoever has the data points at it and gets the row.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "medseg/config/fields.h"
#include "medseg/evaluation/evaluator.h"

namespace medseg {

struct BenchmarkOptions {
  std::string name, title, source, licence;
  std::string layout, files, manifest, split;
  AnswerMode mode = AnswerMode::kGenerate;
  History history = History::kOwn;
  std::string question = "{question}", answer;
  std::int64_t max_new_tokens = 128;
  bool keep_logits = false;
  std::vector<std::string> protocols = {"strict"};
  double tolerance_mm = 2;
  std::vector<std::string> metrics;
  std::vector<std::string> notes;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("name", self.name, Range{}, "short name: column of tables");
    visit("title", self.title, Range{}, "what it measures");
    visit("source", self.source, Range{}, "paper or page that defines it");
    visit("licence", self.licence, Range{}, "of the data, as its source states it");
    visit("layout", self.layout, Range{},
          "\"manifest\", or the format that `data convert --from` reads");
    visit("files", self.files, Range{}, "what the downloaded folder holds");
    visit("manifest", self.manifest, Range{},
          "relative to the working folder; where `data convert` writes it");
    visit("split", self.split, Range{}, "that is asked and scored");
    visit("mode", self.mode, Range{}, "generate, or force the answer");
    visit("history", self.history, Range{}, "of later turns");
    visit("question", self.question, Range{},
          "how a question is asked: {question} stands for the manifest's");
    visit("answer", self.answer, Range{},
          "the forced answer of mode teacher-forced; empty: the manifest's");
    visit("max_new_tokens", self.max_new_tokens, at_least(1), "of an answer");
    visit("keep_logits", self.keep_logits, Range{}, "a protocol needs probability maps");
    visit("protocols", self.protocols, Range{}, "scoring conventions; the first is the table's");
    visit("tolerance_mm", self.tolerance_mm, at_least(0), "of surface scores");
    visit("metrics", self.metrics, Range{}, "columns of the table; none: the protocol's main ones");
    visit("notes", self.notes, Range{}, "what a reader of its numbers must know");
  }
};

/// \throws ConfigError on an unknown key, a missing name, layout or split, an unknown protocol, a
/// protocol that needs maps without keep_logits, or a forced answer in mode generate.
BenchmarkOptions read_benchmark(const std::filesystem::path& file);

}  // namespace medseg
