#include "placing.h"

#include <iomanip>
#include <map>
#include <sstream>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "source_files.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

class Placing {
 public:
  Placing(const ConvertOptions& options, const fs::path& folder)
      : options_(options),
        out_(fs::absolute(options.out).lexically_normal()),
        folder_(fs::absolute(folder).lexically_normal()) {}

  fs::path place(const fs::path& file, const char* below) {
    const auto [it, is_new] = placed_.emplace(file, fs::path());
    if (is_new) it->second = options_.copy ? copied(file, below) : seen_from_out(file);
    return it->second;
  }

 private:
  fs::path seen_from_out(const fs::path& file) const {
    const fs::path full = fs::absolute(file).lexically_normal();
    const fs::path made = full.lexically_relative(folder_);
    if (!made.empty() && made.begin()->string() != "..") return made;
    return full.lexically_relative(out_);
  }

  fs::path copied(const fs::path& file, const char* below) {
    const fs::path made = fs::absolute(file).lexically_normal().lexically_relative(folder_);
    if (!made.empty() && made.begin()->string() != "..") return made;
    if (fs::is_directory(file) || ends_with_any(file.string(), {".mhd", ".hdr", ".nhdr", ".img"}))
      throw DataError(file.string(), "made of several files, which --copy does not take");
    std::ostringstream name;
    name << below << "/" << std::setw(6) << std::setfill('0') << count_++;
    if (!options_.pseudonyms) name << "-" << stem_of(file.filename().string());
    name << ending_of(file.filename().string());
    std::error_code error;
    fs::create_directories(folder_ / below, error);
    fs::copy_file(file, folder_ / name.str(), fs::copy_options::overwrite_existing, error);
    if (error) throw DataError(file.string(), "cannot be copied: " + error.message());
    return name.str();
  }

  static std::string ending_of(const std::string& name) {
    return name.substr(stem_of(name).size());
  }

  const ConvertOptions& options_;
  fs::path out_, folder_;
  std::map<fs::path, fs::path> placed_;
  std::size_t count_ = 0;
};

}  // namespace

void place_files(std::vector<Record>& records, const ConvertOptions& options,
                 const fs::path& folder) {
  Placing placing(options, folder);
  for (auto& record : records) {
    record.image = placing.place(record.image, "images");
    for (auto& [id, mask] : record.masks) {
      if (!mask.file.empty()) mask.file = placing.place(mask.file, "masks");
    }
  }
}

}  // namespace medseg
