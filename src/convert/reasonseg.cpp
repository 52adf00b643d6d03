// ReasonSeg (LISA): a JSON beside each JPEG, {"text": […], "is_sentence", "shapes": [{"label":
// "target" | "ignore" | "flag", "points"}]}.
// LISA utils/data_processing.py, get_mask_from_json; utils/reason_seg_dataset.py
#include <algorithm>
#include <cmath>

#include "dialogue.h"
#include "formats.h"
#include "image_size.h"
#include "mask_values.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "name_pattern.h"
#include "source_files.h"

namespace medseg {
namespace {

constexpr std::uint8_t kTarget = 1, kIgnore = 255;
constexpr double kFarthest = 1 << 20;

struct Point {
  int x = 0, y = 0;
};

struct Shape {
  std::vector<Point> points;
  std::uint8_t value = kTarget;
  std::int64_t area = 0;  ///< pixels inside the image
};

/// As cv2.fillPoly with whole points: even-odd between edges whose x is kept in 1/65536 pixels and
/// rounded, and every pixel of the outline as cv2.line walks it, from left to right. Points inside
/// the image give cv2's pixels exactly; lines that leave the image it clips, which moves a few.
class Drawing {
 public:
  Drawing(Image& image, std::uint8_t value) : image_(image), value_(value) {}

  void fill(const std::vector<Point>& points) {
    for (int y = 0; y < image_.height; ++y) {
      std::vector<std::int64_t> crossings;
      for (std::size_t i = 0; i < points.size(); ++i) {
        Point a = points[i], b = points[(i + 1) % points.size()];
        if (a.y > b.y) std::swap(a, b);
        if (y < a.y || y >= b.y) continue;
        const std::int64_t step = (std::int64_t{b.x - a.x} * kOne) / (b.y - a.y);
        crossings.push_back(std::int64_t{a.x} * kOne + step * (y - a.y));
      }
      std::sort(crossings.begin(), crossings.end());
      for (std::size_t i = 0; i + 1 < crossings.size(); i += 2) {
        const auto first = std::max<std::int64_t>((crossings[i] + kOne / 2) >> 16, 0);
        const auto last =
            std::min<std::int64_t>((crossings[i + 1] + kOne / 2) >> 16, image_.width - 1);
        for (auto x = first; x <= last; ++x) put(static_cast<int>(x), y);
      }
    }
    for (std::size_t i = 0; i < points.size(); ++i)
      line(points[i], points[(i + 1) % points.size()]);
  }

 private:
  static constexpr std::int64_t kOne = 1 << 16;

  void put(int x, int y) {
    if (x < 0 || y < 0 || x >= image_.width || y >= image_.height) return;
    image_.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(image_.width) +
                  static_cast<std::size_t>(x)] = value_;
  }

  void line(Point a, Point b) {
    if (b.x < a.x) std::swap(a, b);
    const int dx = b.x - a.x, dy = std::abs(b.y - a.y), down = b.y < a.y ? -1 : 1;
    const bool steep = dy > dx;
    const int along = steep ? dy : dx, across = steep ? dx : dy;
    int error = along - 2 * across;
    for (int i = 0; i <= along; ++i) {
      put(a.x, a.y);
      const bool both = error < 0;
      error += (both ? 2 * along : 0) - 2 * across;
      if (steep || both) a.y += down;
      if (!steep || both) a.x += 1;
    }
  }

  Image& image_;
  std::uint8_t value_;
};

void draw(Image& image, const Shape& shape) { Drawing(image, shape.value).fill(shape.points); }

std::vector<Shape> shapes_of(const JsonItem& root, int width, int height) {
  std::vector<Shape> shapes;
  for (const auto& item : root.at("shapes").items()) {
    const std::string label = item.at("label").text();
    if (label.find("flag") != std::string::npos) continue;
    Shape shape;
    shape.value = label.find("ignore") != std::string::npos ? kIgnore : kTarget;
    for (const auto& entry : item.at("points").items()) {
      const auto pair = entry.items();
      if (pair.size() != 2) entry.expected("a point x, y");
      const double x = pair[0].number(), y = pair[1].number();
      if (std::abs(x) > kFarthest || std::abs(y) > kFarthest) entry.expected("pixels of the image");
      shape.points.push_back({static_cast<int>(x), static_cast<int>(y)});
    }
    if (shape.points.empty()) item.at("points").expected("points");
    Image alone{width, height, 1,
                std::vector<std::uint8_t>(static_cast<std::size_t>(width) *
                                          static_cast<std::size_t>(height))};
    draw(alone, shape);
    shape.area = std::count(alone.pixels.begin(), alone.pixels.end(), shape.value);
    shapes.push_back(std::move(shape));
  }
  // Small shapes over large ones.
  std::stable_sort(shapes.begin(), shapes.end(),
                   [](const Shape& a, const Shape& b) { return a.area > b.area; });
  return shapes;
}

void read_file(const SourceFiles& files, const std::string& name, const JsonItem& root,
               Reading& reading) {
  const std::string stem = name.substr(0, name.size() - 5);
  std::string image;
  for (const char* ending : {".jpg", ".jpeg", ".png", ".JPG"}) {
    const auto& names = files.names();
    if (image.empty() && std::binary_search(names.begin(), names.end(), stem + ending))
      image = stem + ending;
  }
  if (image.empty()) throw DataError(root.where() + "no image beside it: " + stem + ".jpg");
  Draft draft;
  Record& record = draft.record;
  record.image = files.root() / image;
  record.id = stem_of(name);
  const auto slash = name.rfind('/');
  if (slash != std::string::npos)
    record.split = split_named(name.substr(0, slash).substr(name.rfind('/', slash - 1) + 1));
  const auto [width, height] = image_size(record.image);
  Image mask{width, height, 1,
             std::vector<std::uint8_t>(static_cast<std::size_t>(width) *
                                       static_cast<std::size_t>(height))};
  bool ignores = false;
  for (const auto& shape : shapes_of(root, width, height)) {
    draw(mask, shape);
    ignores = ignores || shape.value == kIgnore;
  }
  const auto area = std::count(mask.pixels.begin(), mask.pixels.end(), kTarget);
  if (area == 0) {
    reading.skip("no pixel of a target", root.where() + "shapes");
    return;
  }
  const auto file = reading.folder() / "masks" / (record.id + ".png");
  write_png(file, mask);
  MaskSource source;
  source.label = "target";
  source.file = file;
  source.value = kTarget;
  if (ignores) source.ignore = kIgnore;
  record.masks["m0"] = source;
  const auto sentence = root.find("is_sentence");
  const bool whole = sentence && sentence->flag();
  std::size_t number = 0;
  for (const auto& text : root.at("text").items()) {
    const std::string words = tidy(text.text());
    if (words.empty()) text.expected("a question");
    Draft one = draft;
    one.record.id = str_cat(record.id, "-", number++);
    add_turn(one.record, whole ? words : "Where is " + words + " in this image?", "It is [SEG].",
             {{"m0"}});
    reading.add(std::move(one));
  }
}

}  // namespace

void read_reasonseg(Reading& reading) {
  for_each_json(reading,
                [&](const SourceFiles& files, const std::string& name, const JsonItem& root) {
                  const auto& json = root.json();
                  if (!json.is_object() || !json.contains("shapes") || !json.contains("text"))
                    return false;
                  read_file(files, name, root, reading);
                  return true;
                });
  reading.note("questions: the source's texts; the answer \"It is [SEG].\" is ours");
}

}  // namespace medseg
