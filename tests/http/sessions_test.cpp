#include "medseg/http/sessions.h"

#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "support/temp_folder_fixture.h"
#include "support/throws.h"

namespace medseg {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(Percent, DecodesOrRefuses) {
  EXPECT_EQ(percent_decoded("a%20b%2F"), "a b/");
  EXPECT_EQ(percent_decoded("a+b"), "a+b");
  EXPECT_EQ(percent_decoded("a+b", true), "a b");
  EXPECT_FALSE(percent_decoded("%"));
  EXPECT_FALSE(percent_decoded("%1"));
  EXPECT_FALSE(percent_decoded("%g0"));
  EXPECT_THAT(*form_fields("a=1&b=x+y&c"),
              ElementsAre(Pair("a", "1"), Pair("b", "x y"), Pair("c", "")));
}

TEST(Event, HoldsEveryLine) {
  EXPECT_EQ(server_sent_event("a\nb", "delta"), "event: delta\ndata: a\ndata: b\n\n");
}

TEST(Passwords, FitTheirHashAlone) {
  const std::string hash = hashed_password("correct horse");
  EXPECT_TRUE(password_fits("correct horse", hash));
  EXPECT_FALSE(password_fits("correct horsf", hash));
  EXPECT_NE(hash, hashed_password("correct horse"));  // salted
  EXPECT_THAT([] { password_fits("x", "plain"); }, ThrowsError<ConfigError>("", "expected scrypt"));
  EXPECT_THAT([] { password_fits("x", "scrypt$3$8$1$aa$" + std::string(64, 'a')); },
              ThrowsError<ConfigError>("", "no such numbers"));
}

class Tokens : public TempFolderTest {
 protected:
  std::filesystem::path file(const std::string& text, std::filesystem::perms mode) {
    write_file(folder_ / "tokens", text);
    std::filesystem::permissions(folder_ / "tokens", mode);
    return folder_ / "tokens";
  }
  static HttpRequest with(const std::string& authorization) {
    HttpRequest request;
    request.headers["authorization"] = authorization;
    return request;
  }
  static constexpr auto kOwner =
      std::filesystem::perms::owner_read | std::filesystem::perms::owner_write;
};

TEST_F(Tokens, AdmitTheirBearer) {
  const BearerTokens tokens(file("# ours\n0123456789abcdef\n\nfedcba9876543210 # Anna\n", kOwner));
  EXPECT_TRUE(tokens.admits(with("Bearer 0123456789abcdef")));
  EXPECT_TRUE(tokens.admits(with("Bearer fedcba9876543210")));
  EXPECT_FALSE(tokens.admits(with("Bearer 0123456789abcdeF")));
  EXPECT_FALSE(tokens.admits(with("0123456789abcdef")));
  EXPECT_FALSE(tokens.admits(HttpRequest{}));
}

TEST_F(Tokens, RefuseAFileThatGuardsNothing) {
  const std::string where = (folder_ / "tokens").string();
  EXPECT_THAT(
      [&] {
        BearerTokens(file("0123456789abcdef\n", kOwner | std::filesystem::perms::others_read));
      },
      ThrowsError<ConfigError>(where, "mode 0600"));
  EXPECT_THAT([&] { BearerTokens(file("short\n", kOwner)); },
              ThrowsError<ConfigError>(where + ":1", "5 characters"));
  EXPECT_THAT([&] { BearerTokens(file("# none\n", kOwner)); },
              ThrowsError<ConfigError>(where, "no token"));
  EXPECT_THAT([&] { BearerTokens(folder_ / "missing"); },
              ThrowsError<ConfigError>(::testing::_, ::testing::_));
}

HttpRequest with_cookie(const std::string& cookie) {
  HttpRequest request;
  request.headers["cookie"] = "other=1; " + cookie.substr(0, cookie.find(';'));
  return request;
}

TEST(SessionsTest, AreFoundByTheirCookieUntilClosed) {
  Sessions sessions;
  const Session anna = sessions.open("anna");
  const auto request = with_cookie(Sessions::cookie(anna));
  ASSERT_TRUE(sessions.find(request));
  EXPECT_EQ(sessions.find(request)->user, "anna");
  EXPECT_FALSE(sessions.find(with_cookie("medseg_session=" + std::string(64, '0'))));
  sessions.close(anna.id);
  EXPECT_FALSE(sessions.find(request));
}

TEST(SessionsTest, SleepTooLongOrAreTooMany) {
  Sessions short_lived(0.01);
  const auto request = with_cookie(Sessions::cookie(short_lived.open("a")));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_FALSE(short_lived.find(request));
  Sessions two(100, 2);
  const auto first = with_cookie(Sessions::cookie(two.open("a")));
  two.open("b");
  two.open("c");
  EXPECT_FALSE(two.find(first));
}

TEST(SessionsTest, ChangesNeedThePagesToken) {
  Sessions sessions;
  const Session session = sessions.open("anna");
  HttpRequest request;
  EXPECT_THROW(Sessions::check_csrf(session, request), HttpError);
  request.headers["x-csrf-token"] = session.id;
  EXPECT_THROW(Sessions::check_csrf(session, request), HttpError);
  request.headers["x-csrf-token"] = session.csrf;
  EXPECT_NO_THROW(Sessions::check_csrf(session, request));
}

}  // namespace
}  // namespace medseg
