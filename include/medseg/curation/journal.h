/// \file
/// The journal of an annotation by an endpoint: every request before it is sent and every answer
/// that came, in a SQLite file that only grows. What was answered once is never asked again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

#include "medseg/curation/sqlite.h"

namespace medseg {

/// What a request is about; its hash is its key.
struct JournalRequest {
  std::string key;      ///< SHA-256 of everything that was sent but the endpoint and the secret
  std::string picture;  ///< id of its record
  std::string stage;
  int version = 1;  ///< of the stage's prompt
  std::string model;
  std::string prompt;  ///< JSON of the messages; images by their hashes
};

struct JournalAnswer {
  int status = 0;      ///< of HTTP; 0 where nothing came
  std::string text;    ///< the model's words; of a failure what the endpoint said
  std::string finish;  ///< "stop", "length", …
  std::int64_t prompt_tokens = 0, answer_tokens = 0;
  double price = 0;
  double seconds = 0;
};

struct JournalTotals {
  std::int64_t requests = 0, answers = 0, failures = 0;
  std::int64_t in_doubt = 0;  ///< sent and never answered, and no later answer to the same request
  std::int64_t prompt_tokens = 0, answer_tokens = 0;
  double price = 0;
};

/// All members may be called from several threads.
class Journal {
 public:
  enum class Use { kGoOn, kReplay };
  /// \throws DataError where the file is no journal, or, to replay, is not there.
  Journal(const std::filesystem::path& path, Use use);

  /// The good answer to this request, if there is one.
  std::optional<JournalAnswer> find(const std::string& key);

  /// Before sending; the number belongs into `answered`.
  std::int64_t asked(const JournalRequest& request);
  void answered(std::int64_t number, const JournalAnswer& answer);

  JournalTotals totals();

 private:
  std::mutex mutex_;
  Database database_;
};

}  // namespace medseg
