/// \file
/// Scores of words against words, one reference an answer. All but BLEU are means over answers.
///
///     bleu               sacrebleu's corpus BLEU-4: tokens 13a, exp smoothing, case kept; 0 to 1
///     rouge_1, _2, _l    rouge-score's F1 without stemmer
///     cider              pycocoevalcap's CIDEr-D (n = 1 … 4, sigma 6), times 10 as there
///     meteor_exact_stem  NLTK's METEOR without WordNet: exact matches, then Porter stems
///     exact_match        the cleaned texts are equal
///     normalised_match   equal in lower case, without punctuation and articles (SQuAD's rule)
///
/// CIDEr and METEOR here split words by rules equal to Stanford's tokenizer on plain prose;
/// abbreviations and glued units ("12mm") are not treated.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace medseg {

struct TextPair {
  std::string reference, hypothesis;
};

/// NaN without pairs.
struct TextScores {
  double bleu = 0, rouge_1 = 0, rouge_2 = 0, rouge_l = 0;
  double cider = 0, meteor_exact_stem = 0, exact_match = 0, normalised_match = 0;
};

/// Cleans both texts of every pair first.
TextScores text_scores(const std::vector<TextPair>& pairs);

/// Without tags `<…>`, `[SEG]`, repeated white space and outer quotes (GLaMM, eval/gcg/infer.py).
std::string clean_text(std::string_view text);

double corpus_bleu(const std::vector<TextPair>& pairs);
double rouge_n(const TextPair& pair, std::size_t n);
double rouge_l(const TextPair& pair);
double cider_d(const std::vector<TextPair>& pairs);
double meteor_exact_stem(const TextPair& pair);
bool normalised_match(const TextPair& pair);

/// The stem by Porter's rules of 1980. \pre `word` is lower case ASCII.
std::string porter_stem(const std::string& word);

/// Words as CIDEr and METEOR see them: lower case, clitics split off, punctuation left out.
std::vector<std::string> caption_words(std::string_view text);
/// Tokens of sacrebleu's "13a".
std::vector<std::string> bleu_tokens(std::string_view text);

}  // namespace medseg
