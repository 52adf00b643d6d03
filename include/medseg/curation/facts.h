/// \file
/// What is certain about the masks of a picture: computed from pixels, never asked of a model.
///
/// Frames: `image` is the picture as it is shown, x from its left, y from its top. Sides come in
/// two words that are never mixed: of the picture ("on the left of the picture") and of the patient
/// ("the patient's right"). Where the record is a slice of a volume the patient's side is known
/// (include/medseg/volume/volume.h says how slices are drawn). For other pictures of a body it is
/// assumed to be the radiologist's view, and `View::assumed` says so.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/base/choice.h"
#include "medseg/image/image.h"

namespace medseg {

enum class Plane { kAxial, kCoronal, kSagittal, kUnknown };
template <>
struct Choice<Plane> {
  static constexpr ChoiceNames<Plane, 4> names = {{{Plane::kAxial, "axial"},
                                                   {Plane::kCoronal, "coronal"},
                                                   {Plane::kSagittal, "sagittal"},
                                                   {Plane::kUnknown, "unknown"}}};
};

/// Which way a picture looks at the patient.
struct View {
  Plane plane = Plane::kUnknown;
  bool patient_sides = false;  ///< the left of the picture is the patient's right
  bool assumed = false;        ///< nothing but the modality says so
};

/// Where a mask lies, seen from the midline. `kMiddle` lies across it, `kBoth` has parts on both
/// sides and none across, `kNone` where the view tells no sides.
enum class Side { kNone, kLeft, kRight, kMiddle, kBoth };
template <>
struct Choice<Side> {
  static constexpr ChoiceNames<Side, 5> names = {{{Side::kNone, "none"},
                                                  {Side::kLeft, "left"},
                                                  {Side::kRight, "right"},
                                                  {Side::kMiddle, "middle"},
                                                  {Side::kBoth, "both"}}};
};
/// Left for right and the other way round.
Side mirrored(Side side);

/// How the first of two masks lies to the second.
enum class Relation { kTouches, kInside, kContains, kOverlaps };
template <>
struct Choice<Relation> {
  static constexpr ChoiceNames<Relation, 4> names = {{{Relation::kTouches, "touches"},
                                                      {Relation::kInside, "inside"},
                                                      {Relation::kContains, "contains"},
                                                      {Relation::kOverlaps, "overlaps"}}};
};

struct Neighbour {
  std::string id;  ///< of the other mask
  Relation relation = Relation::kTouches;
  std::string direction;  ///< of the other's centre from here: "above", "left of", … in the picture
};

/// The size of a mask among the masks of its label in the whole set.
enum class SizeInSet { kUnknown, kSmall, kTypical, kLarge };
template <>
struct Choice<SizeInSet> {
  static constexpr ChoiceNames<SizeInSet, 4> names = {{{SizeInSet::kUnknown, "unknown"},
                                                       {SizeInSet::kSmall, "small"},
                                                       {SizeInSet::kTypical, "typical"},
                                                       {SizeInSet::kLarge, "large"}}};
};

struct MaskFacts {
  std::string id, label;
  std::int64_t area_px = 0;
  std::optional<double> area_mm2;
  double share = 0;              ///< of the picture, 0 … 1
  std::array<int, 4> box{};      ///< x0, y0, x1, y1; the last two are one past the end
  std::array<double, 2> centre;  ///< mean x and y of its pixels
  std::optional<std::array<double, 2>> extent_mm;  ///< width and height of the box
  std::string position;              ///< "upper left", "centre", "lower middle", … of the picture
  Side side_in_image = Side::kNone;  ///< by the picture's midline
  Side side_of_patient = Side::kNone;
  std::vector<std::string> borders;  ///< of the picture that it touches: "left", "top", …
  int pieces = 0;                    ///< 8-connected
  std::string brightness;            ///< "dark", "grey", "bright" among the picture's pixels; or ""
  std::vector<Neighbour> neighbours;
  SizeInSet size = SizeInSet::kUnknown;
};

struct PictureFacts {
  int width = 0, height = 0;
  View view;
  double midline_px = 0;  ///< x of the body's middle
  std::optional<std::array<double, 2>> spacing_mm;
  std::vector<MaskFacts> masks;    ///< in the order given; empty masks are left out
  std::vector<std::string> empty;  ///< labels of masks without a pixel

  const MaskFacts* find(const std::string& id) const;
};

struct NamedMask {
  std::string id, label;
  Mask mask;
};

/// Masks smaller than this are as good as absent for a reader: neither asked for nor denied.
inline constexpr std::int64_t kFewestPixels = 30;

/// \pre every mask has the image's size.
PictureFacts facts_of(const Image& image, const std::vector<NamedMask>& masks, const View& view,
                      const std::optional<std::array<double, 2>>& spacing_mm);

/// What a model or a reader is shown of them; numbers are rounded as texts may quote them.
nlohmann::ordered_json facts_json(const PictureFacts& facts);

/// Every number that a text about one of these masks may hold, as `facts_json` rounds them.
std::vector<double> numbers_of(const MaskFacts& facts);

}  // namespace medseg
