#define PCRE2_CODE_UNIT_WIDTH 8
#include "regex.h"

#include <pcre2.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "newer_members.h"
#include "unicode.h"

namespace medseg {
namespace {

constexpr std::uint32_t kMatchLimit = 20'000'000;  // stops a hostile pattern within seconds
constexpr std::size_t kJitStackStart = 64 * 1024;
constexpr std::size_t kJitStackLimit = 32 * 1024 * 1024;

constexpr std::size_t kLongestPattern = 16 * 1024;

// PCRE2 counts U+180E as white space; Oniguruma, with which the vocabularies were trained, does
// not.
constexpr const char* kSpaces = R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a})"
                                R"(\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
// Oniguruma's \w (with newer_members): alphabetic, marks, decimal digits and connectors. PCRE2's \w
// has all numbers and no marks.
constexpr const char* kWord = R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24b6}-\x{24e9})"
                              R"(\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";

std::string shown(const std::string& pattern) {
  return pattern.size() <= 200 ? pattern : valid_utf8(pattern.substr(0, 200)) + "…";
}

/// Translates a pattern from Oniguruma's grammar, the one of tokenizer files, to PCRE2's. A
/// construct that means something else in PCRE2 and is not translated is refused: silently
/// different words would be worse.
class Translation {
 public:
  Translation(const std::string& pattern, const std::string& where)
      : pattern_(pattern), where_(where) {}

  std::string text() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        escape(false);
      } else if (c == '[') {
        result_ += '[';
        ++at_;
        if (next_is("^")) take(1);
        set(0);
        result_ += ']';
      } else {
        if (c == '(' && next_is("(?")) check_flags();
        take(1);
      }
    }
    return std::move(result_);
  }

 private:
  bool next_is(std::string_view text) const {
    return pattern_.compare(at_, text.size(), text) == 0;
  }
  void take(std::size_t count) {
    result_.append(pattern_, at_, count);
    at_ += count;
  }
  [[noreturn]] void refuse(const std::string& what) const {
    throw CheckpointError(
        where_, str_cat("regular expression \"", shown(pattern_), "\": ", what, " at byte ", at_));
  }

  void escape(bool in_set) {
    const char next = at_ + 1 < pattern_.size() ? pattern_[at_ + 1] : '\0';
    if ((next == 'p' || next == 'P') && at_ + 2 < pattern_.size() && pattern_[at_ + 2] == '{') {
      return property(in_set);
    }
    if (next == 's' || next == 'w' || next == 'd') {
      result_ += in_set ? members(next) : str_cat('[', members(next), ']');
    } else if ((next == 'S' || next == 'W' || next == 'D') && !in_set) {
      result_ += str_cat("[^", members(static_cast<char>(next - 'A' + 'a')), ']');
    } else if (next == 'W' || next == 'D' || next == 'h' || next == 'H' || next == 'X' ||
               next == 'R') {
      refuse(str_cat("unsupported \\", next, in_set ? " in a set" : ""));
    } else {
      return take(2);
    }
    at_ += 2;
  }

  // The members of \s, \w and \d.
  static std::string members(char letter) {
    if (letter == 's') return kSpaces;
    if (letter == 'd') return R"(\p{Nd})" + newer_members("Nd");
    return kWord + newer_members("L") + newer_members("M") + newer_members("Nd");
  }

  // \p{L}, \P{L}, \p{^L}, with the members that PCRE2 lacks. A script means its own letters, not
  // those that it shares with others.
  void property(bool in_set) {
    const auto close = pattern_.find('}', at_);
    if (close == std::string::npos) refuse("missing }");
    auto name = pattern_.substr(at_ + 3, close - at_ - 3);
    bool negated = pattern_[at_ + 1] == 'P';
    if (name.starts_with('^')) {
      name.erase(0, 1);
      negated = !negated;
    }
    const auto newer = newer_members(name);
    const bool script =
        name.size() > 2 && name != "Any" && name.find_first_of(":=") == std::string::npos;
    const auto inside = str_cat(R"(\p{)", script ? "sc:" : "", name, '}', newer);
    if (in_set && negated && !newer.empty())
      refuse(str_cat("unsupported \\P{", name, "} in a set"));
    if (newer.empty()) {
      result_ += str_cat(negated ? R"(\P{)" : R"(\p{)", script ? "sc:" : "", name, '}');
    } else {
      result_ += in_set ? inside : str_cat(negated ? "[^" : "[", inside, ']');
    }
    at_ = close + 1;
  }

  // Inside […]. The closing bracket is consumed but not written. A set inside a set is a union.
  void set(int depth) {
    for (bool first = true;; first = false) {
      if (at_ >= pattern_.size()) refuse("missing ]");
      if (pattern_[at_] == ']' && !first) break;
      if (pattern_[at_] == '\\') {
        escape(true);
      } else if (next_is("&&")) {
        refuse("unsupported && of sets");
      } else if (next_is("[:")) {
        const auto close = pattern_.find(":]", at_ + 2);
        if (close == std::string::npos) refuse("missing :]");
        take(close + 2 - at_);
      } else if (pattern_[at_] == '[') {
        ++at_;
        if (next_is("^")) refuse("unsupported [^…] in a set");
        if (depth > 50) refuse("sets nested too deep");
        set(depth + 1);
      } else {
        // A bracket at the beginning of a set stands for itself.
        if (pattern_[at_] == ']') result_ += '\\';
        take(1);
      }
    }
    ++at_;
  }

  // Of (?imx…) only i and x mean the same in both grammars.
  void check_flags() const {
    for (auto i = at_ + 2; i < pattern_.size(); ++i) {
      const char c = pattern_[i];
      if (c == ')' || c == ':') return;
      if (c == 'm' || c == 's') refuse(str_cat("unsupported flag ", c));
      if (c != 'i' && c != 'x' && c != '-') return;  // a look-around or another kind of group
    }
  }

  const std::string& pattern_;
  const std::string& where_;
  std::size_t at_ = 0;
  std::string result_;
};

