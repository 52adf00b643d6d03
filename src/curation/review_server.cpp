#include "medseg/curation/review_server.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "medseg/base/clock.h"
#include "medseg/base/error.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/http/sessions.h"
#include "medseg/image/rle.h"
#include "page_files.h"
#include "review_content.h"
#include "review_pixels.h"

namespace medseg {
namespace {

using nlohmann::json;

constexpr std::size_t kDecisionBytes = 8 << 20;
constexpr std::size_t kDraftBytes = 16 << 20;
constexpr int kLoginFailures = 10;  // of one name, before it must wait
constexpr double kLoginPauseS = 60;

HttpReply reply_json(const json& body, int status = 200) {
  HttpReply reply;
  reply.status = status;
  reply.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
  return reply;
}

json body_of(const HttpRequest& request) {
  json body = json::parse(request.body, nullptr, false);
  if (body.is_discarded() || !body.is_object())
    throw HttpError(400, "bad_json", "expected a JSON object");
  return body;
}

std::string text_of(const json& body, const char* key) {
  const auto found = body.find(key);
  if (found == body.end()) return "";
  if (!found->is_string())
    throw HttpError(400, "bad_type", str_cat("expected a text \"", key, "\""));
  return found->get<std::string>();
}

double number_of(const json& body, const char* key) {
  const auto found = body.find(key);
  if (found == body.end() || !found->is_number())
    throw HttpError(400, "bad_type", str_cat("expected a number \"", key, "\""));
  return found->get<double>();
}

std::int64_t whole_of(const std::string& text) {
  if (text.empty() || text.size() > 15 || text.find_first_not_of("0123456789") != std::string::npos)
    throw HttpError(404, "not_found", "nothing is here");
  return std::stoll(text);
}

json standing_json(const ReaderStanding& standing) {
  json out = {{"decisions", standing.decisions}, {"seconds", standing.seconds}};
  out["verdict"] = standing.verdict ? json(name_of(*standing.verdict)) : json(nullptr);
  if (!standing.content) return out;
  out["turns"] = standing.content->at("turns");
  const json masks = standing.content->value("masks", json::object());
  for (const auto& [id, mask] : masks.items()) {
    const Rle rle{mask.at("size").at(0), mask.at("size").at(1), mask.at("counts")};
    out["masks"][id] = runs_of(decode_rle(rle));
  }
  return out;
}

/// A page's revision with its masks as the store keeps them.
json content_of(const json& body) {
  json content = {{"turns", body.value("turns", json::array())}, {"masks", json::object()}};
  const auto masks = body.value("masks", json::object());
  if (!masks.is_object()) throw HttpError(400, "bad_type", "expected an object \"masks\"");
  for (const auto& [id, runs] : masks.items()) {
    const Rle rle = encode_rle(mask_of_runs(runs));
    content["masks"][id] = {{"size", {rle.height, rle.width}}, {"counts", rle.counts}};
  }
  return content;
}

/// Names that failed too often wait: guessing passwords takes years.
class LoginBrake {
 public:
  void check(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto found = failures_.find(name);
    if (found == failures_.end() || found->second.count < kLoginFailures) return;
    if (found->second.since.seconds() > kLoginPauseS) {
      failures_.erase(found);
      return;
    }
    throw HttpError(429, "too_many_logins", "too many wrong passwords; wait a minute");
  }
  void failed(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (failures_.size() > 10000) failures_.clear();
    auto& entry = failures_[name];
    ++entry.count;
    entry.since.restart();
  }
  void passed(const std::string& name) {
    const std::lock_guard lock(mutex_);
    failures_.erase(name);
  }

 private:
  struct Entry {
    int count = 0;
    Stopwatch since;
  };
  std::mutex mutex_;
  std::map<std::string, Entry> failures_;
};

class ReviewApi {
 public:
  ReviewApi(ReviewStore& store, const Readers& readers)
      : store_(store), readers_(readers), pixels_(store.source_folder()) {}

  HttpReply login(const HttpRequest& request) {
    const json body = body_of(request);
    const std::string name = text_of(body, "name");
    brake_.check(name);
    const auto reader = readers_.admit(name, text_of(body, "password"));
    if (!reader) {
      brake_.failed(name);
      throw HttpError(401, "wrong_login", "name and password do not fit");
    }
    brake_.passed(name);
    const Session session = sessions_.open(reader->name);
    HttpReply reply = reply_json({{"name", reader->name},
                                  {"role", name_of(reader->role)},
                                  {"csrf", session.csrf},
                                  {"reasons", reject_reasons()}});
    reply.headers.emplace_back("Set-Cookie", Sessions::cookie(session));
    return reply;
  }

