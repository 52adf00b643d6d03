// MediSee: for training {"image path": {"mask path": "class"}}; for evaluation JSON Lines with
// "image", "mask", "class_text", "long", "short"; prompts by class {"class": {"long": […], …}}.
// MediSee utils/reasoning_med_seg.py, utils/seg_med_2d_dataset.py
#include <map>

#include "dialogue.h"
#include "exporter.h"
#include "formats.h"
#include "mask_values.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/random.h"
#include "medseg/base/str.h"
#include "name_pattern.h"
#include "sa_med2d.h"

namespace medseg {
namespace {

/// Questions by class.
using Prompts = std::map<std::string, std::vector<std::string>>;

bool is_prompts(const JsonItem& root) {
  for (const auto& [key, value] : root.entries())
    return value.json().is_object() &&
           (value.json().contains("long") || value.json().contains("short"));
  return false;
}

void add_prompts(Prompts& prompts, const JsonItem& root) {
  for (const auto& [label, kinds] : root.entries()) {
    for (const char* kind : {"long", "short"}) {
      const auto texts = kinds.find(kind);
      if (!texts) continue;
      if (texts->json().is_string()) {
        prompts[label].push_back(tidy(texts->text()));
      } else {
        for (const auto& text : texts->items()) prompts[label].push_back(tidy(text.text()));
      }
    }
  }
}

std::string split_of(const std::string& file) {
  for (const auto& word : split(replaced(stem_of(file), "-", "_"), '_')) {
    const std::string found = split_named(word);
    if (!found.empty()) return found;
  }
  return "";
}

Draft draft_of(const SourceFiles& files, const std::string& image, const std::string& near,
               const std::string& where) {
  Draft draft;
  draft.record.image = files.find(image, near, where);
  draft.record.id = stem_of(image);
  const auto name = sa_med2d_name(image);
  draft.record.modality = name.modality;
  draft.record.subject = name.subject;
  return draft;
}

void read_training(const SourceFiles& files, const std::string& file, const JsonItem& root,
                   const Prompts& prompts, Reading& reading) {
  const std::string near = file.substr(0, file.rfind('/') + 1);
  std::uint64_t number = 0;
  for (const auto& [image, masks] : root.entries()) {
    Draft draft = draft_of(files, image, near, masks.where());
    draft.record.split = split_of(file.substr(file.rfind('/') + 1));
    RandomStream random(reading.options().seed, "prompts", number++);
    for (const auto& [path, klass] : masks.entries()) {
      const std::string label = replaced(klass.text(), "_", " ");
      if (label.empty()) klass.expected("a class");
      const std::string id = next_mask_id(draft.record);
      add_mask_file(draft, files.find(path, near, klass.where()), {{{}, label}}, reading);
      const auto asked = prompts.find(klass.text());
      if (!draft.record.masks.contains(id)) {
        reading.skip("an empty mask", klass.where());
        continue;
      }
      const std::string question = asked == prompts.end() || asked->second.empty()
                                       ? "Please segment the " + label + " in this image."
                                       : asked->second[random.below(asked->second.size())];
      add_turn(draft.record, question, "It is [SEG].", {{id}});
    }
    if (!draft.record.turns.empty()) reading.add(std::move(draft));
  }
}

void read_evaluation(const SourceFiles& files, const std::string& file, Reading& reading) {
  const std::string near = file.substr(0, file.rfind('/') + 1);
  const auto path = files.root() / file;
  std::size_t line = 0;
  for (const auto& text : split(read_file(path), '\n')) {
    ++line;
    if (trim(text).empty()) continue;
    const std::string where = str_cat(path.string(), ":", line);
    const auto json = parse_foreign_json(text, where);
    const JsonItem item(json, where + ": ");
    const std::string label = replaced(item.at("class_text").text(), "_", " ");
    if (label.empty()) item.at("class_text").expected("a class");
    for (const char* kind : {"long", "short"}) {
      const auto question = item.find(kind);
      if (!question || tidy(question->text()).empty()) continue;
      Draft draft = draft_of(files, item.at("image").text(), near, item.at("image").where());
      draft.record.id += str_cat("-", line, "-", kind);
      draft.record.split = split_of(file.substr(file.rfind('/') + 1));
      add_mask_file(draft, files.find(item.at("mask").text(), near, item.at("mask").where()),
                    {{{}, label}}, reading);
      if (draft.record.masks.empty()) {
        reading.skip("an empty mask", where);
        continue;
      }
      add_turn(draft.record, tidy(question->text()), "It is [SEG].", {{"m0"}});
      reading.add(std::move(draft));
    }
  }
}

}  // namespace

void read_medisee(Reading& reading) {
  for (const auto& source : reading.options().sources) {
    const SourceFiles files(source, reading.options().out);
    Prompts prompts;
    std::vector<std::string> training;
    const std::size_t before = reading.drafts().size();
    for (const auto& name : files.names_ending(".json")) {
      const auto path = files.root() / name;
      const auto json = read_foreign_json(path);
      const JsonItem root(json, path.string() + ": ");
      if (!json.is_object() || json.empty()) continue;
      if (is_prompts(root)) {
        add_prompts(prompts, root);
      } else if (json.begin()->is_object()) {
        training.push_back(name);
      }
    }
    for (const auto& name : training) {
      const auto path = files.root() / name;
      const auto json = read_foreign_json(path);
      read_training(files, name, JsonItem(json, path.string() + ": "), prompts, reading);
    }
    for (const auto& name : files.names_ending(".jsonl")) read_evaluation(files, name, reading);
    if (reading.drafts().size() == before && reading.skipped().empty())
      throw DataError(source.string(), std::string("nothing of medisee found; expected ") +
                                           format_named("medisee").layout);
  }
  reading.note(
      "questions: the source's prompts, or one form where it has none; the answer \"It is "
      "[SEG].\" is ours");
}

void write_medisee(Exporter& exporter) {
  std::map<std::string, nlohmann::ordered_json> of_split;
  for (const auto& picture : exporter.pictures()) {
    const std::string image = "images/" + picture.name + ".png";
    const auto masks = exporter.masks_by_label(picture);
    if (masks.empty()) {
      exporter.skip("an image without a mask", picture.name);
      continue;
    }
    exporter.write_image(picture, image);
    auto& entry = of_split[picture.split.empty() ? "all" : picture.split][image];
    for (const auto& one : masks) {
      const std::string name =
          "masks/" + picture.name + "--" + exporter.file_word(one.label) + ".png";
      exporter.write_mask(one.mask, name);
      entry[name] = one.label;
    }
  }
  for (const auto& [split, json] : of_split)
    exporter.write_text(split + ".json", json.dump(1) + "\n");
  exporter.note("dialogues do not fit into MediSee's training form and are left out");
}

}  // namespace medseg
