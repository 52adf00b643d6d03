#include "medseg/report/event_file.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "crc32c.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "proto_message.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "events.out.tfevents.";

// Field numbers, one enum a message.
namespace event {
enum { kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7 };
}
namespace session_log {
enum { kStatus = 1 };
enum { kStart = 1 };
}  // namespace session_log
namespace summary {
enum { kValue = 1 };
}
namespace value {
enum { kTag = 1, kSimpleValue = 2, kImage = 4, kTensor = 8, kMetadata = 9 };
}
namespace image_field {
enum { kHeight = 1, kWidth = 2, kColourSpace = 3, kEncoded = 4 };
}
namespace metadata {
enum { kPluginData = 1 };
enum { kPluginName = 1, kContent = 2 };
}  // namespace metadata
namespace tensor {
enum { kType = 1, kShape = 2, kFloats = 5, kStrings = 8 };
enum { kFloat = 1, kString = 7 };
}  // namespace tensor
namespace hparams {
enum { kVersion = 1, kExperiment = 2, kSessionStart = 3, kSessionEnd = 4 };
enum { kTimeCreated = 3, kHparamInfos = 4, kMetricInfos = 5 };  // of the experiment
enum { kInfoName = 1, kInfoType = 4 };
enum {
  kString = 1,
  kBool = 2,
  kNumber = 3
};  // kInfoType; also fields of google.protobuf.Value, below
enum { kMetricName = 1, kMetricTag = 2 };
enum { kValues = 1, kStartTime = 5 };
enum { kMapKey = 1, kMapValue = 2 };
enum { kNumberValue = 2, kStringValue = 3, kBoolValue = 4 };
enum { kStatus = 1, kEndTime = 2, kSuccess = 1 };
}  // namespace hparams

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Proto strings must be UTF-8, or the whole event cannot be read.
std::string utf8(const std::string& text) {
  using Json = nlohmann::json;
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace))
      .get<std::string>();
}

// SECONDS of a name, 0 where it has none.
std::int64_t seconds_of(const fs::path& path) {
  const std::string name = path.filename().string();
  std::int64_t seconds = 0;
  if (name.starts_with(kPrefix))
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), seconds);
  return seconds;
}

std::string record_of(const ProtoMessage& message) {
  const std::string& data = message.encoded();
  const std::string length = little_endian<std::uint64_t>(data.size());
  return length + little_endian(masked_crc32c(length)) + data + little_endian(masked_crc32c(data));
}

ProtoMessage event_at(std::int64_t step) {
  ProtoMessage message;
  message.number(event::kWallTime, seconds_now());
  message.varint(event::kStep, static_cast<std::uint64_t>(step));
  return message;
}

void append(const fs::path& path, const ProtoMessage& message) {
  append_bytes(path, record_of(message));
}

void append_summary(const fs::path& path, std::int64_t step, const ProtoMessage& values) {
  append(path, event_at(step).message(event::kSummary, values));
}

ProtoMessage plugin(const std::string& name, const ProtoMessage& content) {
  ProtoMessage data, whole;
  data.bytes(metadata::kPluginName, name);
  data.message(metadata::kContent, content);
  whole.message(metadata::kPluginData, data);
  return whole;
}

// A tensor with one dimension of size 1.
ProtoMessage tensor_of(int type) {
  ProtoMessage dimension, shape, whole;
  dimension.varint(1, 1);
  shape.message(2, dimension);
  whole.varint(tensor::kType, static_cast<std::uint64_t>(type));
  whole.message(tensor::kShape, shape);
  return whole;
}

// The table's entries are metadata of tags without a value: `part` is one of them.
void append_hparams(const fs::path& path, const std::string& tag, int field,
                    const ProtoMessage& part) {
  ProtoMessage content, entry, values;
  content.varint(hparams::kVersion, 0);
  content.message(field, part);
  entry.bytes(value::kTag, "_hparams_/" + tag);
  entry.message(value::kTensor, tensor_of(tensor::kFloat).number(tensor::kFloats, 0.0F));
  entry.message(value::kMetadata, plugin("hparams", content));
  values.message(summary::kValue, entry);
  append_summary(path, 0, values);
}

ProtoMessage value_of(const Hyperparameter& parameter) {
  ProtoMessage message;
  if (const auto* flag = std::get_if<bool>(&parameter)) {
    message.varint(hparams::kBoolValue, *flag ? 1 : 0);
  } else if (const auto* number = std::get_if<double>(&parameter)) {
    message.number(hparams::kNumberValue, *number);
  } else {
    message.bytes(hparams::kStringValue, utf8(std::get<std::string>(parameter)));
  }
  return message;
}

