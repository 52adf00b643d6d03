#include <set>

#include "medseg/base/str.h"
#include "pickle_machine.h"

namespace medseg {
namespace {

// Bytes; names of callables and storages, which are copied wherever they are used.
constexpr std::size_t kMaxName = 128;

// What torch.save writes besides tensors, and what each name becomes.
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
      // Objects that training programs store with the weights: counters, settings, numpy's numbers,
      // random states.
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

// Types that may be named but are never called.
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

}  // namespace

void PickleMachine::global(const std::string& name) {
  if (name.size() > kMaxName)
    reader_.fail(
        str_cat("pickle: names something with ", name.size(), " letters, which is refused"));
  const bool storage = name.starts_with("torch.") && name.ends_with("Storage");
  if (!storage && !allowed().contains(name) && !is_harmless_name(name)) {
    reader_.fail("pickle: names " + name +
                 ", which is not needed for weights and is refused; save the state_dict() alone");
  }
  push(PickleGlobal{name});
}

// ("storage", torch.FloatStorage, key, location, elements)
void PickleMachine::persistent_id() {
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

PickleTensor PickleMachine::rebuild_tensor(const PickleTuple& arguments) {
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

// An OrderedDict may be given its items as pairs.
PickleDict PickleMachine::dictionary_of(const PickleTuple& arguments) {
  PickleDict dict;
  if (arguments.items.size() != 1) return dict;
  const auto* pairs = std::get_if<PickleList>(&arguments.items[0]->value);
  if (pairs == nullptr) return dict;  // the value type of a defaultdict
  charge(pairs->items.size());
  for (const auto& item : pairs->items) {
    const auto* list = std::get_if<PickleList>(&item->value);
    const auto& pair = list != nullptr ? list->items : as<PickleTuple>(item, "a pair").items;
    if (pair.size() != 2) reader_.fail("pickle: a key without a value");
    dict.items.emplace_back(pair[0], pair[1]);
  }
  return dict;
}

void PickleMachine::reduce(bool keywords) {
  if (keywords) pop();
  auto* const argument = pop();
  auto* const callable = pop();
  call(as<PickleGlobal>(callable, "a callable").name, as<PickleTuple>(argument, "arguments"));
}

void PickleMachine::call(const std::string& name, const PickleTuple& arguments) {
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

// BUILD: attributes of a dictionary (`_metadata`) or of an opaque object.
void PickleMachine::build() {
  pop();
  const auto& object = top()->value;
  if (!std::holds_alternative<PickleDict>(object) &&
      !std::holds_alternative<PickleOpaque>(object)) {
    reader_.fail("pickle: BUILD of something else than a dictionary");
  }
}

}  // namespace medseg
