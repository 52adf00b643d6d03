#!/usr/bin/env bash
# clang-tidy over our sources, or over the files given: scripts/tidy.sh [FILE…]. Needs a build folder.
set -euo pipefail
cd "$(dirname "$0")/.."
files=("$@")
if [ ${#files[@]} = 0 ]; then mapfile -t files < <(git ls-files 'src/*.cpp'); fi
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy-14 -p "${BUILD_DIR:-build}" --quiet
