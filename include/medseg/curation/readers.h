/// \file
/// Who may review: names, roles and hashed passwords from a file.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "medseg/base/choice.h"

namespace medseg {

enum class ReaderRole { kReader, kAdjudicator };
template <>
struct Choice<ReaderRole> {
  static constexpr ChoiceNames<ReaderRole, 2> names = {
      {{ReaderRole::kReader, "reader"}, {ReaderRole::kAdjudicator, "adjudicator"}}};
};

struct Reader {
  std::string name;
  ReaderRole role = ReaderRole::kReader;
  std::string hash;  ///< of the password (http/sessions.h)
};

/// One reader a line, `name:role:scrypt$…`; `#` begins a comment.
class Readers {
 public:
  /// \throws ConfigError naming file and line: another form, a role or hash that is none, a name
  /// twice; no reader at all; a file that others than its owner may read.
  explicit Readers(const std::filesystem::path& path);

  /// The reader if name and password fit. A name that is not there takes as long as a wrong
  /// password.
  std::optional<Reader> admit(const std::string& name, std::string_view password) const;
  std::optional<Reader> find(const std::string& name) const;
  std::size_t count(ReaderRole role) const;

 private:
  std::map<std::string, Reader> readers_;
  std::string hash_of_nobody_;
};

/// Adds one reader to the file, which is made with mode 0600 where it is not there.
/// \throws ConfigError on a name that is there already, or that is not letters, digits, ".-_"; on a
/// password of fewer than 10 characters.
void add_reader(const std::filesystem::path& path, const std::string& name, ReaderRole role,
                std::string_view password);

}  // namespace medseg
