#include "amx.h"

#if MEDSEG_HAS_AMX

#include <ATen/cpu/Utils.h>

namespace medseg::amx {
namespace {

// Not in the constructor, because GCC ignores the target attribute of constructors.
MEDSEG_AMX void configure() {
  struct alignas(64) {
    std::uint8_t palette = 1, start = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};
  } config;
  for (int tile = 0; tile < 8; ++tile) {
    config.row_bytes[tile] = kRowBytes;
    config.rows[tile] = kRows;
  }
  written();
  _tile_loadconfig(&config);
}

MEDSEG_AMX void release() { _tile_release(); }

}  // namespace

bool usable() {
  static const bool is = at::cpu::init_amx();
  return is;
}

Session::Session() { configure(); }
Session::~Session() { release(); }

}  // namespace medseg::amx

#else  // another processor

namespace medseg::amx {
bool usable() { return false; }
Session::Session() = default;
Session::~Session() = default;
}  // namespace medseg::amx

#endif
