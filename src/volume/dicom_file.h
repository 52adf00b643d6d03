/// \file
/// One DICOM file: its attributes through DCMTK, its pixels as stored samples.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dicom_structure.h"
#include "medseg/base/file.h"

class DcmItem;
class DcmDataset;

namespace medseg {

/// An attribute, "group,element".
struct DicomTag {
  std::uint16_t group = 0, element = 0;
};

/// A data set or an item of a sequence; empty where there is none. What is missing or is no number
/// reads as nothing.
class DicomItem {
 public:
  DicomItem() = default;
  explicit DicomItem(DcmItem* item) : item_(item) {}

  explicit operator bool() const { return item_ != nullptr; }
  DcmItem* get() const { return item_; }
  bool has(DicomTag tag) const;  ///< with a value
  std::string text(DicomTag tag) const;
  std::optional<double> number(DicomTag tag, unsigned long index = 0) const;
  std::optional<std::int64_t> integer(DicomTag tag, unsigned long index = 0) const;
  /// Exactly `N` finite numbers.
  template <std::size_t N>
  std::optional<std::array<double, N>> numbers(DicomTag tag) const {
    std::array<double, N> found{};
    for (std::size_t i = 0; i < N; ++i) {
      const auto value = number(tag, i);
      if (!value) return std::nullopt;
      found[i] = *value;
    }
    return found;
  }
  /// 16-bit words, as look-up tables have them.
  std::vector<std::uint16_t> words(DicomTag tag) const;
  DicomItem item(DicomTag sequence, std::size_t index = 0) const;
  std::vector<DicomItem> all_items(DicomTag sequence) const;

 private:
  DcmItem* item_ = nullptr;
};

class DicomFile {
 public:
  /// Proves the file's structure and reads its attributes, not its pixels. \throws DataError.
  explicit DicomFile(const std::filesystem::path& path);
  DicomFile(std::span<const std::uint8_t> bytes, std::string where);
  ~DicomFile();
  DicomFile(DicomFile&&) noexcept;
  DicomFile& operator=(DicomFile&&) = delete;

  const std::string& where() const { return where_; }
  const DicomStructure& structure() const { return structure_; }
  DicomItem data() const;
  bool has_pixels() const { return structure_.pixels_at.has_value(); }
  [[noreturn]] void fail(const std::string& what) const;

  /// The whole data set with decompressed pixels: for what only DCMTK decodes. \throws DataError.
  std::unique_ptr<DcmDataset> decompressed() const;

 private:
  void parse();

  std::optional<MappedFile> file_;
  std::string where_;
  DicomStructure structure_;
  std::unique_ptr<DcmDataset> data_;
};

}  // namespace medseg
