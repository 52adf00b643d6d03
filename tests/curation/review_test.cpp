#include <chrono>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drawn.h"
#include "http/raw_client.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/curation/agreement.h"
#include "medseg/curation/review_server.h"
#include "medseg/curation/review_store.h"
#include "medseg/curation/revisions.h"
#include "medseg/dataset/doctor.h"
#include "medseg/http/server.h"
#include "medseg/http/sessions.h"
#include "medseg/image/codec.h"
#include "support/temp_folder_fixture.h"
#include "support/throws.h"

namespace medseg {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Kappa, IsThatOfScikitLearn) {
  const auto golden =
      json::parse(read_file(MEDSEG_SOURCE_DIR "/tests/golden/agreement/kappa.json"));
  ASSERT_EQ(golden["cases"].size(), 128U);
  for (const auto& one : golden["cases"]) {
    const auto kappa =
        cohen_kappa(one["a"].get<std::vector<int>>(), one["b"].get<std::vector<int>>());
    ASSERT_EQ(kappa.has_value(), !one["kappa"].is_null()) << one;
    if (kappa) EXPECT_NEAR(*kappa, one["kappa"].get<double>(), 1e-12) << one;
  }
  EXPECT_DOUBLE_EQ(*cohen_kappa({0, 1, 0, 1}, {0, 1, 0, 1}), 1.0);
  EXPECT_DOUBLE_EQ(*cohen_kappa({0, 1, 0, 1}, {1, 0, 1, 0}), -1.0);
  EXPECT_FALSE(cohen_kappa({}, {}));
  EXPECT_FALSE(cohen_kappa({0, 0}, {0, 0}));  // chance alone agrees always
}

TEST(Kappa, IsFleissForMoreReaders) {
  // The example of Fleiss (1971) as Wikipedia gives it: 0.210
  const std::vector<std::vector<int>> ratings = {
      {0, 0, 0, 0, 14}, {0, 2, 6, 4, 2}, {0, 0, 3, 5, 6}, {0, 3, 9, 2, 0}, {2, 2, 8, 1, 1},
      {7, 7, 0, 0, 0},  {3, 2, 6, 3, 0}, {2, 5, 3, 2, 2}, {6, 5, 2, 1, 0}, {0, 2, 2, 3, 7}};
  EXPECT_NEAR(*fleiss_kappa(ratings), 0.20993, 1e-5);
}

TEST(Runs, GoThereAndBack) {
  Mask mask(5, 3);
  for (const std::size_t i : {0U, 1U, 7U, 14U}) mask.pixels[i] = 1;
  EXPECT_EQ(runs_of(mask)["runs"], json::parse("[0, 2, 5, 1, 6, 1]"));
  EXPECT_EQ(mask_of_runs(runs_of(mask)), mask);
  EXPECT_EQ(mask_of_runs(runs_of(Mask(4, 4))), Mask(4, 4));
  for (const char* bad :
       {R"({})", R"({"size": [2], "runs": [4]})", R"({"size": [2, 2], "runs": [3]})",
        R"({"size": [2, 2], "runs": [5]})", R"({"size": [2, 2], "runs": [-1, 5]})",
        R"({"size": [99999, 2], "runs": []})", R"({"size": [2, 2], "runs": "4"})", R"([])"})
    EXPECT_THROW(mask_of_runs(json::parse(bad)), DataError) << bad;
}

class Review : public TempFolderTest {
 protected:
  const Reader anna_{"anna", ReaderRole::kReader, ""}, ben_{"ben", ReaderRole::kReader, ""},
      cleo_{"cleo", ReaderRole::kReader, ""}, dora_{"dora", ReaderRole::kAdjudicator, ""};