std::uint64_t type_of(const Hyperparameter& parameter) {
  if (std::holds_alternative<bool>(parameter)) return hparams::kBool;
  return std::holds_alternative<double>(parameter) ? hparams::kNumber : hparams::kString;
}

}  // namespace

bool EventFile::is_event_file(const fs::path& path) {
  return path.filename().string().starts_with(kPrefix);
}

EventFile::EventFile(const fs::path& folder) {
  auto seconds = static_cast<std::int64_t>(seconds_now());
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none))
    seconds = std::max(seconds, seconds_of(entry.path()) + 1);
  char digits[32];
  std::snprintf(digits, sizeof digits, "%010lld", static_cast<long long>(seconds));
  path_ = folder / str_cat(kPrefix, digits, ".medseg.", ::getpid());
  append(path_, event_at(0).bytes(event::kFileVersion, "brain.Event:2"));
}

void EventFile::begin_session(std::int64_t step) const {
  ProtoMessage log;
  log.varint(session_log::kStatus, session_log::kStart);
  append(path_, event_at(step).message(event::kSessionLog, log));
}

void EventFile::add_scalars(std::int64_t step,
                            const std::vector<std::pair<std::string, double>>& scalars) const {
  ProtoMessage values;
  for (const auto& [tag, number] : scalars) {
    if (!std::isfinite(number)) continue;
    ProtoMessage entry;
    entry.bytes(value::kTag, utf8(tag));
    entry.number(value::kSimpleValue, static_cast<float>(number));
    values.message(summary::kValue, entry);
  }
  if (!values.encoded().empty()) append_summary(path_, step, values);
}

void EventFile::add_image(std::int64_t step, const std::string& tag, const Image& image) const {
  ProtoMessage picture, entry, values;
  picture.varint(image_field::kHeight, static_cast<std::uint64_t>(image.height));
  picture.varint(image_field::kWidth, static_cast<std::uint64_t>(image.width));
  picture.varint(image_field::kColourSpace, static_cast<std::uint64_t>(image.channels));
  picture.bytes(image_field::kEncoded, encode_png(image));
  entry.bytes(value::kTag, utf8(tag));
  entry.message(value::kImage, picture);
  values.message(summary::kValue, entry);
  append_summary(path_, step, values);
}

void EventFile::add_text(std::int64_t step, const std::string& tag,
                         const std::string& markdown) const {
  ProtoMessage version, entry, values;
  version.varint(1, 0);
  entry.bytes(value::kTag, utf8(tag));
  entry.message(value::kTensor, tensor_of(tensor::kString).bytes(tensor::kStrings, utf8(markdown)));
  entry.message(value::kMetadata, plugin("text", version));
  values.message(summary::kValue, entry);
  append_summary(path_, step, values);
}

void EventFile::add_hyperparameters(const std::map<std::string, Hyperparameter>& values,
                                    const std::vector<std::string>& result_tags) const {
  ProtoMessage experiment, start;
  for (const auto& [name, parameter] : values) {
    ProtoMessage info, entry;
    info.bytes(hparams::kInfoName, utf8(name));
    info.varint(hparams::kInfoType, type_of(parameter));
    experiment.message(hparams::kHparamInfos, info);
    entry.bytes(hparams::kMapKey, utf8(name));
    entry.message(hparams::kMapValue, value_of(parameter));
    start.message(hparams::kValues, entry);
  }
  for (const auto& tag : result_tags) {
    ProtoMessage name, info;
    name.bytes(hparams::kMetricTag, utf8(tag));
    info.message(hparams::kMetricName, name);
    experiment.message(hparams::kMetricInfos, info);
  }
  experiment.number(hparams::kTimeCreated, seconds_now());
  start.number(hparams::kStartTime, seconds_now());
  append_hparams(path_, "experiment", hparams::kExperiment, experiment);
  append_hparams(path_, "session_start_info", hparams::kSessionStart, start);
}

void EventFile::finish_hyperparameters() const {
  ProtoMessage end;
  end.varint(hparams::kStatus, hparams::kSuccess);
  end.number(hparams::kEndTime, seconds_now());
  append_hparams(path_, "session_end_info", hparams::kSessionEnd, end);
}

void EventFile::sync() const { sync_file(path_); }

}  // namespace medseg
