#include "medseg/nn/low_bit.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "low_bit_kernels.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/parallel.h"
#include "row_access.h"

namespace medseg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::array<float, 16> kNf4Values = {
    -1.0F,
    -0.6961928009986877F,
    -0.5250730514526367F,
    -0.39491748809814453F,
    -0.28444138169288635F,
    -0.18477343022823334F,
    -0.09105003625154495F,
    0.0F,
    0.07958029955625534F,
    0.16093020141124725F,
    0.24611230194568634F,
    0.33791524171829224F,
    0.44070982933044434F,
    0.5626170039176941F,
    0.7229568362236023F,
    1.0F,
};
/// A value above border i has at least the code i + 1.
constexpr std::array<float, 15> kNf4Borders = {
    -0.8480964004993439F, -0.6106329262256622F,  -0.4599952697753906F,   -0.33967943489551544F,
    -0.2346074357628822F, -0.13791173323988914F, -0.045525018125772476F, 0.03979014977812767F,
    0.1202552504837513F,  0.2035212516784668F,   0.2920137718319893F,    0.3893125355243683F,
    0.5016634166240692F,  0.6427869200706482F,   0.8614784181118011F,
};
constexpr std::uint8_t kNf4Zero = 7;
/// Smallest number of blocks for which waking a thread pays.
constexpr std::int64_t kBlocksAtOnce = 256;

std::uint8_t nf4_code(float value) {
  std::uint8_t code = 0;
  for (const float border : kNf4Borders) code = static_cast<std::uint8_t>(code + (value > border));
  return code;
}

float largest(const float* values, std::int64_t count) {
  float most = 0.0F;
  for (std::int64_t i = 0; i < count; ++i) most = std::max(most, std::abs(values[i]));
  return most;
}

void quantise_int8(const at::Tensor& wide, const at::Tensor& codes, const at::Tensor& scales) {
  const auto width = wide.size(1);
  const auto* from = wide.const_data_ptr<float>();
  auto* to = codes.mutable_data_ptr<std::int8_t>();
  auto* scale = scales.mutable_data_ptr<float>();
  parallel_for(0, wide.size(0), rows::grain(width), [&](std::int64_t begin, std::int64_t end) {
    for (auto row = begin; row < end; ++row) {
      const float most = largest(from + row * width, width);
      const float factor = most > 0 ? 127.0F / most : 0.0F;
      scale[row] = most / 127.0F;
      for (auto i = row * width; i < (row + 1) * width; ++i)
        to[i] =
            static_cast<std::int8_t>(std::clamp(std::nearbyint(from[i] * factor), -127.0F, 127.0F));
    }
  });
}

void quantise_nf4(const at::Tensor& wide, const at::Tensor& codes, const at::Tensor& scales) {
  const auto* from = wide.const_data_ptr<float>();
  auto* to = codes.mutable_data_ptr<std::uint8_t>();
  auto* scale = scales.mutable_data_ptr<float>();
  const auto count = wide.numel();
  parallel_for(0, scales.numel(), kBlocksAtOnce, [&](std::int64_t begin, std::int64_t end) {
    for (auto block = begin; block < end; ++block) {
      const auto first = block * kNf4Block, last = std::min(first + kNf4Block, count);
      const float most = largest(from + first, last - first);
      const float factor = most > 0 ? 1.0F / most : 0.0F;
      scale[block] = most;
      const auto code = [&](std::int64_t i) {
        return i < last ? nf4_code(from[i] * factor) : kNf4Zero;
      };
      for (auto i = first; i < last; i += 2)
        to[i / 2] = static_cast<std::uint8_t>((code(i) << 4) | code(i + 1));
    }
  });
}

template <class T>
void widen(const LowBitMatrix& matrix, at::Tensor& to) {
  const auto width = to.size(1), count = to.numel();
  const auto* scales = matrix.scales().const_data_ptr<float>();
  auto* out = to.mutable_data_ptr<T>();
  if (matrix.type() == LowBitType::kInt8) {
    const auto* codes = matrix.codes().const_data_ptr<std::int8_t>();
    parallel_for(0, to.size(0), rows::grain(width), [&](std::int64_t begin, std::int64_t end) {
      for (auto row = begin; row < end; ++row)
        low_bit::widen_int8(codes + row * width, scales[row], width, out + row * width);
    });
    return;
  }
  const auto* codes = matrix.codes().const_data_ptr<std::uint8_t>();
  const auto whole = count / kNf4Block;
  parallel_for(0, whole, kBlocksAtOnce, [&](std::int64_t begin, std::int64_t end) {
    low_bit::widen_nf4(codes + begin * kNf4Block / 2, scales + begin, kNf4Values.data(),
                       end - begin, out + begin * kNf4Block);
  });
  for (auto i = whole * kNf4Block; i < count; ++i) {
    const int code = i % 2 == 0 ? codes[i / 2] >> 4 : codes[i / 2] & 15;
    out[i] = static_cast<T>(kNf4Values[static_cast<std::size_t>(code)] * scales[whole]);
  }
}

