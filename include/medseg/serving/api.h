/// \file
/// The HTTP API of a model: OpenAI's chat completions with masks beside the words, /v1/segment,
/// /v1/models, /health, /metrics and the web page. Contract of paths and keys: README.md of
/// src/serving.
#pragma once

#include <memory>
#include <optional>

#include "medseg/http/router.h"
#include "medseg/http/server.h"
#include "medseg/http/sessions.h"
#include "medseg/serving/asked_model.h"

namespace medseg {

/// What the server has done; printed by /metrics in Prometheus' text form. Thread-safe.
class ServedCounts {
 public:
  ServedCounts();
  ~ServedCounts();
  void add_request(const HttpAccess& access);
  void add_answers(const ServedAnswers& served);
  std::string text() const;

 private:
  struct Counts;
  std::unique_ptr<Counts> counts_;
};

/// `model` and `counts` must outlive the router. With `tokens`, everything but /health and the page
/// itself needs one. `body_most`: bytes of a request, images included.
Router make_api(AskedModel& model, ServedCounts& counts, std::optional<BearerTokens> tokens,
                std::size_t body_most);

}  // namespace medseg
