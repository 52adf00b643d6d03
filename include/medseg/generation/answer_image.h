/// \file
/// One dialogue about one image by an opened model.
#pragma once

#include <string>
#include <vector>

#include "medseg/generation/answer_files.h"
#include "medseg/generation/open_model.h"
#include "medseg/generation/slice_answers.h"

namespace medseg {

/// An answer to each question, in turn.
std::vector<AnsweredQuestion> answer_image(const OpenBundle& bundle, const ModelOptions& options,
                                           const Image& image,
                                           const std::vector<std::string>& questions);

/// The same without tensors.
SliceAnswers slice_answers(const std::vector<AnsweredQuestion>& dialogue);

/// What the answers of a model depend on beside image and questions: the bundle's config, its
/// files of weights by size and time of writing, precision and length.
std::string asker_of(const OpenBundle& bundle, const ModelOptions& options);

}  // namespace medseg
