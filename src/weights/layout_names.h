/// \file
/// The tables behind layouts.h.
#pragma once

#include <vector>

#include "medseg/weights/layouts.h"

namespace medseg {

const std::vector<Layout>& published_layouts();

}  // namespace medseg
