#include "plain_pickle.h"

#include <bit>
#include <charconv>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

using nlohmann::json;

constexpr int kDeepest = 64;
constexpr std::size_t kMostValues = std::size_t{1} << 23;

void append_utf8(std::string& text, std::uint32_t code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xc0 | code >> 6);
    text += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    text += static_cast<char>(0xe0 | code >> 12);
    text += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    text += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    text += static_cast<char>(0xf0 | (code >> 18 & 7));
    text += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    text += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    text += static_cast<char>(0x80 | (code & 0x3f));
  }
}

/// Texts of Python 2 have no encoding: UTF-8 where it is that, else Latin-1.
std::string as_utf8(std::string_view bytes) {
  std::string text(bytes);
  const auto kept = json::error_handler_t::ignore, marked = json::error_handler_t::replace;
  // A byte that is no UTF-8 is dropped by one and marked by the other.
  if (json(text).dump(-1, ' ', false, kept) == json(text).dump(-1, ' ', false, marked)) return text;
  std::string latin;
  for (const char c : bytes) append_utf8(latin, static_cast<unsigned char>(c));
  return latin;
}

/// Python's raw-unicode-escape: Latin-1 with \uXXXX and \UXXXXXXXX.
std::string from_raw_escapes(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t digits = i + 1 < bytes.size() && bytes[i] == '\\'
                                   ? (bytes[i + 1] == 'u'   ? 4U
                                      : bytes[i + 1] == 'U' ? 8U
                                                            : 0U)
                                   : 0U;
    std::uint32_t code = 0;
    if (digits > 0 && i + 2 + digits <= bytes.size()) {
      const char* first = bytes.data() + i + 2;
      const auto parsed = std::from_chars(first, first + digits, code, 16);
      if (parsed.ptr == first + digits && code < 0x110000 && (code < 0xd800 || code > 0xdfff)) {
        append_utf8(text, code);
        i += 1 + digits;
        continue;
      }
    }
    append_utf8(text, static_cast<unsigned char>(bytes[i]));
  }
  return text;
}

struct Value;
using Ref = Value*;

/// A value while the pickle is read: lists and dicts are shared until all is there. They may hold
/// themselves, so the reader owns them all.
struct Value {
  enum class Kind { kPlain, kList, kDict, kMark } kind = Kind::kPlain;
  json plain;
  std::vector<Ref> items;  ///< of a dict: key, value, key, value, …
};

class Unpickler {
 public:
  Unpickler(std::string_view bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

  json read() {
    while (true) {
      const char op = take(1)[0];
      if (op == '.') break;
      step(op);
    }
    if (stack_.empty()) fail("no value");
    return as_json(stack_.back(), 0);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(where_, str_cat("a pickle, at byte ", at_, ": ", what));
  }

  std::string_view take(std::size_t size) {
    if (size > bytes_.size() - at_) fail("cut short");
    const auto part = bytes_.substr(at_, size);
    at_ += size;
    return part;
  }

  std::string line() {
    const auto end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail("cut short");
    const auto part = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return std::string(part);
  }

  std::uint64_t little(std::size_t size) {
    std::uint64_t value = 0;
    const auto part = take(size);
    for (std::size_t i = 0; i < size; ++i)
      value |= std::uint64_t{static_cast<unsigned char>(part[i])} << (8 * i);
    return value;
  }

  void push(json plain) { stack_.push_back(&all_.emplace_back(Value{{}, std::move(plain), {}})); }
  void push_kind(Value::Kind kind) { stack_.push_back(&all_.emplace_back(Value{kind, {}, {}})); }

  Ref pop() {
    if (stack_.empty()) fail("a value is missing");
    const Ref top = stack_.back();
    stack_.pop_back();
    return top;
  }

  std::vector<Ref> pop_to_mark() {
    std::vector<Ref> items;
    while (true) {
      const Ref top = pop();
      if (top->kind == Value::Kind::kMark) break;
      items.push_back(top);
    }
    return {items.rbegin(), items.rend()};
  }

  void add_to(Value::Kind kind, const std::vector<Ref>& items) {
    if (stack_.empty() || stack_.back()->kind != kind) fail("a value of another kind");
    auto& into = stack_.back()->items;
    into.insert(into.end(), items.begin(), items.end());
  }

  void push_items(Value::Kind kind, std::vector<Ref> items) {
    push_kind(kind);
    stack_.back()->items = std::move(items);
  }

  void push_number(const std::string& text) {
    std::int64_t whole = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, whole);
    if (error != std::errc() || (stop != end && std::string(stop) != "L")) fail("no number");
    push(whole);
  }

  void push_text(std::string_view text) { push(as_utf8(text)); }

  void push_quoted(const std::string& text) {
    if (text.size() < 2 || text.front() != text.back()) fail("no quoted text");
    std::string plain;
    for (std::size_t i = 1; i + 1 < text.size(); ++i) {
      if (text[i] != '\\' || i + 2 >= text.size()) {
        plain += text[i];
        continue;
      }
      const char next = text[++i];
      plain += next == 'n' ? '\n' : next == 't' ? '\t' : next;
    }
    push(as_utf8(plain));
  }

