#include "medseg/convert/new_set.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "medseg/base/file.h"
#include "medseg/base/random.h"
#include "medseg/base/str.h"
#include "medseg/dataset/manifest.h"
#include "medseg/image/codec.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr int kSide = 96;
constexpr int kSlices = 12;

/// An ellipse in pixels.
struct Shape {
  double x = 0, y = 0, a = 0, b = 0;
  bool holds(int px, int py) const {
    const double u = (px - x) / a, v = (py - y) / b;
    return u * u + v * v <= 1;
  }
};

Mask mask_of(const Shape& shape) {
  Mask mask(kSide, kSide);
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x)
      mask.pixels[static_cast<std::size_t>(y * kSide + x)] = shape.holds(x, y) ? 1 : 0;
  }
  return mask;
}

/// A body with two organs: a bright one on the left of the picture, a dark one on its right.
struct Scene {
  Shape body{48, 48, 42, 36}, bright{34, 46, 13, 11}, dark{64, 52, 8, 10};

  explicit Scene(RandomStream& random) {
    const auto shift = [&](double& value, double by) { value += by * (2 * random.uniform() - 1); };
    shift(bright.x, 4);
    shift(bright.y, 6);
    shift(bright.a, 3);
    shift(dark.x, 4);
    shift(dark.y, 6);
    shift(dark.b, 3);
  }

  double grey(int x, int y, bool with_dark, RandomStream& random) const {
    double value = 12;
    if (body.holds(x, y)) value = 110;
    if (bright.holds(x, y)) value = 190;
    if (with_dark && dark.holds(x, y)) value = 60;
    return value + 5 * random.normal();
  }
};

Image picture_of(const Scene& scene, bool with_dark, RandomStream& random) {
  Image image{kSide, kSide, 1, {}};
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x)
      image.pixels.push_back(static_cast<std::uint8_t>(
          std::clamp(std::lround(scene.grey(x, y, with_dark, random)), 0L, 255L)));
  }
  return image;
}

/// NIfTI-1, int16, in RAS axes with voxels of 2 x 2 x 5 mm.
std::string nifti(const std::function<std::int16_t(int, int, int)>& voxel) {
  std::string bytes(352, '\0');
  const auto put = [&](std::size_t at, auto value) {
    std::memcpy(&bytes[at], &value, sizeof value);
  };
  put(0, std::int32_t{348});
  const std::int16_t dim[8] = {3, kSide, kSide, kSlices, 1, 1, 1, 1};
  for (std::size_t i = 0; i < 8; ++i) put(40 + 2 * i, dim[i]);
  put(70, std::int16_t{4});
  put(72, std::int16_t{16});
  const float spacing[4] = {1, 2, 2, 5};
  for (std::size_t i = 0; i < 4; ++i) put(76 + 4 * i, spacing[i]);
  put(108, 352.0F);
  put(112, 1.0F);
  put(123, std::int8_t{2});   // mm
  put(254, std::int16_t{1});  // sform
  for (std::size_t i = 0; i < 3; ++i) put(280 + 20 * i, spacing[i + 1]);
  std::memcpy(&bytes[344], "n+1", 4);
  for (int k = 0; k < kSlices; ++k) {
    for (int j = 0; j < kSide; ++j) {
      for (int i = 0; i < kSide; ++i) {
        const std::int16_t value = voxel(i, j, k);
        bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
      }
    }
  }
  return bytes;
}

/// A drawn person's scan and its label volume; of every fourth the dark organ is missing.
void write_scan_of(std::uint64_t seed, int person, const fs::path& scan, const fs::path& labels) {
  RandomStream random(seed, "new set", static_cast<std::uint64_t>(person));
  const Scene scene(random);
  const bool has_dark = person % 4 != 3;
  const auto shows = [](int k) { return k >= 3 && k < kSlices - 3; };
  // Rows of a RAS volume run to the front, those of an image to the back.
  write_file(scan, nifti([&](int i, int j, int k) {
               const double grey = scene.grey(i, kSide - 1 - j, has_dark, random);
               const double plain = shows(k) ? grey : std::min(grey, 110.0);
               return static_cast<std::int16_t>(std::lround(2 * plain - 200));
             }));
  write_file(labels, nifti([&](int i, int j, int k) {
               const int y = kSide - 1 - j;
               if (!shows(k)) return std::int16_t{0};
               const bool dark = has_dark && scene.dark.holds(i, y);
               return static_cast<std::int16_t>(scene.bright.holds(i, y) ? 1 : dark ? 2 : 0);
             }));
}

class NewSet {
 public:
  explicit NewSet(fs::path folder) : folder_(std::move(folder)) {}

  std::vector<std::string> write() {
    write_scan();
    const char* splits[] = {"train", "train", "train", "train", "train", "val", "test"};
    for (int person = 0; person < 7; ++person) add_person(person, splits[person]);
    add_slices();
    std::string text;
    for (const auto& record : records_) text += to_json_line(record) + "\n";
    write_file(folder_ / "manifest.jsonl", text);
    return said_;
  }

 private:
  static RecordTurn turn(const std::string& question, const std::string& answer,
                         std::vector<std::vector<std::string>> masks) {
    RecordTurn made;
    made.question = question;
    made.answer = answer;
    made.masks = std::move(masks);
    return made;
  }

  Record record(const std::string& id, const std::string& subject, const std::string& split) {
    Record made;
    made.id = id;
    made.modality = "ct";
    made.subject = subject;
    made.split = split;
    made.source = "drawn by medseg data new";
    made.licence = "CC0-1.0";
    return made;
  }

  void say(const std::string& id, const std::string& what) {
    const bool scan = id.starts_with("scan");
    if (scan ? !said_.back().starts_with("scan") : records_.size() < 5)
      said_.push_back(id + ": " + what);
  }