  void SetUp() override {
    std::string lines;
    for (int i = 0; i < 4; ++i) {
      Picture picture = drawn_picture();
      Image image = body();
      image.pixels[0] = static_cast<std::uint8_t>(i + 1);
      auto& record = picture.record;
      record.id = "p" + std::to_string(i);
      record.image = "images/p" + std::to_string(i) + ".png";
      record.source = "drawn by hand, axial slice 1";
      record.licence = "CC0";
      write_png(folder_ / "in" / record.image, image);
      record.turns = {
          {"<image>\nWhat guards the brain?", "The <p> skull </p> [SEG] does.", {{"m2"}}, true}};
      for (const char* unused : {"m0", "m1", "m3"}) record.masks.erase(unused);
      lines += to_json_line(record) + "\n";
    }
    write_file(folder_ / "in/manifest.jsonl", lines);
    open();
  }
  void open() {
    store_ = std::make_unique<ReviewStore>(folder_ / "store.sqlite", folder_ / "in/manifest.jsonl",
                                           ReviewSettings{});
  }
  static ReviewDecision verdict(ReviewAction action, const std::string& reason = "") {
    ReviewDecision decision;
    decision.action = action;
    decision.seconds = 5;
    decision.reason = reason;
    return decision;
  }
  static ReviewDecision revision(const Mask& mask, const std::string& answer) {
    ReviewDecision decision;
    decision.action = ReviewAction::kRevise;
    const Rle rle = encode_rle(mask);
    decision.content = {
        {"turns", {{{"question", "<image>\nWhat guards the brain?"}, {"answer", answer}}}},
        {"masks", {{"m2", {{"size", {rle.height, rle.width}}, {"counts", rle.counts}}}}}};
    return decision;
  }
  void judge(std::int64_t position, const Reader& reader, ReviewAction action,
             const std::string& reason = "") {
    store_->decide(position, reader, verdict(action, reason),
                   store_->standing(position, reader.name).decisions);
  }

  std::unique_ptr<ReviewStore> store_;
};

TEST_F(Review, TwoBlindReadersOfOneMindAreEnough) {
  EXPECT_EQ(store_->next(anna_, -1), 0);
  judge(0, anna_, ReviewAction::kAccept);
  EXPECT_EQ(store_->status(0), RecordStatus::kOpen);
  EXPECT_EQ(store_->next(anna_, -1), 1);
  EXPECT_EQ(store_->next(ben_, -1), 0);
  judge(0, ben_, ReviewAction::kAccept);
  EXPECT_EQ(store_->status(0), RecordStatus::kAccepted);
  EXPECT_EQ(store_->next(cleo_, -1), 1);  // two are enough
  EXPECT_THAT([&] { judge(0, cleo_, ReviewAction::kAccept); },
              ThrowsError<ReviewConflict>("p0", "enough readers"));
  EXPECT_EQ(store_->progress("anna").judged, 1);
  EXPECT_EQ(store_->progress("anna").seconds, 5);
}

TEST_F(Review, DisagreementsGoToTheAdjudicatorAlone) {
  EXPECT_FALSE(store_->next(dora_, -1));
  EXPECT_THAT([&] { judge(0, dora_, ReviewAction::kAccept); },
              ThrowsError<DataError>("p0", "not judged this record yet"));
  judge(0, anna_, ReviewAction::kAccept);
  judge(0, ben_, ReviewAction::kReject, "poor mask");
  EXPECT_EQ(store_->status(0), RecordStatus::kDisagreement);
  EXPECT_EQ(store_->next(dora_, -1), 0);
  EXPECT_EQ(store_->others(0, "dora").size(), 2U);
  judge(0, dora_, ReviewAction::kReject, "poor mask");
  EXPECT_EQ(store_->status(0), RecordStatus::kRejected);
  EXPECT_FALSE(store_->next(dora_, -1));
}

TEST_F(Review, AnApprovalFallsWithAnEdit) {
  judge(0, anna_, ReviewAction::kAccept);
  judge(0, ben_, ReviewAction::kAccept);
  store_->decide(0, anna_, revision(rectangle(90, 90, 5, 5, 85, 14), "The <p> skull </p> [SEG]."),
                 1);
  EXPECT_FALSE(store_->standing(0, "anna").verdict);
  EXPECT_EQ(store_->status(0), RecordStatus::kOpen);
  judge(0, anna_, ReviewAction::kAccept);
  EXPECT_EQ(store_->status(0), RecordStatus::kDisagreement);  // Ben accepted other words
}