std::string message_of(int code) {
  PCRE2_UCHAR buffer[160];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

// Buffer for the results of a match; one per thread, because making it costs more than most
// matches.
struct Scratch {
  pcre2_match_data* data = pcre2_match_data_create(64, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(kJitStackStart, kJitStackLimit, nullptr);

  Scratch() {
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~Scratch() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

Scratch& scratch() {
  thread_local Scratch value;
  return value;
}

}  // namespace

Regex::Regex(const std::string& pattern, std::string where) : where_(std::move(where)) {
  if (pattern.size() > kLongestPattern) {
    throw CheckpointError(
        where_, str_cat("regular expression of ", pattern.size(), " bytes, longer than any"));
  }
  const std::string exact = Translation(pattern, where_).text();
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(exact.data()), exact.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (code == nullptr) {
    throw CheckpointError(where_, str_cat("regular expression \"", shown(pattern),
                                          "\": ", message_of(error), " at byte ", offset));
  }
  code_ = std::shared_ptr<const pcre2_real_code_8>(
      code, [](const pcre2_code* c) { pcre2_code_free(const_cast<pcre2_code*>(c)); });
  // If this fails, matching is slower but gives the same result.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
}

std::vector<ByteRange> Regex::find_all(std::string_view text) const {
  std::vector<ByteRange> found;
  auto& [data, context, stack] = scratch();
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  for (std::size_t at = 0; at < text.size();) {
    const int rc =
        pcre2_match(code_.get(), subject, text.size(), at, PCRE2_NO_UTF_CHECK, data, context);
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0) {
      throw CheckpointError(where_, str_cat("regular expression gave up on a text of ", text.size(),
                                            " bytes: ", message_of(rc)));
    }
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data);
    if (ends[1] > ends[0]) {
      found.push_back({ends[0], ends[1]});
      at = ends[1];
    } else {
      at = ends[1] + (ends[1] < text.size() ? code_point_at(text, ends[1]).bytes : 1);
    }
  }
  return found;
}

}  // namespace medseg
