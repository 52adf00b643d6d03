#include "medseg/optim/patterns.h"

#include <algorithm>
#include <set>

#include <fnmatch.h>

#include "medseg/base/str.h"

namespace medseg {
namespace {

bool fits(const std::string& glob, const std::string& name) {
  return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0;
}

}  // namespace

bool is_glob(const std::string& pattern) {
  return pattern.find_first_of("*?[") != std::string::npos;
}

bool names(const std::string& pattern, const std::string& name) {
  return is_glob(pattern) ? fits(pattern, name) : name.find(pattern) != std::string::npos;
}

bool any_names(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return names(pattern, name); });
}

bool names_module(const std::string& pattern, const std::string& module) {
  if (is_glob(pattern)) return fits(pattern, module);
  return pattern == module || pattern == module.substr(module.rfind('.') + 1);
}

std::string nearest_name(const std::string& pattern, const std::vector<std::string>& known) {
  std::string words = pattern;
  std::erase_if(words, [](char c) { return c == '*' || c == '?' || c == '[' || c == ']'; });
  std::set<std::string> candidates;
  for (const auto& name : known) {
    for (const auto& part : split(name, '.')) candidates.insert(part);
    if (words.find('.') != std::string::npos) candidates.insert(name);
  }
  return nearest(words, {candidates.begin(), candidates.end()});
}

}  // namespace medseg
