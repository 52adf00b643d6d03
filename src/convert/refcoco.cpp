// RefCOCO, RefCOCO+, RefCOCOg: a folder with refs(…).p, instances.json and the images of COCO.
// refer/refer.py, REFER.__init__
#include <map>

#include "dialogue.h"
#include "formats.h"
#include "image_size.h"
#include "mask_values.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "outlines.h"
#include "plain_pickle.h"
#include "source_files.h"

namespace medseg {
namespace {

constexpr std::int64_t kMostId = std::int64_t{1} << 53;

class RefFolder {
 public:
  RefFolder(const SourceFiles& files, std::string folder, Reading& reading)
      : files_(files),
        folder_(std::move(folder)),
        reading_(reading),
        path_(files.root() / (folder_ + "instances.json")),
        json_(read_foreign_json(path_)) {
    const JsonItem root(json_, path_.string() + ": ");
    for (const auto& image : root.at("images").items())
      images_.emplace(image.at("id").whole(0, kMostId), image);
    for (const auto& annotation : root.at("annotations").items())
      annotations_.emplace(annotation.at("id").whole(0, kMostId), annotation);
    for (const auto& category : root.at("categories").items())
      label_of_[category.at("id").whole(0, kMostId)] = category.at("name").text();
  }

  void read(const std::string& refs) {
    const auto path = files_.root() / refs;
    const auto json = read_plain_pickle(path);
    for (const auto& ref : JsonItem(json, path.string() + ": ").items()) read_ref(ref);
  }

 private:
  void read_ref(const JsonItem& ref) {
    const auto annotation = annotations_.find(ref.at("ann_id").whole(0, kMostId));
    const auto image = images_.find(ref.at("image_id").whole(0, kMostId));
    if (annotation == annotations_.end()) ref.at("ann_id").fail("no annotation has this id");
    if (image == images_.end()) ref.at("image_id").fail("no image has this id");
    const auto file = image->second.at("file_name");
    const auto found = files_.find(file.text(), folder_, file.where());
    auto [size, is_new] = sizes_.emplace(image->first, std::pair<int, int>());
    if (is_new) size->second = image_size(found);
    const auto outline = annotation->second.at("segmentation");
    const auto label = label_of_.find(ref.at("category_id").whole(0, kMostId));
    if (label == label_of_.end()) ref.at("category_id").fail("no category has this id");
    const auto source = outline_of(outline, label->second);
    const auto [width, height] = size->second;
    if (pixels_of(source, width, height, outline.where()).area() == 0) {
      reading_.skip("an outline without a pixel", outline.where());
      return;
    }
    const std::string split = ref.at("split").text();
    std::size_t number = 0;
    for (const auto& sentence : ref.at("sentences").items()) {
      const std::string words = tidy(sentence.at("sent").text());
      if (words.empty()) sentence.at("sent").expected("an expression");
      Draft draft;
      draft.record.id = str_cat("ref-", ref.at("ref_id").whole(0, kMostId), "-", number++);
      draft.record.image = found;
      draft.record.split = split.starts_with("test") ? "test" : split;
      draft.record.phrasing = split.starts_with("test") && split != "test" ? split : "";
      draft.record.masks["m0"] = source;
      add_turn(draft.record, "Please mark this: " + words, "It is [SEG].", {{"m0"}});
      reading_.add(std::move(draft));
    }
  }

  const SourceFiles& files_;
  std::string folder_;
  Reading& reading_;
  std::filesystem::path path_;
  nlohmann::json json_;
  std::map<std::int64_t, JsonItem> images_, annotations_;
  std::map<std::int64_t, std::string> label_of_;
  std::map<std::int64_t, std::pair<int, int>> sizes_;
};

}  // namespace

void read_refcoco(Reading& reading) {
  for (const auto& source : reading.options().sources) {
    const SourceFiles files(source, reading.options().out);
    bool any = false;
    for (const auto& name : files.names_ending(".p")) {
      const auto slash = name.rfind('/');
      const std::string folder = slash == std::string::npos ? "" : name.substr(0, slash + 1);
      if (!name.substr(folder.size()).starts_with("refs")) continue;
      RefFolder(files, folder, reading).read(name);
      any = true;
    }
    if (!any)
      throw DataError(source.string(), std::string("nothing of refcoco found; expected ") +
                                           format_named("refcoco").layout);
  }
  reading.note(
      "questions: the source's expressions; the answer \"It is [SEG].\" is ours; testA and "
      "testB are both test, and stand in \"phrasing\"");
}

}  // namespace medseg