  /// Each person shows another form of mask; the last ones repeat the first for val and test.
  void add_person(int person, const std::string& split) {
    RandomStream random(1, "new set", static_cast<std::uint64_t>(person));
    const Scene scene(random);
    const int form = person % 5;
    const bool with_dark = form != 3;
    Record made = record(str_cat("case-", person + 1), str_cat("person-", person + 1), split);
    made.image = "images/" + made.id + ".png";
    made.spacing_mm = {{2.0, 2.0}};
    write_png(folder_ / made.image, picture_of(scene, with_dark, random));
    MaskSource bright, dark;
    bright.label = "bright organ";
    dark.label = "dark organ";
    add_masks(made, scene, form, bright, dark);
    made.masks["m0"] = bright;
    if (with_dark) made.masks["m1"] = dark;
    add_turns(made, form, with_dark);
    records_.push_back(std::move(made));
  }

  void add_masks(const Record& made, const Scene& scene, int form, MaskSource& bright,
                 MaskSource& dark) {
    if (form == 1) {
      bright.rle = encode_rle(mask_of(scene.bright));
      dark.rle = encode_rle(mask_of(scene.dark));
      say(made.id, "masks as run lengths (\"rle\"), two turns");
      return;
    }
    if (form == 2) {
      bright.polygons = {outline(scene.bright)};
      dark.polygons = {outline(scene.dark)};
      say(made.id, "masks as polygons, two [SEG] in one answer");
      return;
    }
    if (form == 4) {
      Image labels{kSide, kSide, 1, std::vector<std::uint8_t>(kSide * kSide)};
      const Mask one = mask_of(scene.bright), two = mask_of(scene.dark);
      for (std::size_t i = 0; i < labels.pixels.size(); ++i)
        labels.pixels[i] = one.pixels[i] != 0 ? 1 : two.pixels[i] != 0 ? 2 : 0;
      bright.file = dark.file = "masks/" + made.id + "-labels.png";
      bright.value = 1;
      dark.value = 2;
      write_png(folder_ / bright.file, labels);
      say(made.id, "one label image for both masks (\"value\"), a [SEG] for their union");
      return;
    }
    bright.file = "masks/" + made.id + "-bright.png";
    dark.file = "masks/" + made.id + "-dark.png";
    write_png(folder_ / bright.file, mask_of(scene.bright));
    if (form != 3) write_png(folder_ / dark.file, mask_of(scene.dark));
    say(made.id, form == 3 ? "an absent structure: an answer without [SEG]" : "masks as PNG files");
  }

  static std::vector<double> outline(const Shape& shape) {
    constexpr int kCorners = 32;
    std::vector<double> numbers;
    for (int i = 0; i < kCorners; ++i) {
      const double angle = 6.283185307179586 * i / kCorners;
      numbers.push_back(std::round(10 * (shape.x + 0.5 + shape.a * std::cos(angle))) / 10);
      numbers.push_back(std::round(10 * (shape.y + 0.5 + shape.b * std::sin(angle))) / 10);
    }
    return numbers;
  }

  static void add_turns(Record& made, int form, bool with_dark) {
    if (form == 2) {
      made.turns = {turn("<image>\nWhich organs are seen?",
                         "The <p> bright organ </p> [SEG] and the <p> dark organ </p> [SEG].",
                         {{"m0"}, {"m1"}})};
      return;
    }
    if (form == 4) {
      made.turns = {turn("<image>\nPlease mark both organs together.",
                         "These are the <p> organs </p> [SEG].", {{"m0", "m1"}})};
      return;
    }
    made.turns = {turn("<image>\nWhich part takes up the most contrast?",
                       "That is the <p> bright organ </p> [SEG].", {{"m0"}})};
    if (with_dark) {
      made.turns.push_back(
          turn("And which part is dark?", "That is the <p> dark organ </p> [SEG].", {{"m1"}}));
    } else {
      made.absent = {"dark organ"};
      made.turns.push_back(turn("And which part is dark?", "No dark organ is seen here.", {}));
    }
  }

  void write_scan() { write_scan_of(2, 0, folder_ / "scan.nii", folder_ / "labels.nii"); }

  void add_slices() {
    for (int k = 4; k < kSlices - 3; k += 2) {
      Record made = record(str_cat("scan-z", k), "person-8", "train");
      made.image = "scan.nii";
      made.window = "ct-soft";
      made.slice = SliceOfVolume{2, k, std::nullopt};
      MaskSource mask;
      mask.label = "bright organ";
      mask.file = "labels.nii";
      mask.value = 1;
      made.masks["m0"] = mask;
      made.turns = {turn("<image>\nWhich part takes up the most contrast?",
                         "That is the <p> bright organ </p> [SEG].", {{"m0"}})};
      say(made.id, "a slice of a volume, its mask the same slice of a label volume");
      records_.push_back(std::move(made));
    }
  }

  fs::path folder_;
  std::vector<Record> records_;
  std::vector<std::string> said_;
};

}  // namespace

void write_practice_scans(const fs::path& out, int count) {
  refuse_foreign_folder(out);
  AtomicFolder folder(out);
  for (int i = 0; i < count; ++i) {
    const fs::path scan = folder.path() / str_cat("case-", i + 1);
    write_scan_of(3, i, scan / "ct.nii", scan / "labels.nii");
  }
  folder.commit();
}

std::vector<std::string> write_new_set(const fs::path& out) {
  refuse_foreign_folder(out);
  AtomicFolder folder(out);
  auto said = NewSet(folder.path()).write();
  folder.commit();
  return said;
}

}  // namespace medseg
