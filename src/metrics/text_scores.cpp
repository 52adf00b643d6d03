#include "medseg/metrics/text_scores.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "medseg/base/str.h"

namespace medseg {
namespace {

using Words = std::vector<std::string>;
using Counts = std::map<std::string, std::int64_t>;

constexpr std::size_t kLongest = 4;  // n-grams of BLEU and CIDEr

Counts ngrams(const Words& words, std::size_t n) {
  Counts counts;
  for (std::size_t i = 0; i + n <= words.size(); ++i) {
    std::string key;
    for (std::size_t j = i; j < i + n; ++j) key += words[j] + "\n";
    ++counts[key];
  }
  return counts;
}

std::int64_t total(const Counts& counts) {
  std::int64_t sum = 0;
  for (const auto& [key, count] : counts) sum += count;
  return sum;
}

std::int64_t common(const Counts& a, const Counts& b) {
  std::int64_t sum = 0;
  for (const auto& [key, count] : a) {
    const auto found = b.find(key);
    if (found != b.end()) sum += std::min(count, found->second);
  }
  return sum;
}

double f1(double common_count, double predicted, double reference) {
  if (common_count == 0) return 0;
  const double precision = common_count / predicted, recall = common_count / reference;
  return 2 * precision * recall / (precision + recall);
}

// rouge-score's tokens: runs of a-z and 0-9 of the lower-cased text.
Words rouge_words(const std::string& text) {
  Words words;
  bool open = false;
  for (const char byte : text) {
    const char c = byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (letter && !open) words.emplace_back();
    if (letter) words.back() += c;
    open = letter;
  }
  return words;
}

std::size_t longest_common_subsequence(const Words& a, const Words& b) {
  std::vector<std::size_t> last(b.size() + 1), here(b.size() + 1);
  for (const auto& word : a) {
    for (std::size_t j = 0; j < b.size(); ++j)
      here[j + 1] = word == b[j] ? last[j] + 1 : std::max(last[j + 1], here[j]);
    std::swap(last, here);
  }
  return last.back();
}

// --- CIDEr-D -------------------------------------------------------------------

using Weights = std::map<std::string, double>;

struct CaptionVector {
  std::array<Weights, kLongest> weights;
  std::array<double, kLongest> norm{};
  std::int64_t bigrams = 0;
};

using DocumentCounts = std::array<Counts, kLongest>;

CaptionVector caption_vector(const Words& words, const DocumentCounts& documents, double log_n) {
  CaptionVector vector;
  for (std::size_t n = 0; n < kLongest; ++n) {
    for (const auto& [key, count] : ngrams(words, n + 1)) {
      const auto found = documents[n].find(key);
      const double seen = found == documents[n].end() ? 0 : static_cast<double>(found->second);
      const double weight = static_cast<double>(count) * (log_n - std::log(std::max(1.0, seen)));
      vector.weights[n][key] = weight;
      vector.norm[n] += weight * weight;
      if (n == 1) vector.bigrams += count;
    }
    vector.norm[n] = std::sqrt(vector.norm[n]);
  }
  return vector;
}

double similarity(const CaptionVector& hypothesis, const CaptionVector& reference, std::size_t n) {
  double sum = 0;
  for (const auto& [key, weight] : hypothesis.weights[n]) {
    const auto found = reference.weights[n].find(key);
    if (found != reference.weights[n].end()) sum += std::min(weight, found->second) * found->second;
  }
  const double norms = hypothesis.norm[n] * reference.norm[n];
  if (norms != 0) sum /= norms;
  const auto longer = static_cast<double>(hypothesis.bigrams - reference.bigrams);
  return sum * std::exp(-longer * longer / 72);  // 2 sigma^2
}

// --- METEOR --------------------------------------------------------------------

struct Alignment {
  std::size_t hypothesis, reference;
};

// Words from last to first, each with the last free equal one. Matched words are struck out.
void match_words(std::vector<std::pair<std::size_t, std::string>>& hypothesis,
                 std::vector<std::pair<std::size_t, std::string>>& reference,
                 std::vector<Alignment>& matches) {
  for (std::size_t i = hypothesis.size(); i-- > 0;) {
    for (std::size_t j = reference.size(); j-- > 0;) {
      if (hypothesis[i].second != reference[j].second) continue;
      matches.push_back({hypothesis[i].first, reference[j].first});
      hypothesis.erase(hypothesis.begin() + static_cast<std::ptrdiff_t>(i));
      reference.erase(reference.begin() + static_cast<std::ptrdiff_t>(j));
      break;
    }
  }
}

std::vector<std::pair<std::size_t, std::string>> numbered(const Words& words) {
  std::vector<std::pair<std::size_t, std::string>> all;
  for (std::size_t i = 0; i < words.size(); ++i) all.emplace_back(i, words[i]);
  return all;
}

template <class Score>
double mean_over(const std::vector<TextPair>& pairs, Score score) {
  if (pairs.empty()) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (const auto& pair : pairs) sum += static_cast<double>(score(pair));
  return sum / static_cast<double>(pairs.size());
}

}  // namespace

double corpus_bleu(const std::vector<TextPair>& pairs) {
  if (pairs.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::array<double, kLongest> right{}, all{};
  double hypothesis_length = 0, reference_length = 0;
  for (const auto& pair : pairs) {
    const Words hypothesis = bleu_tokens(pair.hypothesis), reference = bleu_tokens(pair.reference);
    hypothesis_length += static_cast<double>(hypothesis.size());
    reference_length += static_cast<double>(reference.size());
    for (std::size_t n = 0; n < kLongest; ++n) {
      const Counts counts = ngrams(hypothesis, n + 1);
      all[n] += static_cast<double>(total(counts));
      right[n] += static_cast<double>(common(counts, ngrams(reference, n + 1)));
    }
  }
  if (right[0] == 0 || all[kLongest - 1] == 0) return 0;
  double smoothing = 1, logarithm = 0;
  for (std::size_t n = 0; n < kLongest; ++n) {
    if (right[n] == 0) smoothing *= 2;
    logarithm += std::log(right[n] == 0 ? 1 / (smoothing * all[n]) : right[n] / all[n]) / kLongest;
  }
  const double brevity =
      hypothesis_length < reference_length ? std::exp(1 - reference_length / hypothesis_length) : 1;
  return brevity * std::exp(logarithm);
}

double rouge_n(const TextPair& pair, std::size_t n) {
  const Counts hypothesis = ngrams(rouge_words(pair.hypothesis), n),
               reference = ngrams(rouge_words(pair.reference), n);
  return f1(static_cast<double>(common(hypothesis, reference)),
            static_cast<double>(total(hypothesis)), static_cast<double>(total(reference)));
}

double rouge_l(const TextPair& pair) {
  const Words hypothesis = rouge_words(pair.hypothesis), reference = rouge_words(pair.reference);
  return f1(static_cast<double>(longest_common_subsequence(hypothesis, reference)),
            static_cast<double>(hypothesis.size()), static_cast<double>(reference.size()));
}

double cider_d(const std::vector<TextPair>& pairs) {
  if (pairs.empty()) return std::numeric_limits<double>::quiet_NaN();
  DocumentCounts documents;
  for (const auto& pair : pairs) {
    const Words words = caption_words(pair.reference);
    for (std::size_t n = 0; n < kLongest; ++n) {
      for (const auto& [key, count] : ngrams(words, n + 1)) ++documents[n][key];
    }
  }
  const double log_n = std::log(static_cast<double>(pairs.size()));
  return mean_over(pairs, [&](const TextPair& pair) {
    const auto hypothesis = caption_vector(caption_words(pair.hypothesis), documents, log_n);
    const auto reference = caption_vector(caption_words(pair.reference), documents, log_n);
    double sum = 0;
    for (std::size_t n = 0; n < kLongest; ++n) sum += similarity(hypothesis, reference, n);
    return 10 * sum / kLongest;
  });
}

double meteor_exact_stem(const TextPair& pair) {
  const Words hypothesis_words = caption_words(pair.hypothesis);
  const Words reference_words = caption_words(pair.reference);
  auto hypothesis = numbered(hypothesis_words), reference = numbered(reference_words);
  std::vector<Alignment> matches;
  match_words(hypothesis, reference, matches);
  for (auto& [position, word] : hypothesis) word = porter_stem(word);
  for (auto& [position, word] : reference) word = porter_stem(word);
  match_words(hypothesis, reference, matches);
  if (matches.empty()) return 0;
  std::sort(matches.begin(), matches.end(),
            [](const auto& a, const auto& b) { return a.hypothesis < b.hypothesis; });
  double chunks = 1;
  for (std::size_t i = 1; i < matches.size(); ++i) {
    const bool joined = matches[i].hypothesis == matches[i - 1].hypothesis + 1 &&
                        matches[i].reference == matches[i - 1].reference + 1;
    chunks += joined ? 0 : 1;
  }
  const auto count = static_cast<double>(matches.size());
  const double precision = count / static_cast<double>(hypothesis_words.size());
  const double recall = count / static_cast<double>(reference_words.size());
  const double mean = precision * recall / (0.9 * precision + 0.1 * recall);
  return mean * (1 - 0.5 * std::pow(chunks / count, 3));
}

TextScores text_scores(const std::vector<TextPair>& pairs) {
  std::vector<TextPair> clean;
  for (const auto& pair : pairs)
    clean.push_back({clean_text(pair.reference), clean_text(pair.hypothesis)});
  TextScores scores;
  scores.bleu = corpus_bleu(clean);
  scores.rouge_1 = mean_over(clean, [](const auto& pair) { return rouge_n(pair, 1); });
  scores.rouge_2 = mean_over(clean, [](const auto& pair) { return rouge_n(pair, 2); });
  scores.rouge_l = mean_over(clean, [](const auto& pair) { return rouge_l(pair); });
  scores.cider = cider_d(clean);
  scores.meteor_exact_stem =
      mean_over(clean, [](const auto& pair) { return meteor_exact_stem(pair); });
  scores.exact_match =
      mean_over(clean, [](const auto& pair) { return pair.reference == pair.hypothesis; });
  scores.normalised_match =
      mean_over(clean, [](const auto& pair) { return normalised_match(pair); });
  return scores;
}

}  // namespace medseg
