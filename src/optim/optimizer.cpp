#include "medseg/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/optim/patterns.h"

namespace medseg {

double clip_gradients(const std::vector<TrainedParameter>& parameters, double limit) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : parameters) {
    if (parameter.tensor.grad().defined()) gradients.push_back(parameter.tensor.grad());
  }
  if (gradients.empty()) return 0.0;
  const auto norm =
      at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients)), 2).item<double>();
  const double factor = limit / (norm + 1e-6);
  if (limit > 0 && factor < 1 && std::isfinite(norm)) at::_foreach_mul_(gradients, factor);
  return norm;
}

AdamW::AdamW(const OptimizerOptions& options, std::vector<TrainedParameter> parameters, Comm* comm)
    : options_(options),
      parameters_(std::move(parameters)),
      comm_(options.shard && comm != nullptr && !comm->is_alone() ? comm : nullptr) {
  assign_owners();
  for (const auto& group : options_.groups) groups_.push_back({group.lr, group.weight_decay, {}});
  groups_.push_back({options_.lr, options_.weight_decay, {}});
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& name = parameters_[i].name;
    const at::Tensor& tensor = parameters_[i].tensor;
    MEDSEG_CHECK(tensor.scalar_type() == at::kFloat, name + ": trained parameters are float32");
    const auto found =
        std::find_if(options_.groups.begin(), options_.groups.end(),
                     [&](const GroupOptions& group) { return any_names(group.match, name); });
    group_of_.push_back(static_cast<std::size_t>(found - options_.groups.begin()));
    groups_[group_of_.back()].members.push_back(i);
    first_moments_.push_back(is_own(i) ? at::zeros_like(tensor) : at::Tensor());
    second_moments_.push_back(is_own(i) ? at::zeros_like(tensor) : at::Tensor());
    steps_.push_back(at::zeros({}, tensor.options().requires_grad(false)));
  }
  for (std::size_t g = 0; g < options_.groups.size(); ++g) {
    if (groups_[g].members.empty()) {
      throw ConfigError(str_cat("train.optimizer.groups[", g, "].match"),
                        join(options_.groups[g].match, " or ") +
                            " names no trained parameter (or an earlier group took it)");
    }
  }
}

double AdamW::rate(std::size_t i) const { return groups_[group_of_[i]].lr; }

void AdamW::step(double factor) {
  const at::NoGradGuard no_grad;
  for (const auto& group : groups_) {
    std::vector<at::Tensor> parameters, gradients, first, second, steps;
    for (const auto i : group.members) {
      const at::Tensor& tensor = parameters_[i].tensor;
      if (!tensor.grad().defined()) continue;
      steps_[i].add_(1);
      if (!is_own(i)) continue;
      parameters.push_back(tensor);
      gradients.push_back(tensor.grad());
      first.push_back(first_moments_[i]);
      second.push_back(second_moments_[i]);
      steps.push_back(steps_[i]);
    }
    if (parameters.empty()) continue;
    at::_fused_adamw_(parameters, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps,
                      group.lr * factor, options_.betas[0], options_.betas[1], group.weight_decay,
                      options_.eps, /*amsgrad=*/false,
                      /*maximize=*/false);
  }
  if (is_sharded()) broadcast_values();
  drop_gradients();
}

// Largest parameters first, each to the rank that has the fewest numbers so far.
void AdamW::assign_owners() {
  if (!is_sharded()) return;
  std::vector<std::size_t> order(parameters_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return parameters_[a].tensor.numel() > parameters_[b].tensor.numel();
  });
  std::vector<std::int64_t> load(static_cast<std::size_t>(comm_->size()), 0);
  owner_.resize(parameters_.size());
  for (const auto i : order) {
    const auto least = std::min_element(load.begin(), load.end());
    owner_[i] = static_cast<int>(least - load.begin());
    *least += parameters_[i].tensor.numel();
  }
}

// The parameters that each rank has just updated, in one message for each rank.
void AdamW::broadcast_values() {
  for (int rank = 0; rank < comm_->size(); ++rank) {
    std::vector<at::Tensor> moved;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const auto& tensor = parameters_[i].tensor;
      if (owner_[i] == rank && tensor.grad().defined()) moved.push_back(tensor.detach().view({-1}));
    }
    if (moved.empty()) continue;
    const auto values = at::cat(moved);
    comm_->broadcast(values, rank);
    if (rank == comm_->rank()) continue;
    std::int64_t offset = 0;
    for (auto& tensor : moved) {
      tensor.copy_(values.narrow(0, offset, tensor.numel()));
      offset += tensor.numel();
    }
  }
}

void AdamW::gather_moments() {
  if (!is_sharded()) return;
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (owner_[i] == 0) continue;  // rank 0 has it
    for (auto* moments : {&first_moments_[i], &second_moments_[i]}) {
      const auto values = moments->defined() ? *moments : at::empty_like(parameters_[i].tensor);
      comm_->broadcast(values, owner_[i]);
      if (comm_->leads()) *moments = values;
    }
  }
}

void AdamW::drop_others() {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (is_own(i)) continue;
    first_moments_[i].reset();
    second_moments_[i].reset();
  }
}

void AdamW::drop_gradients() {
  for (auto& parameter : parameters_) parameter.tensor.mutable_grad().reset();
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::state() const {
  std::vector<std::pair<std::string, at::Tensor>> state;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (first_moments_[i].defined()) {
      state.emplace_back("exp_avg." + parameters_[i].name, first_moments_[i]);
      state.emplace_back("exp_avg_sq." + parameters_[i].name, second_moments_[i]);
    }
    state.emplace_back("step." + parameters_[i].name, steps_[i]);
  }
  return state;
}

std::uint64_t AdamW::state_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [name, tensor] : parameters_) bytes += 2 * tensor.nbytes() + sizeof(float);
  return bytes;
}

}  // namespace medseg
