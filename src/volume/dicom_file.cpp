#include "dicom_file.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmdata/dcvr.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

/// DCMTK speaks to nobody, and its decoders are known; once a process.
void prepare_dcmtk() {
  static std::once_flag once;
  std::call_once(once, [] {
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    dcmEnableUnknownVRConversion.set(OFTrue);  // attributes that lost their type on the way
    DJDecoderRegistration::registerCodecs();
    DJLSDecoderRegistration::registerCodecs();
    DcmRLEDecoderRegistration::registerCodecs();
  });
}

DcmTagKey key(DicomTag tag) { return {tag.group, tag.element}; }

E_TransferSyntax dcmtk_syntax(const DicomStructure& structure) {
  if (!structure.unpacked.empty()) return EXS_LittleEndianExplicit;
  return DcmXfer(structure.transfer_syntax.c_str()).getXfer();
}

/// `bytes` become `data`. \pre their structure is proved.
void read_into(DcmDataset& data, std::span<const std::uint8_t> bytes, E_TransferSyntax syntax,
               const std::string& where) {
  DcmInputBufferStream stream;
  stream.setBuffer(bytes.data(), static_cast<offile_off_t>(bytes.size()));
  stream.setEos();
  data.transferInit();
  const OFCondition condition = data.read(stream, syntax, EGL_noChange, DCM_MaxReadLength);
  data.transferEnd();
  if (condition.bad() && condition != EC_EndOfStream)
    throw DataError(where, "damaged DICOM data set");
}

/// DCMTK 3.6.7 never comes back from a marker TEM in front of a JPEG frame's head
/// (dcmjpeg/libsrc/djcodecd.cc, scanJpegDataForBitDepth). Nobody writes one.
bool hangs_dcmtk(std::span<const std::uint8_t> jpeg) {
  std::size_t at = 0;
  while (at + 4 < jpeg.size() && jpeg[at] == 0xff) {
    const std::uint8_t marker = jpeg[at + 1];
    if (marker == 0x01) return true;
    const bool alone = marker >= 0xd0 && marker <= 0xd9;
    const bool reserved = marker >= 0x02 && marker <= 0xbf;
    const std::size_t length = static_cast<std::size_t>(jpeg[at + 2] << 8 | jpeg[at + 3]);
    at += alone || reserved ? 2 : length + 2;
  }
  return false;
}

}  // namespace

bool DicomItem::has(DicomTag tag) const {
  return item_ != nullptr && item_->tagExistsWithValue(key(tag));
}

std::string DicomItem::text(DicomTag tag) const {
  OFString value;
  if (item_ == nullptr || item_->findAndGetOFStringArray(key(tag), value).bad()) return "";
  return trim({value.c_str(), value.size()});
}

std::optional<double> DicomItem::number(DicomTag tag, unsigned long index) const {
  if (item_ == nullptr) return std::nullopt;
  Float64 real = 0;
  if (item_->findAndGetFloat64(key(tag), real, index).good())
    return std::isfinite(real) ? std::optional<double>(real) : std::nullopt;
  Float32 single = 0;
  if (item_->findAndGetFloat32(key(tag), single, index).good())
    return std::isfinite(single) ? std::optional<double>(static_cast<double>(single))
                                 : std::nullopt;
  const auto whole = integer(tag, index);
  return whole ? std::optional<double>(static_cast<double>(*whole)) : std::nullopt;
}

std::optional<std::int64_t> DicomItem::integer(DicomTag tag, unsigned long index) const {
  if (item_ == nullptr) return std::nullopt;
  Uint16 u16 = 0;
  if (item_->findAndGetUint16(key(tag), u16, index).good()) return u16;
  Sint16 s16 = 0;
  if (item_->findAndGetSint16(key(tag), s16, index).good()) return s16;
  Sint32 s32 = 0;
  if (item_->findAndGetSint32(key(tag), s32, index).good()) return s32;
  Uint32 u32 = 0;
  if (item_->findAndGetUint32(key(tag), u32, index).good()) return u32;
  Float64 real = 0;
  if (item_->findAndGetFloat64(key(tag), real, index).good() && std::abs(real) < 1e15)
    return static_cast<std::int64_t>(std::llround(real));
  return std::nullopt;
}

