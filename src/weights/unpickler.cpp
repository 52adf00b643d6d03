#include "unpickler.h"

#include <cstring>
#include <map>
#include <set>

#include "byte_reader.h"

namespace medseg {
namespace {

constexpr std::size_t kMaxObjects = 1'000'000;  // memory bounds against pickles that only grow
constexpr std::size_t kMaxStack = 1'000'000;
constexpr std::size_t kMaxName =
    128;  // of callables and storages, which are copied where they are used

// What torch.save writes besides tensors, and what each becomes.
enum class Callable { kDict, kTensor, kParameter, kFromType, kHarmless };

const std::map<std::string, Callable>& allowed() {
  static const std::map<std::string, Callable> table = {
      {"collections.OrderedDict", Callable::kDict},
      {"collections.defaultdict", Callable::kDict},
      {"torch._utils._rebuild_tensor", Callable::kTensor},
      {"torch._utils._rebuild_tensor_v2", Callable::kTensor},
      {"torch._utils._rebuild_parameter", Callable::kParameter},
      {"torch._utils._rebuild_parameter_with_state", Callable::kParameter},
      {"torch._tensor._rebuild_from_type_v2", Callable::kFromType},  // a tensor with attributes
      // What training scripts keep beside the weights: counters, settings, numpy's numbers, random states.
      {"torch.Size", Callable::kHarmless},
      {"torch.device", Callable::kHarmless},
      {"argparse.Namespace", Callable::kHarmless},
      {"types.SimpleNamespace", Callable::kHarmless},
      {"collections.Counter", Callable::kHarmless},
      {"pathlib.PosixPath", Callable::kHarmless},
      {"pathlib.PurePosixPath", Callable::kHarmless},
      {"pathlib._local.PosixPath", Callable::kHarmless},  // Python 3.13
      {"pathlib._local.PurePosixPath", Callable::kHarmless},
      {"_codecs.encode", Callable::kHarmless},
      {"__builtin__.set", Callable::kHarmless},
      {"builtins.set", Callable::kHarmless},
      {"__builtin__.frozenset", Callable::kHarmless},
      {"builtins.frozenset", Callable::kHarmless},
      {"__builtin__.bytearray", Callable::kHarmless},
      {"builtins.bytearray", Callable::kHarmless},
      {"__builtin__.complex", Callable::kHarmless},
      {"builtins.complex", Callable::kHarmless},
      {"numpy.dtype", Callable::kHarmless},
      {"numpy.ndarray", Callable::kHarmless},
      {"numpy.core.multiarray.scalar", Callable::kHarmless},
      {"numpy._core.multiarray.scalar", Callable::kHarmless},
      {"numpy.core.multiarray._reconstruct", Callable::kHarmless},
      {"numpy._core.multiarray._reconstruct", Callable::kHarmless},
  };
  return table;
}

// Types that are mentioned, never called.
bool is_harmless_name(const std::string& name) {
  static const std::set<std::string> types = {"torch.float16",
                                              "torch.bfloat16",
                                              "torch.float32",
                                              "torch.float64",
                                              "torch.int8",
                                              "torch.int16",
                                              "torch.int32",
                                              "torch.int64",
                                              "torch.uint8",
                                              "torch.bool",
                                              "builtins.list",
                                              "builtins.dict",
                                              "builtins.int",
                                              "builtins.float",
                                              "__builtin__.list",
                                              "__builtin__.dict",
                                              "__builtin__.int",
                                              "__builtin__.float",
                                              "torch.Tensor",
                                              "torch.nn.parameter.Parameter",
                                              "torch.nn.parameter.Buffer"};
  return types.contains(name);
}

class Machine {
 public:
  Machine(const std::string& bytes, std::string where)
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

  // For what is copied from objects: a short pickle may ask for the same copy many times.
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
    if (value == nullptr) reader_.fail(str("pickle: expected ", expected));
    return *value;
  }
  std::int64_t integer(PicklePointer pointer) { return as<std::int64_t>(pointer, "an integer"); }

