#include "medseg/base/random.h"

#include <cmath>
#include <numbers>

#include "medseg/base/error.h"

namespace medseg {
namespace {

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace

RandomStream::RandomStream(std::uint64_t seed, std::string_view name, std::uint64_t index) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a of the name
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  state_ = mix(seed + 0x9e3779b97f4a7c15ULL) ^ mix(hash) ^ mix(index * 0xd1342543de82ef95ULL + 1);
}

std::uint64_t RandomStream::next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  return mix(state_);
}

double RandomStream::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

// Box-Muller; the second number is dropped, so that state() is the whole state.
double RandomStream::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::size_t RandomStream::below(std::size_t bound) {
  MEDSEG_CHECK(bound > 0, "RandomStream::below: bound is 0");
  const std::uint64_t limit = ~std::uint64_t{0} - ~std::uint64_t{0} % bound;
  std::uint64_t drawn = next();
  while (drawn >= limit) drawn = next();
  return static_cast<std::size_t>(drawn % bound);
}

}  // namespace medseg
