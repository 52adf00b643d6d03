#!/usr/bin/env bash
# kills.sh [COUNT]: a training run killed (SIGKILL) COUNT times, 50 where it is left out, at random
# moments: while it starts, steps, writes or removes a checkpoint. Prints for each kill the step
# reached, whether a checkpoint was being written, the newest checkpoint and whether all that stand
# can be loaded; at the end whether the final bits are those of a run that was never killed. A tiny
# model: 50 kills take about two minutes. Exit code 1 if anything was lost.
# tests/training/kill_test.cpp does the work; a run of it with six kills is part of the integration
# tests.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x build/training_test ] || scripts/build.sh medseg training_test
MEDSEG_KILLS="${1:-50}" timeout "${KILLS_LIMIT_S:-1800}" \
  build/training_test --gtest_brief=1 --gtest_filter='TrainIntegration.KilledAtRandomMoments*'
