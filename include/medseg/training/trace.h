/// \file
/// The tensors of each stage of one teacher-forced pass: `medseg model trace`.
///
/// Other programs rely on these names and shapes (L tokens, N image tokens, T = L + N - 1):
///
///     image.vision_input [1, 3, S, S]            image.grounding_input [1, 3, G, G]
///     tokens.input_ids [L] int64, -200: image    tokens.labels [L] int64, -100: ignored
///     vision.features [1, Np, Dv]                projector.output [1, N, D]
///     language.hidden [1, T, D]                  language.logits [1, T, V]
///     seg.positions [K] int64 in T: the states that predict a `[SEG]` token
///     seg.hidden [K, D]                          seg.prompt [K, C]
///     grounding.image_embedding [1, C, h, w]     grounding.mask_logits [K, 1, 4h, 4w]
///     grounding.predicted_iou [K, 1]
///     mask.logits [K, H, W], image frame
///     loss.ce, loss.bce, loss.dice, loss.total   scalars with the default weights
///     grad.NAME                                  d loss.total / d NAME
///     generate.ids [n] int64                     generate.seg_positions [k] int64 in T
///     generate.mask_logits [k, H, W]
///
/// Tensors that do not exist are left out: of `[SEG]` tokens if there are none, of an encoder or a
/// grounding part that the model lacks, losses without true masks, the gradient of a parameter that
/// the loss does not reach.
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
  /// Globs over the whole names of parameters in the bundle; `*` also matches dots.
  std::vector<std::string> gradients;
  /// Most tokens of a greedy answer to the first question; 0: no answer.
  std::int64_t generate = 0;
};

using Trace = std::vector<std::pair<std::string, at::Tensor>>;

/// A record as training reads it: all turns with their answers and masks. Runs in float32; matrices
/// that the model has in bf16 become float32 and stay so. \throws DataError as read_sample does,
/// and if gradients are asked for but the record has no answer; ConfigError on a pattern that
/// matches no parameter.
Trace trace_record(OpenBundle& bundle, const Manifest& manifest, const Record& record,
                   const TraceOptions& options);

/// One question and, unless it is empty, its answer. A model with an encoder needs `image`. There
/// are no true masks and so no losses. \throws ConfigError if gradients are asked for.
Trace trace_question(OpenBundle& bundle, const std::optional<Image>& image,
                     const std::string& question, const std::string& answer,
                     const TraceOptions& options);

}  // namespace medseg