struct Kept : torch::CustomClassHolder {
  explicit Kept(LowBitMatrix kept) : weight(std::move(kept)) {}
  LowBitMatrix weight;
};

class LowBitFunction : public torch::autograd::Function<LowBitFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const c10::intrusive_ptr<Kept>& kept,
                            const std::optional<at::Tensor>& bias) {
    context->saved_data["weight"] = c10::IValue::make_capsule(kept);
    return at::linear(x, kept->weight.dequantised(compute_dtype(x)), bias);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto kept =
        c10::static_intrusive_pointer_cast<Kept>(context->saved_data["weight"].toCapsule());
    const auto& dy = gradients[0];
    auto shape = dy.sizes().vec();
    const auto dx =
        at::mm(dy.reshape({-1, shape.back()}), kept->weight.dequantised(dy.scalar_type()));
    shape.back() = dx.size(1);
    return {dx.view(shape), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

const std::array<float, 16>& nf4_values() { return kNf4Values; }

LowBitType low_bit_type_named(const std::string& where, const std::string& name) {
  if (const auto type = find_choice<LowBitType>(name)) return *type;
  throw ConfigError(where, str_cat("unknown storage \"", name, "\"",
                                   did_you_mean(name, choice_names<LowBitType>())));
}

LowBitMatrix::LowBitMatrix(const at::Tensor& weight, LowBitType type)
    : type_(type), rows_(weight.size(0)), columns_(weight.size(1)) {
  TORCH_CHECK(weight.dim() == 2, "LowBitMatrix: expects [out, in], got ", weight.sizes());
  const at::NoGradGuard no_grad;
  const auto wide = weight.to(at::kCPU, at::kFloat).contiguous();
  if (!wide.isfinite().all().item<bool>()) throw CheckpointError("values that are not finite");
  const auto count = wide.numel();
  if (type == LowBitType::kInt8) {
    codes_ = at::empty({rows_, columns_}, at::kChar);
    scales_ = at::empty({rows_}, at::kFloat);
    quantise_int8(wide, codes_, scales_);
  } else {
    codes_ = at::empty({(count + 1) / 2}, at::kByte);
    scales_ = at::empty({(count + kNf4Block - 1) / kNf4Block}, at::kFloat);
    quantise_nf4(wide, codes_, scales_);
  }
  to(weight.device());
}

at::Tensor LowBitMatrix::dequantised(at::ScalarType dtype) const {
  if (!codes_.is_cpu()) return dequantised_by_aten(dtype);
  const at::NoGradGuard no_grad;
  auto wide = at::empty({rows_, columns_}, dtype == at::kBFloat16 ? at::kBFloat16 : at::kFloat);
  if (dtype == at::kBFloat16) {
    widen<c10::BFloat16>(*this, wide);
    return wide;
  }
  widen<float>(*this, wide);
  return wide.to(dtype);
}

at::Tensor LowBitMatrix::dequantised_by_aten(at::ScalarType dtype) const {
  const at::NoGradGuard no_grad;
  if (type_ == LowBitType::kInt8) return (codes_.to(at::kFloat) * scales_.unsqueeze(1)).to(dtype);
  const auto count = rows_ * columns_;
  const auto values = at::tensor(at::ArrayRef<float>(kNf4Values)).to(codes_.device());
  const auto both = at::stack({codes_.bitwise_right_shift(4), codes_.bitwise_and(15)}, 1).flatten();
  const auto unscaled = values.index_select(0, both.slice(0, 0, count).to(at::kInt));
  const auto scales = scales_.unsqueeze(1).expand({-1, kNf4Block}).flatten().slice(0, 0, count);
  return (unscaled * scales).view({rows_, columns_}).to(dtype);
}

std::int64_t LowBitMatrix::bytes() const {
  return static_cast<std::int64_t>(codes_.nbytes() + scales_.nbytes());
}

void LowBitMatrix::to(at::Device device) {
  codes_ = codes_.to(device);
  scales_ = scales_.to(device);
}

at::Tensor low_bit_linear(const at::Tensor& x, const LowBitMatrix& weight, const at::Tensor& bias) {
  std::optional<at::Tensor> added;
  if (bias.defined()) added = bias;
  if (at::GradMode::is_enabled() && x.requires_grad())
    return LowBitFunction::apply(x, c10::make_intrusive<Kept>(weight), added);
  return at::linear(x, weight.dequantised(compute_dtype(x)), added);
}

}  // namespace medseg
