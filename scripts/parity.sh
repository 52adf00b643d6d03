#!/usr/bin/env bash
# Runs the tests that compare with the Python originals and writes the parity tables of
# tests/README.md and tests/parity.md.
# Tests of the demonstration's real weights take part when data/assets is there.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD_DIR:-build}
scripts/build.sh
record=$(mktemp)
trap 'rm -f "$record"' EXIT
for program in "$build"/*_test; do
  # On one thread: the figures are those of the promise.
  OMP_NUM_THREADS=1 MEDSEG_PARITY=$record "$program" --gtest_brief=1 >&2
done
python3 scripts/parity_table.py "$record" tests/README.md
