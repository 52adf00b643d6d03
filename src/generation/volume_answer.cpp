#include "medseg/generation/volume_answer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iostream>

#include <nlohmann/json.hpp>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/log.h"
#include "medseg/base/progress.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/generation/answer_files.h"
#include "medseg/image/codec.h"
#include "medseg/image/overlay.h"
#include "medseg/volume/dicom_segmentation.h"
#include "medseg/volume/slice_masks.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string mask_name(std::size_t turn, std::size_t index, MaskVolumeFormat format) {
  return str_cat("mask-", turn, "-", index, ".", name_of(format));
}

double rounded(double value, double per_unit) { return std::round(value * per_unit) / per_unit; }

Json measured(const MaskMeasures& measures) {
  Json slices = Json::array();
  for (std::size_t i = 0; i < measures.slices.size(); ++i) {
    slices.push_back(
        {{"slice", measures.slices[i]}, {"area_mm2", rounded(measures.areas_mm2[i], 1000)}});
  }
  return {{"voxels", measures.voxels},
          {"volume_ml", rounded(measures.volume_ml, 1e6)},
          {"extent_mm",
           {rounded(measures.extent_mm[0], 1000), rounded(measures.extent_mm[1], 1000),
            rounded(measures.extent_mm[2], 1000)}},
          {"slices", std::move(slices)}};
}

/// The slice of the most foreground, for the one picture that people look at first.
std::int64_t fullest_slice(const std::vector<PhraseMask>& masks, int axis,
                           const std::vector<std::int64_t>& asked) {
  std::map<std::int64_t, std::int64_t> areas;
  for (const auto& mask : masks) {
    for (const auto slice : mask.slices) areas[slice] += slice_of(mask.voxels, axis, slice).area();
  }
  std::int64_t best = asked[asked.size() / 2], most = 0;
  for (const auto& [slice, area] : areas) {
    if (area > most) best = slice, most = area;
  }
  return best;
}

Json answered_slices(const std::map<std::int64_t, SliceAnswers>& answers, std::size_t turn) {
  Json json = Json::array();
  for (const auto& [slice, turns] : answers) {
    const auto& one = turns.at(turn);
    json.push_back({{"slice", slice},
                    {"answer", one.text},
                    {"phrases", one.phrases},
                    {"finish", one.finish},
                    {"new_tokens", one.new_tokens},
                    {"seconds", one.seconds}});
  }
  return json;
}

/// "3 to 7, 9": slices in rising order.
std::string ranges_of(const std::vector<std::int64_t>& slices) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < slices.size();) {
    std::size_t last = i;
    while (last + 1 < slices.size() && slices[last + 1] == slices[last] + 1) ++last;
    parts.push_back(last == i ? str_cat(slices[i]) : str_cat(slices[i], " to ", slices[last]));
    i = last + 1;
  }
  return join(parts, ", ");
}

/// Each different answer once, with the slices that got it.
void print_answers(const std::map<std::int64_t, SliceAnswers>& answers, std::size_t turn) {
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> said;
  for (const auto& [slice, turns] : answers) {
    const auto& text = turns.at(turn).text;
    auto at = std::find_if(said.begin(), said.end(),
                           [&](const auto& other) { return other.first == text; });
    if (at == said.end()) at = said.insert(said.end(), {text, {}});
    at->second.push_back(slice);
  }
  for (const auto& [text, slices] : said)
    std::cout << (slices.size() == 1 ? "slice " : "slices ") << ranges_of(slices) << ": " << text
              << "\n";
}

/// An earlier answer's files, but for the journal.
void remove_old(const fs::path& out) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(out)) {
    const auto name = entry.path().filename().string();
    if (is_answer_file(name) && name != kSliceJournal) fs::remove(entry.path(), ignored);
  }
}

}  // namespace

std::optional<SliceRange> parse_slices(const std::string& text) {
  if (text == "auto") return std::nullopt;
  SliceRange range;
  const auto parts = split(text, ':');
  const auto number = [](const std::string& part, std::int64_t& value) {
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    return error == std::errc() && end == part.data() + part.size() && value >= 0;
  };
  if (parts.size() != 2 || !number(parts[0], range.begin) || !number(parts[1], range.end) ||
      range.begin >= range.end) {
    throw ConfigError("--slices",
                      "expected auto or A:B (A to B-1, counted from 0), found \"" + text + "\"");
  }
  return range;
}

