/// \file
/// A client that sends any bytes at all.
#pragma once

#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace medseg {

class RawClient {
 public:
  explicit RawClient(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~RawClient() { ::close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void no_more() const { ::shutdown(fd_, SHUT_WR); }

  /// All bytes until the server closes.
  std::string rest() {
    std::string all = std::move(received_);
    received_.clear();
    char buffer[4096];
    for (ssize_t count = 0; (count = ::recv(fd_, buffer, sizeof buffer, 0)) > 0;)
      all.append(buffer, static_cast<std::size_t>(count));
    return all;
  }

  /// One reply of a connection that stays open: head, and a body of Content-Length.
  std::string reply() {
    while (received_.find("\r\n\r\n") == std::string::npos) {
      if (!receive()) return std::move(received_);
    }
    const auto head = received_.find("\r\n\r\n") + 4;
    const auto at = received_.find("Content-Length: ");
    const std::size_t length = at < head ? std::stoul(received_.substr(at + 16)) : 0;
    while (received_.size() < head + length && receive()) {
    }
    std::string one = received_.substr(0, head + length);
    received_.erase(0, head + length);
    return one;
  }

 private:
  bool receive() {
    char buffer[4096];
    const auto count = ::recv(fd_, buffer, sizeof buffer, 0);
    if (count > 0) received_.append(buffer, static_cast<std::size_t>(count));
    return count > 0;
  }

  int fd_;
  std::string received_;
};

}  // namespace medseg
