/// \file
/// One field list per options struct: read, write, check and document from the same list.
///
/// An options struct is a plain aggregate with a static `fields` template:
///
///     struct ScheduleOptions {
///       std::int64_t warmup_steps = 100;
///       double min_ratio = 0.1;
///
///       template <class Self, class Visitor>
///       static void fields(Self& self, Visitor&& visit) {
///         visit("warmup_steps", self.warmup_steps, at_least(0), "optimiser steps, not
///         micro-batches"); visit("min_ratio", self.min_ratio, in_range(0, 1), "last rate divided
///         by the peak rate");
///       }
///     };
///
/// Range and description are optional, in this order. A field may be a bool, a number, a string, a
/// named choice (base/choice.h), a nested options struct, or a std::vector or std::map<std::string,
/// …> of these. `read_options` fails on an unknown key, so that a misspelt key never trains a model
/// with a default value.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/base/choice.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {

/// Closed interval that a numeric field must lie in.
struct Range {
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
};

inline Range at_least(double min) { return {.min = min}; }
inline Range in_range(double min, double max) { return {.min = min, .max = max}; }

namespace detail {
struct AnyVisitor {
  template <class T>
  void operator()(const char*, T&, Range = {}, const char* = "") {}
};
}  // namespace detail

template <class T>
concept OptionsStruct = requires(T& options) {
  T::fields(options, detail::AnyVisitor{});
};

/// A field that has a field list of its own at run time: AnyOptions.
template <class T>
concept ErasedOptions = requires(T& options, const nlohmann::json& json, const std::string& path) {
  options.read(json, path);
  options.describe(path);
  options.write();
};

/// Overwrites the fields of `options` that are in `json`; the others keep their values. `path` is
/// the dotted path of `json`, for messages.
/// \throws ConfigError on an unknown key or choice (with the nearest known one), a wrong type or a
/// value out of range.
template <OptionsStruct T>
void read_options(const nlohmann::json& json, T& options, const std::string& path = "");

/// Every field of `options`, defaults included. Reading the result back yields an equal struct.
template <OptionsStruct T>
nlohmann::json write_options(const T& options);

/// One field: dotted path, default, description, and the names if it is a choice.
struct FieldDescription {
  std::string path;
  std::string value;
  std::string description;
  std::vector<std::string> choices;
};
template <OptionsStruct T>
std::vector<FieldDescription> describe_options(const T& options, const std::string& path = "");

// --- implementation -----------------------------------------------------------

namespace detail {

inline std::string join_path(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

template <class T>
void read_value(const nlohmann::json& json, T& value, const std::string& path, Range range);

template <class T>
void read_number(const nlohmann::json& json, T& value, const std::string& path, Range range) {
  const bool right = std::is_floating_point_v<T> ? json.is_number() : json.is_number_integer();
  if (!right) throw ConfigError(path, "wrong type, got " + json.dump());
  const auto number = json.get<double>();
  double low = range.min, high = range.max;
  if constexpr (std::is_integral_v<T>) {
    low = std::max(low, static_cast<double>(std::numeric_limits<T>::lowest()));
    high = std::min(high, static_cast<double>(std::numeric_limits<T>::max()));
  }
  if (!(number >= low && number <= high)) throw ConfigError(path, json.dump() + " is out of range");
  value = json.get<T>();
}

template <class T>
void read_list(const nlohmann::json& json, std::vector<T>& values, const std::string& path,
               Range range) {
  if (!json.is_array()) throw ConfigError(path, "expected a list, got " + json.dump());
  values.clear();
  for (std::size_t i = 0; i < json.size(); ++i) {
    T value{};
    read_value(json[i], value, str_cat(path, "[", i, "]"), range);
    values.push_back(std::move(value));
  }
}

template <class T>
void read_map(const nlohmann::json& json, std::map<std::string, T>& values, const std::string& path,
              Range range) {
  if (!json.is_object()) throw ConfigError(path, "expected an object, got " + json.dump());
  values.clear();
  for (const auto& [key, item] : json.items())
    read_value(item, values[key], join_path(path, key), range);
}

template <class T>
void read_value(const nlohmann::json& json, T& value, const std::string& path, Range range) {
  if constexpr (OptionsStruct<T>) {
    read_options(json, value, path);
  } else if constexpr (ErasedOptions<T>) {
    value.read(json, path);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) throw ConfigError(path, "wrong type, got " + json.dump());
    value = json.get<bool>();
  } else if constexpr (std::is_arithmetic_v<T>) {
    read_number(json, value, path, range);
  } else if constexpr (NamedChoice<T>) {
    if (!json.is_string()) throw ConfigError(path, "wrong type, got " + json.dump());
    value = choice_named<T>(path, json.get<std::string>());
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!json.is_string()) throw ConfigError(path, "wrong type, got " + json.dump());
    value = json.get<std::string>();
  } else if constexpr (requires { read_list(json, value, path, range); }) {
    read_list(json, value, path, range);
  } else {
    read_map(json, value, path, range);
  }
}

