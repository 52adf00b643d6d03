/// \file
/// Options of a type that the holder need not know: for fields whose type depends on a table row.
#pragma once

#include <any>
#include <string>
#include <utility>
#include <vector>

#include "medseg/config/fields.h"

namespace medseg {

/// Holds a copy of any options struct and reads, writes and describes it by its own field list. A
/// struct with a field of this type does not include the header of what is inside.
class AnyOptions {
 public:
  template <OptionsStruct T>
  explicit AnyOptions(T options)
      : held_(std::move(options)),
        read_([](std::any& held, const nlohmann::json& json, const std::string& path) {
          read_options(json, std::any_cast<T&>(held), path);
        }),
        write_([](const std::any& held) { return write_options(std::any_cast<const T&>(held)); }),
        describe_([](const std::any& held, const std::string& path) {
          return describe_options(std::any_cast<const T&>(held), path);
        }) {}

  template <OptionsStruct T>
  bool holds() const {
    return std::any_cast<T>(&held_) != nullptr;
  }
  /// \pre holds<T>()
  template <OptionsStruct T>
  const T& as() const {
    MEDSEG_CHECK(holds<T>(), "options of another type");
    return *std::any_cast<T>(&held_);
  }
  template <OptionsStruct T>
  T& as() {
    MEDSEG_CHECK(holds<T>(), "options of another type");
    return *std::any_cast<T>(&held_);
  }

  /// read_options, write_options and describe_options of what is held.
  void read(const nlohmann::json& json, const std::string& path) { read_(held_, json, path); }
  nlohmann::json write() const { return write_(held_); }
  std::vector<FieldDescription> describe(const std::string& path) const {
    return describe_(held_, path);
  }

 private:
  std::any held_;
  void (*read_)(std::any&, const nlohmann::json&, const std::string&);
  nlohmann::json (*write_)(const std::any&);
  std::vector<FieldDescription> (*describe_)(const std::any&, const std::string&);
};

}  // namespace medseg
