/// \file
/// Embedding and head of a language model that share one matrix, however a file says so.
#pragma once

#include <memory>

#include <nlohmann/json.hpp>

#include "medseg/weights/peft.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

/// A tied matrix may be stored under the head's name alone. Then it is shown as the embedding too,
/// unless `language` (config.json) says that the two are not tied.
std::shared_ptr<const TensorFile> with_embedding(std::shared_ptr<const TensorFile> file,
                                                 const nlohmann::json& language);

/// `base` with `adapter` merged, where an adapter may part what was tied: PEFT trains a copy of
/// each matrix that modules_to_save names and adapts lm_head alone. `language` states afterwards
/// whether they are tied. \throws what with_adapter throws.
std::shared_ptr<const TensorFile> with_adapter_of_tied(std::shared_ptr<const TensorFile> base,
                                                       Adapter adapter, nlohmann::json& language);

}  // namespace medseg