  HttpReply logout(const HttpRequest& request) {
    const auto [session, reader] = signed_in(request, true);
    sessions_.close(session.id);
    HttpReply reply = reply_json(json::object());
    reply.headers.emplace_back("Set-Cookie", Sessions::cookie_of_nobody());
    return reply;
  }

  HttpReply me(const HttpRequest& request) {
    const auto [session, reader] = signed_in(request, false);
    return reply_json({{"name", reader.name},
                       {"role", name_of(reader.role)},
                       {"csrf", session.csrf},
                       {"reasons", reject_reasons()}});
  }

  HttpReply next(const HttpRequest& request) {
    const auto [session, reader] = signed_in(request, false);
    const auto after = request.query.find("after");
    const std::int64_t from = after == request.query.end() ? -1 : whole_of(after->second);
    auto position = store_.next(reader, from);
    if (!position && from >= 0) position = store_.next(reader, -1);  // what was passed over
    const auto progress = store_.progress(reader.name);
    return reply_json({{"position", position ? json(*position) : json(nullptr)},
                       {"records", progress.records},
                       {"judged", progress.judged},
                       {"seconds", progress.seconds}});
  }

  HttpReply record(const HttpRequest& request) {
    const auto [session, reader] = signed_in(request, false);
    const std::int64_t position = position_of(request, reader);
    const Record record = store_.record(position);
    const PixelInfo info = pixels_.info(record);
    json out = {{"position", position},
                {"modality", record.modality},
                {"picture",
                 {{"width", info.width},
                  {"height", info.height},
                  {"channels", info.channels},
                  {"slices", info.slices},
                  {"slice", info.slice},
                  {"low", info.low},
                  {"high", info.high},
                  {"spacing_mm", info.spacing_mm}}}};
    for (const auto& turn : record.turns)
      out["turns"].push_back(
          {{"question", turn.question}, {"answer", turn.answer}, {"masks", turn.masks}});
    out["masks"] = json::object();
    for (const auto& [id, source] : record.masks) {
      out["masks"][id] = runs_of(pixels_.mask(record, id, info));
      out["masks"][id]["label"] = source.label;
      out["masks"][id]["kind"] = source.kind;
    }
    out["standing"] = standing_json(store_.standing(position, reader.name));
    out["draft"] = store_.draft(position, reader.name);
    if (reader.role == ReaderRole::kAdjudicator) {
      out["others"] = json::array();
      for (const auto& [name, standing] : store_.others(position, reader.name))
        out["others"].push_back(standing_json(standing));  // without names: still blind to persons
    }
    return reply_json(out);
  }

  HttpReply slice(const HttpRequest& request) {
    const auto [session, reader] = signed_in(request, false);
    const Record record = store_.record(position_of(request, reader));
    HttpReply reply;
    reply.content_type = "application/octet-stream";
    reply.body = pixels_.values(record, whole_of(request.parameters.at("slice")));
    reply.headers.emplace_back("Cache-Control", "private, max-age=3600");
    return reply;
  }

  HttpReply draft(const HttpRequest& request) {
    const auto [session, reader] = signed_in(request, true);
    store_.keep_draft(position_of(request, reader), reader.name,
                      text_of(body_of(request), "state"));
    return reply_json(json::object());
  }

  HttpReply decide(const HttpRequest& request) {
    const auto [session, reader] = signed_in(request, true);
    const std::int64_t position = position_of(request, reader);
    const json body = body_of(request);
    ReviewDecision decision;
    const auto action = find_choice<ReviewAction>(text_of(body, "action"));
    if (!action) throw HttpError(400, "bad_action", "expected a known \"action\"");
    decision.action = *action;
    decision.seconds = number_of(body, "seconds");
    decision.reason = text_of(body, "reason");
    decision.comment = text_of(body, "comment");
    if (*action == ReviewAction::kRevise) {
      decision.content = content_of(body);
      const auto info = pixels_.info(store_.record(position));
      for (const auto& [id, mask] : decision.content["masks"].items()) {
        if (mask["size"] != json{info.height, info.width})
          throw HttpError(400, "bad_mask", "a mask of another size than its picture");
      }
    }
    try {
      const auto now = store_.decide(position, reader, decision,
                                     static_cast<std::int64_t>(number_of(body, "seen")));
      return reply_json(standing_json(now));
    } catch (const ReviewConflict& conflict) {
      throw HttpError(409, "conflict", conflict.reason());
    } catch (const DataError& error) {
      throw HttpError(400, "bad_decision", error.what());
    }
  }