TEST_F(Review, RevisionsThatAgreeNeedNoAdjudicator) {
  const auto revise = [&](const Reader& reader, int y1, const std::string& answer) {
    store_->decide(0, reader, revision(rectangle(90, 90, 5, 5, 85, y1), answer),
                   store_->standing(0, reader.name).decisions);
    judge(0, reader, ReviewAction::kAccept);
  };
  revise(anna_, 25, "The <p> skull </p> [SEG] guards it.");
  revise(ben_, 26, "The <p> skull </p> [SEG] guards it.");
  EXPECT_EQ(store_->status(0), RecordStatus::kAccepted);
  revise(ben_, 45, "The <p> skull </p> [SEG] guards it.");
  EXPECT_EQ(store_->status(0), RecordStatus::kDisagreement);
  revise(ben_, 25, "The <p> skull </p> [SEG] does.");
  EXPECT_EQ(store_->status(0), RecordStatus::kDisagreement);
  const auto dice = store_->agreement()["by_target"]["skull"]["dice"];
  EXPECT_DOUBLE_EQ(dice.get<double>(), 1.0);
}

TEST_F(Review, TheSecondOfTwoChangesIsRefused) {
  judge(0, anna_, ReviewAction::kAccept);
  EXPECT_THAT([&] { store_->decide(0, anna_, verdict(ReviewAction::kReject, "other"), 0); },
              ThrowsError<ReviewConflict>("p0", "another change came first"));
}

TEST_F(Review, WhatCannotBeIsRefused) {
  const auto deciding = [&](ReviewDecision decision) {
    return [this, decision] { store_->decide(0, anna_, decision, 0); };
  };
  const Mask mask = rectangle(90, 90, 5, 5, 20, 20);
  EXPECT_THAT(deciding(verdict(ReviewAction::kReject)),
              ThrowsError<DataError>("reason", "expected"));
  EXPECT_THAT(deciding(verdict(ReviewAction::kReject, "mood")),
              ThrowsError<DataError>("reason", "expected"));
  EXPECT_THAT(deciding(revision(Mask(90, 90), "The <p> skull </p> [SEG].")),
              ThrowsError<DataError>("masks.m2", "an empty mask"));
  EXPECT_THAT(deciding(revision(mask, "No mask here.")),
              ThrowsError<DataError>("turns[0]", "[SEG] count 0, masks 1"));
  auto other = revision(mask, "The <p> skull </p> [SEG].");
  other.content["masks"]["m9"] = other.content["masks"]["m2"];
  EXPECT_THAT(deciding(other), ThrowsError<DataError>("masks.m9", "no such mask"));
  other = revision(mask, "The <p> skull </p> [SEG].");
  other.content["turns"].push_back(other.content["turns"][0]);
  EXPECT_THAT(deciding(other), ThrowsError<DataError>("turns", "1 turns"));
  other.content = {{"turns", 7}};
  EXPECT_THAT(deciding(other), ThrowsError<DataError>("turns", ::testing::_));
  EXPECT_EQ(store_->trail(0).size(), 0U);  // nothing of it was kept
}

TEST_F(Review, DecisionsAndDraftsSurviveAndOnlyGrow) {
  judge(0, anna_, ReviewAction::kAccept);
  store_->keep_draft(1, "anna", "half done");
  store_.reset();
  open();
  EXPECT_EQ(*store_->standing(0, "anna").verdict, ReviewAction::kAccept);
  EXPECT_EQ(store_->draft(1, "anna"), "half done");
  EXPECT_EQ(store_->draft(1, "ben"), "");
  judge(1, anna_, ReviewAction::kAccept);
  EXPECT_EQ(store_->draft(1, "anna"), "");  // a verdict ends it
  Database file(folder_ / "store.sqlite", 0x6d735231);
  EXPECT_THAT([&] { file.execute("DELETE FROM decisions"); },
              ThrowsError<DataError>(::testing::_, "append-only"));
  write_file(folder_ / "in/manifest.jsonl", read_file(folder_ / "in/manifest.jsonl") + "\n");
  EXPECT_THAT([&] { open(); }, ThrowsError<DataError>(::testing::_, "another manifest"));
}

