#include "dicom_structure.h"

#include <cstdio>
#include <cstring>

#include "gzip.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr std::uint32_t kUndefined = 0xffffffff;
constexpr std::size_t kMaxDepth = 64;
constexpr std::uint64_t kMaxUnpacked = std::uint64_t{1} << 28;
constexpr const char* kDeflated = "1.2.840.10008.1.2.1.99";
constexpr const char* kBigEndian = "1.2.840.10008.1.2.2";
constexpr const char* kImplicit = "1.2.840.10008.1.2";
constexpr const char* kExplicit = "1.2.840.10008.1.2.1";

struct Element {
  std::uint16_t group = 0, element = 0;
  std::string vr;  ///< "" in implicit VR
  std::uint32_t length = 0;
  std::size_t value = 0;  ///< where it begins

  bool is(std::uint16_t g, std::uint16_t e) const { return group == g && element == e; }
  bool is_pixels() const {
    return group == 0x7fe0 && (element == 0x0010 || element == 0x0008 || element == 0x0009);
  }
};

std::string tag_text(const Element& element) {
  char text[16];
  std::snprintf(text, sizeof text, "(%04x,%04x)", element.group, element.element);
  return text;
}

/// PS3.5 7.1.2: these types have a length of 16 bits. All others, those of the future too, have one
/// of 32; DCMTK takes the marks of no type ("??", "--") for short ones.
bool has_short_length(const std::string& vr) {
  static const std::string kShort =
      "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US";
  return vr.find_first_of("?-") != std::string::npos || kShort.find(vr) != std::string::npos;
}

class Walker {
 public:
  Walker(std::span<const std::uint8_t> bytes, bool explicit_vr, bool big, const std::string& where)
      : bytes_(bytes), explicit_(explicit_vr), big_(big), where_(where) {}

  std::size_t size() const { return bytes_.size(); }
  [[noreturn]] void fail(const std::string& what) const { throw DataError(where_, what); }

  std::uint16_t u16(std::size_t at) const {
    return static_cast<std::uint16_t>(big_ ? bytes_[at] << 8 | bytes_[at + 1]
                                           : bytes_[at] | bytes_[at + 1] << 8);
  }
  std::uint32_t u32(std::size_t at) const {
    const std::uint32_t first = u16(at), second = u16(at + 2);
    return big_ ? first << 16 | second : first | second << 16;
  }

  /// The element at `at`, whose head must end before `end`.
  Element element(std::size_t at, std::size_t end, bool implicit = false) const {
    if (end - at < 8) fail("truncated: it ends within an element");
    Element found;
    found.group = u16(at);
    found.element = u16(at + 2);
    if (found.group == 0xfffe || !explicit_ || implicit) {
      found.length = u32(at + 4);
      found.value = at + 8;
      return found;
    }
    found.vr = {static_cast<char>(bytes_[at + 4]), static_cast<char>(bytes_[at + 5])};
    for (const char c : found.vr) {
      if ((c < 'A' || c > 'Z') && c != '?' && c != '-')
        fail("damaged: the element " + tag_text(found) + " has no type");
    }
    if (has_short_length(found.vr)) {
      found.length = u16(at + 6);
      found.value = at + 8;
      return found;
    }
    if (end - at < 12) fail("truncated: it ends within an element");
    found.length = u32(at + 8);
    found.value = at + 12;
    return found;
  }

  /// Elements whose value is made of items, by what they say or by what they hold.
  bool holds_items(const Element& found) const {
    if (found.vr == "SQ" || found.length == kUndefined) return true;
    return (found.vr.empty() || found.vr == "UN") && found.length >= 8 &&
           found.value + 4 <= bytes_.size() && u16(found.value) == 0xfffe &&
           u16(found.value + 2) == 0xe000;
  }

  std::span<const std::uint8_t> part(std::size_t at, std::size_t length) const {
    return bytes_.subspan(at, length);
  }

 private:
  std::span<const std::uint8_t> bytes_;
  bool explicit_, big_;
  const std::string& where_;
};

/// One open sequence or item.
struct Level {
  std::size_t end = 0;
  bool sequence = false;   ///< items follow, else elements
  bool undefined = false;  ///< ends by a delimiter
  bool implicit = false;   ///< within a sequence of unknown type, whatever the file's encoding
};

/// The frames of encapsulated pixel data; gives where they end.
std::size_t read_fragments(const Walker& walker, std::size_t at, DicomStructure& out) {
  bool table = true;
  for (;;) {
    if (walker.size() - at < 8) walker.fail("truncated: its compressed pixels do not end");
    const Element item = walker.element(at, walker.size());
    if (item.is(0xfffe, 0xe0dd)) return item.value;
    if (!item.is(0xfffe, 0xe000) || item.length > walker.size() - item.value) {
      walker.fail(item.is(0xfffe, 0xe000) ? "truncated: its compressed pixels do not end"
                                          : "damaged: its compressed pixels have no fragments");
    }
    if (table) {
      for (std::uint32_t i = 0; i + 4 <= item.length; i += 4)
        out.offsets.push_back(walker.u32(item.value + i));
    } else {
      out.fragments.push_back(walker.part(item.value, item.length));
    }
    table = false;
    at = item.value + item.length;
  }
}