  HttpReply agreement(const HttpRequest& request) {
    const auto [session, reader] = signed_in(request, false);
    if (reader.role != ReaderRole::kAdjudicator)
      throw HttpError(403, "role", "adjudicators alone may see this");
    return reply_json(json(store_.agreement()));
  }

 private:
  std::pair<Session, Reader> signed_in(const HttpRequest& request, bool changes) {
    const auto session = sessions_.find(request);
    if (!session) throw HttpError(401, "no_session", "nobody is signed in");
    const auto reader = readers_.find(session->user);
    if (!reader) throw HttpError(401, "no_session", "nobody is signed in");
    if (changes) Sessions::check_csrf(*session, request);
    return {*session, *reader};
  }

  /// A reader opens what he may judge, an adjudicator what the readers have judged.
  std::int64_t position_of(const HttpRequest& request, const Reader& reader) {
    const std::int64_t position = whole_of(request.parameters.at("position"));
    if (position >= store_.size()) throw HttpError(404, "not_found", "nothing is here");
    const bool open = store_.status(position) == RecordStatus::kOpen;
    if (reader.role == ReaderRole::kAdjudicator && open)
      throw HttpError(403, "not_judged", "the readers have not judged this record yet");
    return position;
  }

  ReviewStore& store_;
  const Readers& readers_;
  ReviewPixels pixels_;
  Sessions sessions_;
  LoginBrake brake_;
};

}  // namespace

json runs_of(const Mask& mask) {
  json runs = json::array();
  std::uint8_t value = 0;
  std::int64_t run = 0;
  for (const auto pixel : mask.pixels) {
    if ((pixel != 0) != (value != 0)) {
      runs.push_back(run);
      run = 0;
      value = value == 0 ? 1 : 0;
    }
    ++run;
  }
  runs.push_back(run);
  return {{"size", {mask.height, mask.width}}, {"runs", std::move(runs)}};
}

Mask mask_of_runs(const json& runs) {
  const auto fail = [] { throw DataError("masks", "expected {\"size\", \"runs\"} that add up"); };
  if (!runs.is_object() || !runs.contains("size") || !runs.contains("runs")) fail();
  if (!runs["runs"].is_array()) fail();
  const auto [height, width] = size_of_mask(runs["size"], "masks");
  Mask mask(width, height);
  const auto all = static_cast<std::int64_t>(mask.pixels.size());
  std::int64_t at = 0;
  std::uint8_t value = 0;
  for (const auto& run : runs["runs"]) {
    if (!run.is_number_integer() || run < 0 || run > all - at) fail();
    const auto count = run.get<std::int64_t>();
    std::fill_n(mask.pixels.begin() + at, count, value);
    at += count;
    value = value == 0 ? 1 : 0;
  }
  if (at != all) fail();
  return mask;
}

Router review_routes(ReviewStore& store, const Readers& readers) {
  auto api = std::make_shared<ReviewApi>(store, readers);
  Router router;
  const auto add = [&](const char* method, const char* path,
                       HttpReply (ReviewApi::*handler)(const HttpRequest&),
                       std::size_t body_most = 4096) {
    router.add(
        method, path,
        [api, handler](const HttpRequest& request) { return (api.get()->*handler)(request); },
        body_most);
  };
  add("POST", "/api/login", &ReviewApi::login);
  add("POST", "/api/logout", &ReviewApi::logout);
  add("GET", "/api/me", &ReviewApi::me);
  add("GET", "/api/next", &ReviewApi::next);
  add("GET", "/api/records/{position}", &ReviewApi::record);
  add("GET", "/api/records/{position}/slices/{slice}", &ReviewApi::slice);
  add("PUT", "/api/records/{position}/draft", &ReviewApi::draft, kDraftBytes);
  add("POST", "/api/records/{position}/decisions", &ReviewApi::decide, kDecisionBytes);
  add("GET", "/api/agreement", &ReviewApi::agreement);
  for (const auto& [path, file] : curation_page_files()) router.add_file(path, file);
  router.on_failure = [](const HttpRequest& request, const std::string& what) {
    log_warning("review: " + request.path + ": " + what);
  };
  return router;
}

}  // namespace medseg