class Reader {
 public:
  Reader(const nlohmann::json& json, const std::string& path) : json_(json), path_(path) {
    if (!json.is_object()) throw ConfigError(path, "expected an object");
  }

  template <class T>
  void operator()(const char* key, T& value, Range range = {}, const char* = "") {
    known_.push_back(key);
    const auto it = json_.find(key);
    if (it != json_.end()) read_value(*it, value, join_path(path_, key), range);
  }

  void reject_unknown_keys() const {
    const std::set<std::string> known(known_.begin(), known_.end());
    for (const auto& item : json_.items()) {
      if (known.contains(item.key())) continue;
      throw ConfigError(join_path(path_, item.key()),
                        "unknown key" + did_you_mean(item.key(), known_));
    }
  }

 private:
  const nlohmann::json& json_;
  const std::string& path_;
  std::vector<std::string> known_;
};

template <class T>
nlohmann::json to_json_value(const T& value) {
  if constexpr (OptionsStruct<T>) {
    return write_options(value);
  } else if constexpr (ErasedOptions<T>) {
    return value.write();
  } else if constexpr (NamedChoice<T>) {
    return name_of(value);
  } else {
    return value;
  }
}
template <class T>
requires(OptionsStruct<T> || NamedChoice<T>) nlohmann::json
    to_json_value(const std::vector<T>& values) {
  auto list = nlohmann::json::array();
  for (const auto& value : values) list.push_back(to_json_value(value));
  return list;
}

/// The element type of a list or map at any depth; any other type is its own.
template <class T>
struct Innermost {
  using type = T;
};
template <class T>
struct Innermost<std::vector<T>> : Innermost<T> {};
template <class T>
struct Innermost<std::map<std::string, T>> : Innermost<T> {};

template <class T>
std::vector<std::string> choices_of_field() {
  using Value = typename Innermost<T>::type;
  if constexpr (NamedChoice<Value>) return choice_names<Value>();
  return {};
}

struct Writer {
  nlohmann::json json = nlohmann::json::object();

  template <class T>
  void operator()(const char* key, const T& value, Range = {}, const char* = "") {
    json[key] = to_json_value(value);
  }
};

struct Describer {
  std::string path;
  std::vector<FieldDescription> fields;

  template <class T>
  void operator()(const char* key, const T& value, Range = {}, const char* description = "") {
    const std::string here = join_path(path, key);
    if constexpr (OptionsStruct<T>) {
      for (auto& field : describe_options(value, here)) fields.push_back(std::move(field));
    } else if constexpr (ErasedOptions<T>) {
      for (auto& field : value.describe(here)) fields.push_back(std::move(field));
    } else {
      fields.push_back({here, to_json_value(value).dump(), description, choices_of_field<T>()});
    }
  }
};

}  // namespace detail

template <OptionsStruct T>
void read_options(const nlohmann::json& json, T& options, const std::string& path) {
  detail::Reader reader(json, path);
  T::fields(options, reader);
  reader.reject_unknown_keys();
}

template <OptionsStruct T>
nlohmann::json write_options(const T& options) {
  detail::Writer writer;
  T::fields(options, writer);
  return writer.json;
}

template <OptionsStruct T>
std::vector<FieldDescription> describe_options(const T& options, const std::string& path) {
  detail::Describer describer{.path = path, .fields = {}};
  T::fields(options, describer);
  return describer.fields;
}

}  // namespace medseg