VolumeAnswer::VolumeAnswer(VolumeQuestions questions) : questions_(std::move(questions)) {
  if (!questions_.slices.empty()) parse_slices(questions_.slices);
  refuse_foreign_folder(questions_.out, is_answer_file);
  stored_ = read_volume(questions_.file, questions_.volume);
  turned_ = to_canonical(stored_);
  stored_.voxels = {};
  auto chosen = choose_window(turned_, questions_.modality, questions_.window);
  window_ = chosen.window;
  notes_ = turned_.notes;
  notes_.insert(notes_.end(), chosen.notes.begin(), chosen.notes.end());
  choose_slices();
}

Image VolumeAnswer::picture(std::int64_t slice) const {
  return axial_slice(slice_along(turned_, questions_.axis, slice), 0, window_);
}

void VolumeAnswer::choose_slices() {
  const auto count = turned_.size[static_cast<std::size_t>(questions_.axis)];
  SliceRange range{0, count};
  const auto asked =
      questions_.slices.empty() ? std::optional(range) : parse_slices(questions_.slices);
  if (asked) {
    range = *asked;
    if (range.end > count) {
      throw ConfigError("--slices",
                        str_cat(questions_.slices, " is out of range: ", questions_.file.string(),
                                " has ", count, " slices along axis ", questions_.axis));
    }
  } else {
    const auto shows = [&](std::int64_t slice) {
      const auto use = grey_use(picture(slice));
      return use.levels >= 8 && use.black < 0.99 && use.white < 0.99;
    };
    while (range.begin < range.end && !shows(range.begin)) ++range.begin;
    while (range.end > range.begin && !shows(range.end - 1)) --range.end;
    if (range.begin == range.end) {
      throw DataError(questions_.file.string(),
                      "no slice along axis " + std::to_string(questions_.axis) +
                          " shows anything through the window " + window_text(window_));
    }
    notes_.push_back(str_cat("slices ", range.begin, " to ", range.end - 1, " of 0 to ", count - 1,
                             " show something"));
  }
  if (questions_.consistent && range.end - range.begin < 2)
    throw ConfigError("--consistent", "one slice has no neighbours");
  for (auto slice = range.begin; slice < range.end; ++slice) slices_.push_back(slice);
}

std::string VolumeAnswer::request(const std::string& asker) const {
  Sha256 sum;
  const auto add = [&](const std::string& text) { sum.add(str_cat(text.size(), ":", text)); };
  add(asker);
  for (const auto& question : questions_.questions) add(question);
  add(str_cat(window_text(window_), " axis ", questions_.axis, " ", turned_.size[0], "x",
              turned_.size[1], "x", turned_.size[2]));
  sum.add(std::span(reinterpret_cast<const std::uint8_t*>(turned_.voxels.data()),
                    turned_.voxels.size() * sizeof(float)));
  return sum.text();
}

void VolumeAnswer::run(const AskImage& ask, const fs::path& model, const std::string& asker) {
  SliceJournal journal(questions_.out / kSliceJournal, request(asker));
  if (journal.replaced())
    log_warning(questions_.out.string() + ": held other answers; they are replaced");
  std::vector<std::int64_t> open;
  for (const auto slice : slices_) {
    if (!journal.slices().contains(slice)) open.push_back(slice);
  }
  if (open.size() < slices_.size())
    log_info(str_cat(slices_.size() - open.size(), " of ", slices_.size(),
                     " slices are answered already"));
  Progress progress("slices", static_cast<std::int64_t>(slices_.size()));
  auto done = static_cast<std::int64_t>(slices_.size() - open.size());
  for (const auto slice : open) {
    stop_if_signalled();
    journal.add(slice, ask(picture(slice)));
    progress.update(++done, str_cat("slice ", slice));
  }
  progress.finish();
  std::map<std::int64_t, SliceAnswers> answers;
  for (const auto slice : slices_) answers[slice] = journal.slices().at(slice);
  write(answers, model);
}

