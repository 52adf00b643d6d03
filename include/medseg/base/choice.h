/// \file
/// Named choices: enums whose names in configs, files and on the command line are written once.
///
///     enum class LongRecords { kRefuse, kDrop };
///     template <>
///     struct Choice<LongRecords> {
///       static constexpr ChoiceNames<LongRecords, 2> names = {{{LongRecords::kRefuse, "refuse"},
///                                                              {LongRecords::kDrop, "drop"}}};
///     };
///
/// An options field may then have this type (config/fields.h), `name_of` gives a value's name, and
/// `choice_named` reads it. Messages and `medseg config doc` list the names in this order.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {

template <class Enum, std::size_t N>
using ChoiceNames = std::array<std::pair<Enum, std::string_view>, N>;

/// Specialised beside each enum.
template <class Enum>
struct Choice;

template <class Enum>
concept NamedChoice = requires {
  Choice<Enum>::names.size();
};

template <NamedChoice Enum>
std::string name_of(Enum value) {
  for (const auto& [known, name] : Choice<Enum>::names) {
    if (known == value) return std::string(name);
  }
  MEDSEG_CHECK(false, "a choice without a name");
  return {};
}

template <NamedChoice Enum>
std::vector<std::string> choice_names() {
  std::vector<std::string> all;
  for (const auto& [value, name] : Choice<Enum>::names)
    all.emplace_back(name.empty() ? "\"\"" : name);
  return all;
}

template <NamedChoice Enum>
std::optional<Enum> find_choice(std::string_view name) {
  for (const auto& [value, known] : Choice<Enum>::names) {
    if (known == name) return value;
  }
  return std::nullopt;
}

/// \throws ConfigError at `where` with the nearest name and all known ones.
template <NamedChoice Enum>
Enum choice_named(const std::string& where, std::string_view name) {
  if (const auto value = find_choice<Enum>(name)) return *value;
  throw ConfigError(where,
                    str_cat("unknown \"", name, "\"", did_you_mean(name, choice_names<Enum>())));
}

}  // namespace medseg
