#include "medseg/report/line_chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "medseg/base/error.h"
#include "medseg/base/html.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr double kWidth = 520, kHeight = 200;
constexpr double kLeft = 58, kRight = 10, kTop = 8, kBottom = 22;
constexpr std::size_t kMarked = 60;  // so many points are drawn as dots too
constexpr std::array<const char*, 8> kLight = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                               "#8a6d00", "#56b4e9", "#e69f00", "#555555"};
constexpr std::array<const char*, 8> kDark = {"#56b4e9", "#ff8c42", "#2fd0a0", "#e5a3c7",
                                              "#f0e442", "#7fa8ff", "#ffc04d", "#bbbbbb"};

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string place(double x, double y) { return fixed(x, 1) + "," + fixed(y, 1); }

// 1, 2 or 5 times a power of ten.
double round_step(double wanted) {
  const double power = std::pow(10.0, std::floor(std::log10(wanted)));
  const double share = wanted / power;
  return power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10);
}

class Axis {
 public:
  Axis(double low, double high, bool logarithmic, double from, double to)
      : logarithmic_(logarithmic), low_(in(low)), high_(in(high)), from_(from), to_(to) {
    if (high_ - low_ <= std::abs(high_) * 1e-9) {  // one value: in the middle
      const double half = logarithmic ? 0.5 : high_ == 0 ? 1.0 : std::abs(high_) * 0.1;
      low_ -= half;
      high_ += half;
    }
  }

  double operator()(double value) const {
    return from_ + (in(value)-low_) / (high_ - low_) * (to_ - from_);
  }

  std::vector<double> ticks(int wanted) const {
    std::vector<double> values;
    const auto add = [&](double at) {
      if (at >= low_ - (high_ - low_) * 1e-9 && at <= high_ + (high_ - low_) * 1e-9)
        values.push_back(logarithmic_ ? std::pow(10.0, at) : at);
    };
    const double step = logarithmic_ ? std::max(1.0, std::ceil((high_ - low_) / wanted))
                                     : round_step((high_ - low_) / wanted);
    const double first = std::floor(low_ / step) * step;
    for (int i = 0; i <= 2 * wanted + 2; ++i) {
      const double at = first + i * step;
      add(std::abs(at) < step * 1e-6 ? 0.0 : at);
      if (logarithmic_ && high_ - low_ < 3) add(at + std::log10(3.0));
    }
    return values;
  }

 private:
  double in(double value) const {
    return logarithmic_ ? std::log10(value) : std::clamp(value, -1e300, 1e300);
  }

  bool logarithmic_;
  double low_, high_, from_, to_;
};

struct Bounds {
  double x_low = std::numeric_limits<double>::max(), x_high = std::numeric_limits<double>::lowest();
  double y_low = x_low, y_high = x_high;
  std::size_t points = 0;

  explicit Bounds(const std::vector<Curve>& curves) {
    for (const auto& curve : curves) {
      for (const auto& [x, y] : curve.points) {
        x_low = std::min(x_low, x);
        x_high = std::max(x_high, x);
        y_low = std::min(y_low, y);
        y_high = std::max(y_high, y);
        ++points;
      }
    }
  }
  bool spans_decades() const { return y_low > 0 && y_high / y_low > 100; }
};

std::vector<std::pair<double, double>> running_mean(
    const std::vector<std::pair<double, double>>& points) {
  const std::size_t half = points.size() / 100;
  std::vector<double> sums = {0.0};
  for (const auto& [x, y] : points) sums.push_back(sums.back() + y);
  std::vector<std::pair<double, double>> mean;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::size_t begin = i > half ? i - half : 0, end = std::min(points.size(), i + half + 1);
    mean.emplace_back(points[i].first,
                      (sums[end] - sums[begin]) / static_cast<double>(end - begin));
  }
  return mean;
}

// Each pixel column of many points is first, lowest, highest, last of it.
std::string path_of(const std::vector<std::pair<double, double>>& points, const Axis& x,
                    const Axis& y) {
  std::string text;
  const auto add = [&](double px, double py) {
    text += (text.empty() ? "M" : "L") + place(px, py);
  };
  for (std::size_t i = 0; i < points.size();) {
    const double column = std::floor(x(points[i].first));
    std::size_t end = i + 1;
    while (end < points.size() && std::floor(x(points[end].first)) == column) ++end;
    const auto by_value = [](const auto& a, const auto& b) { return a.second < b.second; };
    const auto begin_it = points.begin() + static_cast<std::ptrdiff_t>(i);
    const auto end_it = points.begin() + static_cast<std::ptrdiff_t>(end);
    if (end - i <= 4) {
      for (auto it = begin_it; it != end_it; ++it) add(x(it->first), y(it->second));
    } else {
      add(x(begin_it->first), y(begin_it->second));
      add(column + 0.5, y(std::min_element(begin_it, end_it, by_value)->second));
      add(column + 0.5, y(std::max_element(begin_it, end_it, by_value)->second));
      add(x((end_it - 1)->first), y((end_it - 1)->second));
    }
    i = end;
  }
  return text;
}

