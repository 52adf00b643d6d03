/// \file
/// One row of a table of architectures, chosen by its name in a config, and the options of every
/// row.
///
///     {"tower": "clip", "clip": {…}, "siglip": {…}}
#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "medseg/config/any_options.h"

namespace medseg {

/// `Row` has `const char* name`, `bool in_every_config`, `AnyOptions (*options)()`, and static
/// `table()` and `standard()`.
template <class Row>
class RowChoice {
 public:
  RowChoice() {
    for (const Row* known : Row::table()) options_.emplace(known, known->options());
  }

  const Row* row() const { return row_; }  ///< nullptr: the model has no such part
  explicit operator bool() const { return row_ != nullptr; }
  std::string name() const { return row_ == nullptr ? "" : row_->name; }
  void clear() { row_ = nullptr; }

  /// Of the row that is chosen. \pre there is one
  const AnyOptions& options() const {
    MEDSEG_CHECK(row_ != nullptr, "no row is chosen");
    return options_.at(row_);
  }
  void choose(const Row& row, AnyOptions options) {
    row_ = &row;
    options_.insert_or_assign(row_, std::move(options));
  }

  /// Whether a row is chosen and its options are a `T`.
  template <OptionsStruct T>
  bool holds() const {
    return row_ != nullptr && options().template holds<T>();
  }
  /// \pre holds<T>()
  template <OptionsStruct T>
  const T& as() const {
    return options().template as<T>();
  }
  template <OptionsStruct T>
  T& as() {
    MEDSEG_CHECK(row_ != nullptr, "no row is chosen");
    return options_.at(row_).template as<T>();
  }
  /// Chooses the first row of the table whose options are a `T`.
  template <OptionsStruct T>
  void set(T options) {
    AnyOptions any(std::move(options));
    const auto& table = Row::table();
    const auto found = std::find_if(std::begin(table), std::end(table), [](const Row* known) {
      return known->options().template holds<T>();
    });
    MEDSEG_CHECK(found != std::end(table), "no row has such options");
    choose(**found, std::move(any));
  }

  /// The name under `key`, then the options of each row under its name. Rows younger than the first
  /// bundles are written only where they are chosen: a new row changes no config that exists.
  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& visitor, const char* key, const char* description) {
    visitor(key, self.row_, Range{}, description);
    for (auto& [known, options] : in_order(self)) {
      const bool written = known->in_every_config || known == self.row_;
      if (written || !std::is_const_v<Self>) visitor(known->name, *options);
    }
  }

 private:
  template <class Self>
  static auto in_order(Self& self) {
    std::vector<std::pair<const Row*, decltype(&self.options_.begin()->second)>> rows;
    for (const Row* known : Row::table()) rows.emplace_back(known, &self.options_.at(known));
    return rows;
  }

  const Row* row_ = Row::standard();
  std::map<const Row*, AnyOptions> options_;
};

/// Names of a table's rows and of no row, for Choice<const Row*>.
template <class Row>
struct RowNames {
  using Names = std::vector<std::pair<const Row*, std::string_view>>;
  auto begin() const { return all().begin(); }
  auto end() const { return all().end(); }
  std::size_t size() const { return all().size(); }

 private:
  static const Names& all() {
    static const Names names = [] {
      Names list;
      for (const Row* row : Row::table()) list.emplace_back(row, row->name);
      list.emplace_back(nullptr, "");
      return list;
    }();
    return names;
  }
};

}  // namespace medseg
