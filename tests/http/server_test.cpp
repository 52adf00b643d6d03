#include "medseg/http/server.h"

#include <atomic>
#include <future>
#include <mutex>
#include <random>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "raw_client.h"
#include "support/throws.h"

namespace medseg {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

std::string get(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

std::string post(const std::string& path, const std::string& body) {
  return "POST " + path +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

class Http : public testing::Test {
 protected:
  void start(HttpOptions options = {}) {
    options.port = 0;
    Router router;
    router.add("GET", "/hello/{name}", [](const HttpRequest& request) {
      return HttpReply{.content_type = "text/plain",
                       .body = "hello " + request.parameters.at("name"),
                       .headers = {},
                       .stream = {}};
    });
    router.add("POST", "/echo", [](const HttpRequest& request) {
      return HttpReply{
          .content_type = "text/plain", .body = request.body, .headers = {}, .stream = {}};
    });
    router.add(
        "POST", "/small", [](const HttpRequest&) { return HttpReply{}; }, 10);
    router.add("GET", "/fail",
               [](const HttpRequest&) -> HttpReply { throw std::runtime_error("secret detail"); });
    router.add("GET", "/refuse", [](const HttpRequest&) -> HttpReply {
      throw HttpError(409, "conflict", "somebody was first");
    });
    router.add("GET", "/wait", [this](const HttpRequest&) {
      ++waiting_;
      gate_.wait();
      return HttpReply{.body = "done", .headers = {}, .stream = {}};
    });
    router.add("GET", "/count", [this](const HttpRequest&) {
      HttpReply reply{.content_type = "text/event-stream", .body = "", .headers = {}, .stream = {}};
      reply.stream = [this](HttpStream& stream) {
        for (int i = 0; i < 3; ++i) stream.write(server_sent_event(std::to_string(i)));
        written_ = true;
      };
      return reply;
    });
    router.add("GET", "/endless", [this](const HttpRequest&) {
      HttpReply reply{.content_type = "text/plain", .body = "", .headers = {}, .stream = {}};
      reply.stream = [this](HttpStream& stream) {
        while (stream.write(std::string(10000, 'x'))) started_ = true;
        written_ = true;
      };
      return reply;
    });
    router.add_file("/page.js", {"text/javascript", "let a = 1;"});
    server_ =
        std::make_unique<HttpServer>(options, std::move(router), [this](const HttpAccess& one) {
          const std::lock_guard lock(mutex_);
          accesses_.push_back(one);
        });
  }
  std::string ask(const std::string& bytes) {
    RawClient client(server_->port());
    client.send(bytes);
    client.no_more();
    return client.rest();
  }

  std::promise<void> open_gate_;
  std::shared_future<void> gate_ = open_gate_.get_future().share();
  std::atomic<int> waiting_{0};
  std::atomic<bool> written_{false}, started_{false};
  std::mutex mutex_;
  std::vector<HttpAccess> accesses_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(Http, AnswersByRoute) {
  start();
  EXPECT_THAT(ask(get("/hello/world")),
              AllOf(StartsWith("HTTP/1.1 200"), EndsWith("\r\n\r\nhello world"),
                    HasSubstr("X-Content-Type-Options: nosniff")));
  EXPECT_THAT(ask(get("/hello/a%20b?x=1")), EndsWith("hello a b"));
  EXPECT_THAT(ask(get("/none")), AllOf(StartsWith("HTTP/1.1 404"), HasSubstr("\"error\"")));
  EXPECT_THAT(ask(get("/hello/")), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask(get("/echo")), AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("Allow: POST")));
  EXPECT_THAT(ask(post("/echo", "abc")), EndsWith("\r\n\r\nabc"));
}

TEST_F(Http, KeepsAConnectionForSeveralRequests) {
  start();
  RawClient client(server_->port());
  for (const char* name : {"a", "b", "c"}) {
    client.send(get(std::string("/hello/") + name));
    EXPECT_THAT(client.reply(), EndsWith(std::string("hello ") + name));
  }
  client.send(get("/hello/x") + get("/hello/y"));  // without waiting
  EXPECT_THAT(client.reply(), EndsWith("hello x"));
  EXPECT_THAT(client.reply(), EndsWith("hello y"));
  client.send("GET /hello/z HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.rest(), AllOf(HasSubstr("Connection: close"), EndsWith("hello z")));
}

TEST_F(Http, OldClientsAndHeadWork) {
  start();
  EXPECT_THAT(ask("GET /hello/old HTTP/1.0\r\n\r\n"), EndsWith("hello old"));
  EXPECT_THAT(ask("HEAD /hello/you HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              AllOf(HasSubstr("Content-Length: 9"), EndsWith("\r\n\r\n")));
  EXPECT_THAT(ask("GET /count HTTP/1.0\r\n\r\n"),
              EndsWith("\r\n\r\ndata: 0\n\ndata: 1\n\ndata: 2\n\n"));
}

TEST_F(Http, RefusesWhatIsTooLarge) {
  HttpOptions options;
  options.head_bytes = 1000;
  options.body_bytes = 100;
  start(options);
  EXPECT_THAT(ask("GET /hello/a HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(5000, 'x')),
              StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(ask(post("/echo", std::string(101, 'x'))), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(ask(post("/echo", std::string(100, 'x'))), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask(post("/small", std::string(11, 'x'))), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "96\r\n" +
                  std::string(150, 'x') + "\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413"));
}

TEST_F(Http, TakesChunksAndExpectations) {
  start();
  EXPECT_THAT(ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
              EndsWith("\r\n\r\nabcde"));
  EXPECT_THAT(ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                  "Content-Length: 2\r\n\r\nok"),
              AllOf(StartsWith("HTTP/1.1 100"), EndsWith("\r\n\r\nok")));
}

TEST_F(Http, MalformedRequestsGetAStatusOrAClosedLine) {
  start();
  for (const char* bytes :
       {"nonsense\r\n\r\n", "GET\r\n\r\n", "GET /hello/a HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /hello/%2e%2e/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /hello/..%2f..%2fpasswd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /hello/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /hello/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /hello/a?x=%1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /a\\b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"})
    EXPECT_THAT(ask(bytes), AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("Connection: close")))
        << bytes;
  EXPECT_THAT(ask(""), IsEmpty());
  EXPECT_THAT(ask("GET /hel"), IsEmpty());
  EXPECT_THAT(ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc"),
              IsEmpty());
  EXPECT_THAT(ask(get("/hello/still")), EndsWith("hello still"));
}

TEST_F(Http, RandomBytesNeverBreakIt) {
  start();
  std::mt19937 random(1);
  const std::string good = post("/echo", "abcdef");
  for (int i = 0; i < 300; ++i) {
    std::string bytes = good;
    for (int k = 0; k < 4; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
    ask(bytes);
  }
  EXPECT_THAT(ask(get("/hello/still")), EndsWith("hello still"));
}

TEST_F(Http, OtherHostNamesAreRefusedOnLoopback) {
  HttpOptions options;
  options.hosts = {"review.example"};
  start(options);
  const auto with = [&](const std::string& host) {
    return ask("GET /hello/a HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  };
  EXPECT_THAT(with("evil.example"), StartsWith("HTTP/1.1 421"));
  EXPECT_THAT(with("review.example:80"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(with("127.0.0.1:8080"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(with("[::1]:8080"), StartsWith("HTTP/1.1 200"));
}

TEST_F(Http, ErrorsOfHandlersHaveTheirForm) {
  start();
  EXPECT_THAT(ask(get("/refuse")),
              AllOf(StartsWith("HTTP/1.1 409"), HasSubstr("somebody was first"),
                    HasSubstr("\"code\":\"conflict\"")));
  EXPECT_THAT(ask(get("/fail")), AllOf(StartsWith("HTTP/1.1 500"), Not(HasSubstr("secret"))));
}

TEST_F(Http, SlowClientsAreCut) {
  HttpOptions options;
  options.head_s = 0.2;
  options.body_s = 0.2;
  start(options);
  RawClient idle(server_->port()), head(server_->port()), body(server_->port());
  head.send("GET /hello/a HT");
  body.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_THAT(idle.rest(), IsEmpty());
  EXPECT_THAT(head.rest(), IsEmpty());
  EXPECT_THAT(body.rest(), IsEmpty());
}

TEST_F(Http, AFullQueueSaysSo) {
  HttpOptions options;
  options.threads = 1;
  options.queue = 2;
  start(options);
  RawClient first(server_->port()), second(server_->port());
  first.send(get("/wait"));
  while (waiting_ < 1) std::this_thread::yield();
  second.send(get("/wait"));
  std::string busy;
  while (busy.find("429") == std::string::npos) busy = ask(get("/wait"));
  EXPECT_THAT(busy, HasSubstr("Retry-After: 1"));
  open_gate_.set_value();
  EXPECT_THAT(first.reply(), EndsWith("done"));
  EXPECT_THAT(second.reply(), EndsWith("done"));
}

TEST_F(Http, TooManyConnectionsAreTurnedAway) {
  HttpOptions options;
  options.connections = 2;
  start(options);
  RawClient a(server_->port()), b(server_->port());
  a.send(get("/hello/a"));
  b.send(get("/hello/b"));
  EXPECT_THAT(a.reply(), EndsWith("hello a"));
  EXPECT_THAT(b.reply(), EndsWith("hello b"));
  RawClient c(server_->port());
  EXPECT_THAT(c.rest(), StartsWith("HTTP/1.1 503"));
}

TEST_F(Http, StreamsAreChunkedAndTheConnectionGoesOn) {
  start();
  RawClient client(server_->port());
  client.send(get("/count") +
              "GET /hello/after HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(
      client.rest(),
      AllOf(HasSubstr("Transfer-Encoding: chunked"),
            HasSubstr("\r\n\r\n9\r\ndata: 0\n\n\r\n9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0"
                      "\r\n\r\nHTTP/1.1 200"),
            EndsWith("hello after")));
}

TEST_F(Http, AStreamEndsWhenItsReaderLeaves) {
  start();
  {
    RawClient client(server_->port());
    client.send(get("/endless"));
    while (!started_) std::this_thread::yield();
  }
  while (!written_) std::this_thread::yield();
}

TEST_F(Http, AStreamEndsWhenItsReaderDoesNotRead) {
  HttpOptions options;
  options.write_s = 0.2;
  start(options);
  RawClient client(server_->port());
  client.send(get("/endless"));
  while (!written_) std::this_thread::yield();
}

TEST_F(Http, AStopEndsWhatItBegan) {
  start();
  RawClient busy(server_->port()), idle(server_->port());
  busy.send(get("/wait"));
  while (waiting_ < 1) std::this_thread::yield();
  std::thread stopping([&] { server_->stop(); });
  EXPECT_THAT(idle.rest(), IsEmpty());  // closed at once
  open_gate_.set_value();
  EXPECT_THAT(busy.rest(), AllOf(HasSubstr("Connection: close"), EndsWith("done")));
  stopping.join();
  server_->stop();
}

TEST_F(Http, AStopHasPatienceOnlySoLong) {
  HttpOptions options;
  options.stop_s = 0.1;
  start(options);
  RawClient client(server_->port());
  client.send(get("/endless"));
  while (!started_) std::this_thread::yield();
  server_->stop();  // the reader never reads: it returns all the same
  EXPECT_TRUE(written_);
}

TEST_F(Http, FilesAreServedWithTheirTag) {
  start();
  const std::string reply = ask(get("/page.js"));
  EXPECT_THAT(reply, AllOf(HasSubstr("Content-Type: text/javascript"), EndsWith("let a = 1;")));
  const auto at = reply.find("ETag: ") + 6;
  const std::string tag = reply.substr(at, reply.find("\r\n", at) - at);
  EXPECT_THAT(ask("GET /page.js HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: " + tag + "\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 304"), EndsWith("\r\n\r\n")));
}

TEST_F(Http, TheAccessLogHoldsNoSecrets) {
  start();
  ask(get("/hello/a?token=secret"));
  server_->stop();
  ASSERT_EQ(accesses_.size(), 1U);
  EXPECT_EQ(accesses_[0].path, "/hello/a");
  EXPECT_EQ(accesses_[0].status, 200);
  EXPECT_EQ(accesses_[0].bytes, 7U);
  EXPECT_EQ(accesses_[0].peer, "127.0.0.1");
}

TEST_F(Http, SaysWhereItCannotListen) {
  start();
  HttpOptions options;
  options.port = server_->port();
  EXPECT_THAT(
      [&] { HttpServer(options, Router{}); },
      ThrowsError<ConfigError>("127.0.0.1:" + std::to_string(options.port), "cannot listen here"));
  options.host = "no such host";
  EXPECT_THAT([&] { HttpServer(options, Router{}); },
              ThrowsError<ConfigError>(::testing::_, "no address"));
}

TEST_F(Http, ManyClientsAtOnce) {
  start();
  std::atomic<int> good{0};
  std::vector<std::thread> clients;
  for (int t = 0; t < 8; ++t) {
    clients.emplace_back([&, t] {
      RawClient client(server_->port());
      for (int i = 0; i < 100; ++i) {
        const std::string body = std::to_string(1000 * t + i);
        client.send(post("/echo", body));
        good += client.reply().ends_with("\r\n\r\n" + body) ? 1 : 0;
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(good, 800);
}

}  // namespace
}  // namespace medseg
