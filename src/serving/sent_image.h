// An image that came as bytes, read as a file of the same content would be.
#pragma once

#include "medseg/dataset/manifest.h"
#include "medseg/serving/chat_request.h"

namespace medseg {

/// The bytes never touch a disk. \throws HttpError 400 with the reader's reason.
RecordImage read_sent_image(const SentImage& image);

}  // namespace medseg
