#include "medseg/nn/module.h"

#include <ATen/ATen.h>

#include "medseg/base/error.h"

namespace medseg {
namespace {

std::string joined(const std::string& prefix, const std::string& name) {
  if (prefix.empty()) return name;
  return name.empty() ? prefix : prefix + "." + name;
}

/// A new leaf with the same requires_grad.
void replace(at::Tensor& tensor, const at::Tensor& changed) {
  const bool wants_gradient = tensor.requires_grad();
  tensor = changed.detach();
  tensor.set_requires_grad(wants_gradient);
}

}  // namespace

std::vector<std::pair<std::string, at::Tensor*>> Module::named_parameters() {
  std::vector<std::pair<std::string, at::Tensor*>> found;
  visit("", [&](const std::string& prefix, Module& module) {
    for (const auto& [name, tensor] : module.parameters_)
      found.emplace_back(joined(prefix, name), tensor);
  });
  return found;
}

std::vector<std::pair<std::string, at::Tensor*>> Module::named_buffers() {
  std::vector<std::pair<std::string, at::Tensor*>> found;
  visit("", [&](const std::string& prefix, Module& module) {
    for (const auto& [name, tensor] : module.buffers_)
      found.emplace_back(joined(prefix, name), tensor);
  });
  return found;
}

void Module::visit(const std::string& prefix,
                   const std::function<void(const std::string&, Module&)>& visitor) {
  visitor(prefix, *this);
  for (const auto& [name, child] : children_) child->visit(joined(prefix, name), visitor);
}

void Module::train(bool on) {
  visit("", [on](const std::string&, Module& module) { module.training_ = on; });
}

void Module::register_parameter(std::string name, at::Tensor& member, at::Tensor value) {
  member = std::move(value);
  parameters_.emplace_back(std::move(name), &member);
}

void Module::register_buffer(std::string name, at::Tensor& member, at::Tensor value) {
  member = std::move(value);
  buffers_.emplace_back(std::move(name), &member);
}

void Module::register_module(std::string name, Module& child) {
  MEDSEG_CHECK(&child != this, "a module cannot be its own part: " + name);
  children_.emplace_back(std::move(name), &child);
}

void Module::unregister_parameter(const std::string& name) {
  std::erase_if(parameters_, [&](const auto& entry) { return entry.first == name; });
}

void cast_parameters(Module& module, at::ScalarType dtype,
                     const std::function<bool(const std::string&, const at::Tensor&)>& which) {
  for (const auto& [name, tensor] : module.named_parameters()) {
    if (tensor->defined() && which(name, *tensor)) replace(*tensor, tensor->to(dtype));
  }
}

bool is_frozen_matrix(const std::string&, const at::Tensor& tensor) {
  return tensor.dim() >= 2 && !tensor.requires_grad();
}

bool is_bf16(const std::string&, const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kBFloat16;
}

void move_to(Module& module, at::Device device) {
  for (const auto& [name, tensor] : module.named_parameters()) {
    if (tensor->defined()) replace(*tensor, tensor->to(device));
  }
  for (const auto& [name, tensor] : module.named_buffers()) {
    if (tensor->defined()) replace(*tensor, tensor->to(device));
  }
  module.visit("", [&](const std::string&, Module& part) { part.move_constants(device); });
}

}  // namespace medseg
