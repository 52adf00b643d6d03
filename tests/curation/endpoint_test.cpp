#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drawn.h"
#include "medseg/base/file.h"
#include "medseg/curation/endpoint_stages.h"
#include "medseg/dataset/doctor.h"
#include "medseg/image/codec.h"
#include "scripted_endpoint.h"
#include "support/temp_folder_fixture.h"
#include "support/throws.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

class Endpoint : public TempFolderTest {
 protected:
  static constexpr int kPictures = 4;

  void SetUp() override { write_set(); }
  bool alike_ = false;

  void write_set() {
    std::string lines;
    for (int i = 0; i < kPictures; ++i) {
      Picture picture = drawn_picture();
      Image image = body();
      image.pixels[0] = static_cast<std::uint8_t>(i + 1);
      picture.record.id = "p" + std::to_string(i);
      picture.record.image = "p" + std::to_string(i) + ".png";
      picture.record.absent = {"lungs"};
      if (!alike_) picture.record.spacing_mm = {{0.5, 2.0 + i}};
      write_png(folder_ / "in" / picture.record.image, image);
      picture.record.turns = {{"<image>\nWhich?", "The <p> skull </p> [SEG].", {{"m2"}}, true}};
      lines += to_json_line(picture.record) + "\n";
    }
    write_file(folder_ / "in/manifest.jsonl", lines);
  }

  AnnotateOptions files(const std::string& out = "out") const {
    return {.manifest = folder_ / "in/manifest.jsonl",
            .out = folder_ / out,
            .prompts = std::string(MEDSEG_SOURCE_DIR) + "/configs/annotate"};
  }
  static EndpointOptions at(const std::string& url) {
    EndpointOptions options;
    options.chat.url = url;
    options.chat.model = "scripted";
    options.chat.key = "sk-very-secret";
    options.limits.backoff_s = 0.001;
    options.concurrency = 3;
    return options;
  }
  std::string manifest(const std::string& out = "out") const {
    return read_file(folder_ / out / "manifest.jsonl");
  }
};

TEST_F(Endpoint, MakesASetThatTheDoctorPasses) {
  ScriptedEndpoint endpoint;
  const auto set = annotate_by_endpoint(files(), at(endpoint.url()));
  EXPECT_EQ(set.pairs(), 4 * kPictures);
  EXPECT_EQ(set.dialogues(), 2 * kPictures);
  EXPECT_EQ(set.report()["rejected"], 0);
  const auto found = examine({folder_ / "out/manifest.jsonl"});
  EXPECT_TRUE(found.faults.empty()) << found.faults[0].what;
  for (const auto& warning : found.warnings)  // the drawn body has three grey values
    EXPECT_EQ(warning.kind, FaultKind::kFlatImage) << warning.what;
  EXPECT_EQ(endpoint.requests(), 6 * 2 * kPictures);
  EXPECT_EQ(set.report()["made_by"]["journal"]["prompt_tokens"], 100 * endpoint.requests());
  EXPECT_THAT(endpoint.secrets(), Each("Bearer sk-very-secret"));
}

TEST_F(Endpoint, TheSecretIsWrittenNowhere) {
  ScriptedEndpoint endpoint([](int number, const std::string&, const nlohmann::json&) {
    // An endpoint that repeats the secret in its error.
    return number == 1 ? std::optional(error_reply(500, "x", "sk-very-secret is overloaded"))
                       : std::nullopt;
  });
  annotate_by_endpoint(files(), at(endpoint.url()));
  for (const auto& file : fs::recursive_directory_iterator(folder_ / "out"))
    EXPECT_THAT(read_file(file.path()), Not(HasSubstr("sk-very-secret"))) << file.path();
}