TEST_F(Review, ALineThatIsNoRecordIsNamed) {
  const std::string good = manifest_lines(folder_ / "in/manifest.jsonl")[0].json;
  write_file(folder_ / "twice.jsonl", good + "\n" + good + "\n");
  EXPECT_THAT(
      [&] { ReviewStore(folder_ / "other.sqlite", folder_ / "twice.jsonl", ReviewSettings{}); },
      ThrowsError<DataError>((folder_ / "twice.jsonl").string() + ":2: id",
                             "stands in an earlier line"));
  write_file(folder_ / "twice.jsonl", good + "\n{\"id\": 7}\n");
  EXPECT_THAT(
      [&] { ReviewStore(folder_ / "other.sqlite", folder_ / "twice.jsonl", ReviewSettings{}); },
      ThrowsError<DataError>(HasSubstr("twice.jsonl:2"), ::testing::_));
}

TEST_F(Review, ExportHoldsTheDecidedFormAndItsTrail) {
  const Mask better = rectangle(90, 90, 5, 5, 85, 14);
  for (const auto& reader : {anna_, ben_}) {
    store_->decide(0, reader, revision(better, "It is the <p> skull </p> [SEG]."), 0);
    judge(0, reader, ReviewAction::kAccept);
    judge(1, reader, ReviewAction::kAccept);
    judge(2, reader, ReviewAction::kReject, "poor mask");
  }
  ReviewStore reading(folder_ / "store.sqlite");
  EXPECT_EQ(export_review(reading, folder_ / "out/manifest.jsonl", RecordStatus::kAccepted), 2);
  const auto found = examine({folder_ / "out/manifest.jsonl"});
  EXPECT_TRUE(found.faults.empty()) << found.faults[0].what;
  const Manifest manifest = Manifest::read(folder_ / "out/manifest.jsonl");
  const auto& record = manifest.records()[0];
  EXPECT_EQ(record.turns[0].answer, "It is the <p> skull </p> [SEG].");
  EXPECT_EQ(record.masks.at("m2").kind, "reader");
  EXPECT_EQ(load_mask(manifest, record, {"m2"}, 90, 90), better);
  EXPECT_EQ(record.review->status, "accepted");
  EXPECT_EQ(record.review->reviewer, "anna, ben");
  const auto line = json::parse(manifest_lines(folder_ / "out/manifest.jsonl")[0].json);
  EXPECT_EQ(line["review"]["trail"].size(), 4U);
  EXPECT_EQ(line["review"]["trail"][0]["action"], "revise");
  const std::string card = read_file(folder_ / "out/data-card.md");
  EXPECT_THAT(card, HasSubstr("2 of 4 records"));
  EXPECT_THAT(card, HasSubstr("| drawn by hand | CC0 | 2 |"));

  const auto croissant = json::parse(read_file(folder_ / "out/croissant.json"));
  EXPECT_EQ(croissant["@type"], "sc:Dataset");
  EXPECT_EQ(croissant["license"], json::array({"CC0"}));
  EXPECT_EQ(croissant["distribution"][0]["sha256"], sha256_of_file(folder_ / "out/manifest.jsonl"));
  EXPECT_EQ(croissant["recordSet"][0]["key"]["@id"], "records/id");
  EXPECT_EQ(croissant["rai:annotationsPerItem"], "2");

  const auto pair = json::parse(read_file(folder_ / "out/revisions.jsonl"));  // one line
  EXPECT_EQ(pair["id"], record.id);
  EXPECT_EQ(pair["model"], "not stated");
  ASSERT_EQ(pair["turns"].size(), 1U);
  EXPECT_EQ(pair["turns"][0]["after"]["answer"], "It is the <p> skull </p> [SEG].");
  EXPECT_NE(pair["turns"][0]["before"], pair["turns"][0]["after"]);
  ASSERT_EQ(pair["masks"].size(), 1U);
  EXPECT_EQ(pair["masks"][0]["id"], "m2");
  const auto counts = count_revisions(folder_ / "out/revisions.jsonl");
  EXPECT_EQ(counts.records, 1);
  const auto& group = counts.by_target.at(record.masks.at("m2").label);
  EXPECT_EQ(group.masks, 1);
  EXPECT_DOUBLE_EQ(group.dice, pair["masks"][0]["dice"].get<double>());
  EXPECT_LT(group.dice, 1.0);
  EXPECT_EQ(counts.by_model.at("not stated").texts, 1);
  write_file(folder_ / "out/revisions.jsonl", pair.dump() + "\n{\"model\": 3}\n");
  EXPECT_THAT([&] { count_revisions(folder_ / "out/revisions.jsonl"); },
              ThrowsError<DataError>(EndsWith("revisions.jsonl:2"), "is no revision"));
  EXPECT_THAT(card, HasSubstr("| poor mask | 2 |"));
  EXPECT_EQ(export_review(reading, folder_ / "out/manifest.jsonl", std::nullopt), 3);
  EXPECT_THAT(
      [&] { export_review(reading, folder_ / "none/manifest.jsonl", RecordStatus::kNotThere); },
      ThrowsError<DataError>(::testing::_, "no record is not_there"));
}

