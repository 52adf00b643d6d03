#include "claimed_run.h"

#include <filesystem>
#include <string>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/process.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

// A checkpoint takes more than the weights that it starts from. 0 for what is no bundle: opening it
// tells why.
std::uint64_t bytes_of_weights(const fs::path& bundle) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::directory_iterator at(bundle, error), end; !error && at != end; at.increment(error)) {
    const auto name = at->path().filename().string();
    if (!name.starts_with("model") || !name.ends_with(".safetensors")) continue;
    std::error_code none;
    const auto size = at->file_size(none);
    if (!none) bytes += size;
  }
  return bytes;
}

void require_room(const fs::path& folder, const fs::path& bundle) {
  const auto least = bytes_of_weights(bundle);
  const auto room = free_bytes(folder);
  if (!room || *room >= least) return;
  throw DataError(folder.string(),
                  str_cat("a checkpoint takes more than ", gigabytes_text(least), ", ",
                          gigabytes_text(*room), " are free; make room, or name another --out"));
}

}  // namespace

ClaimedRun::ClaimedRun(const TrainConfig& config, const TrainRequest& request, Comm& comm)
    : folder_(request.out, comm.leads()) {
  std::error_code ignored;
  const bool is_new = comm.leads() && !fs::exists(request.out, ignored);
  folder_.claim();
  if (is_new) made_.emplace(request.out);
  const bool resumes = comm.broadcast(request.resume && folder_.last_step());
  if (resumes) {
    folder_.require_same_config(write_options(config));
    if (comm.leads()) log_to_file(folder_.path() / "log.txt");
    // Rank 0 sets damaged checkpoints aside before the others look.
    resume_step_ = comm.broadcast(comm.leads() ? *folder_.newest_whole() : std::int64_t{0});
  } else {
    folder_.require_new();
  }
  if (comm.leads()) require_room(folder_.path(), config.model);
}

ClaimedRun::MadeFolder::~MadeFolder() {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path_, ignored)) {
    if (entry.path().filename() != ".lock") return;
  }
  fs::remove(path_ / ".lock", ignored);
  fs::remove(path_, ignored);
}

}  // namespace medseg
