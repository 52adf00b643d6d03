#include "medseg/bundle/licence.h"

#include <algorithm>
#include <cctype>

#include "medseg/models/segmenter.h"

namespace medseg {
namespace {

struct Mark {
  const char* words;  // of the identifiers on Hugging Face, and of the titles of LICENSE files
  TermsKind kind;
};

// The first that occurs counts, so what restricts stands before what it resembles.
constexpr Mark kMarks[] = {
    {"noncommercial", TermsKind::kNonCommercial},
    {"non-commercial", TermsKind::kNonCommercial},
    {"non commercial", TermsKind::kNonCommercial},
    {"cc-by-nc", TermsKind::kNonCommercial},
    {"by-nc", TermsKind::kNonCommercial},
    {"research only", TermsKind::kNonCommercial},
    {"research-only", TermsKind::kNonCommercial},
    {"research purposes", TermsKind::kNonCommercial},
    {"research license", TermsKind::kNonCommercial},
    {"by-nd", TermsKind::kOwnTerms},
    {"llama", TermsKind::kOwnTerms},
    {"gemma", TermsKind::kOwnTerms},
    {"health-ai", TermsKind::kOwnTerms},
    {"rail", TermsKind::kOwnTerms},
    {"affero", TermsKind::kShareAlike},
    {"general public", TermsKind::kShareAlike},
    {"gpl", TermsKind::kShareAlike},
    {"mpl-", TermsKind::kShareAlike},
    {"mozilla public", TermsKind::kShareAlike},
    {"cc-by-sa", TermsKind::kShareAlike},
    {"sharealike", TermsKind::kShareAlike},
    {"apache", TermsKind::kPermissive},
    {"mit license", TermsKind::kPermissive},
    {"bsd", TermsKind::kPermissive},
    {"cc-by-", TermsKind::kPermissive},
    {"attribution 4.0", TermsKind::kPermissive},
    {"cc0", TermsKind::kPublicDomain},
    {"unlicense", TermsKind::kPublicDomain},
    {"public domain", TermsKind::kPublicDomain},
};

}  // namespace

TermsKind kind_of_terms(const std::string& terms) {
  std::string words;
  for (const char c : terms)
    words += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (words.empty() || words == "unknown") return TermsKind::kUnknown;
  if (words == "mit" || words == "isc") return TermsKind::kPermissive;
  for (const auto& mark : kMarks) {
    if (words.find(mark.words) != std::string::npos) return mark.kind;
  }
  return TermsKind::kOwnTerms;
}

std::vector<PartLicence> by_strictness(std::vector<PartLicence> stated,
                                       const SegmenterOptions& model) {
  const auto is_stated = [&](const std::string& part) {
    return std::any_of(stated.begin(), stated.end(),
                       [&](const PartLicence& licence) { return licence.part == part; });
  };
  std::vector<std::string> silent;
  const bool whole = is_stated("model");
  if (!whole && !is_stated("language")) silent.emplace_back("language");
  if (model.vision.tower && !whole && !is_stated("vision")) silent.emplace_back("vision");
  if (model.grounding.encoder && !whole && !is_stated("grounding"))
    silent.emplace_back("grounding");
  std::stable_sort(stated.begin(), stated.end(), [](const auto& a, const auto& b) {
    return kind_of_terms(a.terms) < kind_of_terms(b.terms);
  });
  for (auto& part : silent) {
    stated.push_back({.part = std::move(part),
                      .source = "",
                      .terms = "",
                      .link = "",
                      .stated_in = "",
                      .text = ""});
  }
  return stated;
}

}  // namespace medseg
