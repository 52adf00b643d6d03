#!/usr/bin/env bash
# Fuzzes the readers of foreign files: scripts/fuzz.sh [RUNS] [TARGET…]; a million runs of each
# target by default. FUZZ_SECONDS=N: at most so long on each, however many runs that gives.
# Prints a table of runs, seconds and findings; exit 1 if there is any. Installs clang where it is
# missing and builds into build-fuzz (FUZZ_DIR). What a run learned (FUZZ_DIR/corpus) is where the
# next one starts.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=1000000
if [[ ${1:-} =~ ^[0-9]+$ ]]; then runs=$1; shift; fi
build=${FUZZ_DIR:-$PWD/build-fuzz}
golden=$PWD/tests/golden

missing=()
for package in clang-14 libclang-rt-14-dev; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
    missing+=("$package")
done
if ((${#missing[@]})); then
  as_root=()
  if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

all=()
for file in tests/fuzz/*_fuzz.cpp; do file=${file##*/}; all+=("${file%_fuzz.cpp}"); done
targets=("$@")
if (($# == 0)); then targets=("${all[@]}"); fi

export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_BASEDIR=$PWD
if [ ! -f "$build/build.ninja" ]; then
  cmake -S . -B "$build" -G Ninja -Wno-dev -DMEDSEG_FUZZ=ON \
    -DCMAKE_C_COMPILER=clang-14 -DCMAKE_CXX_COMPILER=clang++-14 \
    -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
    -DMEDSEG_DEPS="${MEDSEG_DEPS:-$PWD/.deps}" >&2
fi
ninja -C "$build" "${targets[@]/%/_fuzz}" >&2

# seeds TARGET: the files that show the format, small enough to be mutated often.
seeds() {
  local to=$build/seeds/$1
  mkdir -p "$to"
  case $1 in
    safetensors) cp "$golden"/weights/*.safetensors "$to" ;;
    torch_zip | zip) cp "$golden"/weights/*.pth "$to" ;;
    pickle | torch_pickle)
      for file in "$golden"/weights/*.pth; do
        # A file that is no zip is a pickle all through.
        unzip -p "$file" '*/data.pkl' >"$to/$(basename "$file").pkl" 2>/dev/null || cp "$file" "$to"
      done ;;
    gguf) cp "$golden"/weights/*.gguf "$to" ;;
    onnx) cp "$golden"/weights/*.onnx "$to" ;;
    any_format) cp "$golden"/weights/*.{safetensors,pth,gguf,onnx} "$to" ;;
    shards)
      printf '%s' '{"metadata": {"total_size": 21}, "weight_map": ' \
        '{"a": "a.safetensors", "b": "b.bin", "c": "c.gguf"}}' >"$to/index"
      printf '{"weight_map": {"a": "b.bin"}}' >"$to/other" ;;
    tokenizer_json)
      for file in "$golden"/text/bpe/*/tokenizer.json; do
        cp "$file" "$to/$(basename "$(dirname "$file")").json"
      done ;;
    tokenizer_model) cp "$golden"/text/spm/tokenizer.model "$to" ;;
    nifti) cp "$golden"/volume/*.nii "$golden"/volume/*.nii.gz "$to" ;;
    nrrd) cp "$golden"/volume/*.nrrd "$to" ;;
    metaimage) cp "$golden"/formats/*.mha "$to" ;;
    dicom) cp "$golden"/dicom/*.dcm "$to" ;;
    picture_header) cp "$golden"/image/*.{png,tif,bmp,jpg} "$to" ;;
    rle) printf '\x08\x0852203' >"$to/runs" ;;
    convert) cp tests/fuzz/convert_seeds/* "$to" ;;  # the first byte chooses the format
    manifest)
      printf '%s' \
        '{"id": "a", "image": "a.png", "modality": "ct", "subject": "s", "split": "train", ' \
        '"source": "x", "licence": "y", "spacing_mm": [0.9, 0.9], "slice": {"axis": 2, ' \
        '"index": 4}, "window": "ct-bone", "masks": {"m0": {"label": "skull", "file": ' \
        '"m.png", "value": 3}, "m1": {"label": "sinus", "rle": {"size": [8, 8], "counts": ' \
        '"52203"}}, "m2": {"label": "l", "polygons": [[0, 0, 5, 0, 5, 5]]}}, "absent": ' \
        '["effusion"], "conversations": [{"from": "human", "value": "<image>\nWhich?"}, ' \
        '{"from": "gpt", "value": "The <p> skull </p> [SEG] does.", "masks": [["m0", ' \
        '"m1"]]}], "review": {"status": "accepted", "reviewer": "r1", "note": ""}}' >"$to/record" ;;
  esac
}

# LibTorch's own globals are never freed; its allocator and ours are one.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=0:detect_odr_violation=0
export UBSAN_OPTIONS=print_stacktrace=1
printf '%-16s %10s %8s %9s\n' target runs seconds findings
bad=0
for target in "${targets[@]}"; do
  seeds "$target"
  found=$build/findings/$target
  mkdir -p "$build/corpus/$target" "$found"
  rm -f "$found"/*
  log=$build/$target.log
  begin=$SECONDS
  "$build/${target}_fuzz" -runs="$runs" -max_total_time="${FUZZ_SECONDS:-0}" \
    -max_len="${FUZZ_MAX_LEN:-8192}" -timeout=20 -rss_limit_mb=2048 -malloc_limit_mb=1024 \
    -print_final_stats=1 -verbosity=1 -artifact_prefix="$found/" \
    "$build/corpus/$target" "$build/seeds/$target" >"$log" 2>&1 || true
  done_runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1)
  findings=$(find "$found" -type f | wc -l)
  wanted=$runs
  if [ "${FUZZ_SECONDS:-0}" -gt 0 ]; then wanted=1; fi  # time ends it: any number of runs will do
  if [ "$findings" -gt 0 ] || [ "${done_runs:-0}" -lt "$wanted" ]; then bad=1; fi
  printf '%-16s %10s %8s %9s\n' "$target" "${done_runs:-?}" $((SECONDS - begin)) "$findings"
done
exit $bad
