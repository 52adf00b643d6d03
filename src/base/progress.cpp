#include "medseg/base/progress.h"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

#include "medseg/base/log.h"
#include "medseg/base/silence.h"
#include "medseg/base/str.h"

namespace medseg {

Progress::Progress(std::string title, std::int64_t total, double line_every_s)
    : title_(std::move(title)),
      total_(std::max<std::int64_t>(total, 1)),
      line_every_s_(line_every_s),
      terminal_(::isatty(STDERR_FILENO) == 1 && !is_silent()) {}

Progress::~Progress() { finish(); }

void Progress::update(std::int64_t done, std::string_view note) {
  done_ = done;
  note_ = note;
  const double now = watch_.seconds();
  const double pause = terminal_ ? 0.1 : line_every_s_;
  if (now - last_drawn_s_ < pause && done < total_) return;
  last_drawn_s_ = now;
  draw(/*last=*/false);
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  if (terminal_ && last_drawn_s_ > -1e8) draw(/*last=*/true);
}

void Progress::draw(bool last) {
  const double fraction =
      std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0);
  const double spent = watch_.seconds();
  const std::string left =
      fraction > 0 ? duration_text(spent * (1 - fraction) / fraction) : std::string("?");
  const std::string counts = str_cat(done_, "/", total_, "  ", duration_text(spent), " + ", left,
                                     note_.empty() ? "" : "  ", note_);
  if (!terminal_) {
    log_info(str_cat(title_, " ", counts));
    return;
  }
  constexpr int kWidth = 24;
  const int filled = static_cast<int>(fraction * kWidth);
  std::string bar(static_cast<std::size_t>(filled), '#');
  bar.resize(kWidth, '.');
  std::fprintf(stderr, "\r%s [%s] %s\033[K%s", title_.c_str(), bar.c_str(), counts.c_str(),
               last ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace medseg
