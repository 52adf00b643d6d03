#include "dicom_jpeg2000.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include <openjpeg.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

struct Reader {
  std::span<const std::uint8_t> bytes;
  std::size_t at = 0;
};

OPJ_SIZE_T read_some(void* buffer, OPJ_SIZE_T wanted, void* user) {
  auto& reader = *static_cast<Reader*>(user);
  const auto count = std::min<std::size_t>(wanted, reader.bytes.size() - reader.at);
  if (count == 0) return static_cast<OPJ_SIZE_T>(-1);
  std::memcpy(buffer, reader.bytes.data() + reader.at, count);
  reader.at += count;
  return count;
}

OPJ_OFF_T skip_some(OPJ_OFF_T wanted, void* user) {
  auto& reader = *static_cast<Reader*>(user);
  if (wanted < 0) return -1;
  const auto count =
      std::min<std::size_t>(static_cast<std::size_t>(wanted), reader.bytes.size() - reader.at);
  reader.at += count;
  return count == 0 && wanted > 0 ? -1 : static_cast<OPJ_OFF_T>(count);
}

OPJ_BOOL seek_to(OPJ_OFF_T place, void* user) {
  auto& reader = *static_cast<Reader*>(user);
  if (place < 0 || static_cast<std::size_t>(place) > reader.bytes.size()) return OPJ_FALSE;
  reader.at = static_cast<std::size_t>(place);
  return OPJ_TRUE;
}

void silent(const char*, void*) {}

// Streams and codecs are of one type, so each has a deleter of its own.
struct FreeStream {
  void operator()(opj_stream_t* stream) const { opj_stream_destroy(stream); }
};
struct FreeCodec {
  void operator()(opj_codec_t* codec) const { opj_destroy_codec(codec); }
};
struct FreeImage {
  void operator()(opj_image_t* image) const { opj_image_destroy(image); }
};

}  // namespace

Jpeg2000Image decode_jpeg2000(std::span<const std::uint8_t> bytes, int width, int height,
                              int samples, const std::string& where) {
  const auto fail = [&](const std::string& what) { throw DataError(where, "JPEG 2000: " + what); };
  const bool boxed = bytes.size() > 12 && bytes[4] == 'j' && bytes[5] == 'P';
  Reader reader{bytes};
  const std::unique_ptr<opj_stream_t, FreeStream> stream(opj_stream_default_create(OPJ_TRUE));
  const std::unique_ptr<opj_codec_t, FreeCodec> codec(
      opj_create_decompress(boxed ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K));
  if (!stream || !codec) fail("no decoder");
  opj_stream_set_read_function(stream.get(), read_some);
  opj_stream_set_skip_function(stream.get(), skip_some);
  opj_stream_set_seek_function(stream.get(), seek_to);
  opj_stream_set_user_data(stream.get(), &reader, nullptr);
  opj_stream_set_user_data_length(stream.get(), bytes.size());
  for (const auto set : {opj_set_info_handler, opj_set_warning_handler, opj_set_error_handler})
    set(codec.get(), silent, nullptr);
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  opj_image_t* read = nullptr;
  if (opj_setup_decoder(codec.get(), &parameters) == OPJ_FALSE ||
      opj_read_header(stream.get(), codec.get(), &read) == OPJ_FALSE) {
    fail("damaged head");
  }
  const std::unique_ptr<opj_image_t, FreeImage> image(read);
  const auto wide = static_cast<std::int64_t>(image->x1) - image->x0;
  const auto high = static_cast<std::int64_t>(image->y1) - image->y0;
  if (wide != width || high != height || image->numcomps != static_cast<OPJ_UINT32>(samples)) {
    fail(str_cat("contradictory header: the stream has ", wide, " x ", high, " pixels of ",
                 image->numcomps, " samples, the file says ", width, " x ", height, " of ",
                 samples));
  }
  if (opj_decode(codec.get(), stream.get(), image.get()) == OPJ_FALSE ||
      opj_end_decompress(codec.get(), stream.get()) == OPJ_FALSE) {
    fail("damaged or truncated stream");
  }
  Jpeg2000Image out{width, height, samples, {}};
  const auto pixels = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  out.values.resize(pixels * static_cast<std::size_t>(samples));
  for (std::size_t c = 0; c < static_cast<std::size_t>(samples); ++c) {
    const auto& component = image->comps[c];
    if (component.data == nullptr || component.w != static_cast<OPJ_UINT32>(width) ||
        component.h != static_cast<OPJ_UINT32>(height)) {
      fail("components of different sizes are not read");
    }
    for (std::size_t i = 0; i < pixels; ++i)
      out.values[i * static_cast<std::size_t>(samples) + c] = component.data[i];
  }
  return out;
}

}  // namespace medseg