  void push_float(std::uint64_t bits) {
    bits = __builtin_bswap64(bits);  // stored the other way round
    push(std::bit_cast<double>(bits));
  }

  void remember(std::uint64_t key) {
    if (stack_.empty()) fail("nothing to remember");
    memo_[key] = stack_.back();
  }

  void recall(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) fail("an unknown memo");
    stack_.push_back(found->second);
  }

  std::uint64_t key_of(const std::string& text) const {
    std::uint64_t key = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), key);
    if (result.ec != std::errc()) fail("no memo");
    return key;
  }

  void step(char op) {
    using Kind = Value::Kind;
    switch (op) {
      case '\x80':
        take(1);
        return;  // PROTO
      case '\x95':
        take(8);
        return;  // FRAME
      case '(':
        push_kind(Kind::kMark);
        return;
      case '0':
        pop();
        return;
      case 'N':
        push(nullptr);
        return;
      case '\x88':
        push(true);
        return;
      case '\x89':
        push(false);
        return;
      case 'I': {
        const std::string text = line();
        if (text == "00" || text == "01") {
          push(text == "01");
        } else {
          push_number(text);
        }
        return;
      }
      case 'L':
        push_number(line());
        return;
      case 'J':
        push(static_cast<std::int32_t>(little(4)));
        return;
      case 'K':
        push(little(1));
        return;
      case 'M':
        push(little(2));
        return;
      case '\x8a': {  // LONG1
        const auto size = little(1);
        if (size > 8) fail("a number beyond 64 bits");
        std::uint64_t bits = little(size);
        if (size > 0 && size < 8 && (bits >> (8 * size - 1) & 1U) != 0)
          bits |= ~std::uint64_t{0} << (8 * size);
        push(static_cast<std::int64_t>(bits));
        return;
      }
      case 'F': {
        const std::string text = line();
        double number = 0;
        const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
        if (result.ec != std::errc()) fail("no number");
        push(number);
        return;
      }
      case 'G':
        push_float(little(8));
        return;
      case 'S':
        push_quoted(line());
        return;
      case 'V':
        push(from_raw_escapes(line()));
        return;
      case 'T':
      case 'X':
      case 'B':
        push_text(take(little(4)));
        return;
      case 'U':
      case '\x8c':
      case 'C':
        push_text(take(little(1)));
        return;
      case '\x8d':
        push_text(take(little(8)));
        return;
      case ']':
        push_kind(Kind::kList);
        return;
      case ')':
        push_kind(Kind::kList);
        return;
      case '}':
        push_kind(Kind::kDict);
        return;
      case 'l':
      case 't':
        push_items(Kind::kList, pop_to_mark());
        return;
      case 'd':
        push_items(Kind::kDict, pop_to_mark());
        return;
      case 'a': {
        const Ref item = pop();
        add_to(Kind::kList, {item});
        return;
      }
      case 'e': {
        const auto items = pop_to_mark();
        add_to(Kind::kList, items);
        return;
      }
      case 's': {
        const Ref value = pop(), key = pop();
        add_to(Kind::kDict, {key, value});
        return;
      }
      case 'u': {
        const auto items = pop_to_mark();
        add_to(Kind::kDict, items);
        return;
      }
      case '\x85':
      case '\x86':
      case '\x87': {  // tuples of one to three
        std::vector<Ref> items;
        for (int i = op - '\x85'; i >= 0; --i) items.insert(items.begin(), pop());
        push_items(Kind::kList, std::move(items));
        return;
      }
      case 'p':
        remember(key_of(line()));
        return;
      case 'q':
        remember(little(1));
        return;
      case 'r':
        remember(little(4));
        return;
      case '\x94':
        remember(memo_.size());
        return;
      case 'g':
        recall(key_of(line()));
        return;
      case 'h':
        recall(little(1));
        return;
      case 'j':
        recall(little(4));
        return;
      default:
        break;
    }
    fail(str_cat("the opcode ", static_cast<int>(static_cast<unsigned char>(op)),
                 ", which plain data does not need"));
  }

  json as_json(const Value* value, int depth) {
    if (depth > kDeepest) fail(str_cat("nested deeper than ", kDeepest, " levels"));
    if (++values_ > kMostValues) fail("more values than 2^23");
    if (value->kind == Value::Kind::kPlain) return value->plain;
    if (value->kind == Value::Kind::kMark) fail("a mark as value");
    if (value->kind == Value::Kind::kList) {
      auto list = json::array();
      for (const Ref item : value->items) list.push_back(as_json(item, depth + 1));
      return list;
    }
    if (value->items.size() % 2 != 0) fail("a key without a value");
    auto object = json::object();
    for (std::size_t i = 0; i < value->items.size(); i += 2) {
      const auto& key = value->items[i]->plain;
      if (!key.is_string()) fail("a key that is no text");
      object[key.get<std::string>()] = as_json(value->items[i + 1], depth + 1);
    }
    return object;
  }

  std::string_view bytes_;
  std::string where_;
  std::size_t at_ = 0, values_ = 0;
  std::deque<Value> all_;
  std::vector<Ref> stack_;
  std::map<std::uint64_t, Ref> memo_;
};

}  // namespace

json read_plain_pickle(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  return Unpickler(bytes, path.string()).read();
}

}  // namespace medseg
