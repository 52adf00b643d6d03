#!/usr/bin/env bash
# Fetches the demonstration's scans and weights (once, 0.3 GB) and builds the data set.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh medseg >&2
[ -f data/demo/manifest.jsonl ] || "${BUILD_DIR:-build}/medseg" data demo --out data/demo
