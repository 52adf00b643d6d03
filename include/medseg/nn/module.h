/// \file
/// The base of every network: named parameters and named child modules.
///
/// Not torch::nn::Module, because its headers cost 9 s of compile time per file; this needs only
/// <ATen/core/Tensor.h>. Names are the published checkpoint keys: a child registered as "q_proj"
/// with the parameter "weight" is "q_proj.weight" in its parent.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace medseg {

/// Owner of parameters and of child modules. Children are ordinary members (or
/// std::vector<std::unique_ptr<Child>>) registered by reference, so a module can be neither copied
/// nor moved. Registration order is forward order.
class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// Depth first, in registration order: ("layers.0.q_proj.weight", tensor). The tensor may be
  /// undefined if the module was built without storage.
  std::vector<std::pair<std::string, at::Tensor*>> named_parameters();
  std::vector<std::pair<std::string, at::Tensor*>> named_buffers();
  /// Every module of type T among this one and those below, with its dotted name.
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

  /// Training mode of this module and those below (dropout, batch norm). Starts as false.
  void train(bool on = true);
  bool is_training() const { return training_; }

  /// For move_to: moves tensors that are neither parameters nor buffers (tables, statistics).
  virtual void move_constants(at::Device /*device*/) {}

 protected:
  /// `member` must live as long as this module and gets `value`. Nothing requires a gradient until
  /// training enables it.
  void register_parameter(std::string name, at::Tensor& member, at::Tensor value);
  /// Saved and loaded like a parameter, but never trained (batch norm statistics).
  void register_buffer(std::string name, at::Tensor& member, at::Tensor value);
  void register_module(std::string name, Module& child);
  /// Removes a parameter that was registered here (a merged adapter's).
  void unregister_parameter(const std::string& name);

 private:
  std::vector<std::pair<std::string, at::Tensor*>> parameters_, buffers_;
  std::vector<std::pair<std::string, Module*>> children_;
  bool training_ = false;
};

/// Changes the storage dtype of the parameters for which `which(name, tensor)` is true. Frozen
/// matrices in bf16 save a cast at every use under a bf16 AutocastScope. Vectors (norms, biases)
/// should stay fp32. Buffers are unchanged.
void cast_parameters(Module& module, at::ScalarType dtype,
                     const std::function<bool(const std::string&, const at::Tensor&)>& which);

/// For cast_parameters: tensors of two or more dimensions that require no gradient.
bool is_frozen_matrix(const std::string& name, const at::Tensor& tensor);
/// For cast_parameters: parameters stored in bf16, to be converted where no autocast runs.
bool is_bf16(const std::string& name, const at::Tensor& tensor);

/// Moves all parameters, buffers and constants to another device.
void move_to(Module& module, at::Device device);

}  // namespace medseg