  std::string line() {
    std::string text;
    for (char c = reader_.read<char>(); c != '\n'; c = reader_.read<char>()) text += c;
    return text;
  }

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

void Machine::step(std::uint8_t opcode) {
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
      reader_.fail(str("pickle: opcode ", static_cast<int>(opcode), " at byte ",
                       reader_.position() - 1, " is not one that torch.save writes"));
  }
}

void Machine::long_integer(std::uint64_t length) {
  const auto bytes = reader_.take(length);
  if (length > 8) return push(PickleOpaque{"a long integer"});  // states of random generators
  std::uint64_t value = length > 0 && (bytes[length - 1] & 0x80) != 0 ? ~std::uint64_t{0} : 0;
  std::memcpy(&value, bytes.data(), length);
  push(static_cast<std::int64_t>(value));
}

void Machine::tuple_of(std::size_t count) {
  std::vector<PicklePointer> items(count);
  for (std::size_t i = count; i-- > 0;) items[i] = pop();
  push(PickleTuple{std::move(items)});
}

void Machine::append(std::vector<PicklePointer> items) {
  auto& list = as<PickleList>(top(), "a list").items;
  list.insert(list.end(), items.begin(), items.end());
}

void Machine::set_items(std::vector<PicklePointer> items) {
  if (items.size() % 2 != 0) reader_.fail("pickle: a key without a value");
  if (std::holds_alternative<PickleOpaque>(top()->value)) return;
  auto& dict = as<PickleDict>(top(), "a dictionary").items;
  for (std::size_t i = 0; i < items.size(); i += 2) dict.emplace_back(items[i], items[i + 1]);
}

void Machine::global(const std::string& name) {
  if (name.size() > kMaxName)
    reader_.fail(str("pickle: names something with ", name.size(), " letters, which is refused"));
  const bool storage = name.starts_with("torch.") && name.ends_with("Storage");
  if (!storage && !allowed().contains(name) && !is_harmless_name(name)) {
    reader_.fail("pickle: names " + name +
                 ", which is not needed for weights and is refused; save the state_dict() alone");
  }
  push(PickleGlobal{name});
}

// ("storage", torch.FloatStorage, key, location, elements)
void Machine::persistent_id() {
  auto* const pointer = pop();
  const auto& items = as<PickleTuple>(pointer, "a storage").items;
  if (items.size() != 5 || as<std::string>(items[0], "a storage") != "storage")
    reader_.fail("pickle: bad storage");
  const auto& type = as<PickleGlobal>(items[1], "a storage type").name;
  if (as<std::string>(items[2], "a storage key").size() > kMaxName)
    reader_.fail("pickle: bad storage");
  push(PickleStorage{.key = as<std::string>(items[2], "a storage key"),
                     .type = type.substr(type.rfind('.') + 1),
                     .elements = integer(items[4])});
}

PickleTensor Machine::rebuild_tensor(const PickleTuple& arguments) {
  const auto& items = arguments.items;
  if (items.size() < 4 || as<PickleTuple>(items[2], "a shape").items.size() > kMostDimensions)
    reader_.fail("pickle: bad tensor");
  charge(as<PickleTuple>(items[2], "a shape").items.size());
  PickleTensor tensor{.storage = as<PickleStorage>(items[0], "a storage"),
                      .offset = integer(items[1]),
                      .shape = {},
                      .strides = {}};
  for (const auto& size : as<PickleTuple>(items[2], "a shape").items)
    tensor.shape.push_back(integer(size));
  const auto& strides = as<PickleTuple>(items[3], "strides").items;
  if (tensor.shape.size() != strides.size())
    reader_.fail("pickle: shape and strides differ in length");
  for (const auto& stride : strides) tensor.strides.push_back(integer(stride));
  return tensor;
}

// An OrderedDict may get its items as pairs.
PickleDict Machine::dictionary_of(const PickleTuple& arguments) {
  PickleDict dict;
  if (arguments.items.size() != 1) return dict;
  const auto* pairs = std::get_if<PickleList>(&arguments.items[0]->value);
  if (pairs == nullptr) return dict;  // a defaultdict's type
  charge(pairs->items.size());
  for (const auto& item : pairs->items) {
    const auto* list = std::get_if<PickleList>(&item->value);
    const auto& pair = list != nullptr ? list->items : as<PickleTuple>(item, "a pair").items;
    if (pair.size() != 2) reader_.fail("pickle: a key without a value");
    dict.items.emplace_back(pair[0], pair[1]);
  }
  return dict;
}

void Machine::reduce(bool keywords) {
  if (keywords) pop();
  auto* const argument = pop();
  auto* const callable = pop();
  call(as<PickleGlobal>(callable, "a callable").name, as<PickleTuple>(argument, "arguments"));
}

void Machine::call(const std::string& name, const PickleTuple& arguments) {
  const auto found = allowed().find(name);
  if (found == allowed().end()) reader_.fail("pickle: calls " + name + ", which is refused");
  const auto& items = arguments.items;
  switch (found->second) {
    case Callable::kDict:
      push(dictionary_of(arguments));
      break;
    case Callable::kTensor:
      push(rebuild_tensor(arguments));
      break;
    case Callable::kParameter:
      if (items.empty()) reader_.fail("pickle: bad parameter");
      charge(as<PickleTensor>(items[0], "a tensor").shape.size());
      push(as<PickleTensor>(items[0], "a tensor"));
      break;
    case Callable::kFromType: {  // (callable, type, arguments, attributes)
      if (items.size() != 4 || as<PickleGlobal>(items[0], "a callable").name == name)
        reader_.fail("pickle: bad tensor");
      call(as<PickleGlobal>(items[0], "a callable").name, as<PickleTuple>(items[2], "arguments"));
      break;
    }
    case Callable::kHarmless:
      push(PickleOpaque{name});
      break;
  }
}

// State of an object: attributes of a dictionary (`_metadata`) or of something opaque.
void Machine::build() {
  pop();
  const auto& object = top()->value;
  if (!std::holds_alternative<PickleDict>(object) &&
      !std::holds_alternative<PickleOpaque>(object)) {
    reader_.fail("pickle: BUILD of something else than a dictionary");
  }
}

}  // namespace

Pickle unpickle(const std::string& bytes, const std::string& where) {
  return Machine(bytes, where).run();
}

}  // namespace medseg
