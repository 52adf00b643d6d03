#!/usr/bin/env bash
# The whole path on the real demonstration data, in small: train -> evaluate -> predict. Needs a
# build and the assets.
set -euo pipefail
cd "$(dirname "$0")/.."
medseg=${BUILD_DIR:-build}/medseg
out=runs/smoke
rm -rf "$out"
[ -f data/demo/manifest.jsonl ] || $medseg data demo --out data/demo
[ -f runs/demo-start/config.json ] || scripts/demo_import.sh
$medseg train configs/train/demo.json --out "$out" --set train.steps=8 \
  --set train.evaluate_every=0 --set train.save_every=0 --set train.evaluate_limit=2 \
  --set train.schedule.warmup_steps=2
$medseg evaluate --model "$out/last" --data data/demo/manifest.jsonl --split test --limit 6 \
  --max-new-tokens 32 --out "$out/test"
images=(data/demo/images/*.png)
$medseg predict --model "$out/last" --image "${images[0]}" \
  --ask "Which structure protects the brain?" --out "$out/predict"
for file in test/predictions.jsonl test/scores.json predict/answer.json; do
  test -s "$out/$file"
done
echo "smoke: the path stands"
