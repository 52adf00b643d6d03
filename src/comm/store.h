/// \file
/// The key-value store of the ranks (c10d's TCPStore): small values by name, seen by all.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace medseg {

/// A socket that listens at `port` (0: any free one), of the loopback address or of all addresses.
struct Listener {
  int fd = -1;
  std::uint16_t port = 0;
};
/// \throws ConfigError "MASTER_PORT: …" if it is taken.
Listener listen_at(std::uint16_t port, bool loopback);

/// One connection, for one thread. Calls wait for nothing but the server.
/// \throws std::exception once the server is gone.
class Store {
 public:
  struct Impl;

  /// Serves at a socket that already listens, for as long as this object lives.
  static std::unique_ptr<Store> serve(const Listener& listener, const std::string& prefix);
  /// \throws std::exception if no server answers in time.
  static std::unique_ptr<Store> join(const std::string& address, std::uint16_t port,
                                     const std::string& prefix, double timeout_s);
  explicit Store(std::unique_ptr<Impl> impl);
  ~Store();

  /// A second connection to the same server, for another thread.
  std::unique_ptr<Store> another() const;

  void set(const std::string& key, const std::string& value);
  std::optional<std::string> find(const std::string& key);
  /// Writes only if the key has no value yet. Returns the value that the key has afterwards.
  std::string set_first(const std::string& key, const std::string& value);
  std::int64_t add(const std::string& key, std::int64_t value);

  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace medseg
