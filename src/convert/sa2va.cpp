// Sa2VA's annotations for fine-tuning: {"image", "mask": [[polygon, …], …], "text": [text, …]}.
// Sa2VA docs/finetune.md; projects/sa2va/datasets/sa2va_data_finetune.py
#include "dialogue.h"
#include "formats.h"
#include "image_size.h"
#include "mask_values.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "outlines.h"
#include "source_files.h"

namespace medseg {
namespace {

void read_item(const SourceFiles& files, const std::string& name, const JsonItem& item,
               std::size_t number, Reading& reading) {
  const auto file = item.at("image");
  const auto image = files.find(file.text(), name.substr(0, name.rfind('/') + 1), file.where());
  const auto masks = item.at("mask").items(), texts = item.at("text").items();
  if (masks.size() != texts.size())
    item.at("text").fail(str_cat("found ", texts.size(), " for ", masks.size(), " masks"));
  const auto [width, height] = image_size(image);
  for (std::size_t i = 0; i < masks.size(); ++i) {
    const std::string label = tidy(texts[i].text());
    if (label.empty()) texts[i].expected("a description");
    Draft draft;
    draft.record.id = str_cat(numbered_id(name, number), "-", i);
    draft.record.image = image;
    const Mask mask = pixels_of(outline_of(masks[i], label), width, height, masks[i].where());
    if (mask.area() == 0) {
      reading.skip("an outline without a pixel", masks[i].where());
      continue;
    }
    add_mask(draft, label, mask);
    add_turn(draft.record, "Please mark this: " + label, "It is [SEG].", {{"m0"}});
    reading.add(std::move(draft));
  }
}

}  // namespace

void read_sa2va(Reading& reading) {
  for_each_json(reading,
                [&](const SourceFiles& files, const std::string& name, const JsonItem& root) {
                  const auto& json = root.json();
                  if (!json.is_array() || json.empty() || !json[0].is_object() ||
                      !json[0].contains("mask") || !json[0].contains("text"))
                    return false;
                  std::size_t number = 0;
                  for (const auto& item : root.items())
                    read_item(files, name, item, number++, reading);
                  return true;
                });
  reading.note("questions: the source's descriptions; the answer \"It is [SEG].\" is ours");
}

}  // namespace medseg
