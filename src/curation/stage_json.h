/// \file
/// What the stages of an endpoint are shown and what their answers mean.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/curation/dialogue.h"
#include "medseg/curation/pictures.h"
#include "medseg/curation/rules.h"

namespace medseg {

/// The facts of these masks alone; neighbours are named by their labels.
nlohmann::ordered_json group_facts(const Picture& picture, const std::vector<std::string>& ids);

/// An answer that speaks of a mask that was not asked about; "" where none does. Looks at every
/// "id" in it.
std::string id_fault(const nlohmann::json& answer, const std::vector<std::string>& ids);

/// \pre the answer has the dialogue stage's schema. An unknown kind counts as a follow-up.
Draft draft_of(const nlohmann::json& answer);

/// For the model: what is wrong, turn by turn.
std::string violation_text(const std::vector<Violation>& violations);

}  // namespace medseg
