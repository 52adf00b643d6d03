/// \file
/// Annotation by a language model: for every two or three masks of a picture the stages describe,
/// filter, questions, answers, dialogue and check run one after the other; what they give passes
/// the rules, or is told to the model, or is set aside with its reason.
#pragma once

#include <filesystem>

#include "medseg/curation/annotate.h"
#include "medseg/curation/asker.h"

namespace medseg {

struct EndpointOptions {
  ChatOptions chat;
  AskLimits limits;
  int concurrency = 4;
  bool send_images = false;
  std::size_t masks_most = 2;    ///< of a dialogue
  std::uint64_t seed = 0;        ///< which masks stand together
  std::filesystem::path replay;  ///< a finished journal in place of the network; or empty
};

/// Writes manifest.jsonl, report.json, set_aside.jsonl and keeps journal.sqlite in `out`. Killed at
/// any moment it goes on where it was. The order of answers does not matter: the same answers give
/// the same bytes.
AnnotatedSet annotate_by_endpoint(const AnnotateOptions& options, const EndpointOptions& endpoint);

}  // namespace medseg
