#!/usr/bin/env bash
# Set up, build, run the tests: scripts/test.sh [unit|integration|extra|gpu|all], all by default.
# `extra` first installs what its tests need (scripts/extra_tools.sh); with `all` they skip
# themselves where it is missing.
# On a bare Debian 12 this is the one command that is needed; run again it does only what is
# missing.
set -euo pipefail
cd "$(dirname "$0")/.."
tier=${1:-all}
scripts/setup.sh
if [ "$tier" = extra ]; then scripts/extra_tools.sh; fi
scripts/build.sh
tests() {
  ctest --test-dir "${BUILD_DIR:-build}" --output-on-failure --no-tests=error "$@"
}
# Unit tests run side by side, one thread each: two teams on the same cores wait for each other.
unit() { OMP_NUM_THREADS=1 tests -L '^unit$' -j "$(nproc)"; }
case $tier in
  all) unit && tests -LE '^unit$' ;;
  unit) unit ;;
  *) tests -L "^$tier\$" ;;
esac
