#include "unpickler.h"

#include <cstring>

#include "medseg/base/str.h"
#include "pickle_machine.h"

namespace medseg {

void PickleMachine::step(std::uint8_t opcode) {
  switch (opcode) {
    case 0x80:
      reader_.read<std::uint8_t>();
      break;  // PROTO
    case 0x95:
      reader_.read<std::uint64_t>();
      break;  // FRAME
    case '(':
      marks_.push_back(stack_.size());
      break;  // MARK
    case '0':
      pop();
      break;  // POP
    case '1':
      pop_to_mark();
      break;  // POP_MARK
    case '2':
      stack_.push_back(top());
      break;  // DUP
    case 'N':
      push(PickleNone{});
      break;
    case 0x88:
      push(true);
      break;
    case 0x89:
      push(false);
      break;
    case 'J':
      push(std::int64_t{reader_.read<std::int32_t>()});
      break;  // BININT
    case 'K':
      push(std::int64_t{reader_.read<std::uint8_t>()});
      break;  // BININT1
    case 'M':
      push(std::int64_t{reader_.read<std::uint16_t>()});
      break;  // BININT2
    case 0x8a:
      long_integer(reader_.read<std::uint8_t>());
      break;  // LONG1
    case 0x8b:
      long_integer(reader_.read<std::uint32_t>());
      break;     // LONG4
    case 'G': {  // BINFLOAT, big endian
      const auto bits = __builtin_bswap64(reader_.read<std::uint64_t>());
      double value = 0;
      std::memcpy(&value, &bits, sizeof value);
      push(value);
      break;
    }
    case 'X':
      push(reader_.text(reader_.read<std::uint32_t>()));
      break;  // BINUNICODE
    case 0x8c:
      push(reader_.text(reader_.read<std::uint8_t>()));
      break;  // SHORT_BINUNICODE
    case 0x8d:
      push(reader_.text(reader_.read<std::uint64_t>()));
      break;  // BINUNICODE8
    case 'U':
      push(reader_.text(reader_.read<std::uint8_t>()));
      break;  // SHORT_BINSTRING
    case 'T':
      push(reader_.text(reader_.read<std::uint32_t>()));
      break;  // BINSTRING
    case 'C':
      push(reader_.text(reader_.read<std::uint8_t>()));
      break;  // SHORT_BINBYTES
    case 'B':
      push(reader_.text(reader_.read<std::uint32_t>()));
      break;  // BINBYTES
    case 0x8e:
    case 0x96:
      push(reader_.text(reader_.read<std::uint64_t>()));
      break;  // BINBYTES8, BYTEARRAY8
    case ')':
      push(PickleTuple{});
      break;
    case 't':
      push(PickleTuple{pop_to_mark()});
      break;
    case 0x85:
      tuple_of(1);
      break;
    case 0x86:
      tuple_of(2);
      break;
    case 0x87:
      tuple_of(3);
      break;
    case ']':
      push(PickleList{});
      break;
    case 'l':
      push(PickleList{pop_to_mark()});
      break;
    case 'a':
      append({pop()});
      break;
    case 'e':
      append(pop_to_mark());
      break;
    case '}':
      push(PickleDict{});
      break;
    case 0x8f:
      push(PickleList{});
      break;  // EMPTY_SET
    case 0x90:
      append(pop_to_mark());
      break;  // ADDITEMS
    case 0x91:
      push(PickleList{pop_to_mark()});
      break;  // FROZENSET
    case 's': {
      auto* const value = pop();
      auto* const key = pop();
      set_items({key, value});
      break;
    }
    case 'u':
      set_items(pop_to_mark());
      break;
    case 'q':
      put(reader_.read<std::uint8_t>());
      break;  // BINPUT
    case 'r':
      put(reader_.read<std::uint32_t>());
      break;  // LONG_BINPUT
    case 0x94:
      put(memo_.size());
      break;  // MEMOIZE
    case 'h':
      get(reader_.read<std::uint8_t>());
      break;  // BINGET
    case 'j':
      get(reader_.read<std::uint32_t>());
      break;     // LONG_BINGET
    case 'c': {  // GLOBAL
      auto module = line();
      global(module + "." + line());
      break;
    }
    case 0x93: {  // STACK_GLOBAL
      auto* const name = pop();
      auto* const module = pop();
      global(as<std::string>(module, "a module name") + "." + as<std::string>(name, "a name"));
      break;
    }
    case 'Q':
      persistent_id();
      break;
    case 'R':
    case 0x81:
      reduce();
      break;  // REDUCE, NEWOBJ
    case 0x92:
      reduce(/*keywords=*/true);
      break;  // NEWOBJ_EX
    case 'b':
      build();
      break;
    default:
      reader_.fail(str_cat("pickle: opcode ", static_cast<int>(opcode), " at byte ",
                           reader_.position() - 1, " is not one that torch.save writes"));
  }
}

void PickleMachine::long_integer(std::uint64_t length) {
  const auto bytes = reader_.take(length);
  if (length > 8) return push(PickleOpaque{"a long integer"});  // the state of a random generator
  std::uint64_t value = length > 0 && (bytes[length - 1] & 0x80) != 0 ? ~std::uint64_t{0} : 0;
  std::memcpy(&value, bytes.data(), length);
  push(static_cast<std::int64_t>(value));
}

void PickleMachine::tuple_of(std::size_t count) {
  std::vector<PicklePointer> items(count);
  for (std::size_t i = count; i-- > 0;) items[i] = pop();
  push(PickleTuple{std::move(items)});
}

void PickleMachine::append(std::vector<PicklePointer> items) {
  auto& list = as<PickleList>(top(), "a list").items;
  list.insert(list.end(), items.begin(), items.end());
}

void PickleMachine::set_items(std::vector<PicklePointer> items) {
  if (items.size() % 2 != 0) reader_.fail("pickle: a key without a value");
  if (std::holds_alternative<PickleOpaque>(top()->value)) return;
  auto& dict = as<PickleDict>(top(), "a dictionary").items;
  for (std::size_t i = 0; i < items.size(); i += 2) dict.emplace_back(items[i], items[i + 1]);
}

Pickle unpickle(const std::string& bytes, const std::string& where) {
  return PickleMachine(bytes, where).run();
}

}  // namespace medseg
