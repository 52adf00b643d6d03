#include "medseg/serving/api.h"

#include <ctime>

#include <nlohmann/json.hpp>

#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "page_files.h"
#include "reply_json.h"

namespace medseg {
namespace {

using Json = nlohmann::ordered_json;

HttpReply json_reply(const Json& json) {
  HttpReply reply;
  reply.body = json_text(json);
  return reply;
}

void require_json(const HttpRequest& request) {
  const auto type = request.header("content-type");
  if (type.starts_with("application/json")) return;
  throw HttpError(415, "content_type",
                  "Content-Type: expected application/json, found \"" + type + "\"");
}

std::string new_id() { return "chatcmpl-" + random_token().substr(0, 24); }

// Words as they come, then the masks, then [DONE].
void stream_chat(AskedModel& model, ServedCounts& counts, const ChatRequest& request,
                 HttpStream& stream) {
  const auto id = new_id();
  const auto send = [&](const Json& chunk) {
    return stream.write(server_sent_event(json_text(chunk)));
  };
  const auto words = [&](Json delta) {
    return send(chunk_json(id, model.name(), std::move(delta), nullptr));
  };
  try {
    if (!words({{"role", "assistant"}, {"content", ""}})) return;
    const auto served = model.chat(request, [&](const std::string& text) {
      return text.empty() || words({{"content", text}});
    });
    counts.add_answers(served);
    const auto& asked = served.answered.back();
    const Json masks = masks_json(served, asked, request.notes);
    send(chunk_json(id, model.name(), {{"medseg", masks}}, finish_reason_of(asked.answer)));
  } catch (const AskedModel::Stopped&) {
    return;
  } catch (const HttpError& error) {  // the head is sent: the fault comes as an event
    stream.write(server_sent_event(error_reply(error.status(), error.code(), error.reason()).body));
  }
  stream.write(server_sent_event("[DONE]"));
}

HttpReply chat(AskedModel& model, ServedCounts& counts, const HttpRequest& request) {
  require_json(request);
  auto asked = read_chat_request(request.body);
  if (asked.stream) {
    HttpReply reply;
    reply.content_type = "text/event-stream";
    reply.headers.emplace_back("Cache-Control", "no-cache");
    reply.stream = [&model, &counts, asked = std::move(asked)](HttpStream& stream) {
      stream_chat(model, counts, asked, stream);
    };
    return reply;
  }
  const auto served = model.chat(asked);
  counts.add_answers(served);
  const auto& answered = served.answered.back();
  return json_reply(
      completion_json(new_id(), model.name(), answered, masks_json(served, answered, asked.notes)));
}

HttpReply segment(AskedModel& model, ServedCounts& counts, const HttpRequest& request) {
  require_json(request);
  const auto served = model.segment(read_segment_request(request.body));
  counts.add_answers(served);
  return json_reply(segment_json(served, model.name()));
}

}  // namespace

Router make_api(AskedModel& model, ServedCounts& counts, std::optional<BearerTokens> tokens,
                std::size_t body_most) {
  Router router;
  if (tokens) {
    router.guard([tokens = *tokens](const HttpRequest& request) -> std::optional<HttpReply> {
      const bool open =
          request.path == "/health" || request.path == "/" || request.path.starts_with("/page/");
      if (open || tokens.admits(request)) return std::nullopt;
      auto reply = error_reply(401, "invalid_token", "Authorization: a bearer token is needed");
      reply.headers.emplace_back("WWW-Authenticate", "Bearer");
      return reply;
    });
  }
  router.add(
      "POST", "/v1/chat/completions",
      [&](const HttpRequest& request) { return chat(model, counts, request); }, body_most);
  router.add(
      "POST", "/v1/segment",
      [&](const HttpRequest& request) { return segment(model, counts, request); }, body_most);
  const auto started = static_cast<std::int64_t>(std::time(nullptr));
  router.add("GET", "/v1/models", [&model, started](const HttpRequest&) {
    Json json = {{"object", "list"}, {"data", Json::array()}};
    json["data"].push_back(
        {{"id", model.name()}, {"object", "model"}, {"created", started}, {"owned_by", "medseg"}});
    return json_reply(json);
  });
  router.add("GET", "/health", [](const HttpRequest&) { return json_reply({{"status", "ok"}}); });
  router.add("GET", "/metrics", [&counts](const HttpRequest&) {
    HttpReply reply;
    reply.content_type = "text/plain; version=0.0.4";
    reply.body = counts.text();
    return reply;
  });
  for (const auto& [path, file] : serving_page_files()) router.add_file(path, file);
  router.on_failure = [](const HttpRequest& request, const std::string& what) {
    log_warning(str_cat(request.method, " ", request.path, " failed: ", what));
  };
  return router;
}

}  // namespace medseg
