#!/usr/bin/env bash
# Installs what the tests of tier `extra` need: LaTeX, a browser, DICOM's validator. Does only what
# is missing.
set -euo pipefail
packages=(texlive-latex-base chromium dicom3tools)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
    missing+=("$package")
done
if ((${#missing[@]} == 0)); then exit 0; fi
printf 'extra tools: installing %s\n' "${missing[*]}" >&2
as_root=()
if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
