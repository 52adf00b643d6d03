/// \file
/// The import of a whole published model while it is put together.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "layout_config.h"
#include "medseg/bundle/bundle.h"
#include "medseg/exchange/layout_import.h"
#include "medseg/text/tokenizer.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

struct Assembly {
  LayoutConfig config;
  std::shared_ptr<const TensorFile> file;  ///< the source under our names, the adapter merged
  std::unique_ptr<Tokenizer> tokenizer;
  BundleOptions options;
  std::vector<TensorToWrite> tensors;  ///< of the bundle
  ImportReport report;
  bool tower_is_inside = false;
  std::set<std::filesystem::path> weight_files;  ///< that were read

  void note(const TensorFile& read) {
    for (const auto& path : read.files()) weight_files.insert(path);
  }
};

/// The tower and the projector, from inside the source or from `request.vision`.
/// \throws ConfigError when it is in both or in neither; CheckpointError.
void read_vision(const LayoutRequest& request, Assembly& assembly);

/// SAM from inside the source; for llava from `request.grounding`, with the tokens that are
/// missing, their rows and a segmentation head, all to be trained. \throws CheckpointError.
void read_grounding(const LayoutRequest& request, Assembly& assembly);

/// The command, the time, and name and digest of every file that was read.
nlohmann::json provenance_of(const LayoutRequest& request, const Assembly& assembly);

/// What the folders of the request state. \throws CheckpointError.
std::vector<PartLicence> licences_of(const LayoutRequest& request, const Assembly& assembly);

}  // namespace medseg
