#!/usr/bin/env bash
# clang-tidy over our sources, or over some: scripts/tidy.sh [FILE… | --changed]. --changed takes
# the files that differ from the main branch, or from the commit before where that is checked out.
# TIDY_LIMIT: at most so many files, TIDY_SECONDS: no file is begun after that time (0: no bound).
set -euo pipefail
cd "$(dirname "$0")/.."
build=${TIDY_DIR:-build-tidy}

# What differs from the main branch; on the main branch itself, what the last commit changed.
changed() {
  local base
  base=$(git merge-base HEAD origin/main 2>/dev/null ||
    git merge-base HEAD main 2>/dev/null || true)
  if [ -z "$base" ] || [ "$base" = "$(git rev-parse HEAD)" ]; then base=HEAD~; fi
  git rev-parse --verify -q "$base" >/dev/null || return 0  # a single commit: nothing to compare
  git diff --name-only --diff-filter=d "$base" -- 'src/*.cpp'
}

if [ "${1:-}" = --changed ]; then
  mapfile -t files < <(changed)
elif (($#)); then
  files=("$@")
else
  mapfile -t files < <(git ls-files 'src/*.cpp')
fi
# Kernels in g++'s own vector types, and the plugin that needs a CUDA toolkit: clang reads neither.
wanted=()
for file in "${files[@]}"; do
  case $file in
    src/cuda/*) continue ;;
  esac
  grep -q 'vector_size\|__builtin_shuffle\|simd\.h"' "$file" || wanted+=("$file")
done
if ((${#wanted[@]} == 0)); then echo "tidy: no file to read" >&2; exit 0; fi
limit=${TIDY_LIMIT:-0}
if ((limit > 0 && ${#wanted[@]} > limit)); then
  echo "tidy: the first $limit of ${#wanted[@]} files" >&2
  wanted=("${wanted[@]:0:limit}")
fi

# clang cannot read g++'s precompiled header: a compile database without it. Nothing is built.
cmake -S . -B "$build" -G Ninja -Wno-dev -DMEDSEG_PCH=OFF -DMEDSEG_TESTS=OFF \
  -DMEDSEG_DEPS="${MEDSEG_DEPS:-$PWD/.deps}" >/dev/null

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
printf '%s\n' "${wanted[@]}" |
  TIDY_END=$((${TIDY_SECONDS:-0} > 0 ? $(date +%s) + TIDY_SECONDS : 0)) TIDY_BUILD=$build \
    xargs -P "$(nproc)" -n 1 bash -c '
      if ((TIDY_END > 0 && $(date +%s) > TIDY_END)); then
        echo "tidy: no time for $0" >&2
        exit 0
      fi
      clang-tidy-14 -p "$TIDY_BUILD" --quiet --extra-arg=-Wno-unknown-warning-option "$0" \
        2>/dev/null
    ' >"$log" || status=$?
cat "$log"
if ((status)) || grep -q ' warning: \| error: ' "$log"; then
  echo "tidy: $(grep -c ' warning: \| error: ' "$log") findings" >&2
  exit 1
fi
echo "tidy: ${#wanted[@]} files, nothing found" >&2
