// The API over a real socket, and its readers alone.
#include <cstdlib>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include "medseg/base/base64.h"
#include "medseg/base/str.h"
#include "medseg/image/rle.h"
#include "medseg/serving/api.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string data_url(const Image& image) {
  return "data:image/png;base64," + base64(encode_png(image));
}

json question(const std::string& text, const std::string& url) {
  return {{"role", "user"},
          {"content",
           {{{"type", "image_url"}, {"image_url", {{"url", url}}}},
            {{"type", "text"}, {"text", text}}}}};
}

void expect_refused(const std::string& body, int status, const std::string& what) {
  try {
    read_chat_request(body);
    ADD_FAILURE() << "accepted: " << body.substr(0, 200);
  } catch (const HttpError& error) {
    EXPECT_EQ(error.status(), status) << body.substr(0, 200);
    EXPECT_THAT(error.reason(), HasSubstr(what));
  }
}

TEST(ChatRequest, ReadsADialogueWithItsImageWhereverItStands) {
  const auto url = data_url(tiny_picture(32, 24));
  const json body = {{"messages",
                      {{{"role", "system"}, {"content", "Be brief."}},
                       {{"role", "user"}, {"content", "Hello"}},
                       {{"role", "assistant"}, {"content", "Yes?"}},
                       question("Where?", url)}},
                     {"max_tokens", 5},
                     {"temperature", 0.7}};
  const auto request = read_chat_request(body.dump());
  ASSERT_TRUE(request.image.has_value());
  EXPECT_EQ(request.image->bytes, encode_png(tiny_picture(32, 24)));
  ASSERT_EQ(request.history.size(), 1U);
  EXPECT_EQ(request.history[0].answer, "Yes?");
  EXPECT_EQ(request.question, "Where?");
  EXPECT_EQ(request.max_tokens, 5);
  EXPECT_EQ(request.notes.size(), 2U) << "the system message and the temperature";
}

