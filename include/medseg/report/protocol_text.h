/// \file
/// How the result of a scoring protocol is printed.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/metrics/protocols.h"

namespace medseg {

/// The JSON object that `score --json` prints: NaN is null, an infinity the string "inf".
nlohmann::ordered_json protocol_json(const ProtocolResult& result);

/// For a terminal: `lisa` as the benchmark table, others as a list of numbers; then the counts and
/// the protocol's rules.
std::string protocol_text(const ProtocolResult& result);

/// The keys of a paired test beside the two means; of `score --against` and `compare`. Only
/// references that both runs were asked for are compared; "cases" counts the others.
nlohmann::ordered_json comparison_json(const std::vector<CaseRow>& first,
                                       const std::vector<CaseRow>& second);

/// The same for a terminal.
std::string comparison_text(const nlohmann::ordered_json& comparison);

/// One line a reference mask, with a head line.
std::string case_rows_csv(const std::vector<CaseRow>& rows);

}  // namespace medseg
