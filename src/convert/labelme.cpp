// labelme: one JSON beside each image, shapes as polygons, rectangles, circles or masks.
// labelme/utils/shape.py, shape_to_mask; labelme/label_file.py
#include <algorithm>
#include <cmath>
#include <set>

#include "exporter.h"
#include "foreign_json.h"
#include "formats.h"
#include "image_size.h"
#include "mask_values.h"
#include "medseg/base/base64.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "outlines.h"
#include "source_files.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

using Point = std::pair<double, double>;

std::vector<Point> points_of(const JsonItem& shape) {
  std::vector<Point> points;
  for (const auto& entry : shape.at("points").items()) {
    const auto pair = entry.items();
    if (pair.size() != 2) entry.expected("a point x, y");
    points.emplace_back(pair[0].number(), pair[1].number());
  }
  return points;
}

std::vector<double> flat(const std::vector<Point>& points) {
  std::vector<double> numbers;
  for (const auto& [x, y] : points) {
    numbers.push_back(x);
    numbers.push_back(y);
  }
  return numbers;
}

std::vector<double> circle(const Point& centre, const Point& edge) {
  constexpr int kCorners = 64;
  constexpr double kTurn = 6.283185307179586;
  const double radius = std::hypot(edge.first - centre.first, edge.second - centre.second);
  std::vector<double> numbers;
  for (int i = 0; i < kCorners; ++i) {
    numbers.push_back(centre.first + radius * std::cos(kTurn * i / kCorners));
    numbers.push_back(centre.second + radius * std::sin(kTurn * i / kCorners));
  }
  return numbers;
}

/// A crop of the image as a PNG in base64, its upper left corner at the first point.
Mask crop_mask(const JsonItem& shape, const std::vector<Point>& points, int width, int height,
               const fs::path& scratch) {
  const auto text = shape.at("mask");
  const auto bytes = from_base64(text.text());
  if (!bytes || points.empty()) text.expected("a PNG in base64 and its box");
  write_file(scratch, *bytes);
  const auto crop = with_place(text.where(), [&] {
    try {
      return read_mask(scratch);
    } catch (const DataError& error) {
      throw DataError(error.reason());  // the scratch file means nothing to a user
    }
  });
  fs::remove(scratch);
  const double left = std::round(points.front().first), top = std::round(points.front().second);
  Mask mask(width, height);
  const bool inside =
      left >= 0 && top >= 0 && left + crop.width <= width && top + crop.height <= height;
  if (!inside) text.fail("a mask that reaches beyond the image");
  const int x0 = static_cast<int>(left), y0 = static_cast<int>(top);
  for (int y = 0; y < crop.height; ++y) {
    for (int x = 0; x < crop.width; ++x) {
      mask.pixels[static_cast<std::size_t>(y + y0) * static_cast<std::size_t>(width) +
                  static_cast<std::size_t>(x + x0)] =
          crop.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(crop.width) +
                      static_cast<std::size_t>(x)];
    }
  }
  return mask;
}

void add_shape(Draft& draft, const JsonItem& shape, int width, int height, Reading& reading) {
  const std::string label = shape.at("label").text();
  if (label.empty()) shape.at("label").expected("a name");
  const auto kind = shape.find("shape_type");
  const std::string type = kind ? kind->text() : "polygon";
  const auto points = points_of(shape);
  if (type == "mask") {
    add_mask(draft, label,
             crop_mask(shape, points, width, height, reading.folder() / "labelme.png"));
    return;
  }
  MaskSource source;
  source.label = label;
  if (type == "polygon" && points.size() >= 3) {
    source.polygons = {flat(points)};
  } else if (type == "rectangle" && points.size() == 2) {
    const auto& [a, b] = std::pair(points[0], points[1]);
    source.polygons = {
        {a.first, a.second, b.first, a.second, b.first, b.second, a.first, b.second}};
  } else if (type == "circle" && points.size() == 2) {
    source.polygons = {circle(points[0], points[1])};
  } else {
    reading.skip("a shape without an area (" + type + ")", shape.where());
    return;
  }
  const auto area = pixels_of(source, width, height, shape.where()).area();
  if (area == 0) {
    reading.skip("an outline without a pixel", shape.where());
    return;
  }
  const std::string id = next_mask_id(draft.record);
  draft.record.masks[id] = source;
  draft.areas[id] = area;
}

void read_file(const SourceFiles& files, const std::string& name, const JsonItem& root,
               Reading& reading) {
  const std::string near = name.substr(0, name.rfind('/') + 1);
  Draft draft;
  // labelme writes the path from the JSON to the image, which may have moved: the name counts.
  std::string image = root.at("imagePath").text();
  std::replace(image.begin(), image.end(), '\\', '/');
  draft.record.image =
      files.find(image.substr(image.rfind('/') + 1), near, root.where() + "imagePath");
  draft.record.id = stem_of(name);
  if (root.find("imageData")) reading.left_out_key("imageData (labelme)");
  const auto [width, height] = image_size(draft.record.image);
  for (const auto& shape : root.at("shapes").items())
    add_shape(draft, shape, width, height, reading);
  reading.add(std::move(draft));
}

}  // namespace

void read_labelme(Reading& reading) {
  for_each_json(reading,
                [&](const SourceFiles& files, const std::string& name, const JsonItem& root) {
                  if (!root.json().is_object() || !root.json().contains("shapes") ||
                      !root.json().contains("imagePath"))
                    return false;
                  read_file(files, name, root, reading);
                  return true;
                });
  std::set<std::string> labels;
  for (const auto& draft : reading.drafts())
    for (const auto& [id, mask] : draft.record.masks) labels.insert(mask.label);
  for (auto& draft : reading.drafts()) draft.looked_for.assign(labels.begin(), labels.end());
}

void write_labelme(Exporter& exporter) {
  for (const auto& picture : exporter.pictures()) {
    exporter.write_image(picture, picture.name + ".png");
    auto shapes = nlohmann::ordered_json::array();
    for (const auto& one : exporter.masks_by_label(picture)) {
      shapes.push_back({{"label", one.label},
                        {"points", {{0, 0}, {one.mask.width - 1, one.mask.height - 1}}},
                        {"group_id", nullptr},
                        {"shape_type", "mask"},
                        {"flags", nlohmann::ordered_json::object()},
                        {"mask", base64(encode_png(one.mask))}});
      exporter.count_masks(1);
    }
    const nlohmann::ordered_json json = {
        {"version", "5.4.1"},         {"flags", nlohmann::ordered_json::object()},
        {"shapes", shapes},           {"imagePath", picture.name + ".png"},
        {"imageData", nullptr},       {"imageHeight", picture.height},
        {"imageWidth", picture.width}};
    exporter.write_text(picture.name + ".json", json.dump(1) + "\n");
  }
  exporter.note("questions, answers and splits do not fit into labelme's form and are left out");
}

}  // namespace medseg