TEST_F(Endpoint, OneThatFailsForAWhileIsWaitedFor) {
  ScriptedEndpoint endpoint(
      [](int number, const std::string&, const nlohmann::json&) -> std::optional<HttpReply> {
        switch (number) {
          case 1:
            return ScriptedEndpoint::fails(503);
          case 2:
            return ScriptedEndpoint::fails(429, {{"Retry-After", "0"}});
          case 3: {  // a reply that is cut
            HttpReply cut = ScriptedEndpoint::says("{\"descriptions\": []}");
            cut.body.resize(cut.body.size() / 2);
            return cut;
          }
          case 4: {  // a proxy's page
            HttpReply page;
            page.content_type = "text/html";
            page.body = "<html>welcome to the hotel</html>";
            return page;
          }
          case 5: {  // a line that breaks off
            HttpReply torn;
            torn.stream = [](HttpStream& stream) {
              stream.write("{\"choices\"");
              throw std::runtime_error("torn");
            };
            return torn;
          }
          case 6:
            return ScriptedEndpoint::fails(500);
          default:
            return std::nullopt;
        }
      });
  const auto set = annotate_by_endpoint(files(), at(endpoint.url()));
  EXPECT_EQ(set.pairs(), 4 * kPictures);
  EXPECT_EQ(set.report()["made_by"]["journal"]["failures"], 6);
  EXPECT_EQ(endpoint.requests(), 6 * 2 * kPictures + 6);
}

TEST_F(Endpoint, OneThatStaysDownStopsTheRunAndTheNextGoesOn) {
  std::atomic<bool> down{false};
  ScriptedEndpoint endpoint(
      [&](int number, const std::string&, const nlohmann::json&) -> std::optional<HttpReply> {
        if (number > 10 && down) return ScriptedEndpoint::fails(503);
        return std::nullopt;
      });
  down = true;
  auto options = at(endpoint.url());
  options.limits.retries = 2;
  EXPECT_THAT([&] { annotate_by_endpoint(files(), options); },
              ThrowsError<RunStopped>("", "no answer in 3 tries: status 503"));
  EXPECT_FALSE(fs::exists(folder_ / "out/manifest.jsonl"));
  down = false;
  annotate_by_endpoint(files(), options);
  for (const auto& [key, times] : endpoint.answered()) EXPECT_EQ(times, 1) << key;
}

TEST_F(Endpoint, ARefusalEndsTheRunAtOnce) {
  ScriptedEndpoint endpoint([](int, const std::string&, const nlohmann::json&) {
    return std::optional(error_reply(401, "key", "wrong key sk-very-secret"));
  });
  auto options = at(endpoint.url());
  options.concurrency = 1;
  EXPECT_THAT([&] { annotate_by_endpoint(files(), options); },
              ThrowsError<ConfigError>("--endpoint", ::testing::AllOf(HasSubstr("status 401"),
                                                                      Not(HasSubstr("secret")))));
  EXPECT_EQ(endpoint.requests(), 1);
}

TEST_F(Endpoint, WrongFormsAreAskedForAgainWithTheirFault) {
  ScriptedEndpoint endpoint(
      [](int, const std::string& stage, const nlohmann::json& body) -> std::optional<HttpReply> {
        const auto turns = body.at("messages").size();
        if (stage == "describe" && turns == 2)
          return ScriptedEndpoint::says("Of course! Here it is.");
        if (stage == "filter" && turns == 2)
          return ScriptedEndpoint::says(R"({"descriptions": [{"id": "m0"}]})");
        if (stage == "questions" && turns == 2)
          return ScriptedEndpoint::says(R"({"quest)", "length");
        if (stage == "answers" && turns == 2)
          return ScriptedEndpoint::says(
              R"({"answers": [{"id": "m77", "kind": "location", "question": "Where is it?",
              "answer": "It is there."}]})");
        return std::nullopt;
      });
  const auto set = annotate_by_endpoint(files(), at(endpoint.url()));
  EXPECT_EQ(set.pairs(), 4 * kPictures);
  std::string told;
  for (const auto& body : endpoint.bodies()) {
    if (body["messages"].size() > 2) told += body["messages"].back()["content"].get<std::string>();
  }
  EXPECT_THAT(told, HasSubstr("the answer is no JSON object"));
  EXPECT_THAT(told, HasSubstr("descriptions[0].attribute: missing"));
  EXPECT_THAT(told, HasSubstr("cut off"));
  EXPECT_THAT(told, HasSubstr("\"id\" is \"m77\""));
}

