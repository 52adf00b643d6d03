#include "medseg/dataset/fault.h"

namespace medseg {

const char* advice_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::kUnreadableManifest:
      return "check the path";
    case FaultKind::kNotJsonLines:
      return "write one JSON object a line, in UTF-8";
    case FaultKind::kNoRecords:
    case FaultKind::kNotJson:
      return "one JSON object a line";
    case FaultKind::kDuplicateKey:
      return "give every key, and every mask of a record, a name of its own";
    case FaultKind::kMalformedRecord:
      return "see data/README.md for the form of a record";
    case FaultKind::kUnknownMask:
      return "add it to \"masks\" or correct the id";
    case FaultKind::kSegCount:
      return "write one mask id, or one list of ids, for every [SEG]";
    case FaultKind::kDuplicateId:
      return "give every record an id of its own";
    case FaultKind::kImagePlaceholder:
      return "write \"<image>\\n\" once, in front of the first question";
    case FaultKind::kEmptyQuestion:
      return "ask something or drop the turn";
    case FaultKind::kAbsentWithMask:
      return "take it out of \"absent\" or of \"masks\"";
    case FaultKind::kUnreadableImage:
      return "put the file there or correct the path";
    case FaultKind::kUnreadableMask:
      return "a mask is a lossless image, a label volume, RLE or polygons";
    case FaultKind::kMaskSize:
      return "draw the mask in the pixels of its image";
    case FaultKind::kEmptyMask:
      return "draw it, or answer without [SEG] and list it in \"absent\"";
    case FaultKind::kSubjectLeak:
      return "give a subject to one split, or say \"split_unit\": \"slab\" and leave gaps";
    case FaultKind::kVolumeLeak:
      return "keep all slices of a volume in one split, or say \"split_unit\": \"slab\" and leave "
             "gaps";
    case FaultKind::kImageLeak:
      return "keep the image in one split";
    case FaultKind::kSplitName:
      return "write \"train\", \"val\" or \"test\", or ask for the split by this name";
    case FaultKind::kUnusedMask:
      return "ask for it, or leave it out";
    case FaultKind::kUnansweredQuestion:
      return "answer it, or drop it: it is neither trained on nor scored";
    case FaultKind::kAbsolutePath:
      return "write the path relative to the manifest";
    case FaultKind::kSoftMask:
      return "say \"threshold\": 127 in the mask, or save it with 0 and 255 alone";
    case FaultKind::kIgnoreRegion:
      return "say \"ignore\": 255 in the mask, or \"value\": 255 if it is a structure";
    case FaultKind::kFlatImage:
      return "look at the image; name a \"window\" that shows it";
    case FaultKind::kSaturatedImage:
      return "name a \"window\" that shows it";
    case FaultKind::kAssumedWindow:
      return "write the \"window\" into the record";
    case FaultKind::kSliceView:
      return "slices count from left, back and feet, and are drawn with front up and the patient's "
             "right on the left (data/FORMATS.md)";
    case FaultKind::kTurnedImage:
      return "save the image upright, or draw its masks upright";
  }
  return "";
}

}  // namespace medseg
