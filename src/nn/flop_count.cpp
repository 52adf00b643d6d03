#include "medseg/nn/flop_count.h"

#include <atomic>
#include <string_view>

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>

namespace medseg {
namespace {

std::atomic<double> total = 0;
std::atomic<int> counters = 0;

void add(double flops) {
  auto known = total.load();
  while (!total.compare_exchange_weak(known, known + flops)) {
  }
}

double numel(const c10::IValue& value) { return static_cast<double>(value.toTensor().numel()); }
double size(const c10::IValue& value, std::int64_t axis) {
  return static_cast<double>(value.toTensor().size(axis));
}

double flops_of(std::string_view name, c10::ArrayRef<const c10::IValue> inputs) {
  const auto are_tensors = [&](std::size_t first, std::size_t count) {
    for (std::size_t i = first; i < first + count; ++i) {
      if (i >= inputs.size() || !inputs[i].isTensor() || !inputs[i].toTensor().defined())
        return false;
    }
    return true;
  };
  if (name == "aten::mm" || name == "aten::bmm")  // [.., n, k] [.., k, m]
    return are_tensors(0, 2) ? 2 * numel(inputs[0]) * size(inputs[1], -1) : 0;
  if (name == "aten::addmm" || name == "aten::baddbmm")
    return are_tensors(1, 2) ? 2 * numel(inputs[1]) * size(inputs[2], -1) : 0;
  if (name == "aten::_scaled_dot_product_flash_attention_for_cpu")  // q kᵀ and P v
    return are_tensors(0, 3) ? 4 * numel(inputs[0]) * size(inputs[1], 2) : 0;
  if (name != "aten::convolution" || !are_tensors(0, 2) || inputs.size() < 6) return 0;
  // One number may stand for all axes.
  const auto of_axis = [&](std::size_t input, std::int64_t axis) {
    const auto numbers = inputs[input].toIntVector();
    return numbers.size() == 1 ? numbers[0] : numbers.at(static_cast<std::size_t>(axis - 2));
  };
  const auto& weight = inputs[1].toTensor();  // [out, in / groups, kh, kw]
  double positions = size(inputs[0], 0);
  for (std::int64_t axis = 2; axis < weight.dim(); ++axis) {
    const auto reach = of_axis(5, axis) * (weight.size(axis) - 1) + 1;
    const auto padded = inputs[0].toTensor().size(axis) + 2 * of_axis(4, axis);
    positions *= static_cast<double>((padded - reach) / of_axis(3, axis) + 1);
  }
  return 2 * positions * numel(inputs[1]);
}

std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& function) {
  if (const double flops = flops_of(function.name(), function.inputs()); flops > 0) add(flops);
  return nullptr;
}

}  // namespace

FlopCount::FlopCount()
    : handle_(at::addGlobalCallback(at::RecordFunctionCallback(count).needsInputs(true).scopes(
          {at::RecordScope::FUNCTION}))) {
  ++counters;
}

FlopCount::~FlopCount() {
  --counters;
  at::removeCallback(handle_);
}

void add_flops(double flops) {
  if (counters > 0) add(flops);
}

double counted_flops() { return total; }

}  // namespace medseg
