#include "croissant.h"

#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/base/version.h"

namespace medseg {
namespace {

using nlohmann::ordered_json;

// The context that the specification prescribes, and its extension for responsible AI.
ordered_json context() {
  const auto json_value = [](const char* id) {
    return ordered_json{{"@id", id}, {"@type", "@json"}};
  };
  const auto word = [](const char* id) { return ordered_json{{"@id", id}, {"@type", "@vocab"}}; };
  ordered_json out = {{"@language", "en"},
                      {"@vocab", "https://schema.org/"},
                      {"sc", "https://schema.org/"},
                      {"cr", "http://mlcommons.org/croissant/"},
                      {"rai", "http://mlcommons.org/croissant/RAI/"},
                      {"dct", "http://purl.org/dc/terms/"},
                      {"conformsTo", "dct:conformsTo"}};
  for (const char* name :
       {"citeAs",   "column",      "extract",   "field",         "fileProperty", "fileObject",
        "fileSet",  "format",      "includes",  "isLiveDataset", "jsonPath",     "key",
        "md5",      "parentField", "path",      "recordSet",     "references",   "regex",
        "repeated", "replace",     "separator", "source",        "subField",     "transform"})
    out[name] = std::string("cr:") + name;
  out["data"] = json_value("cr:data");
  out["examples"] = json_value("cr:examples");
  out["dataType"] = word("cr:dataType");
  return out;
}

struct Column {
  const char *name, *type, *what;
};
// Plain values alone: Croissant's loaders read no objects from a line. Dialogue and masks are the
// manifest's own, which the description names.
constexpr Column kColumns[] = {
    {"id", "sc:Text", "Name of the record, once in the set"},
    {"image", "sc:Text", "Picture or volume, relative to the manifest"},
    {"modality", "sc:Text", "ct, mr, …"},
    {"subject", "sc:Text", "Pseudonym of the patient: splits never share one"},
    {"split", "sc:Text", "train, val or test"},
    {"source", "sc:Text", "Where the picture comes from"},
    {"licence", "sc:Text", "As its source states it"},
};

std::string agreement_text(const ordered_json& agreement) {
  const auto& all = agreement.at("all");
  for (const char* kappa : {"cohen_kappa", "fleiss_kappa"}) {
    if (all.contains(kappa) && all.at(kappa).is_number()) {
      return str_cat(kappa, " of the verdicts ", fixed(all.at(kappa).get<double>(), 3), " on ",
                     all.at("cases").get<std::int64_t>(), " records");
    }
  }
  return "no kappa: too few verdicts of several readers";
}

}  // namespace

ordered_json croissant_of(const ReviewedSet& set) {
  ordered_json out = {
      {"@context", context()},
      {"@type", "sc:Dataset"},
      {"conformsTo",
       {"http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"}},
      {"name", set.name},
      {"description", str_cat(set.records,
                              " dialogues about medical pictures (conversations), one mask for "
                              "each [SEG] (masks) and the readers' decisions (review); made by "
                              "medseg ",
                              version())}};
  out["license"] = set.licences;
  out["isBasedOn"] = set.sources;
  out["rai:annotationsPerItem"] = str_cat(set.readers);
  out["rai:dataAnnotationProtocol"] =
      "Readers judge each record without seeing each other; an adjudicator decides where they "
      "differ";
  out["rai:dataAnnotationAnalysis"] = agreement_text(set.agreement);
  out["distribution"] = ordered_json::array({{{"@type", "cr:FileObject"},
                                              {"@id", set.manifest},
                                              {"name", set.manifest},
                                              {"contentUrl", set.manifest},
                                              {"contentSize", str_cat(set.lines.size(), " B")},
                                              {"encodingFormat", "application/jsonlines"},
                                              {"sha256", sha256(set.lines)}}});
  auto fields = ordered_json::array();
  for (const auto& column : kColumns) {
    if (!set.columns.contains(column.name)) continue;
    fields.push_back(
        {{"@type", "cr:Field"},
         {"@id", std::string("records/") + column.name},
         {"name", column.name},
         {"description", column.what},
         {"dataType", column.type},
         {"source",
          {{"fileObject", {{"@id", set.manifest}}}, {"extract", {{"column", column.name}}}}}});
  }
  out["recordSet"] = ordered_json::array({{{"@type", "cr:RecordSet"},
                                           {"@id", "records"},
                                           {"name", "records"},
                                           {"key", {{"@id", "records/id"}}},
                                           {"field", std::move(fields)}}});
  return out;
}

}  // namespace medseg
