#define PCRE2_CODE_UNIT_WIDTH 8
#include "name_pattern.h"

#include <memory>

#include <pcre2.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr std::uint32_t kMatchLimit = 1'000'000;  // stops a hostile pattern
constexpr std::uint32_t kDepthLimit = 10'000;

}  // namespace

bool matches_whole(const std::string& pattern, const std::string& name, const std::string& where) {
  int error = 0;
  PCRE2_SIZE at = 0;
  const std::unique_ptr<pcre2_code, void (*)(pcre2_code*)> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                    PCRE2_ANCHORED | PCRE2_ENDANCHORED, &error, &at, nullptr),
      pcre2_code_free);
  if (code == nullptr) {
    throw CheckpointError(where,
                          str_cat("\"", pattern, "\" is not a regular expression (near character ",
                                  std::to_string(at), ")"));
  }
  const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data(
      pcre2_match_data_create_from_pattern(code.get(), nullptr), pcre2_match_data_free);
  const std::unique_ptr<pcre2_match_context, void (*)(pcre2_match_context*)> context(
      pcre2_match_context_create(nullptr), pcre2_match_context_free);
  pcre2_set_match_limit(context.get(), kMatchLimit);
  pcre2_set_depth_limit(context.get(), kDepthLimit);
  const int found = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(),
                                0, 0, data.get(), context.get());
  if (found == PCRE2_ERROR_NOMATCH) return false;
  if (found < 0) {
    throw CheckpointError(where, str_cat("\"", pattern, "\" takes too many steps on ", name));
  }
  return true;
}

}  // namespace medseg