class ReadersFile : public TempFolderTest {};

TEST_F(ReadersFile, AdmitsByPassword) {
  const auto path = folder_ / "readers.txt";
  add_reader(path, "anna", ReaderRole::kReader, "long enough");
  add_reader(path, "dora", ReaderRole::kAdjudicator, "also long enough");
  const Readers readers(path);
  EXPECT_TRUE(readers.admit("anna", "long enough"));
  EXPECT_EQ(readers.admit("dora", "also long enough")->role, ReaderRole::kAdjudicator);
  EXPECT_FALSE(readers.admit("anna", "also long enough"));
  EXPECT_FALSE(readers.admit("nobody", "long enough"));
  EXPECT_THAT([&] { add_reader(path, "anna", ReaderRole::kReader, "long enough"); },
              ThrowsError<ConfigError>(path.string(), "is a reader already"));
  EXPECT_THAT([&] { add_reader(path, "e:f", ReaderRole::kReader, "long enough"); },
              ThrowsError<ConfigError>("--add-reader", "expected letters"));
  EXPECT_THAT([&] { add_reader(path, "eve", ReaderRole::kReader, "short"); },
              ThrowsError<ConfigError>("password", "5 characters"));
  append_line(path, "eve:reader:plain text");
  EXPECT_THAT([&] { Readers{path}; },
              ThrowsError<ConfigError>(path.string() + ":3", "expected scrypt"));
}

