/// \file
/// How a config names parameters and modules.
#pragma once

#include <string>
#include <vector>

namespace medseg {

/// Whether a pattern is a glob: it has one of `*`, `?` and `[`.
bool is_glob(const std::string& pattern);

/// A glob is for the whole name, and its `*` also goes over dots; any other pattern is for a part of it:
/// "mask_decoder", "model.layers.[0-3].*.weight".
bool names(const std::string& pattern, const std::string& name);
bool any_names(const std::vector<std::string>& patterns, const std::string& name);

/// A module by the last part of its name ("q_proj"), by all of it, or by a glob over all of it.
bool names_module(const std::string& pattern, const std::string& module);

/// For messages about a pattern that names nothing: the name, or part of one, that is most like its words.
std::string nearest_name(const std::string& pattern, const std::vector<std::string>& known);

}  // namespace medseg
