#!/usr/bin/env bash
# The unit tests of the modules below LibTorch under AddressSanitizer and
# UndefinedBehaviorSanitizer: scripts/sanitize.sh [MODULE…]. Builds into build-sanitize
# (SANITIZE_DIR), without LibTorch.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${SANITIZE_DIR:-build-sanitize}
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_BASEDIR=$PWD
if [ ! -f "$build/build.ninja" ]; then
  cmake -S . -B "$build" -G Ninja -Wno-dev -DMEDSEG_TORCH=OFF -DMEDSEG_SANITIZE=ON \
    -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
    -DMEDSEG_DEPS="${MEDSEG_DEPS:-$PWD/.deps}" >&2
fi
targets=("${@/%/_test}")
if (($# == 0)); then targets=(all); fi
ninja -C "$build" "${targets[@]}" >&2
only=()
if (($#)); then only=(-R "^($(IFS='|'; echo "$*"))\$"); fi
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
ctest --test-dir "$build" -j "$(nproc)" -L "^unit\$" --output-on-failure --no-tests=error \
  "${only[@]}"
