#include "medseg/metrics/assignment.h"

#include <limits>

namespace medseg {
namespace {

// Of a matrix with at most as many rows as columns: the row of each column, 1-based, 0: none.
std::vector<std::size_t> row_of_column(const Matrix& cost) {
  const std::size_t n = cost.rows, m = cost.columns;
  constexpr double kFar = std::numeric_limits<double>::infinity();
  std::vector<double> u(n + 1), v(m + 1);
  std::vector<std::size_t> row(m + 1), way(m + 1);
  for (std::size_t i = 1; i <= n; ++i) {
    row[0] = i;
    std::size_t column = 0;
    std::vector<double> least(m + 1, kFar);
    std::vector<bool> used(m + 1);
    do {
      used[column] = true;
      const std::size_t here = row[column];
      double delta = kFar;
      std::size_t next = 0;
      for (std::size_t j = 1; j <= m; ++j) {
        if (used[j]) continue;
        const double reduced = cost.at(here - 1, j - 1) - u[here] - v[j];
        if (reduced < least[j]) {
          least[j] = reduced;
          way[j] = column;
        }
        if (least[j] < delta) {
          delta = least[j];
          next = j;
        }
      }
      for (std::size_t j = 0; j <= m; ++j) {
        if (used[j]) {
          u[row[j]] += delta;
          v[j] -= delta;
        } else {
          least[j] -= delta;
        }
      }
      column = next;
    } while (row[column] != 0);
    for (; column != 0; column = way[column]) row[column] = row[way[column]];
  }
  return row;
}

}  // namespace

std::vector<int> assign_min_cost(const Matrix& cost) {
  std::vector<int> assigned(cost.rows, -1);
  if (cost.rows == 0 || cost.columns == 0) return assigned;
  if (cost.rows <= cost.columns) {
    const auto row = row_of_column(cost);
    for (std::size_t j = 1; j <= cost.columns; ++j) {
      if (row[j] != 0) assigned[row[j] - 1] = static_cast<int>(j - 1);
    }
    return assigned;
  }
  Matrix turned(cost.columns, cost.rows);
  for (std::size_t r = 0; r < cost.rows; ++r) {
    for (std::size_t c = 0; c < cost.columns; ++c) turned.at(c, r) = cost.at(r, c);
  }
  const auto column = row_of_column(turned);
  for (std::size_t r = 1; r <= cost.rows; ++r) assigned[r - 1] = static_cast<int>(column[r]) - 1;
  return assigned;
}

std::vector<int> assign_max_total(const Matrix& gain) {
  Matrix cost = gain;
  for (auto& value : cost.values) value = -value;
  return assign_min_cost(cost);
}

}  // namespace medseg