TEST_F(Endpoint, WhatNoPhysicianWouldSayIsSetAside) {
  ScriptedEndpoint endpoint(
      [](int, const std::string& stage, const nlohmann::json&) -> std::optional<HttpReply> {
        if (stage != "dialogue") return std::nullopt;
        return ScriptedEndpoint::says(
            R"({"turns": [{"kind": "function", "question": "Which thalamus is it?", "answer":
        "As an AI I think 12345 mm of skull is here.", "targets": [], "absent": []},
        {"kind": "follow_up", "question": "And how large is it?", "answer": "Large, I cannot say.",
        "targets": [], "absent": []}]})");
      });
  EXPECT_THAT([&] { annotate_by_endpoint(files(), at(endpoint.url())); },
              ThrowsError<DataError>((folder_ / "out").string(), "no dialogue is left"));
  const auto aside = read_file(folder_ / "out/set_aside.jsonl");
  EXPECT_THAT(aside, HasSubstr(R"("stage":"dialogue")"));
  EXPECT_THAT(aside, HasSubstr("(voice): \\\"as an ai\\\""));
  EXPECT_THAT(aside, HasSubstr("no fact holds 12345"));
}

TEST_F(Endpoint, ASecondLookThatDisagreesSetsAside) {
  ScriptedEndpoint endpoint(
      [](int, const std::string& stage, const nlohmann::json& body) -> std::optional<HttpReply> {
        if (stage != "check" || body.dump().find("skull") == std::string::npos) return std::nullopt;
        return ScriptedEndpoint::says(R"({"agree": false, "reason": "no skull looks so"})");
      });
  const auto set = annotate_by_endpoint(files(), at(endpoint.url()));
  EXPECT_EQ(set.report()["set_aside_by_stage"]["check"], kPictures);
  EXPECT_THAT(read_file(folder_ / "out/set_aside.jsonl"), HasSubstr("no skull looks so"));
}

TEST_F(Endpoint, ReplayNeedsNoNetworkAndGivesTheSameBytes) {
  std::string first;
  {
    ScriptedEndpoint endpoint;
    annotate_by_endpoint(files(), at(endpoint.url()));
    first = manifest();
  }
  auto options = at("https://nobody.invalid/v1");
  options.replay = folder_ / "out/journal.sqlite";
  annotate_by_endpoint(files("again"), options);
  EXPECT_EQ(manifest("again"), first);
  EXPECT_EQ(read_file(folder_ / "again/report.json"), read_file(folder_ / "out/report.json"));
  options.seed = 1;  // other groups: other requests
  EXPECT_THAT([&] { annotate_by_endpoint(files("other"), options); },
              ThrowsError<DataError>("p0", "the journal has no answer"));
  options.replay = folder_ / "none.sqlite";
  EXPECT_THAT([&] { annotate_by_endpoint(files("other"), options); },
              ThrowsError<DataError>((folder_ / "none.sqlite").string(), "no such file"));
}

TEST_F(Endpoint, PicturesWithTheSameFactsPayOnce) {
  alike_ = true;
  write_set();
  ScriptedEndpoint endpoint([](int, const std::string&, const nlohmann::json&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return std::optional<HttpReply>();
  });
  auto options = at(endpoint.url());
  options.chat.model = "one mask a dialogue";
  options.masks_most = 1;
  options.concurrency = 4;
  annotate_by_endpoint(files(), options);
  EXPECT_EQ(endpoint.requests(), 6 * 4);
  for (const auto& [key, times] : endpoint.answered()) EXPECT_EQ(times, 1);
}

TEST_F(Endpoint, BudgetsEndTheRunAndALargerOneGoesOn) {
  ScriptedEndpoint endpoint;
  auto options = at(endpoint.url());
  options.concurrency = 1;
  options.limits.requests_most = 7;
  EXPECT_THAT([&] { annotate_by_endpoint(files(), options); },
              ThrowsError<RunStopped>("", "7 requests (--max-requests)"));
  options.limits.requests_most = 0;
  options.limits.tokens_most = 1200;
  EXPECT_THAT([&] { annotate_by_endpoint(files(), options); },
              ThrowsError<RunStopped>("", "1200 tokens (--max-tokens)"));
  options.limits.tokens_most = 0;
  options.limits.price_prompt = 1e4;  // 100 tokens: 1.0
  options.limits.price_most = 2.5;
  EXPECT_THAT([&] { annotate_by_endpoint(files(), options); },
              ThrowsError<RunStopped>("", "(--max-price)"));
  options.limits.price_most = 0;
  annotate_by_endpoint(files(), options);
  EXPECT_EQ(endpoint.requests(), 6 * 2 * kPictures);
}

