#!/usr/bin/env bash
# From a bare Debian 12 machine to a trained model, its scores and three answered pictures.
# Safe to run again: each stage is skipped when its result is there. FRESH=1 trains and evaluates anew.
set -euo pipefail
cd "$(dirname "$0")/.."
medseg=${BUILD_DIR:-build}/medseg
manifest=data/demo/manifest.jsonl
say() { printf '\n== %s\n' "$*" >&2; }
[ -z "${FRESH:-}" ] || rm -rf runs/demo runs/demo-predict

say "set up"
scripts/setup.sh
say "build"
scripts/build.sh medseg
say "real CT and MR slices, questions and answers -> $manifest"
[ -f $manifest ] || $medseg data demo --out data/demo
say "published weights -> runs/demo-start"
[ -f runs/demo-start/config.json ] || scripts/demo_import.sh
say "train -> runs/demo (at most 10 minutes on 2 cores)"
[ -e runs/demo/best ] || $medseg train configs/train/demo.json --out runs/demo
say "evaluate on slices it has not seen -> runs/demo/test"
[ -f runs/demo/test/scores.json ] ||
  $medseg evaluate --model runs/demo/best --data $manifest --split test --out runs/demo/test >/dev/null
[ -f runs/demo/test/baselines.json ] ||
  $medseg evaluate --baselines --model runs/demo-start --data $manifest --split test --out runs/demo/test >/dev/null
