#include "medseg/comm/together.h"

#include <c10/util/Exception.h>

#include "medseg/base/str.h"

namespace medseg {
namespace {

[[noreturn]] void leave(Comm& comm, int exit_code, const std::string& message) {
  const bool is_said = comm.leave_with(exit_code, message);
  throw Error(
      exit_code, "",
      is_said ? "" : (comm.leads() ? message : str_cat("rank ", comm.rank(), ": ", message)));
}

}  // namespace

void run_together(Comm& comm, const std::function<void()>& work) {
  if (comm.is_alone()) return work();
  try {
    work();
  } catch (const PeerLost& error) {
    throw Error(error.exit_code(), "", error.is_said() ? "" : error.what());
  } catch (const Error& error) {
    leave(comm, error.exit_code(), error.what());
  } catch (const c10::Error& error) {
    leave(comm, 1, str_cat("bug: ", error.what_without_backtrace()));
  } catch (const std::exception& error) {
    leave(comm, 1, str_cat("bug: ", error.what()));
  }
}

}  // namespace medseg
