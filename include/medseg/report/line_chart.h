/// \file
/// Curves as SVG text to stand inside an HTML page: no script, no font, no file beside it.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace medseg {

struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;  ///< (x, y), x ascending, all finite
};

struct LineChart {
  std::string title;
  std::vector<Curve> curves;  ///< at most eight: there are as many colours, as classes c0 … c7
  /// Noisy curves: the points faint, their running mean over a fiftieth of them on top.
  bool smooth = false;
  bool linear = false;  ///< the y axis, whatever the values span
};

/// A <figure> with title, legend (last value of each curve) and axes. The y axis is logarithmic
/// where all values are positive and span a factor of more than 100, unless the chart is `linear`.
/// Curves of many points are drawn as the range of each pixel column, so that no spike is lost.
/// Without any point: a line that says so. Names are escaped.
std::string line_chart(const LineChart& chart);

/// Its colours, for light and dark pages; once in a page.
std::string line_chart_style();

}  // namespace medseg
