/// \file
/// The stack machine of a pickle stream. unpickler.cpp has its opcodes; pickle_calls.cpp has the
/// names that it accepts and the objects that it builds.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "byte_reader.h"
#include "medseg/base/str.h"
#include "unpickler.h"

namespace medseg {

// Limits the memory that a pickle can make grow.
inline constexpr std::size_t kMaxObjects = 1'000'000;
inline constexpr std::size_t kMaxStack = 1'000'000;

class PickleMachine {
 public:
  PickleMachine(const std::string& bytes, std::string where)
      : reader_(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()),
                std::move(where)) {}

  Pickle run() {
    for (;;) {
      const auto opcode = reader_.read<std::uint8_t>();
      if (opcode == '.') {
        pickle_.root = pop();
        return std::move(pickle_);
      }
      step(opcode);
      if (stack_.size() > kMaxStack || marks_.size() > kMaxStack)
        reader_.fail("pickle: stack grows without end");
    }
  }

 private:
  template <class T>
  PicklePointer make(T value) {
    if (pickle_.objects.size() >= kMaxObjects) reader_.fail("pickle: too many objects");
    return &pickle_.objects.emplace_back(PickleValue{std::move(value)});
  }
  template <class T>
  void push(T value) {
    stack_.push_back(make(std::move(value)));
  }

  // Limits copies of objects: a short pickle may request the same copy many times.
  void charge(std::size_t items) {
    copied_ += items;
    if (copied_ > 4 * kMaxObjects) reader_.fail("pickle: too many objects");
  }

  PicklePointer pop() {
    if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back()))
      reader_.fail("pickle: empty stack");
    auto* const top = stack_.back();
    stack_.pop_back();
    return top;
  }
  PicklePointer top() {
    if (stack_.empty()) reader_.fail("pickle: empty stack");
    return stack_.back();
  }
  std::vector<PicklePointer> pop_to_mark() {
    if (marks_.empty()) reader_.fail("pickle: no mark");
    const auto mark = marks_.back();
    marks_.pop_back();
    if (mark > stack_.size()) reader_.fail("pickle: bad mark");
    std::vector<PicklePointer> items(stack_.begin() + static_cast<std::ptrdiff_t>(mark),
                                     stack_.end());
    stack_.resize(mark);
    return items;
  }
  template <class T>
  T& as(PicklePointer pointer, const char* expected) {
    auto* value = std::get_if<T>(&pointer->value);
    if (value == nullptr) reader_.fail(str_cat("pickle: expected ", expected));
    return *value;
  }
  std::int64_t integer(PicklePointer pointer) { return as<std::int64_t>(pointer, "an integer"); }

  std::string line() {
    std::string text;
    for (char c = reader_.read<char>(); c != '\n'; c = reader_.read<char>()) text += c;
    return text;
  }

  // unpickler.cpp
  void step(std::uint8_t opcode);
  void long_integer(std::uint64_t length);
  void tuple_of(std::size_t count);
  void append(std::vector<PicklePointer> items);
  void set_items(std::vector<PicklePointer> items);
  void put(std::uint64_t index) {
    memo_[index] = top();
    if (memo_.size() > kMaxObjects) reader_.fail("pickle: too many objects");
  }
  void get(std::uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) reader_.fail("pickle: reference to nothing");
    stack_.push_back(found->second);
  }
  // pickle_calls.cpp
  void global(const std::string& name);
  void persistent_id();
  void reduce(bool keywords = false);
  void call(const std::string& name, const PickleTuple& arguments);
  void build();
  PickleDict dictionary_of(const PickleTuple& arguments);
  PickleTensor rebuild_tensor(const PickleTuple& arguments);

  ByteReader reader_;
  std::vector<PicklePointer> stack_;
  std::vector<std::size_t> marks_;
  std::map<std::uint64_t, PicklePointer> memo_;
  std::size_t copied_ = 0;
  Pickle pickle_;
};

}  // namespace medseg
