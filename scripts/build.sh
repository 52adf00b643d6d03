#!/usr/bin/env bash
# Configures and builds: scripts/build.sh [ninja targets…]. BUILD_DIR and MEDSEG_WERROR=ON|OFF are
# understood.
# One build of a folder at a time: a second call waits for the first.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD_DIR:-build}
mkdir -p "$build"
exec 9>"$build/.lock"
flock 9
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_BASEDIR=$PWD
if [ ! -f "$build/build.ninja" ] || [ -n "${MEDSEG_WERROR:-}" ]; then
  cmake -S . -B "$build" -G Ninja -Wno-dev \
    -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
    -DMEDSEG_DEPS="${MEDSEG_DEPS:-$PWD/.deps}" -DMEDSEG_WERROR="${MEDSEG_WERROR:-OFF}" >&2
fi
exec ninja -C "$build" "$@"
