// Reentrant checkpointing: the backward pass of the Function runs another backward pass through the
// graph of the block's second run. (torch's other kind, by hooks for saved tensors, needs Python.)
#include "medseg/nn/activation_checkpoint.h"

#include <mutex>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/engine.h>

#include "medseg/nn/autocast.h"

namespace medseg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// States of torch's generators of the CPU and of one device.
class RandomState {
 public:
  explicit RandomState(at::Device device) {
    keep(at::kCPU);
    if (!device.is_cpu()) keep(device);
  }

  void restore() const {
    for (const auto& [device, state] : states_) {
      auto generator = at::globalContext().defaultGenerator(device);
      const std::lock_guard lock(generator.mutex());
      generator.set_state(state);
    }
  }

 private:
  void keep(at::Device device) {
    auto generator = at::globalContext().defaultGenerator(device);
    const std::lock_guard lock(generator.mutex());
    states_.emplace_back(device, generator.get_state());
  }

  std::vector<std::pair<at::Device, at::Tensor>> states_;
};

/// For the second run: sets the generators as before the first run, and restores them afterwards.
class RandomAgain {
 public:
  RandomAgain(const RandomState& then, at::Device device) : now_(device) { then.restore(); }
  ~RandomAgain() { now_.restore(); }
  RandomAgain(const RandomAgain&) = delete;
  RandomAgain& operator=(const RandomAgain&) = delete;

 private:
  RandomState now_;
};

/// Autocast caches the casts of parameters. Those of the first run record no gradient. The second
/// run would find them in the cache and leave its parameters untrained without an error.
class NoCastCache {
 public:
  NoCastCache() : before_(at::autocast::is_autocast_cache_enabled()) {
    at::autocast::set_autocast_cache_enabled(false);
  }
  ~NoCastCache() { at::autocast::set_autocast_cache_enabled(before_); }
  NoCastCache(const NoCastCache&) = delete;
  NoCastCache& operator=(const NoCastCache&) = delete;

 private:
  bool before_;
};

struct Call : torch::CustomClassHolder {
  using Block = std::function<at::Tensor(const at::Tensor&)>;

  Call(Block called, const at::Tensor& x)
      : block(std::move(called)),
        device(x.device()),
        random(device),
        autocast(at::autocast::is_autocast_enabled(device.type())
                     ? at::autocast::get_autocast_dtype(device.type())
                     : at::kFloat) {}

  Block block;
  at::Device device;
  RandomState random;
  at::ScalarType autocast;  ///< kFloat: off
};

class CheckpointFunction : public torch::autograd::Function<CheckpointFunction> {
 public:
  // The result has a gradient only if an input requires one; `wish` does where x does not.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& /*wish*/, const c10::intrusive_ptr<Call>& call) {
    context->save_for_backward({x});
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    const NoCastCache no_cache;
    return call->block(x);  // apply() has disabled the recording of gradients
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    TORCH_CHECK(torch::autograd::Engine::get_default_engine().is_checkpoint_valid(),
                "checkpointed: gradients come from backward() over all leaves, not from grad()");
    const auto call =
        c10::static_intrusive_pointer_cast<Call>(context->saved_data["call"].toCapsule());
    const auto kept = context->get_saved_variables()[0];
    const auto x = kept.detach().set_requires_grad(kept.requires_grad());
    at::Tensor y;
    {
      const RandomAgain random(call->random, call->device);
      const AutocastScope autocast(call->device.type(), call->autocast);
      const NoCastCache no_cache;
      const at::AutoGradMode recording(true);
      y = call->block(x);
    }
    if (y.requires_grad()) torch::autograd::backward({y}, {gradients[0]});
    return {x.grad(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor checkpointed(const std::function<at::Tensor(const at::Tensor&)>& block,
                        const at::Tensor& x, bool trains) {
  if (!at::GradMode::is_enabled() || !(trains || x.requires_grad())) return block(x);
  const auto wish = at::empty({0}, x.options()).set_requires_grad(true);
  return CheckpointFunction::apply(x, wish, c10::make_intrusive<Call>(block, x));
}

}  // namespace medseg