std::string grid(const Axis& x, const Axis& y) {
  std::string svg;
  for (const double value : y.ticks(6)) {
    svg +=
        str_cat("<path class=\"grid\" d=\"M", place(kLeft, y(value)), "H",
                fixed(kWidth - kRight, 1), "\"/><text x=\"", fixed(kLeft - 6, 1), "\" y=\"",
                fixed(y(value) + 4, 1), "\" text-anchor=\"end\">", number_text(value), "</text>");
  }
  for (const double value : x.ticks(6)) {
    svg += str_cat("<text x=\"", fixed(x(value), 1), "\" y=\"", fixed(kHeight - 6, 1),
                   "\" text-anchor=\"middle\">", number_text(value), "</text>");
  }
  return svg;
}

std::string curve_svg(const Curve& curve, std::size_t colour, bool smooth, const Axis& x,
                      const Axis& y) {
  std::string svg;
  const bool mean = smooth && curve.points.size() >= 100;
  svg += str_cat("<path class=\"", mean ? "faint " : "", "c", colour, "\" d=\"",
                 path_of(curve.points, x, y), "\"/>");
  if (mean) {
    svg += str_cat("<path class=\"c", colour, "\" d=\"", path_of(running_mean(curve.points), x, y),
                   "\"/>");
  }
  if (curve.points.size() > kMarked) return svg;
  for (const auto& [px, py] : curve.points) {
    svg += str_cat("<circle class=\"c", colour, "\" cx=\"", fixed(x(px), 1), "\" cy=\"",
                   fixed(y(py), 1), "\" r=\"2.5\"><title>", html(curve.name), " ", number_text(py),
                   " at ", number_text(px), "</title></circle>");
  }
  return svg;
}

}  // namespace

std::string line_chart(const LineChart& chart) {
  MEDSEG_CHECK(chart.curves.size() <= kLight.size(), "more curves than colours");
  std::string text = "<figure class=\"chart\"><figcaption><b>" + html(chart.title) + "</b>";
  for (std::size_t i = 0; i < chart.curves.size(); ++i) {
    if (chart.curves[i].points.empty()) continue;
    text += str_cat(" <span class=\"key k", i, "\">", html(chart.curves[i].name), " <i>",
                    number_text(chart.curves[i].points.back().second), "</i></span>");
  }
  text += "</figcaption>";
  const Bounds bounds(chart.curves);
  if (bounds.points == 0) return text + "<p>no values yet</p></figure>\n";
  const Axis x(bounds.x_low, bounds.x_high, false, kLeft, kWidth - kRight);
  const Axis y(bounds.y_low, bounds.y_high, !chart.linear && bounds.spans_decades(),
               kHeight - kBottom, kTop);
  text +=
      str_cat("<svg viewBox=\"0 0 ", kWidth, " ", kHeight,
              "\" fill=\"none\" role=\"img\" aria-label=\"", html(chart.title), "\">", grid(x, y));
  for (std::size_t i = 0; i < chart.curves.size(); ++i) {
    if (!chart.curves[i].points.empty()) text += curve_svg(chart.curves[i], i, chart.smooth, x, y);
  }
  return text + "</svg></figure>\n";
}

std::string line_chart_style() {
  const auto colours = [](const std::array<const char*, 8>& palette) {
    std::string css;
    for (std::size_t i = 0; i < palette.size(); ++i)
      css += str_cat(".c", i, "{stroke:", palette[i], "}.k", i, "{--key:", palette[i], "}");
    return css;
  };
  return ".chart svg{width:100%;display:block}"
         ".chart path{fill:none;stroke-width:1.5;stroke-linejoin:round}"
         ".chart .grid{stroke:currentColor;opacity:.15;stroke-width:1}"
         ".chart .faint{opacity:.3;stroke-width:1}"
         ".chart text{font-size:11px;fill:currentColor;opacity:.7}"
         ".chart circle{fill:none;stroke-width:2}"
         ".key{display:inline-block;overflow-wrap:anywhere;margin-left:.8em}.key "
         "i{font-style:normal;opacity:.7}"
         ".key::before{content:\"\";display:inline-block;width:.8em;height:.2em;"
         "background:var(--key);vertical-align:middle;margin-right:.3em}" +
         colours(kLight) + "@media(prefers-color-scheme:dark){" + colours(kDark) + "}";
}

}  // namespace medseg
