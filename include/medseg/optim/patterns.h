/// \file
/// The patterns by which a config names parameters and modules.
#pragma once

#include <string>
#include <vector>

namespace medseg {

/// Whether a pattern is a glob: it has one of `*`, `?` and `[`.
bool is_glob(const std::string& pattern);

/// A glob must match the whole name, and its `*` also matches dots: "model.layers.[0-3].*.weight".
/// Any other pattern must be a part of the name: "mask_decoder".
bool names(const std::string& pattern, const std::string& name);
bool any_names(const std::vector<std::string>& patterns, const std::string& name);

/// The same for a module: a pattern that is no glob must be the last part of the name ("q_proj") or
/// all of it.
bool names_module(const std::string& pattern, const std::string& module);

/// For messages about a pattern that names nothing: the most similar of the known names and of the
/// parts between their dots.
std::string nearest_name(const std::string& pattern, const std::vector<std::string>& known);

}  // namespace medseg