std::vector<std::uint16_t> DicomItem::words(DicomTag tag) const {
  if (item_ == nullptr) return {};
  const Uint16* found = nullptr;
  unsigned long count = 0;
  if (item_->findAndGetUint16Array(key(tag), found, &count).good() && found != nullptr)
    return {found, found + count};
  const Sint16* with_sign = nullptr;
  if (item_->findAndGetSint16Array(key(tag), with_sign, &count).good() && with_sign != nullptr)
    return {with_sign, with_sign + count};
  const Uint8* bytes = nullptr;
  if (item_->findAndGetUint8Array(key(tag), bytes, &count).good() && bytes != nullptr) {
    std::vector<std::uint16_t> joined;  // typed as bytes by mistake
    for (unsigned long i = 0; i + 1 < count; i += 2)
      joined.push_back(static_cast<std::uint16_t>(bytes[i] | bytes[i + 1] << 8));
    return joined;
  }
  return {};
}

DicomItem DicomItem::item(DicomTag sequence, std::size_t index) const {
  DcmItem* found = nullptr;
  if (item_ != nullptr)
    item_->findAndGetSequenceItem(key(sequence), found, static_cast<signed long>(index));
  return DicomItem(found);
}

std::vector<DicomItem> DicomItem::all_items(DicomTag sequence) const {
  DcmSequenceOfItems* found = nullptr;
  std::vector<DicomItem> items;
  if (item_ == nullptr || item_->findAndGetSequence(key(sequence), found).bad()) return items;
  for (DcmObject* at = found->nextInContainer(nullptr); at != nullptr;
       at = found->nextInContainer(at)) {
    items.emplace_back(OFstatic_cast(DcmItem*, at));
  }
  return items;
}

DicomFile::DicomFile(const std::filesystem::path& path) : where_(path.string()) {
  structure_ = dicom_structure(file_.emplace(path).bytes(), where_);
  parse();
}

DicomFile::DicomFile(std::span<const std::uint8_t> bytes, std::string where)
    : where_(std::move(where)) {
  structure_ = dicom_structure(bytes, where_);
  parse();
}

DicomFile::~DicomFile() = default;
DicomFile::DicomFile(DicomFile&&) noexcept = default;

void DicomFile::parse() {
  prepare_dcmtk();
  const auto syntax = dcmtk_syntax(structure_);
  const DcmXfer encoding(syntax);
  // DCMTK's own syntaxes without a UID and GE's private one are encoded otherwise than was proved.
  const bool proved = bool(encoding.isExplicitVR()) == structure_.explicit_vr &&
                      bool(encoding.isBigEndian()) == structure_.big_endian;
  if (syntax == EXS_Unknown || !proved)
    fail("DICOM of the unknown transfer syntax " + structure_.transfer_syntax);
  data_ = std::make_unique<DcmDataset>();
  // The attributes in front of the pixels; those behind them say nothing that is needed.
  const auto bytes = structure_.dataset;
  read_into(*data_, bytes.first(structure_.pixels_at.value_or(bytes.size())), syntax, where_);
}

DicomItem DicomFile::data() const { return DicomItem(data_.get()); }

void DicomFile::fail(const std::string& what) const { throw DataError(where_, what); }

std::unique_ptr<DcmDataset> DicomFile::decompressed() const {
  if (std::any_of(structure_.fragments.begin(), structure_.fragments.end(), hangs_dcmtk))
    fail("damaged JPEG stream");
  auto whole = std::make_unique<DcmDataset>();
  read_into(*whole, structure_.dataset.first(structure_.pixels_end), dcmtk_syntax(structure_),
            where_);
  const OFCondition condition = whole->chooseRepresentation(EXS_LittleEndianExplicit, nullptr);
  if (condition.bad()) {
    const DcmXfer syntax(structure_.transfer_syntax.c_str());
    fail(str_cat("its pixels (", syntax.getXferName(), ") cannot be decompressed"));
  }
  return whole;
}

}  // namespace medseg
