/// \file
/// One teacher-forced pass told stage by stage: the tensors of `medseg model trace`.
///
/// Names and shapes (L tokens, N image tokens, T = L + N - 1) are a contract with other programs:
///
///     image.vision_input [1, 3, S, S]            image.grounding_input [1, 3, G, G]
///     tokens.input_ids [L] int64, -200: image    tokens.labels [L] int64, -100: ignored
///     vision.features [1, Np, Dv]                projector.output [1, N, D]
///     language.hidden [1, T, D]                  language.logits [1, T, V]
///     seg.positions [K] int64 in T, of the states that predict   seg.hidden [K, D]   seg.prompt [K, C]
///     grounding.image_embedding [1, C, h, w]     grounding.mask_logits [K, 1, 4h, 4w]   grounding.predicted_iou [K, 1]
///     mask.logits [K, H, W], image frame
///     loss.ce, loss.bce, loss.dice, loss.total   scalars with the default weights, where the true masks are known
///     grad.NAME                                  d loss.total / d NAME
///     generate.ids [n] int64                     generate.seg_positions [k] int64 in T   generate.mask_logits [k, H, W]
///
/// What does not exist is left out: tensors about `[SEG]` where there is none, about an encoder that the model lacks, the
/// masks' losses of a model without grounding part, the gradient of a parameter that the loss does not reach.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "medseg/bundle/open_bundle.h"
#include "medseg/pipeline/sample.h"

namespace medseg {

struct TraceOptions {
  /// Patterns (`*`, `?`, `[…]`; `*` also matches dots) over parameter names as in the bundle.
  std::vector<std::string> gradients;
  std::int64_t generate = 0;  ///< longest greedy answer to the first question; 0: none
};

using Trace = std::vector<std::pair<std::string, at::Tensor>>;

/// A record as training sees it: all turns, their answers, their masks. Float32 on the threads that ATen is set to: matrices that
/// the model holds in bf16 are widened and stay so.
/// \throws DataError "manifest:line: …" as read_sample, and when gradients are asked of a record without an answer;
/// ConfigError on a pattern that matches no parameter.
Trace trace_record(OpenBundle& bundle, const Manifest& manifest, const Record& record,
                   const TraceOptions& options);

/// One question and, unless it is empty, its answer. `image` is needed by a model that has an encoder. There are no true
/// masks: no losses. \throws ConfigError when gradients are asked for.
Trace trace_question(OpenBundle& bundle, const std::optional<Image>& image,
                     const std::string& question, const std::string& answer,
                     const TraceOptions& options);

}  // namespace medseg
