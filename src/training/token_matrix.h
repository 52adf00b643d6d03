/// \file
/// The two matrices with a row for every token.
#pragma once

#include <string>

namespace medseg {

inline bool is_token_matrix(const std::string& name) {
  return name == "model.embed_tokens.weight" || name == "lm_head.weight";
}

}  // namespace medseg
