/// \file
/// One-to-one assignment (Hungarian method with potentials, O(n^3)).
#pragma once

#include <vector>

namespace medseg {

/// `rows` x `columns` numbers, row by row.
struct Matrix {
  std::size_t rows = 0, columns = 0;
  std::vector<double> values;

  Matrix(std::size_t r, std::size_t c) : rows(r), columns(c), values(r * c) {}
  double& at(std::size_t r, std::size_t c) { return values[r * columns + c]; }
  double at(std::size_t r, std::size_t c) const { return values[r * columns + c]; }
};

/// The column of each row, or -1, so that min(rows, columns) pairs have the smallest total.
/// \pre all costs are finite.
std::vector<int> assign_min_cost(const Matrix& cost);
/// The same for the largest total.
std::vector<int> assign_max_total(const Matrix& gain);

}  // namespace medseg
