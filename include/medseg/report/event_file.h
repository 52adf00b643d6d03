/// \file
/// Event files as `tensorboard --logdir` reads them, written without TensorFlow and protobuf.
///
/// A file is a sequence of TFRecords: length, masked CRC-32C of it, an encoded Event, masked
/// CRC-32C of that. The first holds "brain.Event:2". Messages are those of
/// tensorboard/compat/proto/{event,summary}.proto and plugins/hparams/plugin_data.proto.
/// TensorBoard reads the files of a folder in the order of their names as one run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "medseg/image/image.h"

namespace medseg {

using Hyperparameter = std::variant<bool, double, std::string>;

/// Every event is in the file, whole or not at all, when its call returns. One process writes a
/// folder at a time. Bytes that are not UTF-8 become U+FFFD.
/// \throws DataError from every call if the file cannot be written.
class EventFile {
 public:
  /// "events.out.tfevents.SECONDS.medseg.PID" in `folder`, which is made; its name sorts behind
  /// those of all event files that are there.
  explicit EventFile(const std::filesystem::path& folder);
  static bool is_event_file(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }

  /// Later sessions replace earlier ones: TensorBoard drops what earlier files say of `step` and
  /// later steps (a session log START).
  void begin_session(std::int64_t step) const;

  /// Tag and value; what is not finite is left out.
  void add_scalars(std::int64_t step,
                   const std::vector<std::pair<std::string, double>>& scalars) const;
  /// \pre an image of at least one pixel.
  void add_image(std::int64_t step, const std::string& tag, const Image& image) const;
  void add_text(std::int64_t step, const std::string& tag, const std::string& markdown) const;

  /// The row of this run in TensorBoard's table of experiments: its hyperparameters and the tags of
  /// its results.
  void add_hyperparameters(const std::map<std::string, Hyperparameter>& values,
                           const std::vector<std::string>& result_tags) const;
  /// Marks that row as finished.
  void finish_hyperparameters() const;

  /// Returns when all events would survive a power cut.
  void sync() const;

 private:
  std::filesystem::path path_;
};

}  // namespace medseg
