#!/usr/bin/env bash
# Takes a bare Debian 12 (root, apt and PyPI reachable) to everything the build needs.
# Does only what is missing: Debian packages, the pinned LibTorch wheel, the SentencePiece source.
#
#   scripts/setup.sh            installs into .deps (MEDSEG_DEPS=DIR for another folder)
#   MEDSEG_CUDA=1 scripts/setup.sh   also what the CUDA plugin (src/cuda) is linked against, from
#                               the same wheel (500 MB more)
#
# Nothing here is needed at run time but the shared libraries; there is no Python in the product.
set -euo pipefail
cd "$(dirname "$0")/.."
deps=${MEDSEG_DEPS:-$PWD/.deps}

packages=(
  # tools
  g++ cmake ninja-build ccache git ca-certificates unzip xz-utils clang-format-14 clang-tidy-14
  python3 python3-pip python3-numpy python3-setuptools python3-wheel
  # libraries (third_party/README.md has the reason for each)
  nlohmann-json3-dev libspdlog-dev libcli11-dev libopencv-imgcodecs-dev libpcre2-dev libutf8proc-dev
  zlib1g-dev libdcmtk-dev libopenjp2-7-dev libssl-dev libgoogle-perftools-dev libgtest-dev
  libgmock-dev libboost-dev libcurl4-openssl-dev libsqlite3-dev
)

say() { printf 'setup: %s\n' "$*" >&2; }

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
    missing+=("$package")
done
if ((${#missing[@]})); then
  say "installing ${#missing[@]} Debian packages"
  as_root=()
  if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# The machine may have another Python first on PATH; pip of the distribution is the one we know.
pip() { PIP_BREAK_SYSTEM_PACKAGES=1 PIP_DISABLE_PIP_VERSION_CHECK=1 /usr/bin/python3 -m pip "$@"; }

# fetch REQUIREMENT SHA256 [pip options…]: one file into $deps/download, checked by its hash.
fetch() {
  local requirement=$1 hash=$2
  shift 2
  mkdir -p "$deps/download"
  printf '%s --hash=sha256:%s\n' "$requirement" "$hash" >"$deps/download/requirement.txt"
  pip download -q --no-deps --require-hashes -r "$deps/download/requirement.txt" \
    -d "$deps/download" "$@"
}

torch_version=2.11.0
complete=$deps/torch/.complete-$torch_version
cuda_libraries=()
if [ -n "${MEDSEG_CUDA:-}" ]; then
  complete+=-cuda
  cuda_libraries=(torch/lib/libtorch_cuda.so torch/lib/libtorch_cuda_linalg.so
    torch/lib/libc10_cuda.so torch/lib/libtorch_nvshmem.so)
fi
if [ ! -f "$complete" ]; then
  say "LibTorch $torch_version (544 MB, once)"
  wheel=(--only-binary :all: --python-version 3.11 --abi cp311 --platform manylinux_2_28_x86_64)
  any=(--only-binary :all: --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64
       --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64)
  fetch "torch==$torch_version" \
    7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a "${wheel[@]}"
  # The CPU library is linked against these two CUDA run-time libraries; no toolkit and no driver is
  # needed.
  fetch nvidia-cuda-runtime==13.0.96 7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548 "${any[@]}"
  fetch nvidia-cuda-cupti==13.0.85 4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8 "${any[@]}"
  rm -rf "$deps/torch" "$deps/nvidia"
  unzip -q -o "$deps"/download/torch-$torch_version-*.whl 'torch/include/*' torch/version.py \
    torch/lib/libc10.so torch/lib/libtorch_cpu.so torch/lib/libgomp.so.1 \
    "torch-$torch_version.dist-info/*" \
    "${cuda_libraries[@]}" -d "$deps"
  for file in "$deps"/download/nvidia_cuda_*.whl; do
    unzip -q -o "$file" '*/libcudart.so.13' '*/libcupti.so.13' '*License*' -d "$deps" || [ $? = 11 ]
  done
  rm -f "$deps"/download/*.whl
  touch "$deps/torch/.complete-$torch_version" "$complete"
fi

sentencepiece_version=0.2.1
if [ ! -f "$deps/sentencepiece/.complete-$sentencepiece_version" ]; then
  say "SentencePiece $sentencepiece_version (source)"
  fetch "sentencepiece==$sentencepiece_version" 8138cec27c2f2282f4a34d9a016e3374cd40e5c6e9cb335063db66a0a3b71fad \
    --no-binary sentencepiece --no-build-isolation
  rm -rf "$deps/sentencepiece"
  mkdir -p "$deps/sentencepiece"
  tar -xzf "$deps/download/sentencepiece-$sentencepiece_version.tar.gz" -C "$deps/sentencepiece" \
    --strip-components=1
  rm -f "$deps"/download/*.tar.gz
  touch "$deps/sentencepiece/.complete-$sentencepiece_version"
fi
rm -rf "$deps/download"