void walk(const Walker& walker, DicomStructure& out) {
  std::vector<Level> open = {{walker.size(), false, false, false}};
  std::size_t at = 0;
  while (!open.empty()) {
    const Level level = open.back();
    if (at == level.end) {
      if (level.undefined && open.size() > 1) walker.fail("truncated: a sequence does not end");
      open.pop_back();
      continue;
    }
    // Scanners pad the end of files.
    const bool top = open.size() == 1;
    if (top && (out.pixels_at || walker.size() - at < 8)) return;
    const Element found = walker.element(at, level.end, level.implicit);
    if (found.is(0xfffe, 0xe00d) || found.is(0xfffe, 0xe0dd)) {
      const bool ends_sequence = found.element == 0xe0dd;
      if (top || !level.undefined || level.sequence != ends_sequence)
        walker.fail("damaged: a delimiter that ends nothing");
      open.pop_back();
      at = found.value;
      continue;
    }
    if (level.sequence != found.is(0xfffe, 0xe000))
      walker.fail("damaged: " + tag_text(found) +
                  (level.sequence ? " where an item is expected" : " outside of a sequence"));
    const bool undefined = found.length == kUndefined;
    if (!undefined && found.length > level.end - found.value) {
      walker.fail(str_cat(top ? "truncated: " : "contradictory lengths: ", "its element ",
                          tag_text(found), " has ", found.length, " bytes, of which ",
                          level.end - found.value, " are there"));
    }
    if (top && found.is_pixels()) {
      out.pixels_at = at;
      out.pixels_vr = found.vr;
      out.pixels_element = found.element;
      out.encapsulated = undefined;
      if (undefined) {
        // DCMTK reads any other type of unknown length as a sequence.
        const bool packed =
            found.element == 0x0010 && (found.vr.empty() || found.vr == "OB" || found.vr == "OW");
        if (!packed)
          walker.fail("damaged: compressed pixels of the type " + found.vr + ", expected OB or OW");
        at = read_fragments(walker, found.value, out);
      } else {
        out.pixels = walker.part(found.value, found.length);
        at = found.value + found.length;
      }
      out.pixels_end = at;
      continue;
    }
    const std::size_t end = undefined ? level.end : found.value + found.length;
    at = found.value;
    if (level.sequence) {
      open.push_back({end, false, undefined, level.implicit});
    } else if (walker.holds_items(found)) {
      open.push_back({end, true, undefined, level.implicit || found.vr == "UN"});
    } else {
      at = end;
    }
    if (open.size() > kMaxDepth)
      walker.fail(str_cat("its sequences are nested more than ", kMaxDepth / 2, " deep"));
  }
}

std::string text_of(std::span<const std::uint8_t> value) {
  std::string text(value.begin(), value.end());
  while (!text.empty() && (text.back() == '\0' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

DicomStructure dicom_structure(std::span<const std::uint8_t> bytes, const std::string& where) {
  DicomStructure out;
  std::size_t at = bytes.size() >= 132 && std::memcmp(bytes.data() + 128, "DICM", 4) == 0 ? 132 : 0;
  const Walker meta(bytes, true, false, where);
  while (bytes.size() - at >= 8 && meta.u16(at) == 2) {
    const Element found = meta.element(at, bytes.size());
    if (found.length > bytes.size() - found.value)
      meta.fail("truncated: it ends within its meta header");
    if (found.element == 0x0010)
      out.transfer_syntax = text_of(bytes.subspan(found.value, found.length));
    at = found.value + found.length;
  }
  if (bytes.size() - at < 8) meta.fail("truncated: it has no data set");
  if (out.transfer_syntax.empty()) {
    const bool typed = bytes[at + 4] >= 'A' && bytes[at + 4] <= 'Z' && bytes[at + 5] >= 'A' &&
                       bytes[at + 5] <= 'Z';
    const bool big = typed && bytes[at] == 0;
    out.transfer_syntax = big ? kBigEndian : typed ? kExplicit : kImplicit;
  }
  out.explicit_vr = out.transfer_syntax != kImplicit;
  out.big_endian = out.transfer_syntax == kBigEndian;
  out.dataset = bytes.subspan(at);
  if (out.transfer_syntax == kDeflated) {
    out.unpacked = inflate_bare(out.dataset, kMaxUnpacked, where);
    if (out.unpacked.size() >= kMaxUnpacked)
      throw DataError(where, "a deflated file of more than 256 MiB; save it uncompressed");
    out.dataset = {reinterpret_cast<const std::uint8_t*>(out.unpacked.data()), out.unpacked.size()};
  }
  walk(Walker(out.dataset, out.explicit_vr, out.big_endian, where), out);
  return out;
}

}  // namespace medseg