/// The page's requests, by hand.
class ReviewPage : public Review {
 protected:
  void SetUp() override {
    Review::SetUp();
    for (const char* name : {"anna", "ben"})
      add_reader(folder_ / "readers.txt", name, ReaderRole::kReader, "long enough");
    add_reader(folder_ / "readers.txt", "dora", ReaderRole::kAdjudicator, "long enough");
    readers_ = std::make_unique<Readers>(folder_ / "readers.txt");
    HttpOptions options;
    options.port = 0;
    server_ = std::make_unique<HttpServer>(options, review_routes(*store_, *readers_));
  }
  struct Visit {
    std::string cookie, csrf;
  };
  std::string ask(const std::string& method, const std::string& path, const Visit& visit,
                  const std::string& body = "") {
    RawClient client(server_->port());
    client.send(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
                (visit.cookie.empty() ? "" : "Cookie: " + visit.cookie + "\r\n") +
                (visit.csrf.empty() ? "" : "X-CSRF-Token: " + visit.csrf + "\r\n") +
                "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return client.rest();
  }
  static json json_of(const std::string& reply) {
    return json::parse(reply.substr(reply.find("\r\n\r\n") + 4));
  }
  Visit sign_in(const std::string& name) {
    const std::string reply =
        ask("POST", "/api/login", {}, R"({"name": ")" + name + R"(", "password": "long enough"})");
    const auto at = reply.find("Set-Cookie: ") + 12;
    return {reply.substr(at, reply.find(';', at) - at), json_of(reply)["csrf"]};
  }

  std::unique_ptr<Readers> readers_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(ReviewPage, FromSignInToDecision) {
  const Visit anna = sign_in("anna");
  EXPECT_EQ(json_of(ask("GET", "/api/next", anna))["position"], 0);
  const json record = json_of(ask("GET", "/api/records/0", anna));
  EXPECT_EQ(record["masks"]["m2"]["label"], "skull");
  EXPECT_EQ(record["picture"]["width"], 90);
  EXPECT_FALSE(record.contains("subject"));  // no patient field anywhere
  EXPECT_FALSE(record.contains("others"));
  const std::string slice = ask("GET", "/api/records/0/slices/0", anna);
  EXPECT_EQ(slice.size() - slice.find("\r\n\r\n") - 4, 90U * 90U * 4U);
  json body = {{"action", "revise"},
               {"seen", 0},
               {"seconds", 3},
               {"turns", record["turns"]},
               {"masks", {{"m2", runs_of(rectangle(90, 90, 5, 5, 85, 14))}}}};
  EXPECT_THAT(ask("POST", "/api/records/0/decisions", anna, body.dump()),
              StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("POST", "/api/records/0/decisions", anna, body.dump()),
              StartsWith("HTTP/1.1 409"));
  EXPECT_THAT(ask("POST", "/api/records/0/decisions", anna,
                  R"({"action": "accept", "seen": 1, "seconds": 1})"),
              HasSubstr("\"verdict\":\"accept\""));
  EXPECT_THAT(ask("PUT", "/api/records/1/draft", anna, R"({"state": "[1]"})"),
              StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(json_of(ask("GET", "/api/records/1", anna))["draft"], "[1]");
  EXPECT_THAT(ask("POST", "/api/logout", anna), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("GET", "/api/me", anna), StartsWith("HTTP/1.1 401"));
}

TEST_F(ReviewPage, LetsNobodyInWhoShouldNotBe) {
  const Visit anna = sign_in("anna"), ben = sign_in("ben"), dora = sign_in("dora");
  const std::string accept = R"({"action": "accept", "seen": 0, "seconds": 1})";
  for (const char* path :
       {"/api/me", "/api/next", "/api/records/0", "/api/records/0/slices/0", "/api/agreement"})
    EXPECT_THAT(ask("GET", path, {}), StartsWith("HTTP/1.1 401")) << path;
  EXPECT_THAT(ask("POST", "/api/records/0/decisions", {}, accept), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(ask("POST", "/api/records/0/decisions", {anna.cookie, ""}, accept),
              StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(ask("POST", "/api/records/0/decisions", {anna.cookie, ben.csrf}, accept),
              StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(ask("GET", "/api/agreement", anna), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(ask("GET", "/api/records/0", dora), StartsWith("HTTP/1.1 403"));  // not judged yet
  EXPECT_THAT(ask("POST", "/api/login", {}, R"({"name": "anna", "password": "wrong"})"),
              StartsWith("HTTP/1.1 401"));
  EXPECT_EQ(store_->trail(0).size(), 0U);
}

TEST_F(ReviewPage, BadRequestsGetAStatus) {
  const Visit anna = sign_in("anna");
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"{", "400"},
      {"[]", "400"},
      {R"({"action": "delete", "seen": 0, "seconds": 1})", "400"},
      {R"({"action": 7, "seen": 0, "seconds": 1})", "400"},
      {R"({"action": "accept", "seconds": 1})", "400"},
      {R"({"action": "accept", "seen": "0", "seconds": 1})", "400"},
      {R"({"action": "reject", "seen": 0, "seconds": 1})", "400"},
      {R"({"action": "revise", "seen": 0, "seconds": 1})", "400"},
      {R"({"action": "revise", "seen": 0, "seconds": 1, "turns": {}, "masks": []})", "400"},
      {R"({"action": "revise", "seen": 0, "seconds": 1, "turns": [], "masks": {"m2": {"size":
          [90, 90], "runs": [1]}}})",
       "400"},
      {R"({"action": "revise", "seen": 0, "seconds": 1, "turns": [7], "masks": {}})", "400"}};
  for (const auto& [body, status] : bad) {
    EXPECT_THAT(ask("POST", "/api/records/0/decisions", anna, body),
                StartsWith("HTTP/1.1 " + status))
        << body;
  }
  for (const char* path :
       {"/api/records/99", "/api/records/-1", "/api/records/x", "/api/records/99999999999999999999",
        "/api/records/0/slices/9999", "/api/none", "/page/none.js"})
    EXPECT_THAT(ask("GET", path, anna), AllOf(StartsWith("HTTP/1.1 4"), Not(HasSubstr("/tmp"))))
        << path;
  EXPECT_THAT(ask("POST", "/api/login", {}, std::string(5000, 'x')), StartsWith("HTTP/1.1 413"));
  EXPECT_EQ(store_->trail(0).size(), 0U);
}

TEST_F(ReviewPage, GuessingPasswordsIsSlow) {
  for (int i = 0; i < 10; ++i)
    ask("POST", "/api/login", {}, R"({"name": "anna", "password": "x"})");
  EXPECT_THAT(ask("POST", "/api/login", {}, R"({"name": "anna", "password": "long enough"})"),
              StartsWith("HTTP/1.1 429"));
  EXPECT_THAT(ask("POST", "/api/login", {}, R"({"name": "ben", "password": "long enough"})"),
              StartsWith("HTTP/1.1 200"));
}

TEST_F(ReviewPage, ThePageNeedsNothingFromElsewhere) {
  const std::string page = ask("GET", "/", {});
  EXPECT_THAT(page, AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("text/html"),
                          HasSubstr("Content-Security-Policy: default-src 'self'"),
                          HasSubstr("frame-ancestors 'none'")));
  for (const char* file :
       {"app.js", "api.js", "decisions.js", "dialogue.js", "dom.js", "history.js", "keys.js",
        "mask.js", "mask_list.js", "picture.js", "pointer.js", "records.js", "sign_in.js",
        "slices.js", "theme.js", "tools.js", "work.js", "style.css", "icon.svg"}) {
    const std::string reply = ask("GET", std::string("/page/") + file, {});
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 200")) << file;
    EXPECT_THAT(reply, Not(HasSubstr("https://"))) << file;
  }
}

TEST_F(ReviewPage, AdjudicatorsSeeBothVersionsWithoutNames) {
  judge(0, anna_, ReviewAction::kAccept);
  judge(0, ben_, ReviewAction::kReject, "poor mask");
  const Visit dora = sign_in("dora");
  EXPECT_EQ(json_of(ask("GET", "/api/next", dora))["position"], 0);
  const std::string reply = ask("GET", "/api/records/0", dora);
  EXPECT_EQ(json_of(reply)["others"].size(), 2U);
  EXPECT_THAT(reply, AllOf(Not(HasSubstr("anna")), Not(HasSubstr("ben"))));
  EXPECT_EQ(json_of(ask("GET", "/api/agreement", dora))["by_status"]["disagreement"], 1);
}

}  // namespace
}  // namespace medseg
