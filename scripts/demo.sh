#!/usr/bin/env bash
# From a bare Debian 12 machine to a trained model, its scores and three answered pictures.
# Safe to run again: each stage is skipped when its result is there. FRESH=1 trains and evaluates
# anew.
set -euo pipefail
cd "$(dirname "$0")/.."
medseg=${BUILD_DIR:-build}/medseg
manifest=data/demo/manifest.jsonl
stages=""
say() {  # names the stage that begins and notes how long the last one took
  [ -z "${stage:-}" ] || stages+="$(printf '%6d s  %s' $((SECONDS - since)) "$stage")"$'\n'
  stage=$1 since=$SECONDS
  printf '\n== %s\n' "$1" >&2
}
[ -z "${FRESH:-}" ] || rm -rf runs/demo runs/demo-predict

say "set up"
scripts/setup.sh
say "build"
scripts/build.sh medseg
say "real CT and MR slices, questions and answers -> $manifest"
[ -f $manifest ] || $medseg data demo --out data/demo
say "published weights -> runs/demo-start"
[ -f runs/demo-start/config.json ] || scripts/demo_import.sh
say "train -> runs/demo (10 minutes on 2 cores of one's own, 25 on busy ones)"
[ -e runs/demo/best ] || $medseg train configs/train/demo.json --out runs/demo
say "evaluate on slices it has not seen -> runs/demo/test"
[ -f runs/demo/test/scores.json ] ||
  $medseg evaluate --model runs/demo/best --data $manifest --split test \
    --out runs/demo/test --resume >/dev/null
[ -f runs/demo/test/baselines.json ] ||
  $medseg evaluate --baselines --model runs/demo-start --data $manifest --split test \
    --out runs/demo/test >/dev/null

say "answer questions about three pictures -> runs/demo-predict"
predict() {  # NAME IMAGE QUESTION…
  local name=$1 image=$2 asks=()
  shift 2
  for question in "$@"; do asks+=(--ask "$question"); done
  $medseg predict --model runs/demo/best --image "data/demo/images/$image.png" "${asks[@]}" \
    --out "runs/demo-predict/$name"
}
predict brain mr-colin-078 "Which paired structure relays nearly all sensation to the cortex?" \
  "Which outer part of the lentiform nucleus lacks dopamine in Parkinson's disease?" \
  "Which organs exchange oxygen for carbon dioxide?"
predict chest ct-lung1-018 "Which organs exchange oxygen for carbon dioxide?" \
  "What keeps the ribs and spine rigid?"
predict head ct-head-038 "Which structure protects the brain?"

say "scores on the test split, every structure on its own"
$medseg table runs/demo/test
say "pictures"
ls runs/demo-predict/*/overlay.png
printf '\nseconds of each stage\n%s%6d s  in all\n' "$stages" "$SECONDS"
