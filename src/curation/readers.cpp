#include "medseg/curation/readers.h"

#include <algorithm>
#include <cctype>

#include <sys/stat.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/http/sessions.h"

namespace medseg {
namespace {

constexpr std::size_t kShortestPassword = 10;

bool good_name(const std::string& name) {
  return !name.empty() && name.size() <= 40 &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
         });
}

}  // namespace

Readers::Readers(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & 077) != 0)
    throw ConfigError(path.string(), "others may read this file; expected mode 0600");
  int line = 0;
  for (const auto& text : split(raised_as<ConfigError>([&] { return read_file(path); }), '\n')) {
    ++line;
    const std::string entry = trim(text.substr(0, text.find('#')));
    if (entry.empty()) continue;
    const std::string where = str_cat(path.string(), ":", line);
    const auto parts = split(entry, ':');
    if (parts.size() != 3 || !good_name(parts[0]))
      throw ConfigError(where, "expected name:role:hash");
    const Reader reader{parts[0], choice_named<ReaderRole>(where, parts[1]), parts[2]};
    with_place(where, [&] { password_fits("", reader.hash); });
    if (!readers_.emplace(reader.name, reader).second)
      throw ConfigError(where, "\"" + reader.name + "\" stands twice");
  }
  if (readers_.empty()) throw ConfigError(path.string(), "holds no reader");
  hash_of_nobody_ = hashed_password(random_token());
}

std::optional<Reader> Readers::admit(const std::string& name, std::string_view password) const {
  const auto found = readers_.find(name);
  const bool fits =
      password_fits(password, found == readers_.end() ? hash_of_nobody_ : found->second.hash);
  if (!fits || found == readers_.end()) return std::nullopt;
  return found->second;
}

std::optional<Reader> Readers::find(const std::string& name) const {
  const auto found = readers_.find(name);
  return found == readers_.end() ? std::nullopt : std::optional(found->second);
}

std::size_t Readers::count(ReaderRole role) const {
  return static_cast<std::size_t>(
      std::count_if(readers_.begin(), readers_.end(),
                    [&](const auto& entry) { return entry.second.role == role; }));
}

void add_reader(const std::filesystem::path& path, const std::string& name, ReaderRole role,
                std::string_view password) {
  if (!good_name(name))
    throw ConfigError("--add-reader", "\"" + name + "\": expected letters, digits, \".-_\"");
  if (password.size() < kShortestPassword) {
    throw ConfigError(
        "password", str_cat(password.size(), " characters, expected at least ", kShortestPassword));
  }
  const bool is_new = !std::filesystem::exists(path);
  if (!is_new && Readers(path).find(name))
    throw ConfigError(path.string(), "\"" + name + "\" is a reader already");
  if (is_new) {
    write_file(path, "");
    std::filesystem::permissions(
        path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  append_line(path, str_cat(name, ":", name_of(role), ":", hashed_password(password)));
}

}  // namespace medseg
