#include "decode.h"

#include <iostream>
#include <mutex>

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

/// OpenCV reports a damaged file on std::cerr as well as by its result; nothing of ours writes
/// there meanwhile.
class QuietStream {
 public:
  QuietStream() {
    const std::lock_guard lock(mutex_);
    if (users_++ == 0) buffer_ = std::cerr.rdbuf(nullptr);
  }
  ~QuietStream() {
    const std::lock_guard lock(mutex_);
    if (--users_ == 0) {
      std::cerr.rdbuf(buffer_);
      std::cerr.clear();
    }
  }
  QuietStream(const QuietStream&) = delete;
  QuietStream& operator=(const QuietStream&) = delete;

 private:
  static inline std::mutex mutex_;
  static inline int users_ = 0;
  static inline std::streambuf* buffer_ = nullptr;
};

}  // namespace

cv::Mat decode_image(std::span<const std::uint8_t> bytes, const PictureHeader& header,
                     const std::string& file) {
  [[maybe_unused]] static const auto silent =
      cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    throw DataError(file,
                    str_cat("an image file of ", bytes.size(), " bytes, expected less than 2^31"));
  }
  cv::Mat mat;
  try {
    const QuietStream quiet;
    const cv::Mat buffer(1, static_cast<int>(bytes.size()), CV_8U,
                         const_cast<std::uint8_t*>(bytes.data()));  // imdecode only reads it
    mat = cv::imdecode(buffer, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception&) {  // its text speaks of OpenCV's own lines
  } catch (const std::bad_alloc&) {
    throw DataError(file, "an image that does not fit into memory");
  }
  if (mat.empty()) throw DataError(file, "damaged image: the decoder gave up");
  if (mat.cols != header.width || mat.rows != header.height) {
    throw DataError(file, str_cat("damaged image: decoded to ", mat.cols, " x ", mat.rows,
                                  ", the header says ", header.width, " x ", header.height));
  }
  return mat;
}

void check_page(std::optional<int> page, int pages, const std::string& file) {
  if (!page && pages > 1) {
    throw DataError(
        file, str_cat("a TIFF of ", pages, " pages; say which one: \"page\": 0 to ", pages - 1));
  }
  if (page && (*page < 0 || *page >= pages)) {
    throw DataError(file, str_cat("page ", *page, " is out of range: the file has ", pages,
                                  pages == 1 ? " page" : " pages"));
  }
}

}  // namespace medseg
