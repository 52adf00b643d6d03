/// \file
/// Under which terms the parts of a model came, as their sources state them. A bundle carries this
/// through training and export; nothing here is legal advice.
#pragma once

#include <string>
#include <vector>

#include "medseg/base/choice.h"
#include "medseg/config/fields.h"

namespace medseg {

struct SegmenterOptions;

/// What one source states about one part.
struct PartLicence {
  std::string part;       ///< "model" (all that came in one checkpoint), "language", "vision", …
  std::string source;     ///< name of the folder or file that the part came from
  std::string terms;      ///< "apache-2.0", "llama2", or the first line of a LICENSE file
  std::string link;       ///< where the terms can be read, as stated; "" if nowhere
  std::string stated_in;  ///< the file or metadata key
  std::string text;       ///< the LICENSE file whole, which most terms ask to be kept

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("part", self.part);
    visit("source", self.source);
    visit("terms", self.terms);
    visit("link", self.link);
    visit("stated_in", self.stated_in);
    visit("text", self.text);
  }
};

/// Strictest first. What is not recognised counts as terms of its own.
enum class TermsKind {
  kNonCommercial,  ///< research or non-commercial use alone
  kOwnTerms,       ///< a licence of the publisher's, with rules of use: Llama, Gemma, HAI-DEF, RAIL
  kShareAlike,     ///< what is made of it must come under the same terms
  kPermissive,     ///< credit and the licence's text
  kPublicDomain,
  kUnknown,  ///< the source states nothing
};
template <>
struct Choice<TermsKind> {
  static constexpr ChoiceNames<TermsKind, 6> names = {
      {{TermsKind::kNonCommercial, "non-commercial"},
       {TermsKind::kOwnTerms, "own terms"},
       {TermsKind::kShareAlike, "share alike"},
       {TermsKind::kPermissive, "permissive"},
       {TermsKind::kPublicDomain, "public domain"},
       {TermsKind::kUnknown, "unknown"}}};
};
TermsKind kind_of_terms(const std::string& terms);

/// `stated`, the strictest first, and last each part of the model (language, vision, grounding) of
/// which nothing is stated, with empty terms.
std::vector<PartLicence> by_strictness(std::vector<PartLicence> stated,
                                       const SegmenterOptions& model);

}  // namespace medseg