TEST(ChatRequest, WhatIsWrongIsNamed) {
  expect_refused("{", 400, "not JSON");
  expect_refused("[]", 400, "expected a JSON object");
  expect_refused(std::string(100'000, '['), 400, "body");
  expect_refused("{}", 400, "messages");
  expect_refused(R"({"messages": []})", 400, "messages");
  expect_refused(R"({"messages": [{"role": "user"}]})", 400, "messages[0].content");
  expect_refused(R"({"messages": [{"role": "assistant", "content": "a"}]})", 400, "messages[0]");
  expect_refused(R"({"messages": [{"role": "user", "content": "a"}], "stream": 1})", 400, "stream");
  expect_refused(R"({"messages": [{"role": "user", "content": "a"}], "max_tokens": -1})", 400,
                 "max_tokens");
  expect_refused(R"({"messages": [{"role": "user", "content": "a"}], "n": 2})", 400, "n:");
  expect_refused(json{{"messages", {question("a", "https://example.org/x.png")}}}.dump(), 400,
                 "data URL");
  expect_refused(json{{"messages", {question("a", "data:text/html;base64,AAAA")}}}.dump(), 415,
                 "text/html");
  expect_refused(json{{"messages", {question("a", "data:image/png;base64,*")}}}.dump(), 400,
                 "base64");
  expect_refused(json{{"messages", {question("", "data:image/png;base64,AAAA")}}}.dump(), 400,
                 "empty");
}

/// A reply as it came over the socket.
struct Reply {
  int status = 0;
  std::string head, body;
};

class Serving : public testing::Test {
 protected:
  Serving() {
    save_tiny_bundle(tiny_bundle(), scratch_ / "tiny");
    ModelOptions options;
    options.bundle = scratch_ / "tiny";
    options.precision = "fp32";
    options.threads = 1;
    model_.emplace(options);
  }
  void start(std::optional<BearerTokens> tokens = std::nullopt) {
    HttpOptions options;
    options.port = 0;
    server_.emplace(options, make_api(*model_, counts_, std::move(tokens), 1 << 20),
                    [&](const HttpAccess& access) { counts_.add_request(access); });
  }

  Reply send(const std::string& method, const std::string& path, const std::string& body = "",
             const std::string& headers = "Content-Type: application/json\r\n") const {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(server_->port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const std::string request =
        str_cat(method, " ", path, " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n", headers,
                "Content-Length: ", body.size(), "\r\n\r\n", body);
    std::size_t sent = 0;
    while (sent < request.size()) {
      const auto n = ::send(fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) break;  // the server may answer before it has read all
      sent += static_cast<std::size_t>(n);
    }
    std::string all;
    char buffer[4096];
    for (;;) {
      const auto n = ::recv(fd, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      all.append(buffer, static_cast<std::size_t>(n));
    }
    ::close(fd);
    const auto end = all.find("\r\n\r\n");
    Reply reply;
    reply.head = all.substr(0, end);
    if (end != std::string::npos) reply.body = all.substr(end + 4);
    if (all.size() > 12) reply.status = std::atoi(all.c_str() + 9);
    return reply;
  }
  json chat(const json& more = json::object()) const {
    json body = {{"messages", {question("What protects it?", data_url(tiny_picture(32, 24)))}}};
    body.update(more);
    return body;
  }

  TempFolder scratch_{"serving"};
  std::optional<AskedModel> model_;
  ServedCounts counts_;
  std::optional<HttpServer> server_;
};

TEST_F(Serving, AnswersInOpenAisFormAsPredictDoes) {
  start();
  const auto reply = send("POST", "/v1/chat/completions", chat().dump());
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto json = json::parse(reply.body);
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["model"], "tiny");
  const auto& message = json["choices"][0]["message"];
  const auto bundle = tiny_bundle();
  const auto features = std::make_shared<const ImageFeatures>(
      encode_image(tiny_picture(32, 24), *bundle.model, bundle.options, at::kFloat));
  const auto expected = Dialogue(bundle, features, {.max_new_tokens = 12}).ask("What protects it?");
  EXPECT_EQ(message["content"], expected.text);
  EXPECT_EQ(message["medseg"]["masks"].size(), expected.masks.size());
  EXPECT_EQ(json["usage"]["completion_tokens"], expected.ids.size());
}

TEST_F(Serving, AStreamHasTheSameWordsAndEndsWithMasksAndDone) {
  start();
  const auto whole = json::parse(send("POST", "/v1/chat/completions", chat().dump()).body);
  const auto reply = send("POST", "/v1/chat/completions", chat({{"stream", true}}).dump());
  EXPECT_THAT(reply.head, HasSubstr("text/event-stream"));
  std::string text;
  std::vector<json> chunks;
  bool done = false;
  for (std::size_t at = reply.body.find("data: "); at != std::string::npos;
       at = reply.body.find("data: ", at + 1)) {
    const auto data = reply.body.substr(at + 6, reply.body.find('\n', at) - at - 6);
    done = data.starts_with("[DONE]");
    if (done) break;
    chunks.push_back(json::parse(data));
    text += chunks.back()["choices"][0]["delta"].value("content", "");
  }
  EXPECT_TRUE(done);
  ASSERT_FALSE(chunks.empty());
  EXPECT_EQ(trim(text), whole["choices"][0]["message"]["content"]);
  EXPECT_EQ(chunks.back()["choices"][0]["delta"]["medseg"],
            whole["choices"][0]["message"]["medseg"]);
  EXPECT_EQ(chunks.back()["choices"][0]["finish_reason"], whole["choices"][0]["finish_reason"]);
}

TEST_F(Serving, SegmentAnswersEveryQuestion) {
  start();
  const json body = {{"image", data_url(tiny_picture(32, 24))},
                     {"questions", {"What protects it?", "And below?"}}};
  const auto reply = send("POST", "/v1/segment", body.dump());
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto json = json::parse(reply.body);
  ASSERT_EQ(json["turns"].size(), 2U);
  EXPECT_EQ(json["size"], (std::vector<int>{24, 32}));
  for (const auto& turn : json["turns"]) {
    for (const auto& mask : turn["masks"]) {
      const Rle rle{mask["rle"]["size"][0], mask["rle"]["size"][1], mask["rle"]["counts"]};
      EXPECT_EQ(decode_rle(rle).area(), mask["area_pixels"].get<std::int64_t>());
    }
  }
}

TEST_F(Serving, BadRequestsGetAnErrorOfOpenAisForm) {
  start();
  const auto expect = [&](const Reply& reply, int status, const std::string& what) {
    EXPECT_EQ(reply.status, status) << reply.body;
    const auto json = json::parse(reply.body, nullptr, false);
    ASSERT_TRUE(json.is_object()) << reply.body;
    EXPECT_THAT(json["error"]["message"].get<std::string>(), HasSubstr(what));
    EXPECT_TRUE(json["error"].contains("type") && json["error"].contains("code"));
  };
  expect(send("POST", "/v1/chat/completions", "{"), 400, "not JSON");
  expect(send("POST", "/v1/chat/completions", "{}", "Content-Type: text/plain\r\n"), 415,
         "application/json");
  expect(send("POST", "/v1/chat/completions", std::string((1 << 20) + 1, ' ')), 413, "");
  expect(send("GET", "/nothing"), 404, "");
  const json no_image = {{"messages", {{{"role", "user"}, {"content", "Where?"}}}}};
  expect(send("POST", "/v1/chat/completions", no_image.dump()), 400, "image");
  const auto damaged =
      "data:image/png;base64," + base64(encode_png(tiny_picture(32, 24)).substr(0, 60));
  const json bad = {{"messages", {question("Where?", damaged)}}};
  const auto refused = send("POST", "/v1/chat/completions", bad.dump());
  expect(refused, 400, "image");
  EXPECT_THAT(refused.body, testing::Not(HasSubstr("/proc/")));
}

TEST_F(Serving, TokensAreNeededForEverythingButHealthAndThePage) {
  write_file(scratch_ / "tokens", "0123456789abcdef0123\n");
  std::filesystem::permissions(scratch_ / "tokens", std::filesystem::perms::owner_read);
  start(BearerTokens(scratch_ / "tokens"));
  EXPECT_EQ(send("GET", "/v1/models").status, 401);
  EXPECT_EQ(send("POST", "/v1/chat/completions", chat().dump()).status, 401);
  EXPECT_EQ(send("GET", "/metrics").status, 401);
  EXPECT_EQ(send("GET", "/health").status, 200);
  EXPECT_EQ(send("GET", "/").status, 200);
  EXPECT_EQ(send("GET", "/v1/models", "", "Authorization: Bearer 0123456789abcdef0123\r\n").status,
            200);
  EXPECT_EQ(send("GET", "/v1/models", "", "Authorization: Bearer 0123456789abcdef0124\r\n").status,
            401);
}

TEST_F(Serving, CountsWhatItDid) {
  start();
  ASSERT_EQ(send("POST", "/v1/chat/completions", chat().dump()).status, 200);
  const auto metrics = send("GET", "/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("medseg_answers_total 1\n"));
  EXPECT_THAT(metrics, HasSubstr("medseg_requests_total{status=\"200\"} 1\n"));
}

TEST_F(Serving, ThePageAsksForNothingFromOutside) {
  start();
  const auto page = send("GET", "/").body;
  EXPECT_THAT(page, HasSubstr("<title>medseg</title>"));
  for (const char* name :
       {"/", "/page/page.js", "/page/masks.js", "/page/page.css", "/page/icon.svg"}) {
    const auto file = send("GET", name);
    EXPECT_EQ(file.status, 200) << name;
    EXPECT_THAT(file.body, testing::Not(HasSubstr("https://"))) << name;
  }
}

}  // namespace
}  // namespace medseg
