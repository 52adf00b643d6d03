// Manifests that are not of the form: each has one fault, and the doctor says one line of it.
#include "dataset/faulty_fixture.h"

namespace medseg {
namespace {

TEST_F(Faulty, ManifestsAreNamedInOneLine) {
  says({
      {"nothing", "", "0 no-records no records"},
      {"UTF-16", wide(line("a", kImage)),
       "0 not-json-lines UTF-16, expected UTF-8 (iconv -f UTF-16 -t UTF-8, or PowerShell's "
       "Out-File -Encoding utf8)"},
      {"an array in one line", "[" + trim(line("a", kImage)) + "]",
       "0 not-json-lines a JSON array of 1; expected one JSON object a line (jq -c '.[]' "
       "manifest.jsonl writes them)"},
      {"an array over lines", "[\n" + trim(line("a", kImage)) + ",\n" + line("b", kImage) + "]\n",
       "0 not-json-lines a JSON array of 2; expected one JSON object a line (jq -c '.[]' "
       "manifest.jsonl writes them)"},
      {"an array that is cut", "[" + line("a", kImage),
       "0 not-json-lines a JSON array, and not a whole one; expected one JSON object a line"},
      {"an object over lines", "{\n\"id\": \"a\"\n}\n",
       "0 not-json-lines one JSON object over many lines; expected one JSON object a line (jq -c . "
       "manifest.jsonl writes it)"},
      {"COCO", R"({"images": [], "annotations": []})",
       "0 not-json-lines COCO's annotation file (medseg data convert --from coco), no manifest; "
       "expected one JSON object a line"},
      {"ReasonSeg", R"({"text": ["t"], "shapes": []})",
       "0 not-json-lines LISA's ReasonSeg annotation (medseg data convert --from reasonseg), no "
       "manifest; expected one JSON object a line"},
      {"labelme", R"({"shapes": []})",
       "0 not-json-lines labelme's annotation (medseg data convert --from labelme), no manifest; "
       "expected one JSON object a line"},
      {"LLaVA", R"([{"id": "1", "conversations": []}])",
       "0 not-json-lines LLaVA's list of conversations (medseg data convert --from llava), no "
       "manifest; expected one JSON object a line"},
      {"nnU-Net", R"({"labels": {"a": 1}, "channel_names": {}})",
       "0 not-json-lines nnU-Net's or Decathlon's dataset.json (medseg data convert --from nnunet "
       "or decathlon), no manifest; expected one JSON object a line"},
      {"a comma behind the record", trim(line("a", kImage)) + ",",
       "1 not-json not JSON near byte 211: a comma behind the record"},
      {"two records in a line", trim(line("a", kImage)) + line("b", kImage),
       "1 not-json not JSON near byte 211: two records in one line"},
      {"NaN", line("a", R"("image":"image.png","spacing_mm":[NaN,1])"),
       "1 not-json not JSON near byte 45: NaN is no JSON number"},
      {"Infinity", line("a", R"("image":"image.png","spacing_mm":[1,Infinity])"),
       "1 not-json not JSON near byte 47: Infinity is no JSON number"},
      {"a number beyond a double", line("a", R"("image":"image.png","spacing_mm":[1,1e999])"),
       "1 not-json a number is beyond what a double holds"},
      {"True of Python", line("a", R"("image":"image.png","review":True)"),
       "1 not-json not JSON near byte 40: True is Python; JSON has true, false and null"},
      {"None of Python", line("a", R"("image":"image.png","split":None)"),
       "1 not-json not JSON near byte 39: None is Python; JSON has true, false and null"},
      {"single quotes", "{'id': 'a'}",
       "1 not-json not JSON near byte 2: JSON strings stand in double quotes"},
      {"a line that is cut", line("a", kImage).substr(0, 60), "1 not-json not JSON near byte 61"},
      {"a list as record", "[1]", "1 malformed-record expected an object, found [1]"},
      {"a key twice", line("a", R"("image":"image.png","split":"val","split":"test")"),
       "1 duplicate-key split: stands twice"},
      {"a mask twice",
       line("a", kImage,
            R"("polygons":[[1,1,9,1,9,9]]},"m":{"label":"b","polygons":[[1,1,9,1,9,9]])"),
       "1 duplicate-key masks.m: stands twice"},
      {"a mistyped key", line("a", R"("imgae":"image.png")"),
       R"(1 malformed-record imgae: unknown key (did you mean "image"?))"},
      {"no image", line("a", R"("split":"train")"), "1 malformed-record image: missing"},
      {"an empty id", line("", kImage), "1 malformed-record id: empty"},
      {"an id twice", line("a", kImage) + line("a", kImage),
       R"(2 duplicate-id id "a" stands in line 1 too)"},
      {"no conversation", R"({"id":"a","image":"image.png"})",
       "1 malformed-record conversations: missing"},
      {"a turn of LLaVA's user", turns(R"([{"from":"user","value":"<image>\nq"}])"),
       R"(1 malformed-record conversations[0].from: expected "human" or "gpt", found "user")"},
      {"an answer first", turns(R"([{"from":"gpt","value":"a"}])"),
       R"(1 malformed-record conversations[0].from: "gpt" without a question; expected "human")"},
      {"two questions in a row",
       turns(R"([{"from":"human","value":"<image>\nq"},{"from":"human","value":"q"}])"),
       R"(1 malformed-record conversations[1].from: "human" twice in a row; expected "gpt")"},
      {"more [SEG] than masks",
       turns(R"([{"from":"human","value":"<image>\nq"},{"from":"gpt","value":"[SEG]"}])"),
       "1 seg-count conversations[1].masks: [SEG] count 1, masks 0"},
      {"an unknown mask",
       turns(
           R"([{"from":"human","value":"<image>\nq"},{"from":"gpt","value":"[SEG]","masks":["m0"]}])"),
       R"(1 unknown-mask conversations[1].masks: unknown mask "m0"; the record has none)"},
      {"no <image>", turns(R"([{"from":"human","value":"q"},{"from":"gpt","value":"a"}])"),
       "1 image-placeholder <image> is missing from the first question"},
      {"<image> twice",
       turns(R"([{"from":"human","value":"<image>\n<image>\nq"},{"from":"gpt","value":"a"}])"),
       "1 image-placeholder <image> stands twice in question 1"},
      {"<image> in an answer",
       turns(R"([{"from":"human","value":"<image>\nq"},{"from":"gpt","value":"<image>"}])"),
       "1 image-placeholder <image> stands in answer 1"},
      {"an empty question",
       turns(R"([{"from":"human","value":"<image>\n"},{"from":"gpt","value":"a"}])"),
       "1 empty-question question 1 is empty"},
      {"no answer",
       turns(
           R"([{"from":"human","value":"<image>\nq"},{"from":"gpt","value":"a"},{"from":"human","value":"q"}])"),
       "warning: 1 unanswered-question question 2 has no answer"},
      {"a spacing of 0", line("a", R"("image":"image.png","spacing_mm":[0,1])"),
       "1 malformed-record spacing_mm: expected two numbers above 0, found [0,1]"},
      {"a fourth axis", line("a", R"("image":"image.png","slice":{"axis":3,"index":1})"),
       "1 malformed-record slice.axis: expected a whole number from 0 to 2, found 3"},
      {"a window upside down", line("a", R"x("image":"image.png","window":"ct-bone(5, 2)")x"),
       R"x(1 malformed-record window: expected a name or name(low, high), found "ct-bone(5, 2)")x"},
      {"absent as text", line("a", R"("image":"image.png","absent":"lungs")"),
       R"(1 malformed-record absent: expected a list of texts, found "lungs")"},
      {"absent, but drawn", line("a", R"("image":"image.png","absent":["cyst"])"),
       R"(1 absent-with-mask "cyst" is absent and has the mask "m")"},
      {"a split of another name", line("a", R"("image":"image.png","split":"training")"),
       R"(warning: 1 split-name split "training" is none of train, val and test)"},
      {"a subject in two splits",
       line("a", R"("image":"image.png","split":"train","subject":"P-001")") +
           line("b", R"("image":"other.png","split":"test","subject":"p1")"),
       "0 subject-leak subject P-001 = p1 stands in splits test, train"},
      {"an image in two splits",
       line("a", R"("image":"image.png","split":"train")") +
           line("b", R"("image":"rgb.png","split":"test")"),
       "0 image-leak picture image.png = rgb.png stands in splits test, train"},
  });
}

}  // namespace
}  // namespace medseg
