/// \file
/// The part of Store that includes c10d's headers.
#pragma once

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "store.h"

namespace medseg {

struct Store::Impl {
  c10::intrusive_ptr<c10d::TCPStore> store;
  std::string address, prefix;
  std::uint16_t port = 0;
};

}  // namespace medseg
