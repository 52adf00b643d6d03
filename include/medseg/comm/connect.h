/// \file
/// From a launcher's variables to processes that know each other: TCPStore rendezvous, then c10d's Gloo.
#pragma once

#include <memory>

#include "medseg/comm/comm.h"
#include "medseg/comm/launch_environment.h"

namespace medseg {

/// Until somebody says otherwise (Comm::set_timeout): how long ranks wait for each other.
inline constexpr double kDefaultTimeout = 300.0;

/// Waits until all ranks are there. Alone for one process. On the loopback address nothing listens to other machines;
/// elsewhere Gloo uses GLOO_SOCKET_IFNAME, or the address from which MASTER_ADDR is reached.
/// \throws ConfigError when MASTER_ADDR cannot be used or MASTER_PORT is taken; PeerLost naming the ranks that did not come.
std::unique_ptr<Comm> connect(const LaunchEnvironment& environment,
                              double timeout_s = kDefaultTimeout);

}  // namespace medseg