void VolumeAnswer::write(const std::map<std::int64_t, SliceAnswers>& answers,
                         const fs::path& model) const {
  const auto& out = questions_.out;
  remove_old(out);
  Json json;
  json["image"] = questions_.file.string();
  json["size"] = stored_.size;
  const auto spacing = stored_.spacing_mm();
  json["spacing_mm"] = spacing;
  json["axes"] = axes_name(stored_);
  if (questions_.volume) json["volume"] = *questions_.volume;
  json["axis"] = questions_.axis;
  json["slices"] = {slices_.front(), slices_.back() + 1};
  json["window"] = window_text(window_);
  if (!notes_.empty()) json["notes"] = notes_;
  json["consistent"] = questions_.consistent;
  json["model"] = model.string();
  json["turns"] = Json::array();
  std::vector<PhraseMask> all;
  for (std::size_t turn = 0; turn < questions_.questions.size(); ++turn) {
    print_answers(answers, turn);
    auto phrases = phrase_masks(answers, turn, turned_.size, questions_.axis);
    Json said = Json::array(), masks = Json::array();
    for (std::size_t index = 0; index < phrases.size(); ++index) {
      auto& phrase = phrases[index];
      if (questions_.consistent)
        phrase.voxels = supported_by_neighbours(phrase.voxels, questions_.axis);
      const auto name = mask_name(turn, index, questions_.format);
      write_mask_volume(out / name, questions_.format, from_canonical(phrase.voxels, stored_),
                        stored_, questions_.file);
      const auto measures = measure(phrase.voxels, turned_, questions_.axis);
      Json mask = {{"file", name},
                   {"phrase", phrase.phrase},
                   {"seg_probability", phrase.seg_probability},
                   {"predicted_iou", phrase.predicted_iou},
                   {"score", phrase.score}};
      mask.update(measured(measures));
      masks.push_back(std::move(mask));
      said.push_back(phrase.phrase);
      std::cout << name << ": " << (phrase.phrase.empty() ? "(no phrase)" : phrase.phrase) << ", "
                << fixed(measures.volume_ml, 3) << " ml in " << measures.slices.size()
                << " slices\n";
      all.push_back(std::move(phrase));
    }
    json["turns"].push_back({{"question", questions_.questions[turn]},
                             {"phrases", std::move(said)},
                             {"masks", std::move(masks)},
                             {"answers", answered_slices(answers, turn)}});
  }
  add_segments(all, model, json);
  const auto shown = fullest_slice(all, questions_.axis, slices_);
  std::vector<OverlayMask> drawn;
  for (const auto& mask : all)
    drawn.push_back({slice_of(mask.voxels, questions_.axis, shown), mask.phrase});
  const auto turned_spacing = turned_.spacing_mm();
  const double aspect =
      turned_spacing[questions_.axis == 2 ? 1 : 2] / turned_spacing[questions_.axis == 0 ? 1 : 0];
  write_png(out / "overlay.png", draw_overlay(picture(shown), drawn, 512, aspect));
  json["overlay_slice"] = shown;
  write_file(out / "answer.json", json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void VolumeAnswer::add_segments(const std::vector<PhraseMask>& all, const fs::path& model,
                                Json& json) const {
  const auto format = volume_format(questions_.file);
  if (format != VolumeFormat::kDicomFolder && format != VolumeFormat::kDicom) return;
  std::vector<DicomSegment> segments;
  for (const auto& mask : all)
    segments.push_back({mask.phrase, from_canonical(mask.voxels, stored_)});
  try {
    const auto numbers =
        write_dicom_segmentation(questions_.out / "seg.dcm", questions_.file, questions_.volume,
                                 segments, "medseg " + model.filename().string());
    std::size_t next = 0;
    for (auto& turn : json["turns"]) {
      for (auto& mask : turn["masks"]) mask["segment"] = numbers[next++];
    }
  } catch (const DataError& error) {  // frames without a place: the other files still hold
    log_warning(error.what());
    json["notes"].push_back("no seg.dcm: " + error.reason());
  }
}

}  // namespace medseg