TEST_F(Endpoint, PicturesAreSentOnlyWhereAsked) {
  ScriptedEndpoint endpoint;
  annotate_by_endpoint(files(), at(endpoint.url()));
  for (const auto& body : endpoint.bodies()) EXPECT_THAT(body.dump(), Not(HasSubstr("image_url")));
  auto options = at(endpoint.url());
  options.send_images = true;
  annotate_by_endpoint(files("seen"), options);
  int sent = 0;
  for (const auto& body : endpoint.bodies())
    sent += body.dump().find("data:image/png;base64,iVBOR") != std::string::npos ? 1 : 0;
  EXPECT_EQ(sent, 3 * 2 * kPictures);  // describe, filter, check
  // The journal keeps the pictures' hashes alone.
  EXPECT_LT(fs::file_size(folder_ / "seen/journal.sqlite"), 2000000U);
}

/// Runs the annotation in a process of its own and kills it after `ms`; true if it was done before.
bool run_and_kill(const AnnotateOptions& files, const EndpointOptions& options, int ms) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      annotate_by_endpoint(files, options);
      ::_exit(0);
    } catch (...) {
      ::_exit(1);
    }
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_F(Endpoint, KilledAtAnyMomentItLosesNothingAndPaysNothingTwice) {
  ScriptedEndpoint endpoint([](int, const std::string&, const nlohmann::json&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    return std::optional<HttpReply>();
  });
  auto options = at(endpoint.url());
  std::mt19937 random(7);
  int kills = 0;
  for (; kills < 50; ++kills) {
    if (run_and_kill(files(), options, 20 + static_cast<int>(random() % 60))) break;
  }
  annotate_by_endpoint(files(), options);
  const auto answered = endpoint.answered();
  EXPECT_EQ(answered.size(), 6U * 2U * kPictures);
  int repeated = 0;
  for (const auto& [key, times] : answered) repeated += times - 1;
  // An answer on its way when the process died is asked for again, under the key that it had.
  EXPECT_LE(repeated, kills * options.concurrency);
  Journal journal(folder_ / "out/journal.sqlite", Journal::Use::kReplay);
  EXPECT_EQ(journal.totals().answers, 6 * 2 * kPictures);
  EXPECT_EQ(journal.totals().in_doubt, 0);
  const std::string killed = manifest();
  annotate_by_endpoint(files("whole"), options);
  EXPECT_EQ(manifest("whole"), killed);
}

TEST(ChatUrl, OnlyHttpsOrThisMachine) {
  const auto opening = [](const std::string& url) {
    return [url] { ChatEndpoint({.url = url, .model = "m", .key = ""}); };
  };
  for (const char* url : {"https://host/v1", "http://127.0.0.1:8080/v1", "http://localhost/v1",
                          "http://[::1]:9/v1/chat/completions"})
    EXPECT_NO_THROW(opening(url)()) << url;
  EXPECT_THAT(opening("http://host/v1"),
              ThrowsError<ConfigError>("--endpoint", "another machine needs https"));
  EXPECT_THAT(opening("ftp://host/"), ThrowsError<ConfigError>("--endpoint", "is not spoken"));
  EXPECT_THAT(opening("file:///etc/passwd"), ThrowsError<ConfigError>("--endpoint", ::testing::_));
  EXPECT_THAT(opening("https://me:word@host/"),
              ThrowsError<ConfigError>("--endpoint", "--key-env"));
  EXPECT_THAT(opening("host"), ThrowsError<ConfigError>("--endpoint", "is no URL"));
}

TEST(RetryAfter, IsANumberOrADate) {
  EXPECT_EQ(retry_after_seconds("7", 0), 7);
  EXPECT_EQ(retry_after_seconds("Thu, 01 Jan 1970 00:01:40 GMT", 40), 60);
  EXPECT_EQ(retry_after_seconds("Thu, 01 Jan 1970 00:01:40 GMT", 400), 0);
  EXPECT_FALSE(retry_after_seconds("", 0));
  EXPECT_FALSE(retry_after_seconds("soon", 0));
}

}  // namespace
}  // namespace medseg
