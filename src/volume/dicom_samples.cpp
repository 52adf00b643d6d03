#include "dicom_samples.h"

#include <cmath>
#include <cstring>

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include "dicom_jpeg2000.h"
#include "dicom_tags.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "readers.h"

namespace medseg {
namespace {

constexpr std::int64_t kMaxBytes = std::int64_t{1} << 31;  // of decompressed pixels

bool is_jpeg2000(const std::string& syntax) {
  return syntax == "1.2.840.10008.1.2.4.90" || syntax == "1.2.840.10008.1.2.4.91";
}

/// One codestream a frame: fragments are joined by the offset table, or where a stream begins.
std::vector<std::vector<std::uint8_t>> frame_streams(const DicomFile& file, int frames) {
  const auto& structure = file.structure();
  const auto& fragments = structure.fragments;
  std::vector<std::vector<std::uint8_t>> streams;
  std::uint64_t offset = 0;
  const auto begins = [&](std::size_t i) {
    if (i == 0) return true;
    if (fragments.size() == static_cast<std::size_t>(frames)) return true;
    if (structure.offsets.size() == static_cast<std::size_t>(frames)) {
      for (const auto place : structure.offsets) {
        if (place == offset) return true;
      }
      return false;
    }
    return frames > 1 && fragments[i].size() > 4 && fragments[i][0] == 0xff &&
           fragments[i][1] == 0x4f;
  };
  for (std::size_t i = 0; i < fragments.size(); ++i) {
    if (begins(i)) streams.emplace_back();
    streams.back().insert(streams.back().end(), fragments[i].begin(), fragments[i].end());
    offset += 8 + fragments[i].size();
  }
  if (streams.size() != static_cast<std::size_t>(frames)) {
    file.fail(str_cat("contradictory header: ", frames, " frames, but ", streams.size(),
                      " compressed images"));
  }
  return streams;
}

}  // namespace

double DicomPixelFormat::least() const { return is_signed ? -std::ldexp(1.0, stored - 1) : 0.0; }
double DicomPixelFormat::greatest() const {
  return std::ldexp(1.0, is_signed ? stored - 1 : stored) - 1;
}

DicomPixelFormat dicom_pixel_format(const DicomFile& file) {
  const auto data = file.data();
  const auto whole = [&](DicomTag tag, const char* name) {
    const auto value = data.integer(tag);
    if (!value) file.fail(str_cat("DICOM without ", name));
    return static_cast<int>(std::clamp<std::int64_t>(*value, -1, 1 << 24));
  };
  DicomPixelFormat format;
  format.rows = whole(kRows, "Rows");
  format.columns = whole(kColumns, "Columns");
  format.samples = static_cast<int>(data.integer(kSamplesPerPixel).value_or(1));
  format.frames = 1;
  if (data.has(kNumberOfFrames)) format.frames = whole(kNumberOfFrames, "NumberOfFrames");
  format.photometric = data.text(kPhotometric);
  // JPEG 2000 mixes colours within its stream: decoded they are RGB.
  if (format.photometric == "YBR_ICT" || format.photometric == "YBR_RCT")
    format.photometric = "RGB";
  format.real = file.structure().pixels_element != 0x0010;
  if (format.frames < 1) file.fail("contradictory header: less than one frame");
  if (format.rows < 1 || format.columns < 1)
    file.fail(str_cat("contradictory header: ", format.columns, " x ", format.rows, " pixels"));
  if (format.samples != 1 && format.samples != 3)
    file.fail(str_cat("DICOM of ", format.samples, " samples a pixel; expected 1 or 3"));
  checked_voxels({format.columns, format.rows, format.frames}, file.where());
  if (format.real) {
    format.allocated = format.stored = file.structure().pixels_element == 0x0008 ? 32 : 64;
    format.high = format.stored - 1;
    return format;
  }
  format.allocated = whole(kBitsAllocated, "BitsAllocated");
  format.stored = static_cast<int>(data.integer(kBitsStored).value_or(format.allocated));
  format.high = static_cast<int>(data.integer(kHighBit).value_or(format.stored - 1));
  format.is_signed = data.integer(kPixelRepresentation).value_or(0) == 1;
  format.planes = format.samples == 3 && data.integer(kPlanarConfiguration).value_or(0) == 1;
  const bool known = format.allocated == 1 || format.allocated == 8 || format.allocated == 16 ||
                     format.allocated == 32;
  if (!known || format.stored < 1 || format.stored > format.allocated ||
      format.high + 1 < format.stored || format.high >= format.allocated) {
    file.fail(str_cat("contradictory or unknown sample type: BitsAllocated ", format.allocated,
                      ", BitsStored ", format.stored, ", HighBit ", format.high));
  }
  const auto bytes = static_cast<std::int64_t>(format.pixels()) * format.frames * format.samples *
                     std::max(1, format.allocated / 8);
  if (bytes > kMaxBytes)
    file.fail(str_cat(bytes, " bytes of pixels, at most ", kMaxBytes, " are read"));
  return format;
}

DicomSamples::DicomSamples(const DicomFile& file) : file_(file) {
  if (!file.has_pixels()) file.fail("a DICOM file without an image");
  format_ = dicom_pixel_format(file);
  find_bytes();
}

DicomSamples::~DicomSamples() = default;

void DicomSamples::find_bytes() {
  const auto& structure = file_.structure();
  if (structure.encapsulated && is_jpeg2000(structure.transfer_syntax)) {
    streams_ = frame_streams(file_, format_.frames);
    format_.planes = false;
    return;
  }
  if (structure.encapsulated) {
    decompressed_ = file_.decompressed();
    const DicomItem data(decompressed_.get());
    format_.photometric = data.text(kPhotometric);
    format_.planes = format_.samples == 3 && data.integer(kPlanarConfiguration).value_or(0) == 1;
    format_.allocated = static_cast<int>(data.integer(kBitsAllocated).value_or(format_.allocated));
    DcmElement* element = nullptr;
    decompressed_->findAndGetElement(DCM_PixelData, element);
    Uint16* words = nullptr;
    Uint8* bytes = nullptr;
    if (element == nullptr) file_.fail("its pixels cannot be decompressed");
    const std::size_t size = element->getLength(EXS_LittleEndianExplicit);
    if (element->getUint8Array(bytes).good() && bytes != nullptr) {
      bytes_ = {bytes, size};
    } else if (element->getUint16Array(words).good() && words != nullptr) {
      bytes_ = {reinterpret_cast<const std::uint8_t*>(words), size};
    } else {
      file_.fail("its pixels cannot be decompressed");
    }
  } else {
    bytes_ = structure.pixels;
    swapped_ = structure.big_endian;
    halved_ = format_.photometric == "YBR_FULL_422" || format_.photometric == "YBR_PARTIAL_422";
    if (halved_ && (format_.samples != 3 || format_.columns % 2 != 0 || format_.allocated != 8))
      file_.fail("contradictory header: " + format_.photometric + " of odd rows");
  }
  std::uint64_t bits = static_cast<std::uint64_t>(format_.pixels()) *
                       static_cast<std::uint64_t>(format_.frames) *
                       static_cast<std::uint64_t>(halved_ ? 2 : format_.samples) *
                       static_cast<std::uint64_t>(format_.allocated);
  if (bytes_.size() < (bits + 7) / 8) {
    file_.fail(str_cat("truncated: its header promises ", (bits + 7) / 8,
                       " bytes of pixels, found ", bytes_.size()));
  }
}

double DicomSamples::sample(std::size_t at) const {
  std::uint64_t raw = 0;
  if (format_.allocated == 1) {
    raw = bytes_[at / 8] >> (at % 8) & 1;
  } else {
    const auto width = static_cast<std::size_t>(format_.allocated) / 8;
    // Bytes that were written as big-endian words stand in pairs the other way round.
    const bool pairs = swapped_ && width == 1 && file_.structure().pixels_vr == "OW";
    std::uint8_t value[8];
    for (std::size_t i = 0; i < width; ++i) {
      std::size_t place = at * width + (swapped_ ? width - 1 - i : i);
      if (pairs && (place ^ 1U) < bytes_.size()) place ^= 1U;
      value[i] = bytes_[place];
    }
    if (format_.real) {
      if (width == 4) {
        float number = 0;
        std::memcpy(&number, value, 4);
        return static_cast<double>(number);
      }
      double number = 0;
      std::memcpy(&number, value, 8);
      return number;
    }
    for (std::size_t i = 0; i < width; ++i) raw |= static_cast<std::uint64_t>(value[i]) << (8 * i);
  }
  raw >>= static_cast<unsigned>(format_.high + 1 - format_.stored);
  raw &= (std::uint64_t{1} << format_.stored) - 1;
  auto number = static_cast<std::int64_t>(raw);
  if (format_.is_signed && (raw >> (format_.stored - 1) & 1) != 0)
    number -= std::int64_t{1} << format_.stored;
  return static_cast<double>(number);
}

void DicomSamples::read(int index, std::vector<double>& out) const {
  MEDSEG_CHECK(index >= 0 && index < format_.frames, "frame out of range");
  out.resize(format_.pixels() * static_cast<std::size_t>(format_.samples));
  if (streams_.empty()) {
    read_bytes(index, out);
  } else {
    read_jpeg2000(index, out);
  }
}

void DicomSamples::read_bytes(int index, std::vector<double>& out) const {
  const auto pixels = format_.pixels(), samples = static_cast<std::size_t>(format_.samples);
  if (halved_) {  // Y Y Cb Cr
    const std::size_t begin = static_cast<std::size_t>(index) * pixels * 2;
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
      const std::size_t four = begin + pixel / 2 * 4;
      out[3 * pixel] = sample(four + pixel % 2);
      out[3 * pixel + 1] = sample(four + 2);
      out[3 * pixel + 2] = sample(four + 3);
    }
    return;
  }
  const std::size_t begin = static_cast<std::size_t>(index) * out.size();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t to = format_.planes ? i % pixels * samples + i / pixels : i;
    out[to] = sample(begin + i);
  }
}

void DicomSamples::read_jpeg2000(int index, std::vector<double>& out) const {
  const auto image = decode_jpeg2000(streams_[static_cast<std::size_t>(index)], format_.columns,
                                     format_.rows, format_.samples, file_.where());
  // A stream may be signed where the file is not, and the other way round: the file decides, by the
  // bits that both have.
  const auto mask = (std::int64_t{1} << format_.stored) - 1;
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::int64_t value = image.values[i] & mask;
    if (format_.is_signed && (value >> (format_.stored - 1) & 1) != 0)
      value -= std::int64_t{1} << format_.stored;
    out[i] = static_cast<double>(value);
  }
}

}  // namespace medseg
