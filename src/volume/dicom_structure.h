/// \file
/// The skeleton of a DICOM file (PS3.5 chapter 7, PS3.10): lengths and nesting are proved before
/// anything interprets the file, and without recursion, so that no file can exhaust the stack or
/// send a reader behind its end.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace medseg {

struct DicomStructure {
  std::string transfer_syntax;  ///< UID; of a file without meta header what its bytes look like
  bool explicit_vr = true, big_endian = false;
  std::string unpacked;                   ///< the data set of a deflated file, else ""
  std::span<const std::uint8_t> dataset;  ///< of the file's bytes, or of `unpacked`
  /// Top-level pixel data (also float and double): where the element begins in `dataset`, and its
  /// value. Encapsulated: the fragments behind the offset table.
  std::optional<std::size_t> pixels_at;
  std::size_t pixels_end = 0;  ///< what stands behind is not proved
  std::span<const std::uint8_t> pixels;
  std::string pixels_vr;
  bool encapsulated = false;
  std::vector<std::uint32_t> offsets;  ///< of frames among the fragments; may be empty
  std::vector<std::span<const std::uint8_t>> fragments;
  std::uint16_t pixels_element = 0;  ///< 0010, or 0008 float, 0009 double

  DicomStructure() = default;
  DicomStructure(DicomStructure&&) = default;
  DicomStructure& operator=(DicomStructure&&) = default;
  DicomStructure(const DicomStructure&) = delete;
};

/// `bytes` must outlive the result. \throws DataError on what is truncated, nested more than 64
/// deep, or contradicts itself.
DicomStructure dicom_structure(std::span<const std::uint8_t> bytes, const std::string& where);

}  // namespace medseg
