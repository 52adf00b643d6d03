#include "medseg/generation/slice_answers.h"

#include <algorithm>
#include <cctype>

#include <nlohmann/json.hpp>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/volume/slice_masks.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json to_json(std::int64_t slice, const SliceAnswers& answers) {
  Json turns = Json::array();
  for (const auto& turn : answers) {
    Json masks = Json::array();
    for (const auto& mask : turn.masks) {
      masks.push_back(
          {{"phrase", mask.phrase},
           {"rle", {{"size", {mask.rle.height, mask.rle.width}}, {"counts", mask.rle.counts}}},
           {"seg_probability", mask.seg_probability},
           {"predicted_iou", mask.predicted_iou},
           {"score", mask.score}});
    }
    turns.push_back({{"answer", turn.text},
                     {"phrases", turn.phrases},
                     {"finish", turn.finish},
                     {"new_tokens", turn.new_tokens},
                     {"seconds", turn.seconds},
                     {"masks", std::move(masks)}});
  }
  return {{"slice", slice}, {"turns", std::move(turns)}};
}

SliceAnswers answers_of(const Json& json) {
  SliceAnswers answers;
  for (const auto& turn : json.at("turns")) {
    SliceTurn read;
    read.text = turn.at("answer");
    read.phrases = turn.at("phrases").get<std::vector<std::string>>();
    read.finish = turn.at("finish");
    read.new_tokens = turn.at("new_tokens");
    read.seconds = turn.at("seconds");
    for (const auto& mask : turn.at("masks")) {
      SliceMask one;
      one.phrase = mask.at("phrase");
      one.rle = {mask.at("rle").at("size").at(0), mask.at("rle").at("size").at(1),
                 mask.at("rle").at("counts")};
      one.seg_probability = mask.at("seg_probability");
      one.predicted_iou = mask.at("predicted_iou");
      one.score = mask.at("score");
      read.masks.push_back(std::move(one));
    }
    answers.push_back(std::move(read));
  }
  return answers;
}

/// What two spellings of a phrase have in common.
std::string spoken(const std::string& phrase) {
  std::string same;
  for (const char c : trim(phrase)) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isspace(byte) == 0) {
      same += static_cast<char>(std::tolower(byte));
    } else if (!same.ends_with(' ')) {
      same += ' ';
    }
  }
  return same;
}

}  // namespace

SliceJournal::SliceJournal(fs::path file, const std::string& request) : file_(std::move(file)) {
  const std::string head = line_of({{"request", request}});
  std::error_code error;
  if (fs::exists(file_, error)) {
    const auto lines = split(read_file(file_), '\n');
    if (!lines.empty() && lines[0] == head) {
      std::string whole = head + "\n";
      for (std::size_t i = 1; i < lines.size(); ++i) {
        try {
          const Json json = Json::parse(lines[i]);
          slices_[json.at("slice").get<std::int64_t>()] = answers_of(json);
          whole += lines[i] + "\n";
        } catch (const Json::exception&) {
          break;  // half a line, or a stranger's: asked again
        }
      }
      write_file(file_, whole);
      return;
    }
    replaced_ = true;
  }
  write_file(file_, head + "\n");
}

void SliceJournal::add(std::int64_t slice, SliceAnswers answers) {
  append_line(file_, line_of(to_json(slice, answers)));
  slices_[slice] = std::move(answers);
}

std::vector<PhraseMask> phrase_masks(const std::map<std::int64_t, SliceAnswers>& slices,
                                     std::size_t turn, const std::array<std::int64_t, 3>& size,
                                     int axis) {
  std::vector<PhraseMask> found;
  std::map<std::string, std::size_t> index;
  std::vector<double> counts;
  for (const auto& [slice, answers] : slices) {
    if (turn >= answers.size()) continue;
    for (const auto& mask : answers[turn].masks) {
      const auto [at, is_new] = index.emplace(spoken(mask.phrase), found.size());
      if (is_new) {
        found.push_back({mask.phrase, VoxelMask(size), {}, 0, 0, 0});
        counts.push_back(0);
      }
      PhraseMask& phrase = found[at->second];
      const Mask seen = decode_rle(mask.rle);
      const auto across = size[axis == 0 ? 1 : 0], up = size[axis == 2 ? 1 : 2];
      if (seen.width != across || seen.height != up) {
        throw DataError(str_cat("slice ", slice),
                        str_cat("a mask of ", seen.width, " x ", seen.height,
                                " pixels, the slice has ", across, " x ", up));
      }
      put_slice(phrase.voxels, axis, slice, seen);
      if (phrase.slices.empty() || phrase.slices.back() != slice) phrase.slices.push_back(slice);
      phrase.seg_probability += mask.seg_probability;
      phrase.predicted_iou += mask.predicted_iou;
      phrase.score += mask.score;
      ++counts[at->second];
    }
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    for (double* sum : {&found[i].seg_probability, &found[i].predicted_iou, &found[i].score})
      *sum /= counts[i];
  }
  return found;
}

}  // namespace medseg
