#!/usr/bin/env bash
# Formats our C++ with the pinned clang-format; --check only tells (exit 1) and changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
formatter=clang-format-14
$formatter --version | grep -q ' 14\.' || { echo "format: clang-format 14 is needed" >&2; exit 2; }
mapfile -t files < <(git ls-files '*.h' '*.cpp')
if [ "${1:-}" = --check ]; then
  $formatter --dry-run --Werror "${files[@]}"
else
  $formatter -i "${files[@]}"
fi
