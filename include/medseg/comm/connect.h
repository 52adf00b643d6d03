/// \file
/// From a launcher's variables to connected processes: TCPStore rendezvous, then c10d's Gloo.
#pragma once

#include <memory>

#include "medseg/comm/comm.h"
#include "medseg/comm/launch_environment.h"

namespace medseg {

/// How long ranks wait for each other, in seconds, until Comm::set_timeout changes it.
inline constexpr double kDefaultTimeout = 300.0;

/// Waits until all ranks are connected; one process alone needs no connection. With a loopback
/// address no port is open to other machines. With another address Gloo uses GLOO_SOCKET_IFNAME, or
/// the interface from which MASTER_ADDR is reached.
/// \throws ConfigError when MASTER_ADDR cannot be used or MASTER_PORT is taken.
/// \throws PeerLost naming the ranks that did not come.
std::unique_ptr<Comm> connect(const LaunchEnvironment& environment,
                              double timeout_s = kDefaultTimeout);

}  // namespace medseg
