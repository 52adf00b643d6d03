/// \file
/// The base of every network: named parameters, named parts, and nothing else.
///
/// Deliberately not torch::nn::Module: its headers cost 9 s of compile time a file; this needs
/// <ATen/core/Tensor.h>. Names are the published checkpoint keys: a part registered as "q_proj"
/// with parameter "weight" is "q_proj.weight" in its parent.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace medseg {

/// Owner of parameters and of child modules. Not copyable: a module has one place in a model.
/// Children are ordinary members (or std::vector<std::unique_ptr<Child>>) registered by reference, so a module
/// must not move after registration. Registration order is forward order.
class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// Depth first, registration order: ("layers.0.q_proj.weight", tensor). The tensor may be undefined when
  /// the module was built without storage.
  std::vector<std::pair<std::string, at::Tensor*>> named_parameters();
  std::vector<std::pair<std::string, at::Tensor*>> named_buffers();
  /// Every module of type T below and at this one, with its dotted name.
  template <class T>
  std::vector<std::pair<std::string, T*>> modules_of_type() {
    std::vector<std::pair<std::string, T*>> found;
    visit("", [&](const std::string& name, Module& module) {
      if (auto* match = dynamic_cast<T*>(&module)) found.emplace_back(name, match);
    });
    return found;
  }
  void visit(const std::string& prefix,
             const std::function<void(const std::string&, Module&)>& visitor);

  /// Training mode of this module and all below (dropout, batch norm). Starts as false.
  void train(bool on = true);
  bool is_training() const { return training_; }

  /// For move_to: what a module computes with beside parameters and buffers (tables, statistics) goes to `device` too.
  virtual void move_constants(at::Device /*device*/) {}

 protected:
  /// `member` must live as long as this module. Takes `value` as the initial value. Nothing requires a gradient
  /// until whoever trains says so.
  void register_parameter(std::string name, at::Tensor& member, at::Tensor value);
  /// Saved and loaded like a parameter, never trained (batch norm statistics).
  void register_buffer(std::string name, at::Tensor& member, at::Tensor value);
  void register_module(std::string name, Module& child);
  /// Forgets a parameter registered here (a merged adapter's).
  void unregister_parameter(const std::string& name);

 private:
  std::vector<std::pair<std::string, at::Tensor*>> parameters_, buffers_;
  std::vector<std::pair<std::string, Module*>> children_;
  bool training_ = false;
};

/// Changes how parameters are stored where `which(name, tensor)` says so: frozen matrices kept in bf16 spare a cast
/// at every use under a bf16 AutocastScope. Vectors (norms, biases) are best left in fp32. Buffers stay.
void cast_parameters(Module& module, at::ScalarType dtype,
                     const std::function<bool(const std::string&, const at::Tensor&)>& which);

/// For cast_parameters: matrices (and higher) that no gradient is wanted for.
bool is_frozen_matrix(const std::string& name, const at::Tensor& tensor);
/// For cast_parameters: what is kept in bf16, to be widened where no autocast runs.
bool is_bf16(const std::string& name, const at::Tensor& tensor);

/// All parameters, buffers and constants to another device.
void move_to(Module& module, at::Device device);

}  // namespace medseg
