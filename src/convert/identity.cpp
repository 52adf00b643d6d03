#include "identity.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iomanip>
#include <map>
#include <set>
#include <sstream>

#include "medseg/base/str.h"
#include "medseg/dataset/leaks.h"
#include "medseg/volume/volume.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHead = 1 << 16;  // bytes of a file that are looked at
constexpr std::size_t kMostFiles = 2000;

std::string head_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(kHead, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(kHead));
  bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return bytes;
}

bool has_letters(const std::string& bytes, std::size_t at, std::size_t size) {
  if (at + size > bytes.size()) return false;
  return std::any_of(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                     bytes.begin() + static_cast<std::ptrdiff_t>(at + size),
                     [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; });
}

/// Texts that a picture or volume carries beside its pixels. A gzipped volume's head is not opened.
bool carries_text(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return true;  // a DICOM series
  const std::string head = head_of(path);
  if (head.size() > 132 && head.compare(128, 4, "DICM") == 0) return true;
  if (head.starts_with("\x89PNG"))
    return head.find("tEXt") != std::string::npos || head.find("iTXt") != std::string::npos ||
           head.find("eXIf") != std::string::npos;
  if (head.starts_with("\xff\xd8")) {
    return head.find(std::string("Exif\0", 5)) != std::string::npos ||
           head.find("\xff\xfe") != std::string::npos;
  }
  const bool nifti =
      head.size() > 348 && (head.compare(344, 3, "n+1") == 0 || head.compare(344, 3, "ni1") == 0);
  // db_name, descrip, aux_file of NIfTI-1.
  if (nifti) return has_letters(head, 14, 18) || has_letters(head, 148, 104);
  return false;
}

std::string number_name(const char* prefix, std::size_t number) {
  std::ostringstream text;
  text << prefix << std::setw(6) << std::setfill('0') << number;
  return text.str();
}

}  // namespace

bool looks_identifying(const std::string& subject) {
  if (subject.find('^') != std::string::npos || subject.find(',') != std::string::npos) return true;
  std::size_t digits = 0, most_digits = 0, words = 0;
  bool letters_only = true;
  std::size_t word = 0;
  for (const char c : subject + " ") {
    const auto byte = static_cast<unsigned char>(c);
    digits = std::isdigit(byte) != 0 ? digits + 1 : 0;
    most_digits = std::max(most_digits, digits);
    const bool letter = std::isalpha(byte) != 0 || byte >= 128;
    if (std::isdigit(byte) != 0) letters_only = false;
    if (letter) {
      ++word;
    } else {
      words += word >= 2 ? 1 : 0;
      word = 0;
    }
  }
  return most_digits >= 7 || (letters_only && words >= 2);
}

std::vector<std::string> identity_report(const std::vector<Record>& records,
                                         const Reading& reading) {
  std::set<std::string> subjects, suspicious;
  std::set<fs::path> files;
  for (const auto& record : records) {
    if (!record.subject.empty() && subjects.insert(record.subject).second &&
        looks_identifying(record.subject))
      suspicious.insert(record.subject);
    if (files.size() < kMostFiles) files.insert(record.image);
  }
  const auto with_text = std::count_if(files.begin(), files.end(), carries_text);
  std::vector<std::string> lines;
  const bool numbered = reading.options().pseudonyms;
  if (subjects.empty()) {
    lines.emplace_back("subjects: the source names none");
  } else if (numbered) {
    lines.push_back(str_cat("subjects: ", subjects.size(), " names were replaced by numbers"));
  } else {
    std::string line = str_cat("subjects: ", subjects.size(), " names of the source are kept");
    if (!suspicious.empty())
      line += str_cat("; ", suspicious.size(), suspicious.size() == 1 ? " looks" : " look",
                      " like a person's name, a date or a record number: --pseudonyms gives "
                      "numbers for names");
    lines.push_back(line);
  }
  lines.push_back(str_cat(with_text, " of ", files.size(), " image files carry texts of their own",
                          with_text > 0
                              ? " (DICOM, EXIF, PNG, NIfTI): not read, but the files keep them"
                              : "; gzipped ones were not opened"));
  if (!reading.left_out_keys().empty())
    lines.push_back("keys never read: " + join(reading.left_out_keys(), ", "));
  return lines;
}

void pseudonymise(std::vector<Record>& records) {
  std::map<std::string, std::string> subjects;
  std::map<std::string, std::size_t> pictures;
  for (std::size_t i = 0; i < records.size(); ++i) {
    auto& record = records[i];
    const std::string key = subject_key(record.subject);
    if (!record.subject.empty()) {
      const auto it = subjects.emplace(key, number_name("p", subjects.size())).first;
      record.subject = it->second;
    }
    record.id = number_name("r", i);
  }
}

}  // namespace medseg
